"""What time it is for an application, and how it waits."""

from __future__ import annotations

import asyncio
from typing import Protocol

from daicho.persistence.settings import now_us

_LONGEST_SLEEP_S = 60.0
"""A computer may sleep or have its clock set; whoever waits looks again after so long."""


class Clock(Protocol):
    """The time of an application; a test brings one that it moves itself."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...

    async def sleep_until(self, us: int) -> None:
        """Returns once ``now_us()`` has reached ``us``."""
        ...


class SystemClock:
    """The time of the machine."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return now_us()

    async def sleep_until(self, us: int) -> None:
        """Returns once the machine's clock has reached ``us``, also if that is set meanwhile."""
        while (left_us := us - now_us()) > 0:  # noqa: ASYNC110 - a clock that is set tells nobody
            await asyncio.sleep(min(left_us / 1_000_000, _LONGEST_SLEEP_S))
