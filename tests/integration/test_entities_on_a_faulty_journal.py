"""Entities whose journal goes wrong in every way: what was acknowledged is stored, once.

Clients ask accounts to move money, while the way to the journal fails before, after and in the
middle of appends, is slow, loses the connection or falls silent. Now and then all of it begins
anew. At the end the streams say what happened, and each client's memory is held against them.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import daicho
import daicho.testing
from daicho.errors import (
    AskTimeout,
    JournalUnavailable,
    NoSuchActor,
    PersistFailed,
    RecoveryFailed,
    Rejected,
    StoreError,
    SystemStopped,
)
from daicho.journal import Appended, Journal, MemoryJournal, Outcome, SqliteJournal, Write
from daicho.journal.postgres import PostgresJournal
from daicho.persistence import Retention, every
from daicho.testing import Fault, FaultJournal, Faults
from daicho.testing.virtual_time import VirtualTimeLoop
from tests.support.postgres import Server
from tests.support.postgres_proxy import Proxy

IDS = ("alice", "bob", "carol")
ROUNDS = 4
CLIENTS = 6
ORDERS = 8
ATTEMPTS = 6


@daicho.stored_as("faulty.balance")
@dataclass(slots=True)
class Balance:
    amount: int = 0


@daicho.stored_as("faulty.move")
@dataclass(frozen=True, slots=True)
class Move:
    number: int
    amount: int


@daicho.stored_as("faulty.moved")
@dataclass(frozen=True, slots=True)
class Moved:
    number: int
    amount: int
    part: int


class Account(daicho.Entity[Balance], name="account"):
    snapshot = every(5)
    retention = Retention(2)

    @daicho.command
    def move(self, move: Move) -> int:
        """Moves an amount in two events, of which there are both or none."""
        if self.state.amount + move.amount < 0:
            raise Rejected("too little", amount=self.state.amount)
        self.emit(Moved(move.number, move.amount - 1, 1), Moved(move.number, 1, 2))
        return self.state.amount

    @daicho.event
    def moved(self, event: Moved) -> None:
        self.state.amount += event.amount


@dataclass(slots=True)
class Memory:
    """What the clients know of one account."""

    replies: dict[int, int] = field(default_factory=dict[int, int])
    """What was acknowledged, by the number of its order: the amount then."""
    gone: set[int] = field(default_factory=set[int])
    """Orders of which the client was told that nothing is stored."""


class World:
    """One store, the clients' memories of it, and what went wrong."""

    def __init__(self, engine: Journal, seed: int, faults: Faults) -> None:
        self.engine = engine
        self.seed = seed
        self.faults = faults
        self.chance = random.Random(seed)
        self.memories = {id: Memory() for id in IDS}  # noqa: A001
        self.happened: Counter[Fault] = Counter()
        self.numbers = 0

    async def live(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        for round_ in range(ROUNDS):
            way = FaultJournal(
                self.engine, seed=self.seed * 100 + round_, faults=self.faults, sleep=sleep
            )
            app = daicho.open(way, entities=[Account], ask_timeout_s=30, shutdown_timeout_s=5)
            try:
                async with AsyncExitStack() as stack:
                    async with asyncio.timeout(60):
                        await stack.enter_async_context(app)
                    await asyncio.gather(*(self.client(app) for _ in range(CLIENTS)))
            except (StoreError, TimeoutError):
                pass  # it could not be opened
            self.happened.update(each.fault for each in way.happened)

    async def client(self, app: daicho.App) -> None:
        for _ in range(ORDERS):
            self.numbers += 1
            move = Move(self.numbers, self.chance.choice([5, 10, 20, -15]))
            id = self.chance.choice(IDS)  # noqa: A001
            key = f"key {move.number}" if self.chance.random() < 0.5 else None
            await self.order(app.entity(Account, id), self.memories[id], move, key)

    async def order(
        self, account: daicho.Ref[Account], memory: Memory, move: Move, key: str | None
    ) -> None:
        """Asks once, or under a key until the outcome is known."""
        for _ in range(ATTEMPTS if key else 1):
            try:
                reply = await account.ask(Account.move, move, idempotency_key=key)
            except Rejected:
                memory.gone.add(move.number)
            except PersistFailed as error:
                if isinstance(error.__cause__, JournalUnavailable):
                    continue
                if not key:
                    memory.gone.add(move.number)
            except (AskTimeout, NoSuchActor, RecoveryFailed, StoreError, SystemStopped):
                continue
            else:
                memory.replies[move.number] = reply
            return

    async def check(self) -> None:
        """Holds what is stored against what the clients know."""
        async with daicho.testing.app(Account, journal=self.engine) as app:
            for id, memory in self.memories.items():  # noqa: A001
                account = app.entity(Account, id)
                amount, amounts = 0, dict[int, int]()
                moves = [change async for change in account.history()]
                assert [change.version for change in moves] == list(range(1, len(moves) + 1))
                for first, second in zip(moves[::2], moves[1::2], strict=True):
                    one, two = first.event, second.event
                    assert isinstance(one, Moved)
                    assert isinstance(two, Moved)
                    assert (one.number, one.part, two.part) == (two.number, 1, 2)
                    assert one.number not in amounts, "done twice"
                    amount += one.amount + two.amount
                    amounts[one.number] = amount
                lost = {n: r for n, r in memory.replies.items() if amounts.get(n) != r}
                assert not lost, "acknowledged, and lost or another one"
                assert not memory.gone & amounts.keys(), "stored, and said to be not"
                assert (await account.at()).amount == amount
                assert await account.ask(Account.move, Move(0, 1_000)) == amount + 1_000


# --- in memory, where time passes only while nothing else happens ---------------------------------


def live(seed: int, engine: Journal, faults: Faults) -> World:
    world = World(engine, seed, faults)

    async def run() -> None:
        await world.live(asyncio.sleep)
        await world.check()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())
    return world


