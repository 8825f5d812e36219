"""Promise 9: a journal that does not answer is tried again, with back-off, and not for ever."""

import asyncio

import pytest

from daicho import persistence
from daicho.actor import Context, Directive, Props
from daicho.errors import (
    JournalCorrupt,
    JournalUnavailable,
    RecoveryFailed,
)
from daicho.journal import Record
from tests.support.histories import fill, snapshot
from tests.support.journals import FaultJournal
from tests.support.ledgers import (
    Add,
    Delays,
    Diary,
    Do,
    Get,
    Ledger,
    eventually,
    fail,
    forget,
    listen,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import ReceiveMoney, Wallet


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
