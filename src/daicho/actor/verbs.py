"""What both an actor's Context and the Root can do: send, ask, spawn, stop, publish, schedule."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from daicho.actor.ask import EndOfActor
from daicho.actor.envelope import Envelope, enveloped
from daicho.actor.messages import PoisonPill
from daicho.actor.signals import Stop
from daicho.actor.timers import Timer
from daicho.errors import MailboxFull

if TYPE_CHECKING:
    from daicho.actor.pid import PID
    from daicho.actor.props import Props, Sender
    from daicho.actor.system import ActorSystem

T = TypeVar("T")


class Verbs(ABC):
    """The verbs; how a message leaves is for the heirs to say."""

    __slots__ = ()

    _system: ActorSystem
    """The heirs have the slot for it."""

    @property
    def system(self) -> ActorSystem:
        """The actor system."""
        return self._system

    # --- messages ---------------------------------------------------------------------------------

    def send(
        self, target: PID, message: object, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Sends a message and expects no reply.

        Raises:
            MailboxFull: The target's mailbox is bounded and full, and its policy is to fail or to
                wait.
        """
        self._emit(target, message if headers is None else Envelope(message, None, headers))

    async def send_wait(
        self, target: PID, message: object, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Sends a message; waits for room if the target's mailbox is full and set to wait.

        Raises:
            MailboxFull: The target's mailbox is bounded and full, and its policy is to fail.
            NoSuchActor: The target stopped before there was room.
            HeldRequest: As in :meth:`ask`.
        """
        self._may_wait()
        item = message if headers is None else Envelope(message, None, headers)
        chain, departures = self._chain(), [(target, item)]
        if chain is not None:
            with self._system.capture_departures() as departures:
                chain(self, target, enveloped(item))
        for departure in departures:
            await self._leave_when_room(*departure)

    def request(
        self,
        target: PID,
        message: object,
        *,
        sender: PID,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Sends a message whose reply goes to ``sender``, as a message."""
        self._check_thread()
        self._emit(target, Envelope(message, sender, headers))

    @overload
    def request_future(
        self,
        target: PID,
        message: object,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> asyncio.Future[object]: ...

    @overload
    def request_future(
        self,
        target: PID,
        message: object,
        *,
        expect: type[T],
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> asyncio.Future[T]: ...

    def request_future(
        self,
        target: PID,
        message: object,
        *,
        expect: type[T] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> asyncio.Future[T] | asyncio.Future[object]:
        """Sends a message and returns a future of the reply.

        The future ends in the reply, or in one of these, never in silence:

        Raises:
            AskTimeout: No reply within ``timeout`` seconds (the system's ``ask_timeout`` if None).
            NoSuchActor: There is nobody to reply.
            HandlerFailed: The handler raised before it replied.
            UnexpectedReply: The reply is no ``expect``.
            MailboxFull: The target's mailbox has no room.
            PersistFailed: The events that the reply speaks of could not be stored;
                ``ConcurrencyConflict`` if another writer was there first.
            RecoveryFailed: The actor's state could not be rebuilt.
            SystemStopped: The system was shut down meanwhile.
        """
        self._check_thread()
        return self._ask(target, message, expect, timeout, headers)

    @overload
    def ask(
        self,
        target: PID,
        message: object,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> asyncio.Future[object]: ...

    @overload
    def ask(
        self,
        target: PID,
        message: object,
        *,
        expect: type[T],
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> asyncio.Future[T]: ...

    def ask(
        self,
        target: PID,
        message: object,
        *,
        expect: type[T] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> asyncio.Future[T] | asyncio.Future[object]:
        """Sends a message; await the result for the reply.

        Everything else is as in :meth:`request_future`.

        Raises:
            HeldRequest: In a handler whose messages are held until it ends, so that the wait would
                never end.
        """
        self._may_wait()
        return self._ask(target, message, expect, timeout, headers)

    # --- actors -----------------------------------------------------------------------------------

    def spawn(self, props: Props) -> PID:
        """Starts an actor under a name that the system makes up."""
        return self._spawn(props, self._system.next_id("$"))

    def spawn_prefix(self, props: Props, prefix: str) -> PID:
        """Starts an actor under a name that begins with ``prefix`` and is made up from there."""
        return self._spawn(props, _checked(prefix) + self._system.next_id("$"))

    def spawn_named(self, props: Props, name: str) -> PID:
        """Starts an actor under this name; a child's id is its parent's, a slash, and the name.

        What the producer raises is raised here, and nobody was started.

        Raises:
            NameTaken: A living actor has the name; the error carries its PID.
            SystemStopped: The system does not run, or it is shutting down and this is no actor.
            ActorError: The actor that wants a child is restarting or stopping.
            ValueError: The name is empty or holds ``/`` or ``$``, which the system uses.
        """
        return self._spawn(props, _checked(name))

    def stop(self, target: PID) -> None:
        """Stops an actor after the message that it is handling.

        The rest of its mailbox becomes dead letters. Its children are stopped before it.
        """
        self._act(lambda: self._system.process(target).signal(Stop()))

    def poison(self, target: PID) -> None:
        """Stops an actor after everything that is in its mailbox by now."""
        self._check_thread()
        self._emit(target, Envelope(PoisonPill()))

    def stop_future(self, target: PID) -> asyncio.Future[None]:
        """Stops an actor as :meth:`stop` does; the future is done when it has stopped.

        Raises:
            HeldRequest: As in :meth:`ask`.
        """
        self._may_wait()
        end = self._end_of(target)
        self.stop(target)
        return end

    def poison_future(self, target: PID) -> asyncio.Future[None]:
        """Stops an actor as :meth:`poison` does; the future is done when it has stopped.

        Raises:
            HeldRequest: As in :meth:`ask`.
        """
        self._may_wait()
        end = self._end_of(target)
        self.poison(target)
        return end

    # --- time and events --------------------------------------------------------------------------

    def schedule_once(self, delay: float, target: PID, message: object) -> Timer:
        """Sends a message after ``delay`` seconds, unless the timer is cancelled before.

        A timer of an actor ends with the incarnation that set it.
        """
        return self._keep(Timer(self._system, target, message, delay, None))

    def schedule_repeatedly(
        self, interval: float, target: PID, message: object, *, delay: float | None = None
    ) -> Timer:
        """Sends a message every ``interval`` seconds, first after ``delay`` (the interval if None).

        Times are counted from the first, so they do not drift; those that were missed are left out.
        """
        first = interval if delay is None else delay
        return self._keep(Timer(self._system, target, message, first, interval))

    def publish(self, event: object) -> None:
        """Publishes something on the system's event stream."""
        self._act(lambda: self._system.event_stream.publish(event))

    # --- for the heirs ----------------------------------------------------------------------------

    @abstractmethod
    def _check_thread(self) -> None:
        """Raises if this is not the loop's thread, or there is none."""

    @abstractmethod
    def _may_wait(self) -> None:
        """Raises if a reply awaited now could not come, or not here."""

    @abstractmethod
    def _chain(self) -> Sender | None:
        """The sender middleware, composed; None if there is none."""

    @abstractmethod
    def _emit(self, target: PID, item: object) -> None:
        """Lets a message leave, or holds it."""

    @abstractmethod
    def _leave(self, target: PID, item: object) -> None:
        """Lets a message leave that has passed all middleware, or holds it."""

    @abstractmethod
    async def _leave_when_room(self, target: PID, item: object) -> None:
        """The same, and waits for room in the target's mailbox."""

    @abstractmethod
    def _act(self, action: Callable[[], None]) -> None:
        """Does something that others can see, or holds it."""

    @abstractmethod
    def _spawn(self, props: Props, name: str) -> PID:
        """Starts an actor as the child of whoever this is."""

    @abstractmethod
    def _keep(self, timer: Timer) -> Timer:
        """Starts a timer that ends with whoever this is."""

    def _ask(
        self,
        target: PID,
        message: object,
        expect: type | None,
        timeout: float | None,
        headers: Mapping[str, str] | None,
    ) -> asyncio.Future[Any]:
        system = self._system
        seconds = system.ask_timeout if timeout is None else timeout
        ask = system.deadlines.new_ask(target, expect, seconds, system.now())
        try:
            self._emit(target, Envelope(message, ask, headers))
        except MailboxFull as error:
            ask.fail(error)
        except BaseException:
            ask.cancel()  # nobody has it; what middleware raised is for the caller
            raise
        return ask

    def _end_of(self, target: PID) -> asyncio.Future[None]:
        self._check_thread()
        return cast("asyncio.Future[None]", EndOfActor(self._system, target))


def _checked(name: str) -> str:
    if not name or "/" in name or "$" in name:
        raise ValueError(f"an actor's name is not empty and holds neither '/' nor '$': {name!r}")
    return name
