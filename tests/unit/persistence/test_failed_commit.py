"""Promise 4: of a commit that failed nothing leaves; the actor goes back to what is stored."""

import asyncio

import pytest

from daicho import persistence
from daicho.actor import (
    ActorFailed,
    ActorSystem,
    Behavior,
    Context,
    Directive,
    Props,
    RequestFailed,
    Restarting,
)
from daicho.errors import HeldRequest, JournalFull, JournalUnavailable, PersistFailed
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    Add,
    Delays,
    Diary,
    Do,
    Get,
    Ledger,
    eventually,
    listen,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import ReceiveMoney

FULL = JournalFull("the disk", "no space left")


def event(amount: int = 1) -> ReceiveMoney:
    return ReceiveMoney(amount=amount)


async def fails(asked: asyncio.Future[object]) -> PersistFailed:
    with pytest.raises(PersistFailed) as caught:
        await asked
    return caught.value


async def test_who_asked_gets_an_error_that_names_stream_version_and_cause() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await system.root.ask(pid, Add(1))
        journal.fail("append", FULL)
        first, second = system.root.ask(pid, Add(2)), system.root.ask(pid, Add(3))
        error = await fails(first)
        assert (error.stream, error.version, error.__cause__) == ("ledger", 2, FULL)
        assert str(error) == (
            "events from version 2 of stream 'ledger' were not stored: the disk: no space left;"
            " nothing of this transaction was stored; make room and try again"
        )
        assert (await fails(second)).version == 3


async def test_the_actor_forgets_its_memory_and_goes_on_with_what_is_stored() -> None:
    journal = FaultJournal()
    diary = Diary()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        assert await system.root.ask(pid, Add(1)) == 1
        journal.fail("append", FULL)
        await fails(system.root.ask(pid, Add(100)))
        assert await total(system, pid) == 1
        assert await system.root.ask(pid, Add(1)) == 2
        assert [record.version for record in await stored(journal, "ledger")] == [1, 2]
        assert diary.incarnations == 2


async def test_everything_that_was_decided_on_it_fails_too() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.hold()
        journal.fail("append", FULL)
        asked = [system.root.ask(pid, Add(1)) for _ in range(5)]
        await journal.held()
        asked += [system.root.ask(pid, Add(1)) for _ in range(5)]
        asked.append(system.root.ask(pid, Get()))
        await turns()
        journal.release()
        errors = [await fails(reply) for reply in asked]
        assert [error.version for error in errors] == [*range(1, 11), 11]
        assert len(journal.appends) == 1
        assert await total(system, pid) == 0
        assert await stored(journal, "ledger") == []


async def test_nothing_that_was_held_leaves() -> None:
    journal = FaultJournal()
    published: list[str] = []
    heard: list[object] = []
    child: list[object] = []

    async with world(journal) as system:
        system.event_stream.subscribe(published.append, event_type=str)
        witness = system.root.spawn(Props.from_function(lambda ctx: heard.append(ctx.message)))
        victim = system.root.spawn(Props.from_function(lambda ctx: None))

        def act(ledger: Ledger, ctx: Context) -> None:
            ledger.persist_receive(event())
            ctx.send(witness, "sent")
            ctx.publish("published")
            ctx.stop(victim)
            ctx.poison(victim)
            ctx.spawn_named(Props.from_function(lambda c: child.append(c.message)), "child")
            ctx.respond("reply")

        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.fail("append", FULL)
        await fails(system.root.ask(pid, Do(act)))
        assert await total(system, pid) == 0
        await turns()
        assert "sent" not in heard
        assert published == []
        assert child == []
        assert system.is_alive(victim)
        assert not system.is_alive(system.pid("ledger/child"))


