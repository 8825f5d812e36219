"""What time it is for an application, and how it waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol

from daicho.persistence.settings import now_us

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_LONGEST_SLEEP_S = 60.0
"""A computer may sleep or have its clock set; whoever waits looks again after so long."""


def time_of(us: int) -> datetime:
    """The time, in UTC, so many microseconds after 1970-01-01 UTC."""
    return _EPOCH + timedelta(microseconds=us)


def us_of(time: datetime) -> int:
    """The microseconds from 1970-01-01 UTC to a time, which has a zone."""
    return (time - _EPOCH) // _MICROSECOND


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

    now_us = staticmethod(now_us)
    """Microseconds since 1970-01-01 UTC."""

    async def sleep_until(self, us: int) -> None:
        """Returns once the machine's clock has reached ``us``, also if that is set meanwhile."""
        while (left_us := us - now_us()) > 0:  # noqa: ASYNC110 - a clock that is set tells nobody
            await asyncio.sleep(min(left_us / 1_000_000, _LONGEST_SLEEP_S))
