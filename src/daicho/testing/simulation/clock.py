"""The time of day in a simulation: it passes with the loop's."""

from __future__ import annotations

import asyncio

from daicho.testing.clock import START, microseconds


class SimulatedClock:
    """A ``daicho.Clock`` for applications on a loop of virtual time."""

    def __init__(self) -> None:
        self._start_us = microseconds(START)

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return self._start_us + round(asyncio.get_running_loop().time() * 1_000_000)

    async def sleep_until(self, us: int) -> None:
        """Returns once the loop's time has come to ``us``."""
        while (left_us := us - self.now_us()) > 0:  # noqa: ASYNC110 - a float may be a hair early
            await asyncio.sleep(left_us / 1_000_000)