async def test_an_actor_that_requested_hears_of_the_failure_once() -> None:
    journal = FaultJournal()
    heard: list[RequestFailed] = []

    async def wait(ledger: Ledger, ctx: Context) -> None:
        await ledger.persist(event())
        ctx.respond("stored")

    def plain(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event())
        ctx.respond("stored")

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")

        def client(ctx: Context) -> None:
            if isinstance(ctx.message, Do):
                ctx.request(pid, ctx.message)
            elif isinstance(ctx.message, RequestFailed):
                heard.append(ctx.message)

        client_pid = system.root.spawn(Props.from_function(client))
        for number, act in enumerate((wait, plain), 1):
            do = Do(act)
            journal.fail("append", FULL)
            system.root.send(client_pid, do)
            await eventually(lambda n=number: len(heard) == n)  # type: ignore[misc]
            assert await total(system, pid) == 0
            await turns()
            assert len(heard) == number
            assert isinstance(heard[-1].error, PersistFailed)
            assert heard[-1].message is do


async def test_await_persist_raises_and_what_the_handler_does_then_has_no_effect() -> None:
    journal = FaultJournal()
    raised: list[Exception] = []
    heard: list[object] = []

    async with world(journal) as system:
        witness = system.root.spawn(Props.from_function(lambda ctx: heard.append(ctx.message)))

        async def act(ledger: Ledger, ctx: Context) -> None:
            ledger.total += 50
            for _ in range(2):
                try:
                    await ledger.persist(event(50))
                except PersistFailed as error:
                    raised.append(error)
            try:
                ledger.persist_receive(event(50))
            except PersistFailed as error:
                raised.append(error)
            ctx.send(witness, "sent")
            ctx.respond("all is well")

        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.fail("append", FULL)
        error = await fails(system.root.ask(pid, Do(act)))
        assert error.version == 1
        assert len(raised) == 3
        assert await total(system, pid) == 0
        await turns()
        assert "sent" not in heard


async def test_a_handler_that_raises_after_a_failed_commit_needs_no_supervisor() -> None:
    journal = FaultJournal()

    async def act(ledger: Ledger, ctx: Context) -> None:
        await ledger.persist(event())

    async with world(journal) as system:
        heard = listen(system)
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.fail("append", FULL)
        await fails(system.root.ask(pid, Do(act)))
        assert await total(system, pid) == 0
        assert heard.failures == [ActorFailed(pid, FULL, None, Directive.RESTART)]


async def test_a_handler_that_was_waiting_for_something_else_is_told_at_its_end() -> None:
    journal = FaultJournal()
    go = asyncio.Event()

    async def act(ledger: Ledger, ctx: Context) -> None:
        ctx.respond(ledger.total)
        await go.wait()
        ctx.publish("done")

    published: list[str] = []
    async with world(journal) as system:
        system.event_stream.subscribe(published.append, event_type=str)
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.hold()
        journal.fail("append", FULL)
        added, asked = system.root.ask(pid, Add(1)), system.root.ask(pid, Do(act))
        await journal.held()
        await turns()
        journal.release()
        await fails(added)
        await fails(asked)
        go.set()
        assert await total(system, pid) == 0
        await turns()
        assert published == []


async def test_a_handler_that_asks_after_a_failed_commit_does_not_wait_for_ever() -> None:
    journal = FaultJournal()
    go = asyncio.Event()
    ended: list[str] = []

    async with world(journal) as system:
        other = system.root.spawn(Props.from_function(lambda ctx: ctx.respond("hello")))

        async def act(ledger: Ledger, ctx: Context) -> None:
            await go.wait()
            try:
                await ctx.ask(other, "hello", timeout=3600)
            except HeldRequest:
                ended.append("refused")

        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.hold()
        journal.fail("append", FULL)
        added, asked = system.root.ask(pid, Add(1)), system.root.ask(pid, Do(act))
        await journal.held()
        await turns()
        journal.release()
        await fails(added)
        go.set()
        await fails(asked)
        assert await total(system, pid) == 0
        assert ended == ["refused"]


async def test_the_error_is_about_what_was_not_stored() -> None:
    journal = FaultJournal()

    async def act(ledger: Ledger, ctx: Context) -> None:
        await ledger.persist(event(), event())
        journal.fail("append", FULL)
        ledger.persist_receive(event())

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        assert (await fails(system.root.ask(pid, Do(act)))).version == 3
        assert len(await stored(journal, "ledger")) == 2


