"""A wait for durability that is cancelled: the events are stored, and the memory knows of them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from daicho import persistence
from daicho.actor import Context
from daicho.errors import PersistFailed, PersistRefused
from tests.support.histories import versions
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    FULL,
    Add,
    Diary,
    Do,
    Ledger,
    event,
    eventually,
    forget,
    listen,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import Wallet

Act = Callable[[Ledger, Context], Awaitable[None]]


async def impatient(ledger: Ledger, ctx: Context) -> None:
    """Applies its event only if it hears in time that it is stored."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await ledger.persist(event(5))
            ledger.total += 5
    ctx.respond("gave up")


async def side_task(ledger: Ledger, ctx: Context) -> None:
    """Leaves the wait to a task, which is cancelled when the handler is done."""

    async def add() -> None:
        await ledger.persist(event(5))
        ledger.total += 5

    waiting = asyncio.ensure_future(add())
    await asyncio.sleep(0)
    waiting.cancel()
    ctx.respond("gave up")


@pytest.mark.parametrize("act", [impatient, side_task])
async def test_cancelling_a_wait_for_durability_takes_back_nothing(act: Act) -> None:
    journal, diary = FaultJournal(), Diary()
    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        await system.root.ask(pid, Add(1))
        journal.hold()
        asked = system.root.ask(pid, Do(act))
        await journal.held()
        later = asyncio.ensure_future(total(system, pid))
        await turns()
        assert not asked.done()
        assert not later.done()
        journal.release()
        assert await asked == "gave up"
        assert await later == 6
        assert len(await stored(journal, "ledger")) == 2
        assert diary.incarnations == 2
        assert await system.root.ask(pid, Add(1)) == 7
        assert diary.incarnations == 2
        assert heard.failures == []


async def test_a_cancelled_wait_of_an_earlier_handler_counts_during_a_later_one() -> None:
    journal, diary = FaultJournal(), Diary()
    waiting: list[asyncio.Future[None]] = []

    async def begin(ledger: Ledger, ctx: Context) -> None:
        async def add() -> None:
            await ledger.persist(event(5))
            ledger.total += 5

        waiting.append(asyncio.ensure_future(add()))
        await asyncio.sleep(0)

    async def cancel(ledger: Ledger, ctx: Context) -> None:
        waiting[0].cancel()
        await asyncio.wait(waiting)

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        journal.hold()
        system.root.send(pid, Do(begin))
        system.root.send(pid, Do(cancel))
        await eventually(lambda: bool(waiting) and waiting[0].done())
        journal.release()
        assert await total(system, pid) == 5
        assert diary.incarnations == 2


async def test_after_a_cancelled_wait_no_snapshot_is_taken_of_the_memory() -> None:
    journal = FaultJournal()

    async def act(ledger: Ledger, ctx: Context) -> None:
        await impatient(ledger, ctx)
        with pytest.raises(PersistRefused, match="the state may lack its events"):
            ledger.persist_snapshot(Wallet(deposit=ledger.total))

    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await system.root.ask(pid, Do(act)) == "gave up"
        assert await total(system, pid) == 5
        await forget(system, pid)
        assert await versions(journal) == []
        assert heard.snapshots == []


async def test_what_a_cancelled_wait_was_for_can_still_fail() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await system.root.ask(pid, Add(1))
        journal.hold()
        asked = system.root.ask(pid, Do(impatient))
        await journal.held()
        await turns()
        journal.fail("append", FULL)
        journal.release()
        with pytest.raises(PersistFailed) as caught:
            await asked
        assert caught.value.version == 2
        assert await total(system, pid) == 1


async def test_a_handler_that_cancels_itself_after_a_failed_commit_leaves_nothing_behind() -> None:
    journal, diary = FaultJournal(), Diary()

    async def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(5))
        journal.release()
        await eventually(lambda: bool(heard.failures))
        raise asyncio.CancelledError

    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        await total(system, pid)
        journal.hold()
        journal.fail("append", FULL)
        added = system.root.ask(pid, Add(1))
        await journal.held()
        system.root.send(pid, Do(act))
        with pytest.raises(PersistFailed):
            await added
        assert await system.root.ask(pid, Add(7)) == 7
        assert [record.version for record in await stored(journal, "ledger")] == [1]
