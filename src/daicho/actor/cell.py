"""The actor's cell: its mailbox, and the batch that drains it.

A mailbox is a deque that the first message brings and that goes when the last one is handled. What
wakes an actor is one scheduled callback, a turn; it handles up to ``BATCH`` messages and goes to
the back of the loop's queue if more wait. Only a handler that has to be awaited costs a task, and
that task then drains what has gathered meanwhile.

Signals, the messages of the actor model itself, have a queue of their own and come first. What they
do is in ``lifecycle``.

A cell is for the actor model and for what extends it; an actor sees it as its ``Context``.
"""

# The modules of this package share what it keeps to itself.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Mapping
from threading import get_ident
from typing import TYPE_CHECKING, cast

from daicho.actor import lifecycle
from daicho.actor.context import Context
from daicho.actor.continuation import Continuation
from daicho.actor.envelope import Envelope
from daicho.actor.lifecycle import State
from daicho.actor.living import Living
from daicho.actor.messages import PoisonPill
from daicho.actor.receive import receive_envelope
from daicho.actor.signals import Idle, Signal, Stop, Unwatch, Watch

if TYPE_CHECKING:
    from daicho.actor.pid import PID
    from daicho.actor.props import Props, Receiver
    from daicho.actor.system import ActorSystem

BATCH = 256
"""Messages that an actor handles before others have their turn."""

BETWEEN = 16
"""Messages handled at once between two that are awaited and that end without suspending."""

SPARE_QUEUES = 16
"""Empty queues that a system keeps. Making one takes as long as handling two messages."""


