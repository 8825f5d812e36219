"""Stop, passivation and shutdown during commits: nothing acknowledged is lost."""

import asyncio

import pytest

from daicho.actor import (
    ActorSystem,
    Context,
    Props,
    Started,
    Stopping,
    Terminated,
)
from daicho.errors import HandlerFailed, NoSuchActor, PersistFailed
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    FULL,
    Add,
    AsyncLedger,
    Do,
    Ledger,
    event,
    eventually,
    forget,
    held,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import Wallet


async def test_an_actor_stops_when_its_commits_are_answered() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        _, added = await held(journal, system)
        stopped = system.root.stop_future(system.pid("ledger"))
        await turns()
        assert not stopped.done()
        journal.release()
        assert await added == 1
        await stopped
        assert len(await stored(journal, "ledger")) == 1


async def test_a_commit_that_fails_at_the_end_is_told_and_the_actor_stops() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        diary, added = await held(journal, system)
        journal.fail("append", FULL)
        stopped = system.root.stop_future(system.pid("ledger"))
        await turns()
        journal.release()
        with pytest.raises(PersistFailed):
            await added
        await stopped
        assert diary.incarnations == 1


async def test_a_shutdown_stores_and_acknowledges_what_was_accepted() -> None:
    journal = FaultJournal()
    async with journal:
        async with ActorSystem() as system:
            pids = [system.root.spawn_named(props(journal), f"ledger{n}") for n in range(5)]
            asked = [system.root.ask(pid, Add(1)) for pid in pids for _ in range(20)]
            report = await system.shutdown()
        assert report.undrained == ()
        for reply, expected in zip(asked, [*range(1, 21)] * 5, strict=True):
            assert reply.result() == expected
        for number in range(5):
            assert len(await stored(journal, f"ledger{number}")) == 20


@pytest.mark.parametrize("kind", [Ledger, AsyncLedger])
async def test_events_persisted_in_stopping_are_stored(kind: type[Ledger]) -> None:
    journal = FaultJournal()

    class Closing(kind):  # type: ignore[misc, valid-type]
        def apply(self, message: object) -> None:
            super().apply(message)
            if isinstance(message, Stopping):
                self.persist_receive(event(9))
                self.persist_snapshot(Wallet(deposit=9))

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Closing), "ledger")
        await total(system, pid)
        await forget(system, pid)
        assert len(await stored(journal, "ledger")) == 1
        assert len(await journal.list_snapshots("ledger")) == 1


async def test_stopping_may_wait_for_its_events() -> None:
    journal = FaultJournal()

    class Closing(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, Stopping):
                return self.persist(event(9))
            return super().receive(ctx)

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Closing), "ledger")
        await total(system, pid)
        await forget(system, pid)
        assert len(await stored(journal, "ledger")) == 1


async def test_an_error_in_stopping_does_not_end_the_wait() -> None:
    journal = FaultJournal()

    class Broken(Ledger):
        def apply(self, message: object) -> None:
            super().apply(message)
            if message == Stopping():
                raise RuntimeError("no")

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Broken), "ledger")
        await total(system, pid)
        journal.hold()
        added = system.root.ask(pid, Add(1))
        await journal.held()
        stopped = system.root.stop_future(pid)
        await turns()
        assert not stopped.done()
        journal.release()
        assert await added == 1
        await stopped


async def test_the_end_of_a_child_may_still_be_persisted() -> None:
    journal = FaultJournal()

    class Parent(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, Started):
                ctx.spawn_named(Props.from_function(lambda _: None), "child")
            if isinstance(ctx.message, Terminated):
                self.persist_receive(event(4))
            return super().receive(ctx)

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Parent), "ledger")
        await total(system, pid)
        await forget(system, pid)
        assert len(await stored(journal, "ledger")) == 1


async def test_who_spawned_first_has_stored_all_before_the_next_of_its_name_recovers() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        for expected in (10, 20, 30):
            pid = system.root.spawn_named(props(journal), "ledger")
            asked = [system.root.ask(pid, Add(1)) for _ in range(10)]
            await system.root.poison_future(pid)
            assert (await asyncio.gather(*asked))[-1] == expected


async def test_a_poison_pill_comes_after_the_commits_before_it() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        _, added = await held(journal, system)
        ended = system.root.poison_future(system.pid("ledger"))
        await turns()
        assert not ended.done()
        journal.release()
        assert await added == 1
        await ended


async def test_an_actor_is_not_passivated_while_its_commits_are_under_way() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        diary, added = await held(journal, system, passivate_after=0.01)
        await asyncio.sleep(0.1)
        assert "Stopping" not in diary.names()
        assert system.is_alive(system.pid("ledger"))
        journal.release()
        assert await added == 1
        await eventually(lambda: not system.is_alive(system.pid("ledger")))
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 1


async def test_a_handler_that_is_cancelled_leaves_no_half_of_a_message() -> None:
    journal = FaultJournal()
    begun = asyncio.Event()

    async def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(7))
        begun.set()
        await asyncio.Event().wait()

    async with journal:
        async with ActorSystem() as system:
            pid = system.root.spawn_named(props(journal), "ledger")
            added, asked = system.root.ask(pid, Add(1)), system.root.ask(pid, Do(act))
            await begun.wait()
            assert await added == 1
            report = await system.shutdown(timeout=0.01)
            with pytest.raises(NoSuchActor):
                await asked
            assert [undrained.pid for undrained in report.undrained] == [pid]
        assert len(await stored(journal, "ledger")) == 1


async def test_a_handler_whose_own_task_was_cancelled_is_one_that_raised() -> None:
    journal = FaultJournal()

    async def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(7))
        raise asyncio.CancelledError

    def plain(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(7))
        raise asyncio.CancelledError

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        for do in (act, plain):
            with pytest.raises(HandlerFailed):
                await system.root.ask(pid, Do(do))
            assert await total(system, pid) == 0
        assert await system.root.ask(pid, Add(1)) == 1
