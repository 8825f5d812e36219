"""Promises 8 and 9: how an actor comes back, and what becomes of one that cannot."""

import asyncio
from dataclasses import replace

import pytest

from daicho import persistence
from daicho.actor import Context, Directive, Props, Started
from daicho.errors import (
    JournalCorrupt,
    JournalUnavailable,
    RecoveryFailed,
    UndecodableEvent,
    UnknownEventType,
)
from daicho.journal import Record, Snapshot
from daicho.persistence import ReplayComplete
from tests.support.journals import FaultJournal, foreign_append, stored
from tests.support.ledgers import (
    Add,
    AsyncLedger,
    Delays,
    Diary,
    Do,
    Get,
    Ledger,
    eventually,
    forget,
    listen,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import ReceiveMoney, Wallet

RECEIVE = ReceiveMoney.DESCRIPTOR.full_name
STATE = Wallet.DESCRIPTOR.full_name


def money(amount: int) -> tuple[str, bytes]:
    return RECEIVE, ReceiveMoney(amount=amount).SerializeToString()


def snapshot(
    version: int, deposit: int, type_name: str = STATE, stream: str = "ledger"
) -> Snapshot:
    payload = Wallet(deposit=deposit).SerializeToString()
    return Snapshot(stream=stream, version=version, type_name=type_name, payload=payload, time_us=0)


async def fill(journal: FaultJournal, count: int, stream: str = "ledger") -> None:
    """Events of 1, 2, 3 …"""
    await foreign_append(journal, stream, *(money(amount) for amount in range(1, count + 1)))


# --- the way back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Ledger, AsyncLedger])
async def test_first_the_snapshot_then_the_events_then_replay_complete(kind: type[Ledger]) -> None:
    journal = FaultJournal()
    diary = Diary()
    async with world(journal) as system:
        await fill(journal, 5)
        await journal.save_snapshot(snapshot(3, 1000))
        pid = system.root.spawn_named(props(journal, diary, kind=kind), "ledger")
        assert await total(system, pid) == 1009
        assert diary.messages == [
            Started(),
            Wallet(deposit=1000),
            ReceiveMoney(amount=4),
            ReceiveMoney(amount=5),
            ReplayComplete(),
            Get(),
        ]


async def test_an_empty_stream_ends_in_replay_complete_too() -> None:
    journal = FaultJournal()
    diary = Diary()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        assert await total(system, pid) == 0
        assert diary.messages == [Started(), ReplayComplete(), Get()]


async def test_an_initial_state_comes_where_no_snapshot_is_stored() -> None:
    journal = FaultJournal()
    diary = Diary()
    using = persistence.using(journal, initial=lambda: Wallet(deposit=100))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary, using=using), "ledger")
        assert await system.root.ask(pid, Add(1)) == 101
        assert diary.messages[1] == Wallet(deposit=100)
        await forget(system, pid)
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await total(system, pid) == 101
        await forget(system, pid)
        await journal.save_snapshot(snapshot(1, 7))
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await total(system, pid) == 7


async def test_an_initial_state_that_cannot_be_made_stops_the_actor() -> None:
    journal = FaultJournal()

    def broken() -> object:
        raise RuntimeError("no state")

    using = persistence.using(journal, initial=broken)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        with pytest.raises(RecoveryFailed, match="no state"):
            await system.root.ask(pid, Get())


async def test_recovering_is_true_until_replay_complete() -> None:
    journal = FaultJournal()
    seen: list[tuple[str, bool]] = []

    class Looking(Ledger):
        def receive(self, ctx: Context) -> object:
            seen.append((type(ctx.message).__name__, self.recovering))
            return super().receive(ctx)

    async with world(journal) as system:
        await fill(journal, 1)
        pid = system.root.spawn_named(props(journal, kind=Looking), "ledger")
        await total(system, pid)
        assert seen == [
            ("Started", True),
            ("ReceiveMoney", True),
            ("ReplayComplete", False),
            ("Get", False),
        ]


