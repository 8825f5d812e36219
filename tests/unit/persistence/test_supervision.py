"""Promise 4 beside supervision: whoever decides, memory is what the journal holds."""

import asyncio
from collections.abc import Callable

import pytest

from daicho import persistence
from daicho.actor import (
    ActorSystem,
    AllForOne,
    ChildFailure,
    Context,
    Directive,
    ExponentialBackoff,
    OneForOne,
    Props,
    Restarting,
    Started,
    Supervisor,
    SupervisorStrategy,
)
from daicho.errors import HandlerFailed, NoSuchActor, PersistFailed
from daicho.journal import Snapshot
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    FULL,
    Add,
    Diary,
    Do,
    Get,
    Ledger,
    event,
    fail,
    forget,
    held,
    listen,
    props,
    total,
    turns,
    world,
)


async def test_a_handler_that_raises_loses_its_events_and_what_it_said_after_them() -> None:
    journal = FaultJournal()
    published: list[str] = []

    def act(ledger: Ledger, ctx: Context) -> None:
        ctx.publish("before")
        ledger.total += 100
        ledger.persist_receive(event(100))
        ctx.publish("after")
        ctx.respond("done")
        raise RuntimeError("no")

    async with world(journal) as system:
        system.event_stream.subscribe(published.append, event_type=str)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await system.root.ask(pid, Add(1)) == 1
        with pytest.raises(HandlerFailed, match="no"):
            await system.root.ask(pid, Do(act))
        assert await total(system, pid) == 1
        assert published == ["before"]
        assert len(await stored(journal, "ledger")) == 1


async def test_what_came_before_a_handler_that_raises_is_stored_and_acknowledged() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        diary, added = await held(journal, system)
        pid = system.pid("ledger")
        gathered = [system.root.ask(pid, Add(1)) for _ in range(3)]
        failed = system.root.ask(pid, Do(fail))
        after = system.root.ask(pid, Add(1))
        await turns()
        journal.release()
        assert await asyncio.gather(added, *gathered) == [1, 2, 3, 4]
        with pytest.raises(HandlerFailed):
            await failed
        assert await after == 5
        assert diary.incarnations == 2


async def test_a_commit_that_fails_while_the_actor_restarts_is_told_and_no_second_restart() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        diary, added = await held(journal, system)
        pid = system.pid("ledger")
        journal.fail("append", FULL)
        failed = system.root.ask(pid, Do(fail))
        after = system.root.ask(pid, Add(1))
        await turns()
        journal.release()
        with pytest.raises(PersistFailed):
            await added
        with pytest.raises(HandlerFailed):
            await failed
        assert await after == 1
        await turns()
        assert diary.incarnations == 2


async def test_what_the_old_object_says_last_waits_for_the_commits_under_way() -> None:
    journal = FaultJournal()
    published: list[str] = []

    class Talking(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, Restarting):
                ctx.publish("restarting")
            return super().receive(ctx)

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(7))
        raise RuntimeError("no")

    async with world(journal) as system:
        system.event_stream.subscribe(published.append, event_type=str)
        pid = system.root.spawn_named(props(journal, kind=Talking), "ledger")
        await total(system, pid)
        journal.hold()
        added = system.root.ask(pid, Add(1))
        await journal.held()
        system.root.send(pid, Do(act))
        await turns()
        assert published == []
        journal.release()
        assert await added == 1
        assert await total(system, pid) == 1
        assert published == ["restarting"]


@pytest.mark.usefixtures("snapshots_follow")
async def test_an_actor_stops_when_its_snapshot_is_written() -> None:
    class Slow(FaultJournal):
        go = asyncio.Event()

        async def save_snapshot(self, snapshot: Snapshot) -> None:
            await self.go.wait()
            await super().save_snapshot(snapshot)

    journal = Slow()
    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await system.root.ask(pid, Add(1)) == 1
        stopped = system.root.stop_future(pid)
        await turns()
        assert not stopped.done()
        journal.go.set()
        await stopped
        assert len(await journal.list_snapshots("ledger")) == 1


