"""Whatever dies when: each step of each transfer happens once, and no money is lost or made.

Applications are cut off from the journal at a moment that hypothesis chooses, before or after a
write is stored, and others go on, also several at once. What was ordered is ordered again under its
key, as whoever has no answer does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

import daicho
from daicho.entity.v1 import Outgoing, Settled
from daicho.errors import DaichoError, JournalUnavailable
from daicho.journal import Journal, MemoryJournal, Outcome, Write
from daicho.testing import Clock
from daicho.testing.virtual_time import VirtualTimeLoop
from tests.unit.entity.accounts import Way
from tests.unit.process.transfers import (
    DONE,
    RETURNED,
    Account,
    Bank,
    Deposit,
    DepositLater,
    Order,
    Transfer,
    amount,
    settled,
    steps,
)

ACCOUNTS: tuple[str, ...] = ("alice", "bob", "carol", "closed")
FULL = 100
ENDS = {DONE, RETURNED, ("started", "refused")}


Wish = tuple[str, Order | DepositLater]
"""An account, and what it is asked for."""


@dataclass(frozen=True)
class Death:
    """When an application dies: at which of its appends, and whether that is stored."""

    append: int
    stored: bool


class MortalWay(Way):
    """A way to the journal that is cut off at the death of who uses it."""

    def __init__(self, journal: Journal, death: Death) -> None:
        super().__init__(journal)
        self.death = death
        self.dead = asyncio.Event()

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        if len(self.appends) + 1 < self.death.append:
            return await super().append(writes)
        if self.death.stored and not self.dead.is_set():
            await super().append(writes)
        self.cut_off()
        self.dead.set()
        raise JournalUnavailable("test", "dead")


@st.composite
def orders(draw: st.DrawFn) -> list[Wish]:
    """Transfers between accounts, some of which will be rejected on one side or the other."""
    wanted = draw(
        st.lists(
            st.tuples(
                st.sampled_from(ACCOUNTS[:-1]), st.sampled_from(ACCOUNTS), st.integers(1, 60)
            ),
            min_size=1,
            max_size=6,
        )
    )
    return [
        (source, Order(f"{source}/{number}", target, amount))
        for number, (source, target, amount) in enumerate(wanted)
    ]


timers = st.lists(st.tuples(st.sampled_from(ACCOUNTS[:-1]), st.integers(0, 60)), max_size=3).map(
    lambda drawn: [(a, DepositLater(10, f"timer {n}", s)) for n, (a, s) in enumerate(drawn)]
)
deaths = st.lists(
    st.lists(st.builds(Death, st.integers(1, 25), st.booleans()), min_size=1, max_size=2),
    max_size=5,
)


@given(
    wanted=st.tuples(orders(), timers).map(lambda both: both[0] + both[1]),
    rounds=deaths,
    checkpoint_every=st.sampled_from([1, 5, 1_000]),
)
@settings(max_examples=120)
def test_no_death_does_anything_twice_or_not_at_all(
    wanted: list[Wish], rounds: list[list[Death]], checkpoint_every: int
) -> None:
    async def live_and_die() -> None:
        async with MemoryJournal() as journal:
            bank = Bank(journal)
            for round_ in rounds:
                await live(bank, wanted, round_, checkpoint_every)
            await look(bank, wanted)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(live_and_die())


async def live(bank: Bank, wanted: list[Wish], deaths: list[Death], every: int) -> None:
    """Lets applications live side by side, each until its death, or until all is done."""
    ways = [MortalWay(bank.journal, death) for death in deaths]
    async with AsyncExitStack() as stack:
        apps = [
            await stack.enter_async_context(bank.app(way, grace_s=0.0, checkpoint_every=every))
            for way in ways
        ]
        lives = [
            asyncio.create_task(run(app, way, wanted)) for app, way in zip(apps, ways, strict=True)
        ]
        await asyncio.gather(*lives)


async def run(app: daicho.App, way: MortalWay, wanted: list[Wish]) -> None:
    work = asyncio.create_task(all_done(app, wanted))
    death = asyncio.create_task(way.dead.wait())
    await asyncio.wait((work, death), return_when=asyncio.FIRST_COMPLETED)
    for task in (work, death):
        task.cancel()
    await asyncio.gather(work, death, return_exceptions=True)
    assert isinstance(app.clock, Clock)
    app.clock.advance(timedelta(seconds=20))


async def all_done(app: daicho.App, wanted: list[Wish]) -> None:
    """Asks for everything until there is an answer to it, and waits for what follows."""
    for account in ACCOUNTS[:-1]:
        await surely(app, account, Deposit(FULL), "full")
    for number, (account, command) in enumerate(wanted):
        await surely(app, account, command, f"{number}")
    while True:
        try:
            await settled(app)
        except DaichoError:
            await asyncio.sleep(1)
        else:
            return


async def surely(app: daicho.App, account: str, command: object, key: str) -> None:
    while True:
        try:
            await app.entity(Account, account).ask(command, idempotency_key=key)
        except DaichoError:
            await asyncio.sleep(1)
        else:
            return


async def look(bank: Bank, wanted: list[Wish]) -> None:
    """Lets the last application do what is left, and looks at every account and transfer."""
    assert isinstance(bank.clock, Clock)
    async with bank.app() as app:
        await all_done(app, wanted)
        bank.clock.advance(timedelta(minutes=5))
        await settled(app)
        balances = dict.fromkeys(ACCOUNTS[:-1], FULL)
        for account, command in wanted:
            if isinstance(command, DepositLater):
                balances[account] += command.amount
                continue
            found = await steps(app, command.transfer)
            assert (*found[:1], *(step.partition(",")[0] for step in found[1:])) in ENDS
            if found == DONE:
                balances[account] -= command.amount
                balances[command.target] += command.amount
        assert balances == {account: await amount(app, account) for account in balances}
        assert await amount(app, "closed") == 0
        for id_ in await app.entities(Transfer):
            await each_once(app, Transfer, id_)
        for id_ in ACCOUNTS:
            await each_once(app, Account, id_)


async def each_once(app: daicho.App, entity: type[Account | Transfer], id: str) -> None:  # noqa: A002
    """Whatever the entity let go is settled, once."""
    changes = [change.event async for change in app.entity(entity, id).history()]
    sent = [event.number for event in changes if isinstance(event, Outgoing)]
    over = Counter(event.number for event in changes if isinstance(event, Settled))
    assert sent == [*range(1, len(sent) + 1)]
    assert over == dict.fromkeys(sent, 1)
