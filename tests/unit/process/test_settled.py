"""Waiting until what is stored has had its consequences."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from daicho.errors import JournalUnavailable, SystemStopped
from tests.unit.entity.accounts import Way
from tests.unit.process.transfers import (
    BROKEN,
    DONE,
    Account,
    Bank,
    Deposit,
    Do,
    amount,
    fill,
    order,
    settled,
    steps,
)


async def test_where_nothing_follows_there_is_nothing_to_wait_for(bank: Bank) -> None:
    async with bank.app() as app:
        await settled(app)
        await fill(app, "alice", 100)
        await settled(app)


async def test_passed_waits_for_what_follows_but_not_for_what_follows_from_that(
    bank: Bank,
) -> None:
    async with bank.app() as app:
        await fill(app, "alice", 100)
        BROKEN.add("alice")
        await order(app, "alice/1", "bob", 30)
        async with asyncio.timeout(60):
            await app.courier.passed(await bank.journal.last_position())
        assert await steps(app, "alice/1") == ("started",)
        waits = asyncio.create_task(app.courier.passed(await bank.journal.last_position()))
        await asyncio.sleep(60)
        assert not waits.done()
        BROKEN.clear()
        await waits
        assert await amount(app, "alice") == 70


async def test_a_position_to_come_is_waited_for(bank: Bank) -> None:
    async with bank.app() as app:
        waits = asyncio.create_task(app.courier.passed(2))
        await fill(app, "alice", 100)
        await asyncio.sleep(10)
        assert not waits.done()
        await order(app, "alice/1", "bob", 30)
        await asyncio.wait_for(waits, 60)


async def test_timers_that_are_not_due_are_not_waited_for(bank: Bank) -> None:
    def schedule(account: Account) -> None:
        account.schedule(Deposit(5), name="t", after=timedelta(minutes=1))

    async with bank.app() as app:
        await app.entity(Account, "alice").ask(Do(schedule))
        await settled(app)
        assert await amount(app, "alice") == 0


async def test_many_may_wait_at_once(bank: Bank) -> None:
    async with bank.app() as app:
        await fill(app, "alice", 100)
        await order(app, "alice/1", "bob", 30)
        await asyncio.gather(*(settled(app) for _ in range(10)))
        assert await steps(app, "alice/1") == DONE


async def test_who_waits_when_the_application_ends_is_told(bank: Bank) -> None:
    async with bank.app() as app:
        waits = asyncio.create_task(app.courier.passed(1))
        await asyncio.sleep(1)
    with pytest.raises(SystemStopped):
        await waits
    with pytest.raises(SystemStopped):
        await app.courier.passed(0)


async def test_who_is_cancelled_waits_no_longer(bank: Bank) -> None:
    async with bank.app() as app:
        waits = asyncio.create_task(app.courier.passed(1))
        await asyncio.sleep(1)
        tasks = len(asyncio.all_tasks())
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        await asyncio.sleep(1)
        assert len(asyncio.all_tasks()) == tasks - 2


async def test_who_waits_hears_what_the_journal_says(bank: Bank) -> None:
    way = Way(bank.journal)
    async with bank.app(way) as app:
        await settled(app)
        await asyncio.sleep(0.5)
        way.fail("last_position", JournalUnavailable("test", "away"))
        with pytest.raises(JournalUnavailable):
            await app.settled()