@pytest.mark.usefixtures("snapshots_follow")
async def test_a_restart_does_not_wait_for_a_snapshot() -> None:
    class Stuck(FaultJournal):
        go = asyncio.Event()

        async def save_snapshot(self, snapshot: Snapshot) -> None:
            await self.go.wait()

    journal = Stuck()
    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await system.root.ask(pid, Add(1)) == 1
        system.root.send(pid, Do(fail))
        assert await total(system, pid) == 1
        journal.go.set()


def guarded(strategy: SupervisorStrategy) -> ActorSystem:
    return ActorSystem(guardian=strategy, ask_timeout=20.0)


async def test_a_supervisor_that_resumes_gets_an_actor_with_the_state_that_is_stored() -> None:
    journal = FaultJournal()
    diary = Diary()

    def spoil(ledger: Ledger, ctx: Context) -> None:
        ledger.total = 1_000_000
        raise RuntimeError("no")

    strategy = OneForOne(decider=lambda _: Directive.RESUME)
    async with journal, guarded(strategy) as system:
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        await system.root.ask(pid, Add(1))
        system.root.send(pid, Do(spoil))
        replies = await asyncio.gather(*(system.root.ask(pid, Add(1)) for _ in range(3)))
        assert replies == [2, 3, 4]
        assert diary.incarnations == 2


async def test_resuming_an_actor_that_failed_in_started_does_not_skip_its_recovery() -> None:
    journal = FaultJournal()

    class Shy(Ledger):
        def receive(self, ctx: Context) -> object:
            if ctx.message == Started() and self.diary.incarnations < 4:
                raise RuntimeError("not yet")
            return super().receive(ctx)

    delays_before: list[int] = []

    class Counting(ExponentialBackoff):
        def delay(self, failures: int) -> float:
            delays_before.append(failures)
            return 0.0

    strategy = OneForOne(decider=lambda _: Directive.RESUME)
    async with journal, guarded(strategy) as system:
        writer = system.root.spawn_named(props(journal), "ledger")
        await system.root.ask(writer, Add(5))
        await forget(system, writer)
        using = persistence.using(journal, backoff=Counting())
        pid = system.root.spawn_named(props(journal, Diary(), kind=Shy, using=using), "ledger")
        assert await total(system, pid) == 5
        assert delays_before == [1, 2, 3]


async def test_a_supervisor_that_stops_is_obeyed() -> None:
    journal = FaultJournal()
    strategy = OneForOne(decider=lambda _: Directive.STOP)
    async with journal, guarded(strategy) as system:
        diary, added = await held(journal, system)
        pid = system.pid("ledger")
        failed = system.root.ask(pid, Do(fail))
        waiting = system.root.ask(pid, Get())
        await turns()
        journal.release()
        assert await added == 1
        with pytest.raises(HandlerFailed):
            await failed
        with pytest.raises(NoSuchActor) as caught:
            await waiting
        assert str(caught.value.__cause__) == "no"
        assert diary.incarnations == 1


class Undecided:
    """A strategy whose decision the test takes."""

    def __init__(self) -> None:
        self.restart: Callable[[], None] | None = None

    def handle_failure(self, supervisor: Supervisor, failure: ChildFailure) -> None:
        self.restart = lambda: supervisor.restart(failure, failure.child)


async def test_a_supervisor_that_delays_is_waited_for_although_a_commit_fails_meanwhile() -> None:
    journal = FaultJournal()
    strategy = Undecided()
    async with journal, guarded(strategy) as system:
        diary, added = await held(journal, system)
        journal.fail("append", FULL)
        pid = system.pid("ledger")
        failed = system.root.ask(pid, Do(fail))
        await turns()
        journal.release()
        with pytest.raises(PersistFailed):
            await added
        with pytest.raises(HandlerFailed):
            await failed
        await turns()
        assert diary.incarnations == 1
        assert strategy.restart is not None
        strategy.restart()
        assert await total(system, pid) == 0
        await turns()
        assert diary.incarnations == 2