async def test_messages_wait_for_the_recovery_in_their_order() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        await fill(journal, 3000)
        pid = system.root.spawn_named(props(journal), "ledger")
        replies = await asyncio.gather(*(system.root.ask(pid, Add(1)) for _ in range(3)))
        base = sum(range(1, 3001))
        assert replies == [base + 1, base + 2, base + 3]


async def test_nothing_leaves_an_actor_that_is_being_recovered() -> None:
    journal = FaultJournal()
    heard: list[object] = []
    refused: list[asyncio.Future[object]] = []
    published: list[str] = []

    class Talking(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, ReceiveMoney | Wallet):
                ctx.send(other, "sent")
                ctx.publish("published")
                ctx.spawn_named(Props.from_function(lambda c: heard.append("child")), "child")
                refused.append(ctx.request_future(other, "asked"))
            return super().receive(ctx)

    async with world(journal) as system:
        system.event_stream.subscribe(published.append, event_type=str)
        other = system.root.spawn(Props.from_function(lambda ctx: heard.append(ctx.message)))
        await turns()
        heard.clear()
        await fill(journal, 1)
        pid = system.root.spawn_named(props(journal, kind=Talking), "ledger")
        assert await total(system, pid) == 1
        await turns()
        assert heard == []
        assert published == []
        with pytest.raises(Exception, match="'ledger' was recovering: nothing leaves an actor"):
            await refused[0]
        await eventually(lambda: not system.is_alive(system.pid("ledger/child")))


async def test_what_started_and_replay_complete_say_leaves_at_once() -> None:
    journal = FaultJournal()
    heard: list[object] = []

    class Talking(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, Started | ReplayComplete):
                ctx.publish(type(ctx.message).__name__)
            return super().receive(ctx)

    async with world(journal) as system:
        system.event_stream.subscribe(heard.append, event_type=str)
        pid = system.root.spawn_named(props(journal, kind=Talking), "ledger")
        await total(system, pid)
        assert heard == ["Started", "ReplayComplete"]


@pytest.mark.parametrize("kind", [Ledger, AsyncLedger])
async def test_replay_complete_may_persist(kind: type[Ledger]) -> None:
    journal = FaultJournal()

    class Opening(kind):  # type: ignore[misc, valid-type]
        def apply(self, message: object) -> None:
            super().apply(message)
            if isinstance(message, ReplayComplete) and not self.version:
                self.total += 50
                self.persist_receive(ReceiveMoney(amount=50))

    async with world(journal) as system:
        for _ in range(2):
            pid = system.root.spawn_named(props(journal, kind=Opening), "ledger")
            assert await total(system, pid) == 50
            await forget(system, pid)
        assert len(await stored(journal, "ledger")) == 1


# --- snapshots that are of no use -----------------------------------------------------------------


async def test_an_unreadable_snapshot_gives_way_to_the_one_before_it() -> None:
    journal = FaultJournal()
    diary = Diary()
    async with world(journal) as system:
        heard = listen(system)
        await fill(journal, 5)
        await journal.save_snapshot(snapshot(2, 1000))
        await journal.save_snapshot(snapshot(3, 0, type_name="gone.Type"))
        await journal.save_snapshot(replace(snapshot(4, 0), payload=b"\xff"))
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        assert await total(system, pid) == 1000 + 3 + 4 + 5
        assert [(failed.version, type(failed.error)) for failed in heard.snapshots] == [
            (4, UndecodableEvent),
            (3, UnknownEventType),
        ]
        assert diary.incarnations == 1


async def test_without_a_readable_snapshot_all_events_are_replayed() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        await fill(journal, 3)
        await journal.save_snapshot(snapshot(1, 0, type_name="gone.Type"))
        await journal.save_snapshot(snapshot(2, 0, type_name="gone.Type"))
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 6


