"""A mailbox does what a model of it does, whatever happens to its actor meanwhile.

Several senders send, ask and wait for room; the actor puts messages aside and takes them back,
fails, is resumed, restarted, poisoned and stopped; mailboxes are unbounded or bounded, with every
policy. What was handled, what became a dead letter and what each asker got must be what the model
says, in its order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from daicho.actor import (
    PID,
    ActorSystem,
    Bounded,
    ChildFailure,
    Context,
    DeadLetter,
    Overflow,
    PoisonPill,
    Props,
    Supervisor,
)
from daicho.actor.cell import Cell
from daicho.errors import DaichoError, HandlerFailed, MailboxFull, NoSuchActor
from daicho.testing.virtual_time import VirtualTimeLoop
from tests.support.actors import Boom, settle

STASH_CAPACITY = 2
SENDERS = st.sampled_from("abc")


class Item(NamedTuple):
    """A message: whose it is, which of its messages, and in which way it was sent."""

    sender: str
    number: int
    way: str


class Model:
    """What a mailbox promises, in lists."""

    def __init__(self, bounds: Bounded | None) -> None:
        self.bounds = bounds
        self.queue: deque[Item | PoisonPill] = deque()
        self.line: deque[Item | PoisonPill] = deque()
        self.stash: deque[Item] = deque()
        self.handled: list[Item] = []
        self.letters: list[Item] = []
        self.outcomes: dict[Item, object] = {}
        """How each ask and each wait for room ended: a type of error, or None for well."""
        self.mode = "note"
        self.suspended = False
        self.stopped = False

    # --- sending ----------------------------------------------------------------------------------

    def has_room(self) -> bool:
        if self.bounds is None:
            return True
        return not self.line and len(self.queue) < self.bounds.capacity

    def take(self, item: Item) -> type[Exception] | None:
        """Takes a message; returns what a plain send raises."""
        if self.stopped:
            self.lose(item, NoSuchActor)
            return None
        if self.has_room():
            self.let_in(item)
            return None
        assert self.bounds is not None
        match self.bounds.overflow:
            case Overflow.DROP_NEWEST:
                self.lose(item, MailboxFull)
            case Overflow.DROP_OLDEST:
                oldest = self.queue[0]
                if isinstance(oldest, PoisonPill):
                    self.lose(item, MailboxFull)
                else:
                    self.queue.popleft()
                    self.lose(oldest, MailboxFull)
                    self.let_in(item)
            case Overflow.FAIL:
                self.outcomes[item] = MailboxFull
                return MailboxFull
            case Overflow.WAIT:
                if item.way == "send":
                    return MailboxFull
                self.line.append(item)
        return None

    def take_pill(self) -> None:
        if self.stopped:
            return
        if self.line:
            self.line.append(PoisonPill())
        else:
            self.queue.append(PoisonPill())

    def let_in(self, item: Item) -> None:
        self.queue.append(item)
        if item.way == "send_wait":
            self.outcomes[item] = None

    def lose(self, item: Item, error: type[BaseException]) -> None:
        self.letters.append(item)
        self.outcomes[item] = None if item.way == "send_wait" else error

    # --- handling ---------------------------------------------------------------------------------

    def run(self) -> None:
        """The actor has as many turns as it wants."""
        while True:
            while self.queue and not self.suspended and not self.stopped:
                self.handle(self.queue.popleft())
            if not self.admit():
                return

    def handle(self, item: Item | PoisonPill) -> None:
        if isinstance(item, PoisonPill):
            self.stop()
        elif self.mode == "stash" and len(self.stash) < STASH_CAPACITY:
            self.stash.append(item)
        elif self.mode == "note":
            self.handled.append(item)
            if item.way == "ask":
                self.outcomes[item] = None
        else:  # it fails, or there is no room to put it aside
            if item.way == "ask":
                self.outcomes[item] = HandlerFailed
            self.suspended = True
            if self.mode == "fail":
                self.mode = "note"

    def admit(self) -> bool:
        admitted = False
        while self.line and self.bounds and len(self.queue) < self.bounds.capacity:
            item = self.line.popleft()
            if isinstance(item, PoisonPill):
                self.queue.append(item)
            else:
                self.let_in(item)
            admitted = True
        return admitted and not self.suspended

    def unstash(self, count: int | None) -> None:
        wanted = len(self.stash) if count is None else min(count, len(self.stash))
        self.queue.extendleft(reversed([self.stash.popleft() for _ in range(wanted)]))

    def stop(self, cause: BaseException | None = None) -> None:
        self.stopped = True
        # What is no error of ours comes as the cause of one.
        reason = type(cause) if isinstance(cause, DaichoError) else NoSuchActor
        left = [*self.stash, *self.queue]
        for item in self.line:
            if isinstance(item, Item) and item.way == "send_wait":
                self.outcomes[item] = reason
            else:
                left.append(item)
        for item in left:
            if isinstance(item, Item):
                self.lose(item, reason)
        for waiting in (self.stash, self.queue, self.line):
            waiting.clear()

    @property
    def size(self) -> int:
        return len(self.queue) + len(self.line)


class Undecided:
    """A guardian that lets the test decide."""

    def __init__(self) -> None:
        self.open: tuple[Supervisor, ChildFailure] | None = None

    def handle_failure(self, supervisor: Supervisor, failure: ChildFailure) -> None:
        self.open = (supervisor, failure)

    def decide(self) -> tuple[Supervisor, ChildFailure]:
        assert self.open is not None
        decided, self.open = self.open, None
        return decided


class MailboxMachine(RuleBasedStateMachine):
    """The machine: the same on the real actor and on the model."""

    model: Model
    pid: PID
    cell: Cell

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.guardian = Undecided()
        self.system = ActorSystem(guardian=self.guardian, ask_timeout=1e9)
        self.numbers = 0
        self.mode = "note"
        self.handled: list[Item] = []
        self.letters: list[object] = []
        self.futures: dict[Item, asyncio.Future[Any]] = {}

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    @initialize(
        bounds=st.none() | st.builds(Bounded, st.integers(1, 3), st.sampled_from(list(Overflow)))
    )
    def begin(self, bounds: Bounded | None) -> None:
        self.model = Model(bounds)

        async def begin() -> None:
            await self.system.__aenter__()
            self.system.event_stream.subscribe(
                lambda letter: self.letters.append(letter.message), event_type=DeadLetter
            )
            props = Props.from_function(self.receive, mailbox=bounds, stash_capacity=STASH_CAPACITY)
            self.pid = self.system.root.spawn(props)
            self.cell = self.system.cell(self.pid)
            await settle()

        self.do(begin())

    def receive(self, ctx: Context) -> None:
        message = ctx.message
        if not isinstance(message, Item):
            return
        match self.mode:
            case "stash":
                ctx.stash()
            case "fail":
                self.mode = "note"
                raise Boom
            case _:
                self.handled.append(message)
                if ctx.sender is not None:
                    ctx.respond(message)

    def new(self, sender: str, way: str) -> Item:
        self.numbers += 1
        return Item(sender, self.numbers, way)

    # --- what senders do: between two turns of the loop, so that messages gather ------------------

    @rule(sender=SENDERS)
    def send(self, sender: str) -> None:
        item = self.new(sender, "send")
        if self.model.take(item) is None:
            self.system.root.send(self.pid, item)
        else:
            with pytest.raises(MailboxFull):
                self.system.root.send(self.pid, item)

    @rule(sender=SENDERS)
    def ask(self, sender: str) -> None:
        item = self.new(sender, "ask")
        self.model.take(item)
        self.futures[item] = self.system.root.ask(self.pid, item)

    @rule(sender=SENDERS)
    def send_wait(self, sender: str) -> None:
        item = self.new(sender, "send_wait")
        self.model.take(item)
        # Its first step takes the place in the line; what it then waits for is the room.
        sending = self.system.root.send_wait(self.pid, item)
        self.futures[item] = sent = self.loop.create_future()
        try:
            self.futures[item] = sending.send(None)
        except StopIteration:
            sent.set_result(None)
        except MailboxFull as error:
            sent.set_exception(error)
        else:
            sending.close()

    @rule()
    def poison(self) -> None:
        self.model.take_pill()
        self.system.root.poison(self.pid)

    # --- what the actor does ----------------------------------------------------------------------

    @rule(mode=st.sampled_from(["note", "stash", "fail"]))
    def change_mode(self, mode: str) -> None:
        self.mode = self.model.mode = mode

    @precondition(lambda self: not self.model.stopped)
    @rule(count=st.none() | st.integers(0, 3))
    def unstash(self, count: int | None) -> None:
        self.model.unstash(count)
        self.cell.unstash(count)

    @rule()
    def let_run(self) -> None:
        self.model.run()
        self.do(settle())

    # --- what its supervisor does -----------------------------------------------------------------

    @precondition(lambda self: self.guardian.open is not None and not self.model.stopped)
    @rule(decision=st.sampled_from(["resume", "restart", "stop"]))
    def decide(self, decision: str) -> None:
        supervisor, failure = self.guardian.decide()
        match decision:
            case "resume":
                supervisor.resume(failure)
                self.model.suspended = False
            case "restart":
                supervisor.restart(failure, self.pid)
                self.model.suspended = False
                self.model.unstash(None)
            case _:
                supervisor.stop_children(failure, self.pid)
                self.model.stop(failure.error)
        self.let_run()

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.handled == self.model.handled
        assert self.letters == self.model.letters
        assert self.cell.mailbox_size == self.model.size
        assert self.system.is_alive(self.pid) is not self.model.stopped
        for item, future in self.futures.items():
            assert future.done() is (item in self.model.outcomes), item
            if future.done():
                error = future.exception()
                assert (None if error is None else type(error)) == self.model.outcomes[item], item

    def teardown(self) -> None:
        async def end() -> None:
            if self.guardian.open is not None:
                supervisor, failure = self.guardian.decide()
                supervisor.stop_children(failure, self.pid)
            await self.system.shutdown()

        self.do(end())
        for future in self.futures.values():
            assert future.done()
            future.exception()
        self.loop.close()


TestMailboxModel = MailboxMachine.TestCase
TestMailboxModel.settings = settings(max_examples=150, stateful_step_count=40)
