"""So many events in a period, and not more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from daicho.actor import Throttle, Valve


class Clock:
    """Remembers what is to be called, and calls it when it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.calls.append((seconds, callback))

    def end_period(self) -> None:
        _, callback = self.calls.pop()
        callback()


def test_the_valve_closes_at_the_limit() -> None:
    throttle = Throttle(3, 1.0, call_later=Clock().call_later)
    assert [throttle() for _ in range(5)] == [
        Valve.OPEN,
        Valve.OPEN,
        Valve.CLOSING,
        Valve.CLOSED,
        Valve.CLOSED,
    ]


def test_a_period_begins_with_its_first_event_and_opens_the_valve_at_its_end() -> None:
    clock = Clock()
    throttle = Throttle(1, 2.5, call_later=clock.call_later)
    assert clock.calls == []
    throttle()
    throttle()
    assert [seconds for seconds, _ in clock.calls] == [2.5]
    clock.end_period()
    assert throttle() is Valve.CLOSING
    assert len(clock.calls) == 1


@pytest.mark.parametrize(("events", "held_back"), [(2, []), (3, []), (4, [1]), (10, [7])])
def test_what_was_held_back_is_told_at_the_end_of_the_period(
    events: int, held_back: list[int]
) -> None:
    clock = Clock()
    told: list[int] = []
    throttle = Throttle(3, 1.0, told.append, call_later=clock.call_later)
    for _ in range(events):
        throttle()
    clock.end_period()
    assert told == held_back


async def test_the_running_loop_is_the_clock_where_none_is_given() -> None:
    told: list[int] = []
    throttle = Throttle(1, 5.0, told.append)
    throttle()
    throttle()
    await asyncio.sleep(4.0)
    assert told == []
    await asyncio.sleep(2.0)
    assert told == [1]


@pytest.mark.parametrize(("limit", "period"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, float("nan"))])
def test_a_throttle_that_makes_no_sense_is_refused(limit: int, period: float) -> None:
    with pytest.raises(ValueError, match=r"at least one event|positive number"):
        Throttle(limit, period)
