"""Two processes on one journal: the same ten wallets, nothing lost or doubled.

Half of the commands are each process's own. The other half both of them send, each under the same
key, so every one of those is a duplicate that the two race for.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from daicho.app import journal_of
from tests.support.coverage import unmeasured
from tests.support.journals import stored
from tests.support.postgres import Server
from wallet.v1 import ReceiveMoney

log = logging.getLogger(__name__)

WALLETS = 10
COMMANDS = {"sqlite": 10_000, "postgresql": 2_000}
"""Of each process: half of them its own, half of them shared."""
CLIENTS = 200
"""Commands that each process has under way at once."""
MOST_S = 240

# The amount of a command is its number, so the history says which commands were done.
CHILD = """
import asyncio, json, sys, time
import daicho
from daicho.app import journal_of
from daicho.errors import ConcurrencyConflict
from wallet.v1 import ReceiveMoney, Wallet as State

url, own, wallets, commands, clients = sys.argv[1], *map(int, sys.argv[2:])
journal = journal_of(url)
decided = conflicts = written = 0

class Counted(type(journal)):
    async def append(self, writes):
        global conflicts, written
        outcomes = await super().append(writes)
        written += len(writes)
        conflicts += sum(isinstance(each, ConcurrencyConflict) for each in outcomes)
        return outcomes

journal.__class__ = Counted

class Wallet(daicho.Entity[State], name="wallet"):
    snapshot = daicho.every(100)

    @daicho.command
    def receive(self, command: ReceiveMoney) -> State:
        global decided
        decided += 1
        self.emit(command)
        return self.state

    @daicho.event
    def received(self, event: ReceiveMoney) -> None:
        self.state.deposit += event.amount

def numbers():
    for n in range(1, commands // 2 + 1):
        yield own * commands + n, None
        yield n, f"key-{n}"

async def client(app, queue, replies):
    for number, key in queue:
        wallet = app.entity(Wallet, f"w{number % wallets}")
        command = ReceiveMoney(amount=number)
        answer = await wallet.ask_with_token(
            Wallet.receive, command, idempotency_key=key, timeout=120
        )
        replies[number] = [answer.reply.deposit, answer.token.version]

async def main():
    replies = {}
    async with daicho.open(journal, entities=[Wallet]) as app:
        print("ready", flush=True)
        sys.stdin.readline()
        started = time.perf_counter()
        queue = numbers()
        await asyncio.gather(*(client(app, queue, replies) for _ in range(clients)))
        seconds = time.perf_counter() - started
    print(json.dumps({
        "replies": replies, "seconds": seconds, "decided": decided,
        "writes": written, "conflicts": conflicts,
    }))

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What a process says at its end."""

    replies: dict[int, tuple[int, int]]
    """The deposit and the version of each command's answer."""
    seconds: float
    decided: int
    writes: int
    conflicts: int
    """How much the two were in each other's way; ``--log-level INFO`` shows it."""


def rival(url: str, own: int, commands: int) -> subprocess.Popen[str]:
    arguments = [url, *map(str, (own, WALLETS, commands, CLIENTS))]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        env=unmeasured(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def race(url: str, commands: int) -> list[Report]:
    """Lets two processes begin at the same time, and waits for both."""
    rivals = [rival(url, own, commands) for own in (1, 2)]
    try:
        for each in rivals:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in rivals:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        outputs = [each.communicate(timeout=MOST_S)[0] for each in rivals]
        # An error that any caller got, a conflict for instance, would have ended its process.
        assert [each.returncode for each in rivals] == [0, 0]
    finally:
        for each in rivals:
            each.kill()
            each.wait()
    return [report(output) for output in outputs]


def report(output: str) -> Report:
    said = json.loads(output)
    replies = {int(number): tuple(reply) for number, reply in said.pop("replies").items()}
    return Report(replies, **said)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """That of a journal that is new."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db?busy_timeout_s=60"
    server: Server = request.getfixturevalue("postgres_server")
    return server.url_with(schema=request.getfixturevalue("postgres_schema"))


async def test_two_processes_on_the_same_wallets_lose_and_double_nothing(url: str) -> None:
    commands = COMMANDS[url.partition(":")[0]]
    reports = race(url, commands)
    for each in reports:
        log.info(
            "%.1f s, %d commands/s, %d conflicts in %d writes, %d decisions",
            each.seconds, commands / each.seconds, each.conflicts, each.writes, each.decided,
        )  # fmt: skip
    shared = set(range(1, commands // 2 + 1))
    own = [{which * commands + n for n in shared} for which in (1, 2)]
    for each, numbers in zip(reports, own, strict=True):
        assert each.replies.keys() == shared | numbers
    # Who lost the race for a key got the very answer of who won it.
    first, second = reports
    assert all(first.replies[number] == second.replies[number] for number in shared)
    answers = first.replies | second.replies
    done: Counter[int] = Counter()
    async with journal_of(url) as journal:
        for wallet in range(WALLETS):
            records = await stored(journal, f"wallet:w{wallet}")
            assert [record.version for record in records] == [*range(1, len(records) + 1)]
            deposit = 0
            for record in records:
                number = ReceiveMoney.FromString(record.payload).amount
                assert number % WALLETS == wallet
                done[number] += 1
                deposit += number
                assert answers[number] == (deposit, record.version)
    assert done == Counter(shared | own[0] | own[1])
