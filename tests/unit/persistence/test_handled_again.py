"""``conflict_attempts``: messages are handled again after another writer was faster."""

import asyncio

import pytest

from daicho import PID, ActorSystem, Props, persistence
from daicho.errors import ConcurrencyConflict, JournalFull, PersistFailed
from daicho.persistence import using
from tests.support.journals import FaultJournal, foreign_append, stored
from tests.support.ledgers import Add, Diary, Get, Ledger, total, turns, world
from wallet.v1 import ReceiveMoney

FOREIGN = (ReceiveMoney.DESCRIPTOR.full_name, ReceiveMoney(amount=100).SerializeToString())


async def spawned(system: ActorSystem, journal: FaultJournal, attempts: int = 3) -> PID:
    props = Props(
        lambda: Ledger(Diary()),
        receiver_middleware=[using(journal, conflict_attempts=attempts)],
    )
    pid = system.root.spawn_named(props, "ledger")
    await total(system, pid)
    return pid


async def amounts(journal: FaultJournal) -> list[int]:
    records = await stored(journal, "ledger")
    return [ReceiveMoney.FromString(record.payload).amount for record in records]


async def test_all_messages_of_a_refused_commit_are_handled_again_in_their_order() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = await spawned(system, journal)
        journal.hold()
        asked = [system.root.ask(pid, Add(1))]
        await journal.held()
        asked += [system.root.ask(pid, Add(2)), system.root.ask(pid, Add(3))]
        question = system.root.ask(pid, Get())
        await turns()
        await foreign_append(journal.inner, "ledger", FOREIGN)
        journal.release()
        assert await asyncio.gather(*asked, question) == [101, 103, 106, 106]
        assert await amounts(journal) == [100, 1, 2, 3]


async def test_a_message_that_nobody_waits_for_is_handled_again_too() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = await spawned(system, journal)
        await foreign_append(journal.inner, "ledger", FOREIGN)
        system.root.send(pid, Add(7))
        # A reply that is decided after it, so the message has been handled by then.
        assert await system.root.ask(pid, Add(1)) == 108
        assert await amounts(journal) == [100, 7, 1]


async def test_after_so_many_conflicts_in_a_row_who_asked_hears_of_it() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = await spawned(system, journal, attempts=2)
        lost = ConcurrencyConflict("ledger", 0, 1)
        journal.fail("append", lost, times=3)
        with pytest.raises(ConcurrencyConflict):
            await system.root.ask(pid, Add(1))
        assert await system.root.ask(pid, Add(2)) == 2
        assert await amounts(journal) == [2]


async def test_any_other_failure_is_told_at_once() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = await spawned(system, journal)
        journal.fail("append", JournalFull("store", "no room"))
        with pytest.raises(PersistFailed):
            await system.root.ask(pid, Add(1))
        assert len(journal.appends) == 1


async def test_an_actor_that_is_ending_does_not_begin_again() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = await spawned(system, journal)
        journal.hold()
        asked = system.root.ask(pid, Add(1))
        await journal.held()
        end = system.root.stop_future(pid)
        await turns()
        await foreign_append(journal.inner, "ledger", FOREIGN)
        journal.release()
        with pytest.raises(ConcurrencyConflict):
            await asked
        await end


def test_fewer_attempts_than_none_are_refused() -> None:
    with pytest.raises(ValueError, match="conflict_attempts"):
        persistence.using(FaultJournal(), conflict_attempts=-1)
