"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2030, 1, 1, tzinfo=UTC)
"""When it is in a test that does not say."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """A time as microseconds since 1970-01-01 UTC.

    Raises:
        ValueError: It has no zone.
    """
    if time.tzinfo is None:
        raise ValueError(f"the time {time} has no zone; write datetime(…, tzinfo=UTC)")
    return (time - _EPOCH) // _MICROSECOND


def moment(us: int) -> datetime:
    """What :func:`microseconds` was given, in UTC."""
    return _EPOCH + timedelta(microseconds=us)


class Clock:
    """The time of an application under test; it passes when the test says so.

    Give it to ``daicho.open`` or to ``daicho.testing.app``. It belongs to one thread.

    Args:
        start: When it is at first, with its zone.

    Raises:
        ValueError: ``start`` has no zone.
    """

    def __init__(self, start: datetime = START) -> None:
        self._us = microseconds(start)
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def __repr__(self) -> str:
        return f"Clock({self.now.isoformat()})"

    @property
    def now(self) -> datetime:
        """What time it is, in UTC."""
        return moment(self._us)

    def advance(self, by: timedelta) -> None:
        """Lets some time pass; whoever waited for a time that has come wakes.

        They run when the test awaits something; ``await app.settled()`` waits for what they do.

        Raises:
            ValueError: ``by`` is negative; a clock that is put back is ``set``.
        """
        if by < timedelta(0):
            raise ValueError(f"time does not pass by {by}; a clock is put back with set(…)")
        self._move(self._us + by // _MICROSECOND)

    def set(self, time: datetime) -> None:
        """Sets it, forward or back, as the clock of a machine can be.

        Raises:
            ValueError: The time has no zone.
        """
        self._move(microseconds(time))

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return self._us

    async def sleep_until(self, us: int) -> None:
        """Returns once the clock was moved to ``us`` or beyond; at once if it is there."""
        while self._us < us:
            woken = asyncio.get_running_loop().create_future()
            self._waiting.append((us, woken))
            try:
                await woken
            finally:
                self._waiting = [each for each in self._waiting if each[1] is not woken]

    def _move(self, us: int) -> None:
        self._us = us
        # Those whose time came first wake first, as they would have.
        for _, woken in sorted((each for each in self._waiting if each[0] <= us), key=_due):
            if not woken.done():
                woken.set_result(None)


def _due(waiting: tuple[int, asyncio.Future[None]]) -> int:
    return waiting[0]
