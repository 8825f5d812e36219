"""Promises 3 to 6 under chance: failures, rivals, restarts and crashes, against a model.

Whatever happens: what was acknowledged is stored, once; what was refused is not; of one message
all events are stored or none; and every reply is what the stream adds up to at its version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TypeVar

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

from daicho import persistence
from daicho.actor import PID, ActorSystem, AlwaysRestart, Context, Props
from daicho.errors import (
    ConcurrencyConflict,
    HandlerFailed,
    JournalFull,
    JournalUnavailable,
    NoSuchActor,
    PersistFailed,
)
from daicho.journal import MemoryJournal
from daicho.persistence import RequestSnapshot
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import Delays, turns
from wallet.v1 import ReceiveMoney, Wallet

T = TypeVar("T")
PARTS = 10
"""Events of a command carry its number times this, plus their own."""


@dataclass(frozen=True, slots=True)
class Command:
    number: int
    parts: int
    mode: str

    def events(self) -> list[ReceiveMoney]:
        return [ReceiveMoney(amount=self.number * PARTS + part) for part in range(self.parts)]


MODES = ("together", "one by one", "await", "slowly", "raise", "raise late", "look")
State = tuple[int, int]
"""A version and what the stream adds up to there."""
Side = tuple[FaultJournal, ActorSystem, Props]
"""A way to the store, who goes it, and how its actor is made."""


class Adder(persistence.Mixin):
    def __init__(self) -> None:
        self.sum = 0

    def receive(self, ctx: Context) -> object:
        match ctx.message:
            case Wallet() as state:
                self.sum = state.deposit
            case ReceiveMoney() as event:
                self.sum += event.amount
            case RequestSnapshot():
                self.persist_snapshot(Wallet(deposit=self.sum))
            case Command(mode="look"):
                ctx.respond((self.version, self.sum))
            case Command(mode="await" | "slowly" | "raise late") as command:
                return self.wait(ctx, command)
            case Command() as command:
                self.add(ctx, command)
            case _:
                pass
        return None

    def add(self, ctx: Context, command: Command) -> None:
        events = command.events()
        if command.mode == "one by one":
            # Step by step: a snapshot may be asked for after each.
            for event in events:
                self.sum += event.amount
                self.persist_receive(event)
        else:
            self.sum += sum(event.amount for event in events)
            self.persist_receive(*events)
        ctx.respond((self.version, self.sum))
        if command.mode == "raise":
            raise RuntimeError("no")

    async def wait(self, ctx: Context, command: Command) -> None:
        events = command.events()
        if command.mode == "await":
            await self.persist(*events)
            self.sum += sum(event.amount for event in events)
        else:
            for event in events:
                self.sum += event.amount
                self.persist_receive(event)
                await turns(3)
        ctx.respond((self.version, self.sum))
        if command.mode == "raise late":
            raise RuntimeError("no")


class Machine(RuleBasedStateMachine):
    """Two systems on one stream, each with its own way to the same store."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = MemoryJournal()
        self.run(self.store.__aenter__())
        self.number = 0
        self.acknowledged: dict[int, Command] = {}
        self.refused: set[int] = set()
        self.replies: list[State] = []
        self.abandoned: list[Side] = []
        self.pending: list[tuple[Command, asyncio.Future[object]]] = []

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.run(self.open())

    async def open(self) -> None:
        self.sides = [await self.side() for _ in range(2)]

    async def side(self) -> Side:
        journal = FaultJournal(self.store)
        using = persistence.using(
            journal, stream="s", snapshot=persistence.every(4), backoff=Delays()
        )
        system = ActorSystem(ask_timeout=60.0, guardian=AlwaysRestart())
        await system.__aenter__()
        props = Props(Adder, receiver_middleware=[using])
        system.root.spawn_named(props, "adder")
        return journal, system, props

    # --- what happens -----------------------------------------------------------------------------

    @rule(
        side=st.integers(0, 1),
        commands=st.lists(st.tuples(st.sampled_from(MODES), st.integers(1, 4)), max_size=6),
        wait=st.integers(0, 8),
    )
    def send(self, side: int, commands: list[tuple[str, int]], wait: int) -> None:
        _, system, _ = self.sides[side]

        async def ask() -> None:
            for mode, parts in commands:
                self.number += 1
                command = Command(self.number, parts, mode)
                asked = system.root.ask(system.pid("adder"), command)
                self.pending.append((command, asked))
            await turns(wait)

        self.run(ask())

    @rule(side=st.integers(0, 1), after=st.booleans(), times=st.integers(1, 2))
    def fail_appends(self, side: int, after: bool, times: int) -> None:  # noqa: FBT001
        error = JournalUnavailable("s", "away") if after else JournalFull("s", "full")
        self.sides[side][0].fail("append", error, times=times, after=after)

    @rule(
        side=st.integers(0, 1),
        what=st.sampled_from(["save_snapshot", "load_snapshot", "stream_info", "read"]),
    )
    def fail_another(self, side: int, what: str) -> None:
        self.sides[side][0].fail(what, JournalUnavailable("s", "away"), times=2)

    @rule(side=st.integers(0, 1))
    def hold(self, side: int) -> None:
        self.sides[side][0].hold()

    @rule(side=st.integers(0, 1), wait=st.integers(0, 20))
    def release(self, side: int, wait: int) -> None:
        self.sides[side][0].release()
        self.run(turns(wait))

    @rule(side=st.integers(0, 1))
    def stop_and_spawn(self, side: int) -> None:
        journal, system, props = self.sides[side]
        journal.release()

        async def again() -> None:
            await system.root.stop_future(system.pid("adder"))
            system.root.spawn_named(props, "adder")

        self.run(again())

    @rule(side=st.integers(0, 1))
    def abandon(self, side: int) -> None:
        """A system goes on that nobody counts on any more, and another takes its place."""
        self.sides[side][0].release()
        self.abandoned.append(self.sides[side])
        self.sides[side] = self.run(self.side())

    @rule()
    def crash(self) -> None:
        """The process ends in the middle of whatever it does, and another one begins."""
        for journal, _, _ in self.sides:
            journal.cut_off()
        for command, asked in self.pending:
            if asked.done():
                self.judge(command, asked)
        self.pending.clear()
        self.run(self.end(self.sides))
        self.begin()

    @rule()
    @precondition(lambda self: self.pending)
    def settle(self) -> None:
        for journal, _, _ in self.sides:
            journal.release()
        self.run(self.all_done())
        for command, asked in self.pending:
            self.judge(command, asked)
        self.pending.clear()

    async def all_done(self) -> None:
        await asyncio.wait([asked for _, asked in self.pending])

    def judge(self, command: Command, asked: asyncio.Future[object]) -> None:
        error = asked.exception()
        match error:
            case None:
                state = asked.result()
                assert isinstance(state, tuple)
                self.replies.append(state)
                if command.mode != "look":
                    self.acknowledged[command.number] = command
            case PersistFailed(__cause__=JournalUnavailable()):
                pass  # it may be stored
            case PersistFailed() | ConcurrencyConflict() | HandlerFailed():
                self.refused.add(command.number)
            case NoSuchActor():
                pass  # stopped before it, or cancelled in the middle of it
            case _:
                raise error

    # --- what holds -------------------------------------------------------------------------------

    @invariant()
    def the_stream_is_what_was_said(self) -> None:
        records = self.run(stored(self.store, "s"))
        amounts = [ReceiveMoney.FromString(record.payload).amount for record in records]
        assert [record.version for record in records] == list(range(1, len(records) + 1))
        assert len(set(amounts)) == len(amounts)
        parts: dict[int, list[int]] = {}
        for amount in amounts:
            parts.setdefault(amount // PARTS, []).append(amount % PARTS)
        for number, command in self.acknowledged.items():
            assert parts.get(number) == list(range(command.parts))
        assert not self.refused & parts.keys()
        sums = [0]
        for amount in amounts:
            sums.append(sums[-1] + amount)
        for version, total in self.replies:
            assert sums[version] == total

    @invariant()
    def a_message_is_stored_whole(self) -> None:
        records = self.run(stored(self.store, "s"))
        amounts = [ReceiveMoney.FromString(record.payload).amount for record in records]
        for index, amount in enumerate(amounts):
            if amount % PARTS:
                assert amounts[index - 1] == amount - 1

    def teardown(self) -> None:
        if hasattr(self, "sides"):
            if self.pending:
                self.settle()
            self.run(self.look_again())
            self.the_stream_is_what_was_said()
            self.run(self.end([*self.sides, *self.abandoned]))
        self.loop.close()

    async def look_again(self) -> None:
        """In the end every actor holds what is stored."""
        for journal, system, props in self.sides:
            journal.release()
            journal.planned.clear()
            await system.root.stop_future(system.pid("adder"))
            pid: PID = system.root.spawn_named(props, "adder")
            state = await system.root.ask(pid, Command(0, 0, "look"))
            records = await stored(self.store, "s")
            amounts = [ReceiveMoney.FromString(record.payload).amount for record in records]
            assert state == (len(amounts), sum(amounts))

    async def end(self, sides: list[Side]) -> None:
        for journal, system, _ in sides:
            journal.cut_off()
            report = await system.shutdown()
            assert report.undrained == ()


@pytest.mark.no_cover
def test_actors_and_their_streams_never_disagree() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=100, stateful_step_count=30, deadline=None)
    )