async def test_a_snapshot_that_the_handler_refuses_spoils_no_state() -> None:
    """It may have used half of it, so another object goes on with the one before."""
    journal = FaultJournal()
    diary = Diary()

    class Picky(Ledger):
        def __init__(self, diary: Diary | None = None) -> None:
            super().__init__(diary)
            self.spoiled = False

        def apply(self, message: object) -> None:
            if isinstance(message, Wallet) and message.deposit < 0:
                self.total = -1_000_000
                self.spoiled = True
                raise ValueError("a wallet holds no debts")
            assert not (self.spoiled and isinstance(message, ReceiveMoney))
            super().apply(message)

    async with world(journal) as system:
        heard = listen(system)
        await fill(journal, 5)
        await journal.save_snapshot(snapshot(2, 1000))
        await journal.save_snapshot(snapshot(3, -1))
        await journal.save_snapshot(snapshot(4, -1))
        pid = system.root.spawn_named(props(journal, diary, kind=Picky), "ledger")
        assert await total(system, pid) == 1000 + 3 + 4 + 5
        assert [failed.version for failed in heard.snapshots] == [4, 3]
        assert heard.failures == []
        assert diary.incarnations == 3
        assert diary.names()[:4] == ["Started", "Wallet", "Restarting", "Started"]


async def test_children_and_timers_of_a_spoiled_object_end_with_it() -> None:
    journal = FaultJournal()
    ticks: list[int] = []

    class Parent(Ledger):
        def receive(self, ctx: Context) -> object:
            match ctx.message:
                case Started():
                    ctx.spawn_named(Props.from_function(lambda _: None), "child")
                    ctx.schedule_repeatedly(0.001, ctx.self, f"tick {self.diary.incarnations}")
                case str() as tick:
                    ticks.append(int(tick.split()[1]))
                case _:
                    pass
            return super().receive(ctx)

        def apply(self, message: object) -> None:
            if message == Wallet(deposit=5):
                raise ValueError("no")
            super().apply(message)

    diary = Diary()
    async with world(journal) as system:
        await fill(journal, 3)
        await journal.save_snapshot(snapshot(2, 5))
        pid = system.root.spawn_named(props(journal, diary, kind=Parent), "ledger")
        assert await total(system, pid) == 6
        await eventually(lambda: len(ticks) > 3)
        assert set(ticks[1:]) == {2}
        assert system.is_alive(system.pid("ledger/child"))


async def test_a_snapshot_ahead_of_its_stream_is_not_used() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        await fill(journal, 3)
        await journal.save_snapshot(snapshot(2, 1000))
        await journal.save_snapshot(snapshot(9, 5))
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 1003


async def test_retention_does_not_count_a_snapshot_ahead_of_the_stream() -> None:
    journal = FaultJournal()
    retention = persistence.Retention(1, truncate_events=True)
    using = persistence.using(journal, snapshot=persistence.every(4), retention=retention)
    async with world(journal) as system:
        heard = listen(system)
        await fill(journal, 3)
        await journal.save_snapshot(snapshot(9, 5))
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await system.root.ask(pid, Add(1)) == 7
        await forget(system, pid)
        assert heard.snapshots == []
        assert [s.version for s in await journal.list_snapshots("ledger")] == [9, 4]
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await total(system, pid) == 7


async def test_a_manual_snapshot_makes_the_next_recovery_skip_no_event() -> None:
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_snapshot(Wallet(deposit=ledger.total))

    def between(ledger: Ledger, ctx: Context) -> None:
        ledger.total += 10
        ledger.persist_receive(ReceiveMoney(amount=10))
        ledger.persist_snapshot(Wallet(deposit=ledger.total))
        ledger.total += 20
        ledger.persist_receive(ReceiveMoney(amount=20))

    async with world(journal) as system:
        expected = 0
        for message, amount in ((Do(act), 0), (Do(between), 30), (Do(act), 0)):
            pid = system.root.spawn_named(props(journal), "ledger")
            await system.root.ask(pid, Add(1))
            system.root.send(pid, message)
            expected += 1 + amount
            assert await total(system, pid) == expected
            assert await system.root.ask(pid, Add(1)) == expected + 1
            expected += 1
            await forget(system, pid)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == expected