class Cell(Living):
    """An actor with its mailbox; its heir ``BoundedCell`` has a limit."""

    __slots__ = (
        "queue",
        "receiver",
        "scheduled",
        "signals",
        "task",
    )

    def __init__(self, system: ActorSystem, props: Props, pid: PID, parent: PID | None) -> None:
        super().__init__(system, props, pid, parent)
        self.queue: deque[object] | None = None
        self.signals: deque[Signal] | None = None
        self.scheduled = False
        self.task: asyncio.Task[None] | None = None
        if props.context_decorators:
            view: Context = self
            for decorate in reversed(props.context_decorators):
                view = decorate(view)
            self._more().view = view
        self.receiver: Receiver | None = None
        if props.receiver_middleware:
            receiver: Receiver = receive_envelope
            for wrap in reversed(props.receiver_middleware):
                receiver = wrap(receiver)
            self.receiver = receiver

    # --- what its actor does most -----------------------------------------------------------------

    def send(
        self, target: PID, message: object, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """See ``Verbs``; the same without the calls in between, where nothing stands in the way."""
        process = target._process
        if (
            type(process) is Cell
            and headers is None
            and self.outbox is None
            and self._props.sender_chain is None
        ):
            process.deliver(message)
        else:
            super().send(target, message, headers=headers)

    # --- taking messages --------------------------------------------------------------------------

    def deliver(self, item: object) -> None:
        """Takes a message of a user."""
        queue = self.queue
        if queue is not None:
            queue.append(item)
        elif self.state is State.STOPPED:
            # A PID that remembers this cell: there may be a new actor of the name.
            self._system.process(self.self).deliver(item)
        else:
            self._wake()
            spare = self._system.spare_queues
            empty: deque[object] = spare.pop() if spare else deque()
            self.queue = empty
            empty.append(item)

    def signal(self, signal: Signal) -> None:
        """Takes a message of the actor model."""
        if self.state is State.STOPPED:
            if isinstance(signal, Watch | Unwatch | Stop):
                self._system.process(self.self).signal(signal)
            else:
                lifecycle.too_late(self._system, self.self, signal)
            return
        self._wake()
        if self.signals is None:
            self.signals = deque()
        self.signals.append(signal)

    def offer(self, item: object) -> asyncio.Future[None] | None:
        """Takes a message of a user; returns a future of its room where it has to wait for that."""
        self.deliver(item)
        return None

    def reenter(self, item: Envelope) -> None:
        """Takes a continuation; its message was let in long ago, so there is always room."""
        extras = self.more()
        extras.reentering -= 1
        extras.owed_replies -= item.asker is not None
        if self.state is State.STOPPED:
            reason = "the actor stopped before it could go on with it"
            self._system.dead_letters.letter(self.self, item, reason)
        else:
            Cell.deliver(self, item)
            self.go_on_draining()

    def go_on_draining(self) -> None:
        """Ends an actor that had all its messages in a shutdown and waits for others no more."""
        extras = self.more()
        if extras.draining is not None and not extras.draining and not extras.owed_replies:
            Cell.deliver(self, PoisonPill())

    def next_step(self, step: Signal) -> None:
        """Puts a step of the actor's life before everything else."""
        if self.signals is None:
            self.signals = deque()
        self.signals.appendleft(step)

    def put_first(self, items: list[object]) -> None:
        """Puts messages before all that wait, in their order."""
        if self.queue is None:
            self.queue = deque()
        self.queue.extendleft(reversed(items))
        self._wake()

    def _wake(self) -> None:
        """Lets the loop call the batch, unless it will anyway."""
        if self.scheduled:
            return
        system = self._system
        if get_ident() != system.thread_id:
            system.check_thread()
        self.scheduled = True
        # Whoever happens to wake the actor must not lend its context variables to its messages.
        context = system.context.copy()
        system._loop.call_soon(self._run, context=context)  # type: ignore[union-attr]

    # --- the batch --------------------------------------------------------------------------------

    def _run(self) -> None:
        turn = self._system.turn
        try:
            turn.under_way = True
            pending = self._drain(BATCH)
            if pending is None:
                self._rest()
            else:
                self._begin_to_await(pending)
        except BaseException as error:
            # KeyboardInterrupt, SystemExit: they go on to the program, which can still shut down.
            lifecycle.interrupted(self, error)
            self._rest()
            turn.interrupt()
            raise
        turn.end()

    def _begin_to_await(self, pending: Awaitable[object]) -> None:
        task = self._system.loop.create_task(self._await(pending))
        if not task.done():  # as it may be where tasks begin eagerly
            self.task = task

    def _drain(self, limit: int) -> Awaitable[object] | None:
        """Handles messages until none is left, the limit is reached, or one must be awaited.

        That is what it returns.
        """
        while limit > 0:
            if self.signals:
                limit -= 1
                pending = lifecycle.handle(self, self.signals.popleft())
            elif self.suspended or not self.queue:
                return None
            else:
                count = min(limit, len(self.queue))
                limit -= count
                pending = self._handle_some(self.queue, count)
            if pending is not None:
                return pending
        return None

    def _handle_some(self, queue: deque[object], count: int) -> Awaitable[object] | None:
        """Lets the actor handle so many of its messages; fewer if something else comes first.

        Returns what has to be awaited before the next. The usual message takes no call but that of
        the handler: each would be a tenth of what it costs.
        """
        view, plain = self.view, self.receiver is None
        actor = self.actor
        try:
            for _ in range(count):
                item = queue.popleft()
                if plain and type(item) is not Envelope and type(item) is not PoisonPill:
                    self.message = item
                    pending = actor.receive(view)
                else:
                    pending = self._handle_envelope(view, item)
                    if pending is None:
                        self.asker = self.headers = None
                if self._extras is not None:
                    self._extras.touch(self.message)
                if pending is not None:
                    if hasattr(pending, "__await__"):
                        return cast("Awaitable[object]", pending)
                    self.asker = self.headers = None
                if self.signals or self.suspended:
                    return None
        # A plain handler cannot be cancelled: it has raised CancelledError by itself, for instance
        # with the result of a future that was.
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is reported
            lifecycle.fail(self, error)
        return None

    def _handle_envelope(self, view: Context, item: object) -> object:
        envelope = item if type(item) is Envelope else Envelope(item)
        message = self.message = envelope.message
        if type(message) is PoisonPill:
            return lifecycle.poisoned(self)
        self.asker = envelope.asker
        self.headers = envelope.headers
        if self.receiver is not None:
            return self.receiver(view, envelope)
        if type(message) is Continuation:
            return receive_envelope(view, envelope)
        return self._actor.receive(view)  # type: ignore[union-attr]

    def tell(self, message: object) -> Awaitable[object] | None:
        """Lets the actor handle a message about its own life; returns what has to be awaited."""
        return self._handle_some(deque((message,)), 1)

    async def _await(self, pending: Awaitable[object]) -> None:
        left = BATCH
        try:
            while True:
                try:
                    await pending
                except asyncio.CancelledError as error:
                    if _cancelled_from_outside():
                        lifecycle.cancelled(self)
                        break
                    lifecycle.fail(self, error)
                except Exception as error:  # noqa: BLE001 - it is reported
                    lifecycle.fail(self, error)
                if self._extras is not None:
                    self._extras.touch(self.message)
                self.message = self.asker = self.headers = None
                left -= 1
                following = self._drain(BETWEEN) if left else None
                if following is None:
                    break
                pending = following
        except GeneratorExit:
            raise  # the loop is gone, and all that it ran with it
        except BaseException as error:  # noqa: BLE001 - it is raised in the loop, see _run
            lifecycle.interrupted(self, error)
            self._system.loop.call_soon(_raise, error)
        self.task = None
        self._rest()

    def recover(self) -> None:
        """Goes on if the task of a handler was cancelled before it began.

        Then nothing of it has run; it is too rare to let every task pay for noticing it itself.
        """
        if self.task is not None and self.task.cancelled():
            self.task = None
            lifecycle.cancelled(self)
            self._rest()

    def _rest(self) -> None:
        """The batch is over: sleeps, or goes to the back of the loop's queue."""
        self.message = self.asker = self.headers = None
        self.scheduled = False
        queue = self.queue
        if self.signals or (queue and not self.suspended):
            self._wake()
            return
        self.signals = None
        if queue is not None and not queue:
            self.queue = None
            spare = self._system.spare_queues
            if len(spare) < SPARE_QUEUES:
                spare.append(queue)

    def forget_message(self) -> None:
        """No message is being handled."""
        self.message = self.asker = self.headers = None

    # --- what its life does to its messages -------------------------------------------------------

    def stop_because(self, error: BaseException) -> None:
        """Stops before any other message; who waits in the mailbox gets the error."""
        self.suspended = True
        self.next_step(Stop(error))
        self._wake()

    def idle_too_long(self) -> None:
        """The receive timeout is over, unless something is being handled."""
        if not self.scheduled:
            self.signal(Idle())

    # --- looking in -------------------------------------------------------------------------------

    def take_all(self, error: BaseException) -> list[object]:
        """Empties the mailbox and the stash; who waits for room gets the error."""
        items = list(self.queue or ())
        self.queue = None
        extras = self.more()
        for room, item in extras.waiting:
            if room is None:
                items.append(item)
            elif not room.done():
                room.set_exception(error)
        extras.waiting.clear()
        stashed = list(extras.stash)
        extras.stash.clear()
        return stashed + items

    @property
    def mailbox_size(self) -> int:
        """Messages that wait."""
        waiting = 0 if self._extras is None else len(self._extras.waiting)
        return waiting + (len(self.queue) if self.queue else 0)

    @property
    def busy(self) -> bool:
        """Whether it handles something, or will in a moment."""
        return self.scheduled


def _raise(error: BaseException) -> None:
    raise error


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
