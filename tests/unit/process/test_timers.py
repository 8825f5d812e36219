"""A timer comes once in effect when the clock passes it, unless it was cancelled or replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from daicho.entity.v1 import Settled
from daicho.testing import Clock
from tests.unit.process.transfers import (
    BROKEN,
    Account,
    Bank,
    Deposit,
    Deposited,
    Do,
    Withdraw,
    amount,
    settled,
)

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def clock(bank: Bank) -> Clock:
    """The time of all applications of the test."""
    assert isinstance(bank.clock, Clock)
    return bank.clock


async def do(app: object, act: Callable[[Account], object], id: str = "alice") -> object:  # noqa: A002
    return await app.entity(Account, id).ask(Do(act))  # type: ignore[attr-defined]


def schedule(name: str, amount: int, after: timedelta) -> Callable[[Account], object]:
    return lambda account: account.schedule(Deposit(amount), name=name, after=after)


async def test_a_timer_comes_exactly_when_the_clock_passes_it(bank: Bank, clock: Clock) -> None:
    async with bank.app() as app:
        await do(app, schedule("t", 5, MINUTE))
        clock.advance(MINUTE - MICROSECOND)
        await settled(app)
        await asyncio.sleep(10)
        assert await amount(app, "alice") == 0
        clock.advance(MICROSECOND)
        await settled(app)
        assert await amount(app, "alice") == 5
        clock.advance(MINUTE)
        await settled(app)
        assert await amount(app, "alice") == 5


async def test_a_timer_comes_by_itself(bank: Bank, clock: Clock) -> None:
    async with bank.app() as app:
        await do(app, schedule("late", 5, 2 * MINUTE))
        await do(app, schedule("early", 7, MINUTE))
        await asyncio.sleep(1)
        clock.advance(MINUTE)
        await asyncio.sleep(1)
        assert await amount(app, "alice") == 7
        clock.advance(MINUTE)
        await asyncio.sleep(1)
        assert await amount(app, "alice") == 12


async def test_the_command_of_a_timer_and_its_end_are_one_write(bank: Bank, clock: Clock) -> None:
    async with bank.app() as app:
        await do(app, schedule("t", 5, MINUTE))
        clock.advance(MINUTE)
        await settled(app)
        _, over, deposited = [c async for c in app.entity(Account, "alice").history()]
        assert deposited.event == Deposited(5)
        assert over.event == Settled(number=1, outcome=Settled.OUTCOME_FIRED)
        assert deposited.time == over.time == clock.now


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_timer_outlives_the_application(bank: Bank, clock: Clock, at_once: bool) -> None:  # noqa: FBT001
    async with bank.app() as app:
        await do(app, schedule("t", 5, MINUTE))
    if at_once:
        clock.advance(2 * MINUTE)
    async with bank.app() as app:
        await settled(app)
        assert await amount(app, "alice") == (5 if at_once else 0)
        clock.advance(2 * MINUTE)
        await settled(app)
        assert await amount(app, "alice") == 5
    async with bank.app() as app:
        await settled(app)
        assert await amount(app, "alice") == 5


async def test_a_timer_that_is_cancelled_does_not_come(bank: Bank, clock: Clock) -> None:
    async with bank.app() as app:
        await do(app, schedule("t", 5, MINUTE))
        await settled(app)
        assert await do(app, lambda account: account.cancel("t")) is True
        clock.advance(MINUTE)
        await settled(app)
        assert await amount(app, "alice") == 0
        assert await do(app, lambda account: account.cancel("t")) is False


async def test_a_timer_that_is_replaced_comes_at_its_new_time_alone(
    bank: Bank, clock: Clock
) -> None:
    async with bank.app() as app:
        await do(app, schedule("t", 5, MINUTE))
        await do(app, schedule("t", 7, 2 * MINUTE))
    async with bank.app() as app:
        clock.advance(MINUTE)
        await settled(app)
        assert await amount(app, "alice") == 0
        clock.advance(MINUTE)
        await settled(app)
        assert await amount(app, "alice") == 7


async def test_what_is_past_is_due_at_once(bank: Bank, clock: Clock) -> None:
    async with bank.app() as app:
        await do(app, lambda a: a.schedule(Deposit(5), name="t", at=clock.now - MINUTE))
        await settled(app)
        assert await amount(app, "alice") == 5


async def test_timers_come_in_the_order_in_which_they_are_due(bank: Bank, clock: Clock) -> None:
    async with bank.app() as app:
        for n in (3, 1, 5, 2, 4):
            await do(app, schedule(f"t{n}", n, n * MINUTE))
        clock.advance(10 * MINUTE)
        await settled(app)
        changes = [change.event async for change in app.entity(Account, "alice").history()]
        assert [e for e in changes if isinstance(e, Deposited)] == [
            Deposited(n) for n in range(1, 6)
        ]


async def test_a_timer_whose_command_is_rejected_has_come_to_its_end(
    bank: Bank, clock: Clock
) -> None:
    async with bank.app() as app:
        await do(app, lambda a: a.schedule(Withdraw(5), name="t", after=MINUTE))
        clock.advance(MINUTE)
        await settled(app)
        _, over = [c async for c in app.entity(Account, "alice").history()]
        assert over.event == Settled(number=1, outcome=Settled.OUTCOME_FIRED)


async def test_a_timer_that_fails_is_tried_again_and_holds_up_no_other(
    bank: Bank, clock: Clock
) -> None:
    def fail_once(account: Account) -> None:
        account.schedule(Deposit(5), name="fails", after=MINUTE)
        account.schedule(Withdraw(0), name="works", after=2 * MINUTE)

    async with bank.app() as app:
        await do(app, fail_once)
        await do(app, fail_once, "bob")
        BROKEN.add("alice")
        clock.advance(MINUTE)
        await asyncio.sleep(60)
        assert await amount(app, "bob") == 5
        assert await amount(app, "alice") == 0
        BROKEN.clear()
        clock.advance(MINUTE)
        await settled(app)
        assert await amount(app, "alice") == 5
        names = [c.event.number async for c in app.entity(Account, "alice").history()
                 if isinstance(c.event, Settled)]  # fmt: skip
        assert sorted(names) == [1, 2]


async def test_timers_that_are_cancelled_are_not_kept_until_they_are_due(
    bank: Bank, clock: Clock
) -> None:
    def again(account: Account) -> None:
        for n in range(1_000):
            account.schedule(Deposit(n), name="t", after=MINUTE)

    async with bank.app() as app:
        await do(app, again)
        await settled(app)
        assert len(app.courier._post) == 1
        assert len(app.courier._post.alarms._heap) < 200
        clock.advance(MINUTE)
        await settled(app)
        assert await amount(app, "alice") == 999
        assert len(app.courier._post) == 0


class Bad(Clock):
    """Its sleep ends too early, in an error or without one."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error
        self.sleeps = 0
        self.good = False

    async def sleep_until(self, us: int) -> None:
        self.sleeps += 1
        if self.good:
            await super().sleep_until(us)
        elif self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [OSError("no clock"), None])
async def test_a_clock_that_does_not_sleep_is_asked_ever_less_often_and_delays_timers_alone(
    bank: Bank, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    bad = Bad(error)
    async with bank.app(clock=bad) as app:
        await do(app, schedule("t", 5, MINUTE))
        await asyncio.sleep(100)
        assert 5 < bad.sleeps < 30
        assert "the clock fails timers, next try in" in caplog.text
        assert ("no clock" if error else "sleep_until(") in caplog.text
        # It is rung when it is due even so.
        bad.advance(MINUTE)
        await asyncio.sleep(20)
        assert await amount(app, "alice") == 5
        await do(app, schedule("t", 7, MINUTE))
        bad.good = True
        await asyncio.sleep(20)
        bad.advance(MINUTE)
        await asyncio.sleep(1)
        assert await amount(app, "alice") == 12