# --- events that cannot be applied ----------------------------------------------------------------


async def refuses(
    journal: FaultJournal, kind: type[Ledger] = Ledger
) -> tuple[RecoveryFailed, Diary]:
    """The error of a ledger that cannot be recovered, which all that waited get."""
    diary = Diary()
    async with world(journal) as system:
        heard = listen(system)
        healthy = system.root.spawn_named(props(journal), "healthy")
        assert await system.root.ask(healthy, Add(5)) == 5
        pid = system.root.spawn_named(props(journal, diary, kind=kind), "ledger")
        waiting = [system.root.ask(pid, Get()), system.root.ask(pid, Add(1))]
        system.root.send(pid, "hello")
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        (error, other) = errors
        assert isinstance(error, RecoveryFailed)
        assert other is error
        await eventually(lambda: not system.is_alive(pid))
        assert [letter.message for letter in heard.dead_letters] == [Get(), Add(1), "hello"]
        assert [(f.pid, f.error, f.directive) for f in heard.failures] == [
            (pid, error, Directive.STOP)
        ]
        assert diary.incarnations == 1
        assert await system.root.ask(healthy, Add(5)) == 10
    return error, diary


async def test_bytes_that_are_no_event_stop_the_actor() -> None:
    journal = FaultJournal()
    async with journal:
        await foreign_append(journal, "ledger", money(1), (RECEIVE, b"\xff"), money(3))
    error, _ = await refuses(journal)
    assert (error.stream, error.version, error.type_name) == ("ledger", 2, RECEIVE)
    assert isinstance(error.__cause__, UndecodableEvent)
    assert str(error).startswith(
        "stream 'ledger' cannot be recovered at version 2 (wallet.v1.ReceiveMoney): "
    )


async def test_an_unknown_type_stops_the_actor() -> None:
    journal = FaultJournal()
    async with journal:
        await foreign_append(journal, "ledger", money(1), ("gone.Type", b""))
    error, _ = await refuses(journal)
    assert (error.stream, error.version, error.type_name) == ("ledger", 2, "gone.Type")
    assert isinstance(error.__cause__, UnknownEventType)


@pytest.mark.parametrize("kind", [Ledger, AsyncLedger])
async def test_a_handler_that_raises_on_history_stops_the_actor(kind: type[Ledger]) -> None:
    class Broken(kind):  # type: ignore[misc, valid-type]
        def apply(self, message: object) -> None:
            if message == ReceiveMoney(amount=3):
                raise RuntimeError("three is too much")
            super().apply(message)

    journal = FaultJournal()
    async with journal:
        await fill(journal, 5)
    error, diary = await refuses(journal, Broken)
    assert (error.version, error.type_name) == (3, RECEIVE)
    assert str(error.__cause__) == "three is too much"
    assert diary.names().count("ReceiveMoney") == 3


@pytest.mark.parametrize(("missing", "follows"), [(2, "version 3 follows"), (5, "nothing follows")])
async def test_a_gap_stops_the_actor(missing: int, follows: str) -> None:
    journal = FaultJournal()

    def hide(record: Record) -> Record | None:
        return None if record.stream == "ledger" and record.version == missing else record

    async with journal:
        await fill(journal, 5)
    journal.edit = hide
    error, _ = await refuses(journal)
    assert (error.version, error.type_name) == (missing, "missing")
    assert isinstance(error.__cause__, LookupError)
    assert f"the event is missing: {follows}, the stream is at version 5" in str(error)


async def test_a_version_that_comes_twice_stops_the_actor() -> None:
    journal = FaultJournal()

    def twice(record: Record) -> Record:
        return record._replace(version=2) if record.version == 3 else record

    async with journal:
        await fill(journal, 5)
    journal.edit = twice
    error, _ = await refuses(journal)
    assert error.version == 3
    assert "version 2 follows" in str(error)


