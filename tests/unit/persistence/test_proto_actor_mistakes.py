"""What Proto.Actor gets wrong, point by point, and what happens here instead."""

import asyncio

import pytest

from daicho import persistence
from daicho.errors import (
    ConcurrencyConflict,
    JournalFull,
    NoStreamName,
    PersistFailed,
    RecoveryFailed,
)
from tests.support.journals import FaultJournal, foreign_append, stored
from tests.support.ledgers import (
    Add,
    AsyncLedger,
    Diary,
    Do,
    Get,
    Ledger,
    forget,
    listen,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import ReceiveMoney, Wallet

NAME = ReceiveMoney.DESCRIPTOR.full_name


@pytest.mark.parametrize("kind", [Ledger, AsyncLedger])
async def test_after_a_snapshot_request_the_reply_still_has_its_sender(kind: type[Ledger]) -> None:
    journal = FaultJournal()
    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=kind, using=using), "ledger")
        assert [await system.root.ask(pid, Add(1)) for _ in range(3)] == [1, 2, 3]


async def test_a_failed_write_is_not_ignored() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        journal.fail("append", JournalFull("the disk", "no space left"))
        with pytest.raises(PersistFailed):
            await system.root.ask(pid, Add(1))
        assert await total(system, pid) == 0


async def test_an_interval_of_zero_does_not_panic() -> None:
    journal = FaultJournal()
    using = persistence.using(journal, snapshot=persistence.every(0))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await system.root.ask(pid, Add(1)) == 1


async def test_an_anonymous_actor_reads_nobodys_stream() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn(props(journal))
        with pytest.raises(NoStreamName):
            await system.root.ask(pid, Add(1))
        assert await journal.list_streams() == []


async def test_a_bad_event_is_not_retried_and_who_waits_hears_of_it() -> None:
    journal = FaultJournal()
    diary = Diary()
    async with world(journal) as system:
        await foreign_append(journal, "ledger", (NAME, b"\xff"))
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        waiting = [system.root.ask(pid, Get()) for _ in range(3)]
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(error) for error in errors] == [RecoveryFailed] * 3
        await turns()
        assert diary.incarnations == 1
        assert journal.reads == 1


async def test_messages_that_wait_for_a_bad_event_do_not_vanish() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        heard = listen(system)
        await foreign_append(journal, "ledger", (NAME, b"\xff"))
        pid = system.root.spawn_named(props(journal), "ledger")
        system.root.send(pid, "hello")
        await turns()
        assert [letter.message for letter in heard.dead_letters] == ["hello"]


async def test_a_manual_snapshot_skips_no_event() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await system.root.ask(pid, Add(1))
        system.root.send(
            pid, Do(lambda ledger, _: ledger.persist_snapshot(Wallet(deposit=ledger.total)))
        )
        assert await system.root.ask(pid, Add(10)) == 11
        await forget(system, pid)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 11


async def test_two_writers_neither_overwrite_each_other_nor_diverge() -> None:
    journal = FaultJournal()
    async with world(journal) as here, world(FaultJournal()) as there:
        one = here.root.spawn_named(props(journal), "ledger")
        other = there.root.spawn_named(props(journal), "ledger")
        await total(here, one)
        await total(there, other)
        assert await here.root.ask(one, Add(1)) == 1
        with pytest.raises(ConcurrencyConflict):
            await there.root.ask(other, Add(10))
        assert await there.root.ask(other, Add(10)) == 11
        assert [record.version for record in await stored(journal, "ledger")] == [1, 2]
