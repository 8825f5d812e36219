"""Messages that come later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daicho.actor.pid import PID
    from daicho.actor.system import ActorSystem


class Timer:
    """A message that will be sent once or again and again; ``cancel`` ends it.

    The end of the system, or of the incarnation of the actor that set it, ends it too.
    """

    __slots__ = (
        "_due",
        "_handle",
        "_interval",
        "_message",
        "_on_end",
        "_system",
        "_target",
        "active",
    )

    def __init__(
        self,
        system: ActorSystem,
        target: PID,
        message: object,
        delay: float,
        interval: float | None,
    ) -> None:
        if not delay >= 0 or (interval is not None and not interval > 0):
            raise ValueError("a delay is not negative, and an interval is positive")
        self._system = system
        self._target = target
        self._message = message
        self._interval = interval
        self._on_end: Callable[[Timer], None] | None = None
        self._due = system.loop.time() + delay
        self._handle: asyncio.TimerHandle | None = None
        self.active = True
        """Whether a message will still come."""

    def start(self) -> None:
        """Sends from now on what is due, unless the timer was cancelled before."""
        if self.active:
            self._handle = self._system.loop.call_at(self._due, self._fire)

    def on_end(self, call: Callable[[Timer], None]) -> None:
        """Calls something when no message will come any more."""
        self._on_end = call

    def cancel(self) -> bool:
        """No message comes any more; False if none would have come."""
        if not self.active:
            return False
        if self._handle is not None:
            self._handle.cancel()
        self._end()
        return True

    def _end(self) -> None:
        self.active = False
        self._handle = None
        if self._on_end is not None:
            self._on_end(self)

    def _fire(self) -> None:
        if not self._system.running:
            self._end()
            return
        if self._interval is None:
            self._end()
        else:
            missed = (self._system.loop.time() - self._due) // self._interval
            self._due += (missed + 1) * self._interval
            self._handle = self._system.loop.call_at(self._due, self._fire)
        self._system.deliver_or_bury(self._target, self._message)