async def test_a_truncated_head_without_a_snapshot_stops_the_actor() -> None:
    journal = FaultJournal()
    async with journal:
        await fill(journal, 5)
        await journal.truncate("ledger", to_version=3)
    error, _ = await refuses(journal)
    assert error.version == 1
    assert "truncated to 3" in str(error)


async def test_a_truncated_head_with_its_snapshot_recovers() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        await fill(journal, 5)
        await journal.save_snapshot(snapshot(3, 6))
        await journal.truncate("ledger", to_version=3)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 15
        await forget(system, pid)
        await journal.save_snapshot(snapshot(5, 15))
        await journal.truncate("ledger", to_version=5)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 15
        assert await system.root.ask(pid, Add(1)) == 16


async def test_a_head_that_is_truncated_during_the_recovery_is_no_gap() -> None:
    """Another writer stored a snapshot and pruned; the next object begins with that."""

    class Pruned(FaultJournal):
        async def load_snapshot(
            self, stream: str, *, max_version: int = 2**63 - 1
        ) -> Snapshot | None:
            found = await super().load_snapshot(stream, max_version=max_version)
            if found is None:
                await self.save_snapshot(snapshot(4, 10))
                await self.truncate("ledger", to_version=4)
            return found

    journal = Pruned()
    async with world(journal) as system:
        await fill(journal, 5)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 15


# --- a journal that does not answer ---------------------------------------------------------------


@pytest.mark.parametrize("what", ["stream_info", "load_snapshot", "read"])
async def test_an_unavailable_journal_is_tried_again_with_back_off(what: str) -> None:
    journal = FaultJournal()
    delays, diary = Delays(), Diary()
    using = persistence.using(journal, backoff=delays)
    async with world(journal) as system:
        heard = listen(system)
        await fill(journal, 3)
        journal.fail(what, JournalUnavailable("the disk", "away"), times=3)
        pid = system.root.spawn_named(props(journal, diary, using=using), "ledger")
        assert await total(system, pid) == 6
        assert delays.asked == [1, 2, 3]
        assert diary.incarnations == 4
        assert [failed.directive for failed in heard.failures] == [Directive.RESTART] * 3
        # What came before does not count when it happens again.
        journal.fail(what, JournalUnavailable("the disk", "away"))
        await forget(system, pid)
        pid = system.root.spawn_named(props(journal, diary, using=using), "ledger")
        assert await total(system, pid) == 6
        assert delays.asked == [1, 2, 3, 1]


async def test_a_recovery_that_worked_ends_the_back_off_of_the_same_actor() -> None:
    journal = FaultJournal()
    delays = Delays()
    using = persistence.using(journal, backoff=delays)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        for _ in range(2):
            await system.root.ask(pid, Add(1))
            journal.fail("read", JournalUnavailable("the disk", "away"), times=2)
            system.root.send(pid, Do(fail))
            await total(system, pid)
        assert delays.asked == [1, 2, 1, 2]


def fail(ledger: Ledger, ctx: Context) -> None:
    raise RuntimeError("no")


async def test_a_refused_snapshot_does_not_keep_a_later_one_from_being_used() -> None:
    journal = FaultJournal()
    diary = Diary()

    class Picky(Ledger):
        def apply(self, message: object) -> None:
            if message == Wallet(deposit=-1):
                raise ValueError("a wallet holds no debts")
            super().apply(message)

    async with world(journal) as system:
        await fill(journal, 3)
        await journal.save_snapshot(snapshot(2, -1))
        pid = system.root.spawn_named(props(journal, diary, kind=Picky), "ledger")
        assert await total(system, pid) == 6
        await journal.save_snapshot(snapshot(3, 1000))
        system.root.send(pid, Do(fail))
        assert await total(system, pid) == 1000


