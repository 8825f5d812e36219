"""Two programs on one journal: each may do all of the work, and it is done once in effect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

import daicho
from daicho.actor import Started as Awake
from daicho.errors import Unsupported
from daicho.journal import Feature, MemoryJournal
from daicho.process import office
from daicho.testing import Clock
from tests.unit.entity.accounts import Way
from tests.unit.process.transfers import (
    DONE,
    Account,
    Bank,
    Deposit,
    Do,
    Started,
    Transfer,
    WentOn,
    amount,
    fill,
    history,
    order,
    settled,
    steps,
)


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications take each other for programs of other processes."""
    numbers = iter(range(1_000))
    # Nothing that is stored begins with it, so all events are foreign.
    monkeypatch.setattr(office, "next_event_id", lambda: b"stranger%d" % next(numbers))


@pytest.mark.parametrize("grace_s", [0.0, 5.0])
async def test_two_couriers_do_everything_once(bank: Bank, strangers: None, grace_s: float) -> None:
    async with (
        bank.app(Way(bank.journal), grace_s=grace_s) as one,
        bank.app(Way(bank.journal), grace_s=grace_s) as two,
    ):
        for app, source in ((one, "alice"), (two, "bob")):
            await fill(app, source, 1_000)
        for n in range(10):
            await order(one, f"alice/{n}", "bob", n)
            await order(two, f"bob/{n}", "closed" if n % 2 else "alice", n)
        await settled(one)
        await settled(two)
        assert await amount(one, "alice") == 1_000 - 45 + 20
        assert await amount(two, "bob") == 1_000 + 45 - 20
        for id_ in await one.entities(Transfer):
            events = await history(two, id_)
            assert len(events) == len(set(events))


async def test_the_program_that_stored_something_has_time_to_see_to_it(
    bank: Bank, strangers: None
) -> None:
    async with bank.app(entities=(Account,)) as app:
        await fill(app, "alice", 100)
        async with bank.app(grace_s=5.0) as other:
            await settled(other)
            await order(app, "alice/1", "bob", 30)
            await asyncio.sleep(4)
            assert await steps(other, "alice/1") == ()
            await asyncio.sleep(3)
            assert await steps(other, "alice/1") != ()


async def test_what_a_program_stored_itself_it_sees_to_at_once(bank: Bank) -> None:
    async with bank.app(grace_s=1_000.0) as app:
        await fill(app, "alice", 100)
        began = asyncio.get_running_loop().time()
        await order(app, "alice/1", "bob", 30)
        await settled(app)
        assert await steps(app, "alice/1") == DONE
        # It need not even poll for it.
        assert asyncio.get_running_loop().time() - began < 1.0


async def test_a_program_does_not_take_part_in_what_another_one_has_done_in_time(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bank.app() as app:
        monkeypatch.setattr(office, "next_event_id", lambda: b"stranger")
        async with bank.app(grace_s=5.0) as other:
            awake: list[str] = []
            other.system.event_stream.subscribe(
                lambda event: awake.append(str(event)), event_type=Awake
            )
            await fill(app, "alice", 100)
            await order(app, "alice/1", "bob", 30)
            await settled(app)
            await settled(other)
            assert await steps(other, "alice/1") == DONE
            assert other.directory.live_count == 0


async def test_what_a_dead_program_has_left_is_done_by_one_that_knows_an_older_state(
    bank: Bank, strangers: None
) -> None:
    def look(transfer: Transfer) -> int:
        return transfer.version

    def send(transfer: Transfer) -> None:
        transfer.emit(Started("alice", "bob", 30), WentOn("withdrawn"))
        transfer.send(Account, "bob", Deposit(30))

    way = Way(bank.journal)
    async with bank.app(grace_s=5.0) as two:
        # It holds the transfer as it was before anything happened to it.
        assert await two.entity(Transfer, "alice/1").ask(Do(look)) == 0
        async with bank.app(way, grace_s=1_000.0) as one:
            await one.entity(Transfer, "alice/1").ask(Do(send))
            way.cut_off()
        assert await two.entity(Transfer, "alice/1").ask(Do(look)) == 0
        await settled(two)
        assert await steps(two, "alice/1") == DONE
        assert await amount(two, "bob") == 30


async def test_a_timer_that_a_dead_program_has_set_comes_from_another_one(
    bank: Bank, strangers: None
) -> None:
    assert isinstance(bank.clock, Clock)

    def schedule(account: Account) -> None:
        account.schedule(Deposit(5), name="t", after=timedelta(minutes=1))

    way = Way(bank.journal)
    async with bank.app(grace_s=5.0) as two:
        # It lives here as it is before the timer.
        assert await two.entity(Account, "alice").ask(Do(lambda a: a.version)) == 0
        async with bank.app(way, grace_s=1_000.0) as one:
            await one.entity(Account, "alice").ask(Do(schedule))
            way.cut_off()
        bank.clock.advance(timedelta(minutes=1))
        await settled(two)
        assert await amount(two, "alice") == 5


@pytest.mark.parametrize("conflict_attempts", [0, 100])
async def test_an_entity_that_two_programs_change_loses_no_outcome(
    bank: Bank, strangers: None, conflict_attempts: int
) -> None:
    async with (
        bank.app(grace_s=0.0, conflict_attempts=conflict_attempts) as one,
        bank.app(grace_s=0.0, conflict_attempts=conflict_attempts) as two,
    ):
        await fill(one, "alice", 100)
        await settled(two)
        for n in range(5):
            await order(one, f"alice/{n}", "bob", 10)
        await settled(one)
        await settled(two)
        assert await amount(two, "bob") == 50


class Unordered(MemoryJournal):
    """An engine whose events have no order."""

    @property
    def features(self) -> frozenset[Feature]:
        return super().features - {Feature.POSITIONS}


async def test_a_process_needs_a_journal_whose_events_have_an_order() -> None:
    with pytest.raises(Unsupported, match="processes follow them"):
        async with daicho.open(Unordered(), entities=[Account, Transfer]):
            raise AssertionError("it is not opened")


async def test_entities_alone_do_without_an_order_of_the_journal() -> None:
    async with daicho.open(Unordered(), entities=[Account]) as app:
        await fill(app, "alice", 5)
        await app.settled()
        assert await amount(app, "alice") == 5


@pytest.mark.parametrize("error", [MemoryError("none left"), None])
async def test_what_dies_of_a_courier_is_said(
    bank: Bank,
    error: Exception | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def die() -> None:
        raise error or asyncio.CancelledError

    app = bank.app()
    monkeypatch.setattr(app.courier._post.alarms, "run", die)
    async with app:
        await fill(app, "alice", 100)
        await asyncio.sleep(1)
        [said] = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert said.message.startswith("the ringing of timers has died")
        assert said.exc_info
        assert said.exc_info[0] is (MemoryError if error else asyncio.CancelledError)
    # Its own end is nothing to be said.
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


async def test_a_courier_looks_when_its_journal_hears_of_other_programs() -> None:
    class Hearing(MemoryJournal):
        def __init__(self) -> None:
            super().__init__()
            self.tells: list[Callable[[], None]] = []

        def on_append(self, tell: Callable[[], None]) -> Callable[[], None]:
            self.tells.append(tell)
            return lambda: self.tells.remove(tell)

    journal = Hearing()
    async with daicho.open(journal, entities=[Account, Transfer]) as app:
        assert journal.tells == [app.courier.wake]
    assert journal.tells == []
