"""The clock that a test moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from daicho.testing import START, Clock

SECOND_US = 1_000_000
NOW_US = 1_893_456_000 * SECOND_US


async def turns() -> None:
    """Lets everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_time_stands_still_until_it_is_moved() -> None:
    clock = Clock()
    assert clock.now == START
    assert clock.now_us() == clock.now_us() == NOW_US
    assert repr(clock) == "Clock(2030-01-01T00:00:00+00:00)"
    clock.advance(timedelta(seconds=1.5))
    assert clock.now_us() == NOW_US + 1_500_000
    clock.set(datetime(1970, 1, 1, tzinfo=UTC))
    assert clock.now_us() == 0


def test_time_does_not_pass_backwards() -> None:
    with pytest.raises(ValueError, match="does not pass by"):
        Clock().advance(timedelta(seconds=-1))


def test_a_time_without_a_zone_is_refused() -> None:
    naive = datetime(2030, 1, 1)  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="has no zone"):
        Clock(naive)
    with pytest.raises(ValueError, match="has no zone"):
        Clock().set(naive)


async def test_who_waits_for_a_time_that_has_come_goes_on_at_once() -> None:
    clock = Clock()
    await asyncio.wait_for(clock.sleep_until(NOW_US), 20)
    await asyncio.wait_for(clock.sleep_until(0), 20)


async def test_who_waits_wakes_when_the_time_has_come_and_not_before() -> None:
    clock = Clock()
    waiting = asyncio.create_task(clock.sleep_until(NOW_US + 2 * SECOND_US))
    await turns()
    clock.advance(timedelta(microseconds=1_999_999))
    await turns()
    assert not waiting.done()
    clock.advance(timedelta(microseconds=1))
    await asyncio.wait_for(waiting, 20)


async def test_those_who_wait_wake_in_the_order_of_their_times() -> None:
    clock, woken = Clock(), list[int]()

    async def wait(seconds: int) -> None:
        await clock.sleep_until(NOW_US + seconds * SECOND_US)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (3, 1, 2):
            group.create_task(wait(seconds))
        await turns()
        clock.advance(timedelta(minutes=1))
    assert woken == [1, 2, 3]


async def test_a_clock_that_is_put_back_before_anybody_looked_wakes_nobody() -> None:
    clock = Clock()
    waiting = asyncio.create_task(clock.sleep_until(NOW_US + SECOND_US))
    await turns()
    clock.advance(timedelta(seconds=1))
    clock.set(START)
    await turns()
    assert not waiting.done()
    clock.advance(timedelta(seconds=1))
    await asyncio.wait_for(waiting, 20)


async def test_who_gives_up_waiting_is_forgotten() -> None:
    clock = Clock()
    waiting = asyncio.create_task(clock.sleep_until(NOW_US + SECOND_US))
    await turns()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    clock.advance(timedelta(seconds=1))
    await asyncio.wait_for(clock.sleep_until(NOW_US + SECOND_US), 20)
