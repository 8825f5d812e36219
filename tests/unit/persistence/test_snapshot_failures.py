"""Promise 8: a snapshot that cannot be written is reported, and nothing else."""

from collections.abc import Sequence

import pytest

from daicho import persistence
from daicho.actor import Context
from daicho.errors import PersistRefused, UnencodableEvent, Unsupported
from daicho.journal import Outcome, Snapshot, Write
from daicho.persistence import RequestSnapshot, SnapshotFailed
from tests.support.histories import versions
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    KINDS,
    Add,
    AsyncLedger,
    Diary,
    Do,
    Ledger,
    event,
    forget,
    listen,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import Wallet


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
        assert await versions(journal) == [1]
        assert len(journal.appends) == 1
        assert len(await stored(journal, "ledger")) == 1


@pytest.mark.usefixtures("snapshots_follow")
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


async def test_a_snapshot_that_the_journal_refuses_keeps_no_event_from_it() -> None:
    class Picky(FaultJournal):
        async def append(self, writes: Sequence[Write]) -> list[Outcome]:
            if any(write.snapshot is not None for write in writes):
                raise Unsupported(repr(self), "snapshots of this type", "it knows others")
            return await super().append(writes)

        async def save_snapshot(self, snapshot: Snapshot) -> None:
            raise Unsupported(repr(self), "snapshots of this type", "it knows others")

    journal = Picky()
    using = persistence.using(journal, snapshot=persistence.every(2))
    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        for amount in range(1, 6):
            assert await system.root.ask(pid, Add(1)) == amount
        await forget(system, pid)
        assert [failed.version for failed in heard.snapshots] == [2, 4]
        assert heard.failures == []
        assert len(await stored(journal, "ledger")) == 5
