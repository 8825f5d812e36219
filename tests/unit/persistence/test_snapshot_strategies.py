"""When a snapshot is due, and how many are kept."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from daicho import persistence
from daicho.actor import Context
from daicho.persistence import LastSnapshot, SnapshotFailed
from tests.support.histories import versions
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    Add,
    Do,
    Ledger,
    adding,
    event,
    eventually,
    forget,
    listen,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import PaymentMoney, ReceiveMoney


@pytest.mark.parametrize("interval", [0, -1, -5])
async def test_an_interval_of_zero_or_less_is_off(interval: int) -> None:
    journal = FaultJournal()
    diary = await adding(journal, persistence.every(interval), *[1] * 12)
    assert "RequestSnapshot" not in diary.names()
    async with journal:
        assert await versions(journal) == []


async def test_without_a_strategy_nothing_is_asked() -> None:
    diary = await adding(FaultJournal(), None, *[1] * 12)
    assert "RequestSnapshot" not in diary.names()


async def test_several_events_that_pass_the_interval_are_one_request_after_all_of_them() -> None:
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.total += 6
        ledger.persist_receive(*[event()] * 6)

    using = persistence.using(journal, snapshot=persistence.every(5))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        system.root.send(pid, Do(act))
        assert await total(system, pid) == 6
        await forget(system, pid)
        assert await versions(journal) == [6]


async def test_a_snapshot_by_the_type_of_the_event() -> None:
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.total -= 1
        ledger.persist_receive(PaymentMoney(amount=1))

    using = persistence.using(journal, snapshot=persistence.on_type(PaymentMoney))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        for message in (Add(5), Do(act), Add(5), Do(act)):
            system.root.send(pid, message)
            await total(system, pid)
            await turns()
        await forget(system, pid)
        assert await versions(journal) == [2, 4]


async def test_a_snapshot_by_a_predicate() -> None:
    journal = FaultJournal()

    def large(event: object, version: int) -> bool:
        return isinstance(event, ReceiveMoney) and event.amount > 100 and version > 1

    await adding(journal, persistence.when(large), 500, 5, 500, 5)
    async with journal:
        assert await versions(journal) == [3]


async def test_a_snapshot_by_any_of_several_strategies() -> None:
    journal = FaultJournal()
    strategy = persistence.any_of(persistence.every(3), persistence.when(lambda _, v: v == 4))
    await adding(journal, strategy, *[1] * 7)
    async with journal:
        assert await versions(journal) == [3, 4, 6]


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_snapshot_by_time_since_the_last_one() -> None:
    clock = Clock()
    last, strategy = LastSnapshot(clock), persistence.every_seconds(60)
    assert not strategy.due(event(), 1, last)
    clock.now += 59
    assert not strategy.due(event(), 2, last)
    clock.now += 1
    assert strategy.due(event(), 3, last)
    assert last.seconds_ago == 60
    last.taken(3)
    assert (last.version, last.seconds_ago) == (3, 0)
    assert not strategy.due(event(), 4, last)


async def test_a_snapshot_by_time_is_asked_for_at_the_first_event_after_it() -> None:
    journal = FaultJournal()
    await adding(journal, persistence.every_seconds(1e-9), 1, 1)
    async with journal:
        assert await versions(journal) == [1, 2]
    journal = FaultJournal()
    await adding(journal, persistence.every_seconds(1e9), 1, 1)
    async with journal:
        assert await versions(journal) == []


async def test_the_time_between_snapshots_is_that_of_the_given_clock() -> None:
    journal, clock = FaultJournal(), Clock()
    using = persistence.using(journal, snapshot=persistence.every_seconds(60), clock=clock)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        for seconds in (0, 59, 1, 59, 1):
            clock.now += seconds
            await system.root.ask(pid, Add(1))
            await turns()
        await forget(system, pid)
        assert await versions(journal) == [3, 5]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: persistence.every_seconds(0), "the time between snapshots is positive, not 0"),
        (lambda: persistence.every_seconds(float("nan")), "is positive, not nan"),
        (persistence.on_type, "on_type needs a type"),
        (lambda: persistence.Retention(0), "at least one snapshot is kept, not 0"),
    ],
)
def test_a_strategy_that_cannot_be_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


async def test_a_strategy_that_raises_is_reported_and_nothing_else() -> None:
    journal = FaultJournal()
    error = RuntimeError("cannot decide")

    def broken(event: object, version: int) -> bool:
        if version == 1:
            raise error
        return True

    using = persistence.using(journal, snapshot=persistence.when(broken))
    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await system.root.ask(pid, Add(1)) == 1
        assert heard.snapshots == [SnapshotFailed(pid, "ledger", 1, error)]
        assert heard.failures == []
        assert await versions(journal) == []
        assert await system.root.ask(pid, Add(1)) == 2
        await forget(system, pid)
        assert len(await stored(journal, "ledger")) == 2
        assert await versions(journal) == [2]
        assert len(heard.snapshots) == 1


async def test_the_newest_snapshots_are_kept_and_the_events_stay() -> None:
    journal = FaultJournal()
    using = persistence.using(
        journal, snapshot=persistence.every(2), retention=persistence.Retention(2)
    )
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        for _ in range(11):
            await system.root.ask(pid, Add(1))
            await turns()
        await forget(system, pid)
        assert await versions(journal) == [8, 10]
        assert len(await stored(journal, "ledger")) == 11


async def test_the_events_before_the_oldest_kept_snapshot_can_go_too() -> None:
    journal = FaultJournal()
    retention = persistence.Retention(2, truncate_events=True)
    using = persistence.using(journal, snapshot=persistence.every(2), retention=retention)
    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        for _ in range(11):
            await system.root.ask(pid, Add(1))
            await turns()
        await forget(system, pid)
        assert await versions(journal) == [8, 10]
        assert [record.version for record in await stored(journal, "ledger")] == [9, 10, 11]
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await total(system, pid) == 11
        assert await system.root.ask(pid, Add(1)) == 12
        assert heard.snapshots == []


async def test_with_fewer_snapshots_than_are_kept_no_event_goes() -> None:
    journal = FaultJournal()
    retention = persistence.Retention(3, truncate_events=True)
    using = persistence.using(journal, snapshot=persistence.every(2), retention=retention)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        for _ in range(4):
            await system.root.ask(pid, Add(1))
            await turns()
        await forget(system, pid)
        assert await versions(journal) == [2, 4]
        assert len(await stored(journal, "ledger")) == 4


@pytest.mark.parametrize("what", ["list_snapshots", "delete_snapshots", "truncate"])
async def test_pruning_that_fails_is_reported_and_done_the_next_time(what: str) -> None:
    journal = FaultJournal()
    retention = persistence.Retention(1, truncate_events=True)
    using = persistence.using(journal, snapshot=persistence.every(1), retention=retention)
    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        await system.root.ask(pid, Add(1))
        await eventually(lambda: system.is_alive(pid))
        await turns()
        journal.fail(what, OSError("not now"))
        await system.root.ask(pid, Add(1))
        await turns()
        assert len(heard.snapshots) == 1
        await system.root.ask(pid, Add(1))
        await forget(system, pid)
        assert await versions(journal) == [3]
        assert await stored(journal, "ledger") == []
        assert len(heard.snapshots) == 1


async def test_many_snapshots_at_once_become_the_newest() -> None:
    """One is written at a time; of those that come meanwhile only the newest is."""
    journal = FaultJournal()
    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        await asyncio.gather(*(system.root.ask(pid, Add(1)) for _ in range(100)))
        await forget(system, pid)
        assert (await versions(journal))[-1] == 100
        assert len(await versions(journal)) <= 3