async def test_a_journal_that_breaks_off_in_the_middle_leaves_no_half_state() -> None:
    class Breaking(FaultJournal):
        broken = False

        def cut(self, record: Record) -> Record:
            if record.version == 1500 and not self.broken:
                self.broken = True
                raise JournalUnavailable("the disk", "away")
            return record

    journal = Breaking()
    journal.edit = journal.cut
    async with world(journal) as system:
        await fill(journal, 2000)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == sum(range(1, 2001))


async def test_after_enough_attempts_the_actor_stops() -> None:
    journal = FaultJournal()
    diary, delays = Diary(), Delays()
    using = persistence.using(journal, backoff=delays, recovery_attempts=3)
    async with world(journal) as system:
        error = JournalUnavailable("the disk", "away")
        journal.fail("stream_info", error, times=100)
        pid = system.root.spawn_named(props(journal, diary, using=using), "ledger")
        with pytest.raises(RecoveryFailed) as caught:
            await system.root.ask(pid, Get())
        assert caught.value.__cause__ is error
        assert (caught.value.version, caught.value.type_name) == (None, None)
        assert str(caught.value).startswith("stream 'ledger' cannot be recovered: ")
        assert diary.incarnations == 3
        assert delays.asked == [1, 2]
        await eventually(lambda: not system.is_alive(pid))


async def test_a_corrupt_journal_is_not_tried_again() -> None:
    journal = FaultJournal()
    diary = Diary()
    async with world(journal) as system:
        journal.fail("stream_info", JournalCorrupt("the disk", "broken page"))
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        with pytest.raises(RecoveryFailed, match="broken page"):
            await system.root.ask(pid, Get())
        assert diary.incarnations == 1


async def test_stopping_an_actor_that_waits_for_its_journal_is_not_held_up() -> None:
    class Never(Delays):
        def delay(self, failures: int) -> float:
            return 3600.0

    journal = FaultJournal()
    using = persistence.using(journal, backoff=Never())
    async with world(journal) as system:
        journal.fail("stream_info", JournalUnavailable("the disk", "away"), times=100)
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        await turns()
        await forget(system, pid)


async def test_a_long_recovery_ends_when_the_actor_is_stopped() -> None:
    journal = FaultJournal()
    seen: list[int] = []

    class Stopping(Ledger):
        def apply(self, message: object) -> None:
            if isinstance(message, ReceiveMoney):
                seen.append(message.amount)
                if message.amount == 10:
                    system.root.stop(pid)

    async with world(journal) as system:
        await fill(journal, 5000)
        diary = Diary()
        pid = system.root.spawn_named(props(journal, diary, kind=Stopping), "ledger")
        await eventually(lambda: not system.is_alive(pid))
        assert len(seen) == 1000
        assert diary.names()[-2:] == ["Stopping", "Stopped"]
        assert "ReplayComplete" not in diary.names()


async def test_messages_that_wait_survive_the_attempts() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        journal.fail("read", JournalUnavailable("the disk", "away"), times=3)
        pid = system.root.spawn_named(props(journal), "ledger")
        replies = await asyncio.gather(*(system.root.ask(pid, Add(1)) for _ in range(5)))
        assert replies == [1, 2, 3, 4, 5]


async def test_a_handler_that_asks_in_the_middle_of_its_history_is_told_why_not() -> None:
    journal = FaultJournal()

    class Asking(Ledger):
        async def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, ReceiveMoney):
                await ctx.ask(other, "hello")
            return super().receive(ctx)

    async with world(journal) as system:
        other = system.root.spawn(Props.from_function(lambda ctx: None))
        await fill(journal, 1)
        pid = system.root.spawn_named(props(journal, kind=Asking), "ledger")
        with pytest.raises(RecoveryFailed, match="at version 1"):
            await system.root.ask(pid, Get())


async def test_a_message_handler_is_not_confused_by_what_it_does_not_know() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        assert (
            await system.root.ask(pid, Do(lambda ledger, ctx: ctx.respond(ledger.recovering)))
            is False
        )
