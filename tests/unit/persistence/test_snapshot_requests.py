"""When a snapshot is asked for and how: the message at hand goes on as if nothing had happened."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from daicho import persistence
from daicho.actor import Behavior, Context
from daicho.errors import PersistRefused, UnencodableEvent
from daicho.persistence import LastSnapshot, RequestSnapshot, SnapshotFailed, SnapshotStrategy
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    Add,
    AsyncLedger,
    Diary,
    Do,
    Ledger,
    eventually,
    forget,
    listen,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet


def event(amount: int = 1) -> ReceiveMoney:
    return ReceiveMoney(amount=amount)


async def versions(journal: FaultJournal, stream: str = "ledger") -> list[int]:
    """The versions of the snapshots, oldest first."""
    return [snapshot.version for snapshot in await journal.list_snapshots(stream)][::-1]


async def adding(
    journal: FaultJournal,
    strategy: SnapshotStrategy | None,
    *amounts: int,
    kind: type[Ledger] = Ledger,
) -> Diary:
    """What a ledger goes through that gets these amounts, one after another."""
    diary = Diary()
    using = persistence.using(journal, snapshot=strategy)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary, kind=kind, using=using), "ledger")
        for amount in amounts:
            await system.root.ask(pid, Add(amount))
        await forget(system, pid)
        diary.messages = [message for message in diary.messages if message is not None]
    return diary


class Behaving(Ledger):
    """A plain method that hands its messages to an async handler."""

    def __init__(self, diary: Diary | None = None) -> None:
        super().__init__(diary)
        self.behavior = Behavior(self.opened)

    def receive(self, ctx: Context) -> object:
        return self.behavior.receive(ctx)

    async def opened(self, ctx: Context) -> None:
        await asyncio.sleep(0)
        super().receive(ctx)


class Tasking(Ledger):
    """A plain method that returns a task."""

    def receive(self, ctx: Context) -> object:
        if isinstance(ctx.message, RequestSnapshot):
            return asyncio.ensure_future(self.answer())
        return super().receive(ctx)

    async def answer(self) -> None:
        self.persist_snapshot(Wallet(deposit=self.total))


KINDS = [Ledger, AsyncLedger, Behaving, Tasking]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_snapshot_holds_the_event_that_caused_it(kind: type[Ledger]) -> None:
    journal = FaultJournal()
    await adding(journal, persistence.every(3), *range(1, 8), kind=kind)
    async with journal:
        assert await versions(journal) == [3, 6]
        payloads = [snapshot.payload for snapshot in await journal.list_snapshots("ledger")]
        assert [Wallet.FromString(payload).deposit for payload in payloads] == [21, 6]
        assert len(await stored(journal, "ledger")) == 7


@pytest.mark.parametrize("kind", KINDS)
async def test_the_sender_survives_a_snapshot_request(kind: type[Ledger]) -> None:
    journal = FaultJournal()

    class Looking(kind):  # type: ignore[misc, valid-type]
        def persist_receive(self, *events: object) -> None:
            before = (context.message, context.sender, context.headers)
            super().persist_receive(*events)
            assert (context.message, context.sender, context.headers) == before

    using = persistence.using(journal, snapshot=persistence.every(1))
    context: Context
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Looking, using=using), "ledger")
        await total(system, pid)
        context = system.cell(pid)
        for amount in range(1, 6):
            reply = await system.root.ask(pid, Add(1), headers={"command-id": str(amount)})
            assert reply == amount
        await forget(system, pid)
        assert await versions(journal) == [1, 2, 3, 4, 5]


async def test_a_plain_handler_is_asked_in_its_middle_and_an_async_one_at_its_end() -> None:
    plain = await adding(FaultJournal(), persistence.every(2), 1, 1)
    assert plain.names()[-4:] == ["Add", "RequestSnapshot", "Stopping", "Stopped"]
    asked: list[str] = []

    class Telling(AsyncLedger):
        async def receive(self, ctx: Context) -> object:
            name = type(ctx.message).__name__
            asked.append(f"begin {name}")
            await super().receive(ctx)
            asked.append(f"end {name}")
            return None

    await adding(FaultJournal(), persistence.every(1), 1, kind=Telling)
    assert asked[4:8] == ["begin Add", "end Add", "begin RequestSnapshot", "end RequestSnapshot"]


async def test_a_message_that_persists_often_is_asked_once_at_its_end_if_async() -> None:
    journal = FaultJournal()
    diary = Diary()

    async def act(ledger: Ledger, ctx: Context) -> None:
        for _ in range(3):
            ledger.persist_receive(event())
            ledger.total += 1
        await ledger.persist(event())
        ledger.total += 1

    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(
            props(journal, diary, kind=AsyncLedger, using=using), "ledger"
        )
        system.root.send(pid, Do(act))
        assert await total(system, pid) == 4
        await forget(system, pid)
        assert diary.names().count("RequestSnapshot") == 1
        assert await versions(journal) == [4]


async def test_the_events_are_on_their_way_while_an_async_handler_makes_its_snapshot() -> None:
    journal = FaultJournal()
    go = asyncio.Event()

    class Slow(AsyncLedger):
        async def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, RequestSnapshot):
                await go.wait()
            return await super().receive(ctx)

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event())
        ctx.respond("stored")

    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Slow, using=using), "ledger")
        assert await system.root.ask(pid, Do(act)) == "stored"
        waiting = system.root.ask(pid, Add(1))
        await turns()
        assert not waiting.done()
        go.set()
        await waiting
        await forget(system, pid)
        assert await versions(journal) == [1, 2]


async def test_a_handler_that_raises_is_not_asked_any_more() -> None:
    journal = FaultJournal()
    diary = Diary()

    async def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event())
        raise RuntimeError("no")

    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(
            props(journal, diary, kind=AsyncLedger, using=using), "ledger"
        )
        system.root.send(pid, Do(act))
        assert await total(system, pid) == 0
        assert "RequestSnapshot" not in diary.names()


# --- strategies -----------------------------------------------------------------------------------


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


async def test_a_strategy_that_raises_is_the_failure_of_the_message() -> None:
    journal = FaultJournal()

    def broken(event: object, version: int) -> bool:
        raise RuntimeError("cannot decide")

    using = persistence.using(journal, snapshot=persistence.when(broken))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        with pytest.raises(Exception, match="cannot decide"):
            await system.root.ask(pid, Add(1))
        assert await total(system, pid) == 0
        assert await stored(journal, "ledger") == []


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_snapshot_handler_that_raises_is_reported_and_nothing_else(
    kind: type[Ledger],
) -> None:
    journal = FaultJournal()
    diary = Diary()

    class Broken(kind):  # type: ignore[misc, valid-type]
        def persist_snapshot(self, state: object) -> None:
            super().persist_snapshot("no message")

    using = persistence.using(journal, snapshot=persistence.every(2))
    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, diary, kind=Broken, using=using), "ledger")
        for amount in range(1, 6):
            assert await system.root.ask(pid, Add(1)) == amount
        await forget(system, pid)
        assert [(s.pid, s.stream, s.version) for s in heard.snapshots] == [
            (pid, "ledger", 2),
            (pid, "ledger", 4),
        ]
        assert all(isinstance(failed.error, UnencodableEvent) for failed in heard.snapshots)
        assert heard.failures == []
        assert diary.incarnations == 1
        assert len(await stored(journal, "ledger")) == 5


@pytest.mark.parametrize("kind", [Ledger, AsyncLedger])
async def test_who_is_asked_for_a_snapshot_persists_nothing_else(kind: type[Ledger]) -> None:
    journal = FaultJournal()

    class Eager(kind):  # type: ignore[misc, valid-type]
        def apply(self, message: object) -> None:
            if isinstance(message, RequestSnapshot):
                self.persist_receive(event())
            super().apply(message)

    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, kind=Eager, using=using), "ledger")
        assert await system.root.ask(pid, Add(1)) == 1
        await forget(system, pid)
        assert len(await stored(journal, "ledger")) == 1
        (failed,) = heard.snapshots
        assert isinstance(failed.error, PersistRefused)
        assert "whoever is asked for a snapshot changes nothing" in str(failed.error)


async def test_a_manual_snapshot_that_cannot_be_stored_is_the_handlers_error() -> None:
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event())
        with pytest.raises(UnencodableEvent):
            ledger.persist_snapshot(object())
        ctx.respond("went on")

    def empty(ledger: Ledger, ctx: Context) -> None:
        with pytest.raises(PersistRefused, match="'ledger' has no events yet that a snapshot"):
            ledger.persist_snapshot(Wallet())
        ctx.respond("went on")

    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await system.root.ask(pid, Do(empty)) == "went on"
        assert await system.root.ask(pid, Do(act)) == "went on"
        assert heard.snapshots == []


async def test_a_snapshot_waits_until_its_events_are_durable() -> None:
    journal = FaultJournal()
    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        await total(system, pid)
        journal.hold()
        asked = system.root.ask(pid, Add(1))
        await journal.held()
        await turns()
        assert await versions(journal) == []
        journal.release()
        await asked
        await forget(system, pid)
        assert await versions(journal) == [1]


async def test_a_snapshot_of_events_that_were_not_stored_is_not_stored() -> None:
    journal = FaultJournal()
    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        await total(system, pid)
        journal.fail("append", OSError("no"))
        with pytest.raises(Exception, match="were not stored"):
            await system.root.ask(pid, Add(1))
        await forget(system, pid)
        assert await versions(journal) == []


async def test_a_snapshot_of_a_message_that_raises_is_not_stored_and_the_one_before_is() -> None:
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event())
        ledger.persist_snapshot(Wallet(deposit=1_000_000))
        raise RuntimeError("no")

    def snapshot(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_snapshot(Wallet(deposit=ledger.total))

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        for message in (Add(1), Do(snapshot), Do(act)):
            system.root.send(pid, message)
        assert await total(system, pid) == 1
        await forget(system, pid)
        assert await versions(journal) in ([1], [])
        assert len(await stored(journal, "ledger")) == 1


async def test_a_snapshot_that_cannot_be_written_is_reported_and_nothing_else() -> None:
    journal = FaultJournal()
    using = persistence.using(journal, snapshot=persistence.every(2))
    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        error = OSError("no room for it")
        journal.fail("save_snapshot", error)
        for amount in range(1, 5):
            assert await system.root.ask(pid, Add(1)) == amount
        await forget(system, pid)
        assert heard.snapshots == [SnapshotFailed(pid, "ledger", 2, error)]
        assert heard.failures == []
        assert await versions(journal) == [4]


# --- retention ------------------------------------------------------------------------------------


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
