"""What an actor sees while it handles a message, and what it can do."""

# The modules of this package share what it keeps to itself.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from daicho.actor.ask import Ask
from daicho.actor.continuation import Continuation
from daicho.actor.envelope import Envelope, enveloped, pid_of
from daicho.actor.extras import Extras, IdleWatch
from daicho.actor.outbox import Outbox
from daicho.actor.pid import PID
from daicho.actor.signals import Unwatch, Watch
from daicho.actor.verbs import Verbs
from daicho.errors import HeldRequest, StashFull

if TYPE_CHECKING:
    from daicho.actor.props import Actor, Props, Sender
    from daicho.actor.system import ActorSystem
    from daicho.actor.timers import Timer

T = TypeVar("T")


class Context(Verbs):
    """The actor's own view of itself, its message, and the system.

    It belongs to its actor and to the thread of the loop. ``message``, ``sender`` and ``headers``
    are those of the message that is being handled: a callback that runs later finds others there.
    """

    __slots__ = (
        "_actor",
        "_extras",
        "_props",
        "_system",
        "asker",
        "headers",
        "message",
        "outbox",
        "parent",
        "self",
    )

    def __init__(self, system: ActorSystem, props: Props, pid: PID, parent: PID | None) -> None:
        self._system = system
        self._props = props
        self.outbox: Outbox | None = None
        """Holds what the actor tells others; None while that leaves at once. For extensions."""
        self._extras: Extras | None = None
        self._actor: Actor | None = None
        self.self = pid
        """The actor's own PID."""
        self.parent = parent
        """Who spawned it; None at the top."""
        self.message: object = None
        """The message that is being handled."""
        self.asker: PID | Ask | None = None
        """Who wants the reply, for extensions: ``sender`` makes the PID of an ask."""
        self.headers: Mapping[str, str] | None = None
        """What travels beside the message."""

    @property
    def sender(self) -> PID | None:
        """Who wants the reply."""
        return pid_of(self.asker)

    @sender.setter
    def sender(self, sender: PID | None) -> None:
        self.asker = sender

    @property
    def actor(self) -> Actor:
        """The object that handles the messages; another one after a restart."""
        if self._actor is None:
            raise AssertionError("an actor that was never made has no context")
        return self._actor

    @property
    def children(self) -> tuple[PID, ...]:
        """The actors that this one spawned and that live, oldest first."""
        return () if self._extras is None else tuple(self._extras.children)

    # --- messages ---------------------------------------------------------------------------------

    def request(
        self,
        target: PID,
        message: object,
        *,
        sender: PID | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Sends a message whose reply comes to this actor (or to ``sender``) as a message.

        If there will be no reply, because nobody is there or the handler failed, ``RequestFailed``
        comes.
        """
        self._emit(target, Envelope(message, sender or self.self, headers))

    def respond(self, message: object, *, headers: Mapping[str, str] | None = None) -> None:
        """Replies to the sender of the message; without one, the reply is a dead letter.

        Reply with what does not change any more: the message is handed over, not copied.
        """
        asker = self.asker
        if asker is None:
            letter, reason = self._system.dead_letters.letter, "a reply, and nobody asked"
            self._act(lambda: letter(self.self, message, reason))
            return
        item = message if headers is None else Envelope(message, None, headers)
        if self._props.sender_chain is not None:
            self._emit(asker if isinstance(asker, PID) else asker.pid, item)
        elif self.outbox is not None:
            self.outbox.hold(asker, item)
        else:
            process = asker if isinstance(asker, Ask) else self._system.process(asker)
            process.deliver(item)

    def forward(self, target: PID) -> None:
        """Sends the message on; the reply goes to its first sender."""
        self._emit(target, self.envelope())

    def envelope(self) -> Envelope:
        """The message that is being handled, with its sender and headers."""
        return Envelope(self.message, self.asker, self.headers)

    def reenter_after(
        self, awaitable: Awaitable[T], callback: Callable[[asyncio.Future[T]], object]
    ) -> None:
        """Calls ``callback`` with the finished future, as a message of this actor.

        Meanwhile the actor handles other messages. In the callback message, sender and headers are
        those of now. If the actor was restarted or stopped before, the callback is not called, and
        the message becomes a dead letter.
        """
        cell, future = self._system.cell(self.self), asyncio.ensure_future(awaitable)
        continuation = Continuation(callback, future, self.message, cell.incarnation)
        item = Envelope(continuation, self.asker, self.headers)
        extras = cell.more()
        extras.reentering += 1
        extras.owed_replies += self.asker is not None
        self._system.keep(future, own=future is not awaitable)
        future.add_done_callback(lambda _: cell.reenter(item))

    # --- others -----------------------------------------------------------------------------------

    def watch(self, target: PID) -> None:
        """Wants ``Terminated`` when that actor stops; at once if it has stopped.

        The wish outlives a restart: then the new incarnation is told.
        """
        watch = Watch(self.self)
        self._more().watching[target] = watch
        self._system.process(target).signal(watch)

    def unwatch(self, target: PID) -> None:
        """Wants no ``Terminated`` any more; none comes after this, unless it is a child."""
        if self._more().watching.pop(target, None) is not None:
            self._system.process(target).signal(Unwatch(self.self))

    # --- later ------------------------------------------------------------------------------------

    def stash(self) -> None:
        """Puts the message aside, with its sender, until it is unstashed or the actor restarts.

        Raises:
            StashFull: The stash holds ``stash_capacity`` messages.
        """
        stash = self._more().stash
        if len(stash) >= self._props.stash_capacity:
            raise StashFull(self.self, self._props.stash_capacity)
        stash.append(self.envelope())

    def unstash(self, count: int | None = None) -> None:
        """Puts the oldest stashed messages, or all, before the mailbox, in their order."""
        stash = self._more().stash
        wanted = len(stash) if count is None else min(count, len(stash))
        self._system.cell(self.self).put_first([stash.popleft() for _ in range(wanted)])

    def set_receive_timeout(self, seconds: float) -> None:
        """Wants ``ReceiveTimeout`` whenever no message came for so long.

        That lasts until it is cancelled, or the actor restarts or stops. Messages that are
        ``NotInfluenceReceiveTimeout`` do not count. The time runs from the end of a handler.
        """
        self.cancel_receive_timeout()
        cell = self._system.cell(self.self)
        self._more().receive_timeout = IdleWatch(self._system.loop, seconds, cell.idle_too_long)

    def cancel_receive_timeout(self) -> None:
        """Wants no ``ReceiveTimeout`` any more."""
        extras = self._more()
        if extras.receive_timeout is not None:
            extras.receive_timeout.cancel()
            extras.receive_timeout = None

    # --- how the verbs work for an actor ----------------------------------------------------------

    def _more(self) -> Extras:
        extras = self._extras
        if extras is None:
            extras = self._extras = Extras()
        return extras

    def _emit(self, target: PID, item: object) -> None:
        if self._props.sender_chain is not None:
            self._props.sender_chain(self, target, enveloped(item))
        elif self.outbox is None:
            (target._process or self._system.process(target)).deliver(item)
        else:
            self.outbox.hold(target, item)

    def _leave(self, target: PID, item: object) -> None:
        if self.outbox is None:
            (target._process or self._system.process(target)).deliver(item)
        else:
            self.outbox.hold(target, item)

    async def _leave_when_room(self, target: PID, item: object) -> None:
        if self.outbox is not None:
            released: asyncio.Future[None] = self._system.loop.create_future()
            self.outbox.hold_action(
                lambda: None if released.done() else released.set_result(None),
                lambda error: None if released.done() else released.set_exception(error),
            )
            await released
        room = self._system.offer(target, item)
        if room is not None:
            await room

    def _act(self, action: Callable[[], None]) -> None:
        if self.outbox is None:
            action()
        else:
            self.outbox.hold_action(action)

    def _chain(self) -> Sender | None:
        return self._props.sender_chain

    def _check_thread(self) -> None:
        """A context is known to belong to the loop's thread; looking each time would cost."""

    def _may_wait(self) -> None:
        if self.outbox is not None and not self.outbox.sealed:
            raise HeldRequest(self.self)

    def _spawn(self, props: Props, name: str) -> PID:
        middleware = self._props.spawn_middleware
        return self._system.spawn_child(props, f"{self.self.id}/{name}", self, middleware)

    def _keep(self, timer: Timer) -> Timer:
        timers = self._more().timers
        timers[timer] = None
        timer.on_end(lambda ended: timers.pop(ended, None))
        if self.outbox is None:
            timer.start()
        else:
            self.outbox.hold_action(timer.start, lambda _: timer.cancel())
        return timer


class ContextView(Context):
    """A base for context decorators: the same context, with the methods that an heir overrides.

    It holds nothing of its own: what :class:`Context` keeps is read from and written to ``inner``.
    Who gets a reply is ``asker``, of which ``sender`` is made; one that answers somebody else
    overrides that.
    """

    __slots__ = ("inner",)

    def __init__(self, inner: Context) -> None:  # no super: everything is in the inner one
        self.inner = inner


def _delegate(name: str) -> property:
    def get(view: ContextView) -> object:
        return getattr(view.inner, name)

    def put(view: ContextView, value: object) -> None:
        setattr(view.inner, name, value)

    return property(get, put)


for _name in Context.__slots__:
    setattr(ContextView, _name, _delegate(_name))
