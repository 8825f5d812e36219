"""Wallets under a load of commands with keys, and what has to be there of them.

As a program it is what ``test_entity_kill`` kills: it prints each command that it has the outcome
of, and would go on for ever.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import daicho
from daicho.errors import Rejected
from wallet.v1 import ReceiveMoney
from wallet.v1 import Wallet as State

WALLETS = 6
CLIENTS = 120
"""Commands that are under way at once."""
AT_ONCE = 500
"""Commands that are asked again at once: nobody is to wait for too long."""

Outcomes = dict[int, tuple[int, int]]
"""Of the command of each number: the version at which it came, and the deposit then."""


class Wallet(daicho.Entity[State], name="wallet"):
    """Takes every amount but those that five divides; an outcome says at which version it came."""

    snapshot = daicho.every(10)
    retention = daicho.Retention(2)

    @daicho.command
    def receive(self, command: ReceiveMoney) -> list[int]:
        if command.amount % 5 == 0:
            raise Rejected("no fives", outcome=[self.version, self.state.deposit])
        # Two events, which are stored together or not at all.
        self.emit(command, command)
        return [self.version, self.state.deposit]

    @daicho.event
    def received(self, event: ReceiveMoney) -> None:
        self.state.deposit += event.amount


async def outcome(app: daicho.App, number: int) -> list[int]:
    """What the command of a number comes to, now or long ago: a version, and the deposit then."""
    wallet = app.entity(Wallet, f"w{number % WALLETS}")
    command = ReceiveMoney(amount=number)
    try:
        return await wallet.ask(Wallet.receive, command, idempotency_key=f"key-{number}")
    except Rejected as rejection:
        found = rejection.data["outcome"]
        assert isinstance(found, list)
        return found


async def check_history(app: daicho.App, outcomes: Outcomes) -> Counter[int]:
    """Compares all wallets with the outcomes; how often each command's event is stored."""
    stored: Counter[int] = Counter()
    for wallet in range(WALLETS):
        ref = app.entity(Wallet, f"w{wallet}")
        deposits = [0]
        done: dict[int, int] = {}
        async for change in ref.history():
            assert change.version == len(deposits)
            assert isinstance(change.event, ReceiveMoney)
            number = change.event.amount
            stored[number] += 1
            deposits.append(deposits[-1] + number)
            done[number] = change.version
        assert (await ref.at()).deposit == deposits[-1]
        for number, (version, deposit) in outcomes.items():
            if number % WALLETS == wallet:
                assert deposits[version] == deposit
                assert done.get(number) == (version if number % 5 else None)
    return stored


async def settle(app: daicho.App, outcomes: Outcomes, again: Sequence[int]) -> None:
    """Asks for commands again, some of which were answered: each is done once in the end."""
    for some in (again[n : n + AT_ONCE] for n in range(0, len(again), AT_ONCE)):
        found = await asyncio.gather(*(outcome(app, number) for number in some))
        for number, (version, deposit) in zip(some, found, strict=True):
            assert outcomes.setdefault(number, (version, deposit)) == (version, deposit)
    stored = await check_history(app, outcomes)
    assert stored == {number: 2 for number in outcomes if number % 5}


async def client(app: daicho.App, numbers: Iterator[int]) -> None:
    for number in numbers:
        version, deposit = await outcome(app, number)
        sys.stdout.write(f"{number} {version} {deposit}\n")
        sys.stdout.flush()


async def main(url: str, first: int) -> None:
    async with daicho.open(url, entities=[Wallet]) as app:
        numbers = itertools.count(first)
        await asyncio.gather(*(client(app, numbers) for _ in range(CLIENTS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
