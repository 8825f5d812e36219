"""An event loop whose time jumps to the next timer when there is nothing to do.

A test of an hour's back-off takes a millisecond, and what it says of time is exact.
"""

from __future__ import annotations

import asyncio
import selectors


class NothingWillHappen(Exception):
    """The loop waits, and neither a timer nor a file will ever wake it."""


class _JumpingSelector(selectors.DefaultSelector):
    """Says what is ready now; instead of waiting it moves the time."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise NothingWillHappen("the test waits for something that nothing will bring about")
        if not ready and timeout != 0:
            self.loop.jump()
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The loop. It is for one thread: another that wakes it would come too late."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self._now = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Seconds since the loop was made; they pass only while it has nothing to do."""
        return self._now

    def jump(self) -> None:
        """Moves the time to the next timer.

        Exactly: adding what is left to the time would end a rounding error before the timer, and
        one that then arms itself again for the same time would never come to an end.
        """
        self._now = max(self._now, self._scheduled[0].when())
