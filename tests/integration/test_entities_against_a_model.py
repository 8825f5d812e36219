"""Entities under chance, against a dictionary: commands, duplicates, rivals, restarts and deaths.

Two applications work on one journal. Whatever happens to them: what was acknowledged is in the
history, once, at the version and with the balance that the reply said; what was rejected was wrong
at the version that the rejection names; what failed left nothing; and a command under a key was
done once, with one outcome, however often and wherever it was asked.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import daicho
from daicho.errors import JournalFull, JournalUnavailable, PersistFailed, Rejected
from daicho.journal import Journal, MemoryJournal, SqliteJournal
from daicho.journal.postgres import PostgresJournal
from daicho.persistence import Retention, every
from daicho.testing.virtual_time import VirtualTimeLoop
from tests.support.journals import FaultJournal
from tests.support.ledgers import turns
from tests.support.postgres import Server
from tests.unit.entity.accounts import Boom, Way

T = TypeVar("T")
IDS = ("alice", "bob", "carol")
KINDS = ("deposit", "deposit", "pay", "both", "slowly", "fail", "fail late", "look")


@daicho.stored_as("model.balance")
@dataclass(slots=True)
class Balance:
    amount: int = 0


@daicho.stored_as("model.order")
@dataclass(frozen=True, slots=True)
class Order:
    number: int
    kind: str
    amount: int


@daicho.stored_as("model.moved")
@dataclass(frozen=True, slots=True)
class Moved:
    number: int
    amount: int


class Account(daicho.Entity[Balance], name="account"):
    snapshot = every(3)
    retention = Retention(2)

    @daicho.command
    def order(self, order: Order) -> object:
        match order.kind:
            case "slowly" | "fail late":
                return self.later(order)
            case "pay" if order.amount > self.state.amount:
                raise Rejected("too little", version=self.version, amount=self.state.amount)
            case "pay":
                self.emit(Moved(order.number, -order.amount))
            case "both":
                self.emit(Moved(order.number, order.amount), Moved(order.number, -1))
            case "look":
                pass
            case _:
                self.emit(Moved(order.number, order.amount))
        if order.kind == "fail":
            raise Boom
        return [self.version, self.state.amount]

    async def later(self, order: Order) -> object:
        await turns(2)
        self.emit(Moved(order.number, order.amount))
        await turns(3)
        if order.kind == "fail late":
            raise Boom
        return [self.version, self.state.amount]

    @daicho.event
    def moved(self, event: Moved) -> None:
        self.state.amount += event.amount


@dataclass(slots=True, eq=False)
class Side:
    """An application, and its way to the store."""

    way: FaultJournal
    app: daicho.App
    engine: Journal


@dataclass(slots=True, eq=False)
class Asked:
    """An order, and what came of it."""

    id: str
    order: Order
    key: str | None
    reply: asyncio.Future[object]
    side: Side


@dataclass(slots=True)
class Model:
    """What must hold of one account."""

    replies: list[tuple[Order, int, int]] = field(default_factory=list[tuple[Order, int, int]])
    rejections: list[tuple[Order, int, int]] = field(default_factory=list[tuple[Order, int, int]])
    gone: set[int] = field(default_factory=set[int])
    outcomes: dict[str, str] = field(default_factory=dict[str, str])

    def check(self, moves: list[Moved]) -> None:
        """Compares with the history."""
        balances = [0]
        for move in moves:
            balances.append(balances[-1] + move.amount)
        done = [m.number for n, m in enumerate(moves) if not n or moves[n - 1].number != m.number]
        assert len(done) == len(set(done)), "an order was done twice"
        assert not self.gone & set(done), "an order that failed was done"
        for order, version, amount in self.replies:
            assert balances[version] == amount
            if order.kind != "look":
                assert moves[version - 1].number == order.number
            if order.kind == "both":
                assert moves[version - 2].number == order.number
        for order, version, amount in self.rejections:
            assert balances[version] == amount < order.amount
            assert order.number not in done
        assert min(balances) >= -len(moves)


class Machine(RuleBasedStateMachine):
    """Two applications on one store in memory; their time is virtual."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = self.make_loop()
        self.number = 0
        self.models = {id_: Model() for id_ in IDS}
        self.pending: list[Asked] = []
        self.keyed: dict[str, tuple[str, Order]] = {}
        self.dead: list[Side] = []
        self.sides: list[Side] = []

    # --- the store --------------------------------------------------------------------------------

    def make_loop(self) -> asyncio.AbstractEventLoop:
        return VirtualTimeLoop()

    async def open_store(self) -> None:
        self.store: Journal = MemoryJournal()
        await self.store.__aenter__()

    async def way(self) -> tuple[FaultJournal, Journal]:
        return Way(self.store), self.store

    async def bury(self, side: Side) -> None:
        """Ends an application that nobody counts on any more."""
        await side.app.__aexit__(None, None, None)

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        async def work() -> None:
            await self.open_store()
            self.sides = [await self.side(), await self.side()]

        self.run(work())

    async def side(self) -> Side:
        way, engine = await self.way()
        app = daicho.open(
            way,
            entities=[Account],
            max_live=2,
            passivate_after_s=10,
            max_recoveries=1,
            ask_timeout_s=1e6,
        )
        await app.__aenter__()
        return Side(way, app, engine)

    def ask(self, side: Side, id_: str, order: Order, key: str | None) -> None:
        asked = side.app.entity(Account, id_).ask(order, idempotency_key=key)
        self.pending.append(Asked(id_, order, key, asked, side))

    # --- what happens -----------------------------------------------------------------------------

    @rule(
        side=st.integers(0, 1),
        orders=st.lists(
            st.tuples(
                st.sampled_from(IDS), st.sampled_from(KINDS), st.integers(1, 9), st.booleans()
            ),
            max_size=6,
        ),
        wait=st.integers(0, 12),
    )
    def send(self, side: int, orders: list[tuple[str, str, int, bool]], wait: int) -> None:
        async def work() -> None:
            for id_, kind, amount, has_key in orders:
                self.number += 1
                order = Order(self.number, kind, amount)
                key = f"key {self.number}" if has_key else None
                if key is not None:
                    self.keyed[key] = id_, order
                self.ask(self.sides[side], id_, order, key)
            await turns(wait)

        self.run(work())

    @rule(side=st.integers(0, 1), choice=st.integers(0, 1_000), wait=st.integers(0, 12))
    @precondition(lambda self: self.keyed)
    def send_again(self, side: int, choice: int, wait: int) -> None:
        """A duplicate, of what was done long ago or of what is under way."""
        key = list(self.keyed)[-1 - choice % min(len(self.keyed), 8)]

        async def work() -> None:
            for each in (self.sides[side], self.sides[choice % 2]):
                self.ask(each, *self.keyed[key], key)
            await turns(wait)

        self.run(work())

    @rule(side=st.integers(0, 1), after=st.booleans(), times=st.integers(1, 2))
    def fail_appends(self, side: int, after: bool, times: int) -> None:  # noqa: FBT001
        error = JournalUnavailable("s", "away") if after else JournalFull("s", "full")
        self.sides[side].way.fail("append", error, times=times, after=after)

    @rule(side=st.integers(0, 1))
    def hold(self, side: int) -> None:
        self.sides[side].way.hold()

    @rule(side=st.integers(0, 1), wait=st.integers(0, 20))
    def release(self, side: int, wait: int) -> None:
        self.sides[side].way.release()
        self.run(turns(wait))

    @rule(seconds=st.sampled_from([0.001, 1, 9.999, 10, 10.5, 60]))
    def wait(self, seconds: float) -> None:
        """Entities leave that nobody uses."""
        self.run(asyncio.sleep(seconds))

    @rule(side=st.integers(0, 1))
    def restart(self, side: int) -> None:
        self.settle()

        async def work() -> None:
            await self.bury(self.sides[side])
            self.sides[side] = await self.side()

        self.run(work())

    @rule(side=st.integers(0, 1))
    def die(self, side: int) -> None:
        """A process ends in the middle of whatever it does, and another one begins."""
        dying = self.sides[side]
        dying.way.cut_off()
        left = [asked for asked in self.pending if asked.side is dying]
        self.pending = [asked for asked in self.pending if asked.side is not dying]
        for asked in left:
            if asked.reply.done():
                self.judge(asked)
            else:
                asked.reply.cancel()
        self.dead.append(dying)
        self.sides[side] = self.run(self.side())

    @rule()
    def settle(self) -> None:
        """All that is under way comes to its end."""
        for side in self.sides:
            side.way.release()
        pending, self.pending = self.pending, []
        if pending:
            self.run(_all([asked.reply for asked in pending]))
        for asked in pending:
            self.judge(asked)

    def judge(self, asked: Asked) -> None:
        model, order, key = self.models[asked.id], asked.order, asked.key
        error = asked.reply.exception()
        match error:
            case None:
                version, amount = asked.reply.result()  # type: ignore[misc]
                model.replies.append((order, version, amount))
                self.outcome(asked, f"reply {version} {amount}")
            case Rejected(data={"version": int(version), "amount": int(amount)}):
                model.rejections.append((order, version, amount))
                self.outcome(asked, f"rejection {version} {amount}")
            case Boom():
                model.gone.add(order.number)
            case PersistFailed(__cause__=JournalUnavailable()):
                pass  # it may be stored
            case PersistFailed():
                # Another try under its key may have done it.
                if key is None:
                    model.gone.add(order.number)
            case _:
                raise error

    def outcome(self, asked: Asked, outcome: str) -> None:
        if asked.key is not None:
            first = self.models[asked.id].outcomes.setdefault(asked.key, outcome)
            assert outcome == first, "two outcomes under one key"

    # --- what holds -------------------------------------------------------------------------------

    async def moves(self, id_: str) -> list[Moved]:
        ref = self.sides[0].app.entity(Account, id_)
        history = [change async for change in ref.history()]
        assert [change.version for change in history] == [*range(1, len(history) + 1)]
        return [change.event for change in history if isinstance(change.event, Moved)]

    @invariant()
    @precondition(lambda self: self.sides)
    def the_history_is_what_was_said(self) -> None:
        for id_, model in self.models.items():
            model.check(self.run(self.moves(id_)))

    def teardown(self) -> None:
        try:
            if self.sides:
                self.end()
        finally:
            self.loop.close()

    def end(self) -> None:
        for side in self.sides:
            side.way.planned.clear()
        self.settle()
        # Whoever does not know what became of a command asks again under its key.
        for key, (id_, order) in self.keyed.items():
            for side in self.sides:
                self.ask(side, id_, order, key)
        self.settle()
        self.the_history_is_what_was_said()
        self.run(self.look_again())
        for side in [*self.sides, *self.dead]:
            side.way.cut_off()
            self.run(self.bury(side))

    async def look_again(self) -> None:
        """In the end every account is what the dictionary has, for whoever looks however."""
        for id_, model in self.models.items():
            moves = await self.moves(id_)
            done = {move.number for move in moves}
            balance = sum(move.amount for move in moves)
            for key, (owner, order) in self.keyed.items():
                if owner == id_ and model.outcomes.get(key, "").startswith("reply"):
                    assert order.kind == "look" or order.number in done
            for side in self.sides:
                ref = side.app.entity(Account, id_)
                token = daicho.Token(ref.stream, len(moves), 0)
                seen = await ref.ask(Order(0, "look", 0), after=token)
                assert seen == [len(moves), balance]
                assert (await ref.at()).amount == balance
                assert await ref.version() == len(moves)


