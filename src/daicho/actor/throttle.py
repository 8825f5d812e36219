"""So many events in a period, and not more."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable


class Valve(enum.Enum):
    """What a throttle says of an event."""

    OPEN = "open"
    """It is one of the first; go on."""
    CLOSING = "closing"
    """It is the last that goes through in this period."""
    CLOSED = "closed"
    """Hold it back."""


class Throttle:
    """Lets ``limit`` events through in a period, and counts the rest.

    A period begins with its first event and lasts ``period`` seconds. Then ``on_end`` is called
    with the number of events that were held back, if there were any::

        throttle = Throttle(3, 1.0, lambda count: log.info("%d more", count))
        if throttle() is not Valve.CLOSED:
            log.info("…")

    ``call_later(seconds, callback)`` is the clock; without one it is that of the running loop.
    """

    __slots__ = ("_call_later", "_count", "_limit", "_on_end", "_period")

    def __init__(
        self,
        limit: int,
        period: float,
        on_end: Callable[[int], None] | None = None,
        *,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        if limit < 1:
            raise ValueError(f"a throttle lets at least one event through, not {limit}")
        if not period > 0:
            raise ValueError(f"a period is a positive number of seconds, not {period!r}")
        self._limit = limit
        self._period = period
        self._on_end = on_end
        self._call_later = call_later
        self._count = 0

    def __call__(self) -> Valve:
        """Counts an event and says what becomes of it."""
        self._count += 1
        if self._count == 1:
            call_later = self._call_later or asyncio.get_running_loop().call_later
            call_later(self._period, self._end_period)
        if self._count < self._limit:
            return Valve.OPEN
        return Valve.CLOSING if self._count == self._limit else Valve.CLOSED

    def _end_period(self) -> None:
        held_back = self._count - self._limit
        self._count = 0
        if held_back > 0 and self._on_end is not None:
            self._on_end(held_back)