MIXES = {
    "all": Faults.each(0.02),
    "failing": Faults(before=0.05, after=0.1),
    "half way": Faults(middle=0.5),
    "away": Faults(lost=0.05, late=0.1),
    "silent": Faults(silent=0.01, after=0.05),
    # Longer than an ask waits, and than closing does.
    "unpunctual": Faults(slow=0.3, late=0.3, longest_pause_s=40),
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mix", MIXES)
def test_what_was_acknowledged_is_stored_once_whatever_goes_wrong(mix: str, seed: int) -> None:
    live(seed, MemoryJournal(), MIXES[mix])


def test_every_kind_of_fault_comes_and_most_of_what_is_asked_is_acknowledged() -> None:
    happened: Counter[Fault] = Counter()
    for seed in range(10):
        world = live(seed, MemoryJournal(), MIXES["all"])
        happened += world.happened
        assert sum(len(memory.replies) for memory in world.memories.values()) > 0
    assert happened.keys() == set(Fault)


class Forgetful(MemoryJournal):
    """Acknowledges an append, now and then, of which it stores nothing."""

    appends = 0

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        self.appends += 1
        if self.appends % 20 == 0:
            infos = [await self.stream_info(write.stream) for write in writes]
            if all(i.version == w.expected_version for i, w in zip(infos, writes, strict=True)):
                return [Appended(w.expected_version + len(w.events), 0) for w in writes]
        return await super().append(writes)


def test_a_journal_that_loses_what_it_acknowledged_is_found() -> None:
    with pytest.raises(AssertionError, match="acknowledged, and lost"):
        live(0, Forgetful(), Faults())


# --- in a file ------------------------------------------------------------------------------------


async def nothing(pause_s: float) -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(4))
async def test_in_a_file_what_was_acknowledged_is_stored_once(tmp_path: Path, seed: int) -> None:
    """Without silence, which would take the time of the clock on the wall."""
    faults = Faults(before=0.03, after=0.03, middle=0.03, slow=0.03, late=0.03, lost=0.03)
    world = World(SqliteJournal(tmp_path / "journal.db"), seed, faults)
    await world.live(nothing)
    assert world.happened
    await world.check()


# --- on a server ----------------------------------------------------------------------------------


async def cut(proxy: Proxy, chance: random.Random) -> None:
    """Ends all connections now and then, when some bytes more have passed one way or the other."""
    while True:
        proxy.cut_after(chance.choice(["requests", "answers"]), chance.randrange(50_000))
        cuts = proxy.cuts
        while proxy.cuts == cuts:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("seed", range(3))
async def test_on_a_server_what_was_acknowledged_is_stored_once_whatever_is_cut(
    postgres_server: Server, postgres_schema: str, seed: int
) -> None:
    """With faults of the journal on top of those of its connections."""
    faults = Faults(before=0.02, after=0.02, middle=0.02, slow=0.02, late=0.02, lost=0.02)
    async with Proxy(postgres_server.url) as proxy:
        world = World(PostgresJournal(proxy.url, schema=postgres_schema), seed, faults)
        cutter = asyncio.create_task(cut(proxy, random.Random(seed)))
        await world.live(nothing)
        cutter.cancel()
        await asyncio.wait([cutter])
        proxy.spare()
        assert proxy.cuts
        await world.check()
    assert any(memory.replies for memory in world.memories.values())