class FileMachine(Machine):
    """The same on a file, which each application has open for itself; time is what it is."""

    def make_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    async def open_store(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.db"

    async def way(self) -> tuple[FaultJournal, Journal]:
        engine = SqliteJournal(self.path, synchronous="NORMAL")
        await engine.__aenter__()
        return Way(engine), engine

    async def bury(self, side: Side) -> None:
        await super().bury(side)
        await side.engine.__aexit__(None, None, None)

    @rule(seconds=st.just(0.002))
    def wait(self, seconds: float) -> None:
        """Nobody leaves so soon; but others have their turn."""
        self.run(asyncio.sleep(seconds))

    def teardown(self) -> None:
        super().teardown()
        if self.sides:
            self.folder.cleanup()


class PostgresMachine(FileMachine):
    """The same on a schema of a server."""

    server: ClassVar[Server]

    async def open_store(self) -> None:
        await super().open_store()
        self.schema = self.server.schema()
        self.name = self.schema.__enter__()

    async def way(self) -> tuple[FaultJournal, Journal]:
        engine = PostgresJournal(self.server.url, schema=self.name, connections=2)
        await engine.__aenter__()
        return Way(engine), engine

    def teardown(self) -> None:
        super().teardown()
        if self.sides:
            self.schema.__exit__(None, None, None)


async def _all(replies: list[asyncio.Future[object]]) -> None:
    await asyncio.wait(replies)


def run(machine: type[Machine], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None),
    )


@pytest.mark.no_cover
def test_entities_in_memory_never_disagree_with_a_dictionary() -> None:
    run(Machine, 150, 30)


@pytest.mark.no_cover
def test_entities_in_a_file_never_disagree_with_a_dictionary() -> None:
    run(FileMachine, 20, 25)


@pytest.mark.no_cover
def test_entities_on_a_server_never_disagree_with_a_dictionary(postgres_server: Server) -> None:
    PostgresMachine.server = postgres_server
    run(PostgresMachine, 10, 25)
