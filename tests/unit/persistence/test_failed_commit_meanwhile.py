"""Promise 4 for handlers that are at work while a commit fails, and for what was put aside."""

import asyncio

import pytest

from daicho.actor import (
    ActorFailed,
    Behavior,
    Context,
    Directive,
    Props,
    Restarting,
)
from daicho.errors import HeldRequest, PersistFailed
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    FULL,
    Add,
    Diary,
    Do,
    Get,
    Ledger,
    event,
    fails,
    listen,
    props,
    total,
    turns,
    world,
)


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
