"""Where messages end that nobody handles: seen on the event stream, counted, told to who asked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from daicho.actor import lifecycle
from daicho.actor.ask import ASK_PREFIX
from daicho.actor.continuation import Continuation
from daicho.actor.envelope import Envelope, enveloped
from daicho.actor.messages import DeadLetter, PoisonPill, RequestFailed
from daicho.actor.throttle import Throttle, Valve
from daicho.errors import NoSuchActor

if TYPE_CHECKING:
    from daicho.actor.pid import PID
    from daicho.actor.signals import Signal
    from daicho.actor.system import ActorSystem

log = logging.getLogger("daicho.actor")

LOGGED_PER_SECOND = 10
"""Dead letters beyond so many in a second are counted in the log, not told one by one."""


class DeadLetters:
    """Takes what cannot be handled."""

    def __init__(self, system: ActorSystem) -> None:
        self._system = system
        self._throttle = Throttle(
            LOGGED_PER_SECOND, 1.0, _log_held_back, call_later=self._call_later
        )
        self.count = 0
        """How many there were."""

    def letter(
        self, pid: PID, item: object, reason: str, error: BaseException | None = None
    ) -> None:
        """Publishes a ``DeadLetter``; who waits for a reply gets ``error``, or ``NoSuchActor``."""
        envelope = enveloped(item)
        if isinstance(envelope.message, Continuation):
            envelope = Envelope(envelope.message.message, envelope.sender, envelope.headers)
        message = envelope.message
        if isinstance(message, PoisonPill):
            return  # it wanted the end of who has ended
        self.count += 1
        if self._throttle() is not Valve.CLOSED:
            log.info("dead letter for %s: %r: %s", pid, message, reason)
        # A letter about a letter would never end: a subscriber that cannot take one gets no other.
        if not isinstance(message, DeadLetter):
            self._system.event_stream.publish(DeadLetter(pid, message, envelope.sender, reason))
        lifecycle.fail_request(self._system, envelope, error or NoSuchActor(pid))

    def _call_later(self, seconds: float, then: Callable[[], None]) -> object:
        return self._system.loop.call_later(seconds, then)


def _log_held_back(count: int) -> None:
    log.info("%d more dead letters in the last second", count)


class DeadEnd:
    """The process behind a PID that nobody has."""

    __slots__ = ("_pid", "_system")

    def __init__(self, system: ActorSystem, pid: PID) -> None:
        self._system = system
        self._pid = pid

    def deliver(self, item: object) -> None:
        """Makes a dead letter of the message."""
        reason = "no living actor has that PID"
        if self._pid.id.startswith(ASK_PREFIX):
            if isinstance(enveloped(item).message, RequestFailed):
                return  # who asked has its answer; that the handler then failed is told otherwise
            reason = "who asked has its answer already, or waits no more"
        self._system.dead_letters.letter(self._pid, item, reason)

    def signal(self, signal: Signal) -> None:
        """Answers who wants to watch."""
        lifecycle.too_late(self._system, self._pid, signal)
