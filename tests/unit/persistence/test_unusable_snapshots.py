"""Promise 8: a snapshot that is of no use costs time, and nothing else."""

from dataclasses import replace

from daicho import persistence
from daicho.actor import Context, Props, Started
from daicho.errors import (
    UndecodableEvent,
    UnknownEventType,
)
from tests.support.histories import fill, snapshot
from tests.support.journals import FaultJournal
from tests.support.ledgers import (
    Add,
    Diary,
    Do,
    Ledger,
    eventually,
    forget,
    listen,
    props,
    total,
    world,
)
from wallet.v1 import ReceiveMoney, Wallet


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