async def test_an_open_message_fails_with_the_commit_before_it() -> None:
    journal = FaultJournal()
    go = asyncio.Event()

    async def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(5), event(6))
        await go.wait()
        ctx.respond("done")

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.hold()
        journal.fail("append", FULL)
        added, asked = system.root.ask(pid, Add(1)), system.root.ask(pid, Do(act))
        await journal.held()
        journal.release()
        assert (await fails(added)).version == 1
        go.set()
        assert (await fails(asked)).version == 2
        assert await total(system, pid) == 0
        assert await stored(journal, "ledger") == []


async def test_an_unknown_outcome_is_an_error_and_the_actor_looks_what_is_stored() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await system.root.ask(pid, Add(1))
        journal.fail("append", JournalUnavailable("the disk", "gone for a moment"), after=True)
        await fails(system.root.ask(pid, Add(10)))
        assert await total(system, pid) == 11
        assert await system.root.ask(pid, Add(1)) == 12
        assert [record.version for record in await stored(journal, "ledger")] == [1, 2, 3]


async def test_the_first_failure_restarts_at_once_and_the_next_ones_wait_longer() -> None:
    journal = FaultJournal()
    delays = Delays()
    using = persistence.using(journal, backoff=delays)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        for _ in range(4):
            journal.fail("append", FULL)
            await fails(system.root.ask(pid, Add(1)))
        assert await total(system, pid) == 0
        assert delays.asked == [1, 2, 3]


async def test_a_commit_that_succeeds_ends_the_back_off() -> None:
    journal = FaultJournal()
    delays = Delays()
    using = persistence.using(journal, backoff=delays)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        for times in (3, 2):
            for _ in range(times):
                journal.fail("append", FULL)
                await fails(system.root.ask(pid, Add(1)))
            await system.root.ask(pid, Add(1))
        assert delays.asked == [1, 2, 1]


async def test_a_stashed_message_is_not_told_and_is_handled_when_the_actor_is_back() -> None:
    journal = FaultJournal()

    class Putting(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, Add) and ctx.message.amount == 7 and self.total:
                ctx.stash()
                return None
            return super().receive(ctx)

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Putting), "ledger")
        await total(system, pid)
        journal.hold()
        journal.fail("append", FULL)
        added, put = system.root.ask(pid, Add(1)), system.root.ask(pid, Add(7))
        await journal.held()
        await turns()
        journal.release()
        await fails(added)
        assert await put == 7
        assert await total(system, pid) == 7


async def test_a_message_that_is_stashed_after_the_commit_failed_is_handled_later() -> None:
    journal = FaultJournal()
    go = asyncio.Event()

    class Putting(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, Get) and self.total:
                return self.later(ctx)
            return super().receive(ctx)

        async def later(self, ctx: Context) -> None:
            await go.wait()
            ctx.stash()

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Putting), "ledger")
        await total(system, pid)
        journal.hold()
        journal.fail("append", FULL)
        added, put = system.root.ask(pid, Add(1)), system.root.ask(pid, Get())
        await journal.held()
        await turns()
        journal.release()
        await fails(added)
        go.set()
        assert await put == 0


async def test_a_message_that_was_stashed_and_unstashed_keeps_its_sender() -> None:
    journal = FaultJournal()

    class Closed(Ledger):
        def __init__(self, diary: Diary | None = None) -> None:
            super().__init__(diary)
            self.behavior = Behavior(self.closed)

        def receive(self, ctx: Context) -> object:
            return self.behavior.receive(ctx)

        def closed(self, ctx: Context) -> object:
            match ctx.message:
                case "open":
                    self.behavior.become(super().receive)
                    ctx.unstash()
                case Add():
                    ctx.stash()
                case _:
                    return super().receive(ctx)
            return None

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Closed), "ledger")
        asked = [system.root.ask(pid, Add(1)) for _ in range(3)]
        await total(system, pid)
        assert not any(reply.done() for reply in asked)
        system.root.send(pid, "open")
        assert await asyncio.gather(*asked) == [1, 2, 3]