async def test_a_delayed_restart_does_not_hit_an_actor_that_has_begun_anew_meanwhile() -> None:
    journal = FaultJournal()
    strategy = AllForOne(decider=lambda _: Directive.RESTART)
    async with journal, guarded(strategy) as system:
        diary = Diary()
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        other = system.root.spawn_named(props(journal), "other")
        await total(system, pid)
        await total(system, other)
        journal.fail("append", FULL)
        added = system.root.ask(pid, Add(1))
        system.root.send(other, Do(fail))
        with pytest.raises(PersistFailed):
            await added
        assert await total(system, pid) == 0
        assert await system.root.ask(pid, Add(1)) == 1
        await turns()
        assert diary.incarnations <= 3


async def test_all_for_one_restarts_a_healthy_actor_without_losing_its_commits() -> None:
    journal = FaultJournal()
    async with journal, guarded(AllForOne()) as system:
        diary, added = await held(journal, system)
        other = system.root.spawn_named(Props.from_function(raising), "other")
        system.root.send(other, "fail")
        await turns()
        journal.release()
        assert await added == 1
        assert await total(system, system.pid("ledger")) == 1
        assert diary.incarnations == 2


def raising(ctx: Context) -> None:
    if ctx.message == "fail":
        raise RuntimeError("no")


async def test_a_failure_of_a_child_that_escalates_keeps_the_state_whole() -> None:
    journal = FaultJournal()

    class Parent(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, Started):
                ctx.spawn_named(Props.from_function(raising), "child")
            return super().receive(ctx)

    escalating = OneForOne(decider=lambda _: Directive.ESCALATE)
    diary = Diary()
    async with world(journal) as system:
        made = props(journal, diary, kind=Parent).with_options(supervisor=escalating)
        pid = system.root.spawn_named(made, "ledger")
        await system.root.ask(pid, Add(1))
        journal.hold()
        added = system.root.ask(pid, Add(1))
        await journal.held()
        system.root.send(system.pid("ledger/child"), "fail")
        await turns()
        journal.release()
        assert await added == 2
        assert await total(system, pid) == 2
        assert diary.incarnations == 2


async def test_a_restarted_actor_tells_restarting_to_the_old_object_and_started_to_the_new() -> (
    None
):
    journal = FaultJournal()
    diary = Diary()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        await system.root.ask(pid, Add(1))
        journal.fail("append", FULL)
        with pytest.raises(PersistFailed):
            await system.root.ask(pid, Add(2))
        await total(system, pid)
        await forget(system, pid)
        assert diary.names() == [
            *["Started", "ReplayComplete", "Add", "Add", "Restarting"],
            *["Started", "ReceiveMoney", "ReplayComplete", "Get", "Stopping", "Stopped"],
        ]


async def test_a_handler_of_replay_complete_that_raises_is_the_supervisors() -> None:
    journal = FaultJournal()

    class Shy(Ledger):
        def apply(self, message: object) -> None:
            if type(message).__name__ == "ReplayComplete" and self.diary.incarnations < 3:
                self.persist_receive(event(1000))
                raise RuntimeError("not yet")
            super().apply(message)

    diary = Diary()
    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal, diary, kind=Shy), "ledger")
        assert await total(system, pid) == 0
        assert diary.incarnations == 3
        assert [failed.directive for failed in heard.failures] == [Directive.RESTART] * 2


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_reaches_the_program_and_leaves_no_half_of_a_message(
    interrupt: Callable[[], BaseException],
) -> None:
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(7))
        raise interrupt()

    async def run() -> None:
        async with world(journal) as system:
            pid = system.root.spawn_named(props(journal), "ledger")
            await system.root.ask(pid, Add(1))
            await system.root.ask(pid, Do(act))

    async def look() -> int:
        async with journal:
            return len(await stored(journal, "ledger"))

    with pytest.raises(interrupt):  # type: ignore[call-overload]
        asyncio.run(run())
    assert asyncio.run(look()) == 1