async def test_a_continuation_of_a_failed_incarnation_does_not_come_back() -> None:
    journal = FaultJournal()
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    called: list[int] = []

    def act(ledger: Ledger, ctx: Context) -> None:
        def go_on(future: asyncio.Future[int]) -> None:
            called.append(future.result())
            ledger.persist_receive(event())

        ctx.reenter_after(answer, go_on)

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        asked = system.root.ask(pid, Do(act))
        await total(system, pid)
        journal.fail("append", FULL)
        await fails(system.root.ask(pid, Add(1)))
        assert await total(system, pid) == 0
        answer.set_result(1)
        with pytest.raises(Exception, match="restarted before it could go on"):
            await asked
        assert called == []
        assert await stored(journal, "ledger") == []


async def test_stopping_while_the_actor_waits_to_begin_anew_is_not_held_up() -> None:
    journal = FaultJournal()

    class Never(Delays):
        def delay(self, failures: int) -> float:
            self.asked.append(failures)
            return 3600.0

    delays = Never()
    using = persistence.using(journal, backoff=delays)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        for _ in range(2):
            journal.fail("append", FULL)
            await fails(system.root.ask(pid, Add(1)))
        waiting = system.root.ask(pid, Get())
        assert delays.asked == [1]
        await system.root.stop_future(pid)
        with pytest.raises(Exception, match="has stopped"):
            await waiting


async def test_what_an_actor_says_at_its_end_after_a_failed_commit_does_not_vanish() -> None:
    journal = FaultJournal()
    refused: list[asyncio.Future[object]] = []

    class Talking(Ledger):
        def receive(self, ctx: Context) -> object:
            name = type(ctx.message).__name__
            if name in ("Stopping", "Stopped", "Restarting"):
                refused.append(ctx.request_future(other, name))
            return super().receive(ctx)

    async with world(journal) as system:
        other = system.root.spawn(Props.from_function(lambda ctx: ctx.respond("heard")))
        pid = system.root.spawn_named(props(journal, kind=Talking), "ledger")
        await total(system, pid)
        journal.hold()
        journal.fail("append", FULL)
        added = system.root.ask(pid, Add(1))
        await journal.held()
        stopped = system.root.stop_future(pid)
        await turns()
        journal.release()
        await fails(added)
        await stopped
        assert len(refused) == 2
        for future in refused:
            with pytest.raises(PersistFailed):
                await future


async def test_what_an_incarnation_says_last_after_a_failed_commit_is_refused() -> None:
    journal = FaultJournal()
    refused: list[asyncio.Future[object]] = []

    class Talking(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, Restarting):
                refused.append(ctx.request_future(other, "restarting"))
            return super().receive(ctx)

    async with world(journal) as system:
        other = system.root.spawn(Props.from_function(lambda ctx: ctx.respond("heard")))
        pid = system.root.spawn_named(props(journal, kind=Talking), "ledger")
        await total(system, pid)
        journal.fail("append", FULL)
        await fails(system.root.ask(pid, Add(1)))
        assert await total(system, pid) == 0
        await fails(refused[0])


async def test_one_actors_failure_is_not_anothers() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        one = system.root.spawn_named(props(journal), "one")
        other = system.root.spawn_named(props(journal), "other")
        await total(system, one)
        await total(system, other)
        big = system.root.ask(
            one,
            Do(lambda ledger, ctx: ledger.persist_receive(event())),
            headers={"command-id": "x" * 2000},
        )
        good = system.root.ask(other, Add(3))
        error = await fails(big)
        assert isinstance(error.__cause__, ValueError)
        assert await good == 3


async def test_a_system_that_shuts_down_meanwhile_ends() -> None:
    journal = FaultJournal()
    async with journal, ActorSystem() as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.fail("append", FULL)
        asked = system.root.ask(pid, Add(1))
        report = await system.shutdown()
        await fails(asked)
        assert report.undrained == ()
