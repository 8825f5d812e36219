"""Promise 3: nothing that an event caused leaves the actor before the event is durable."""

import asyncio
from collections.abc import Awaitable

import pytest

from daicho import persistence
from daicho.actor import PID, ActorSystem, Context, Props
from daicho.errors import HeldRequest
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    Add,
    AsyncLedger,
    Diary,
    Do,
    Get,
    Ledger,
    cause_of,
    eventually,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import ReceiveMoney


class Witness:
    """An actor that remembers what reached it."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def receive(self, ctx: Context) -> None:
        self.heard.append(ctx.message)
        if isinstance(ctx.message, str):
            ctx.respond(ctx.message.upper())

    def strings(self) -> list[object]:
        return [message for message in self.heard if isinstance(message, str)]


def event(amount: int = 1) -> ReceiveMoney:
    return ReceiveMoney(amount=amount)


def witness_in(system: ActorSystem) -> tuple[Witness, PID]:
    witness = Witness()
    return witness, system.root.spawn_named(Props(lambda: witness), "witness")


async def test_a_reply_waits_until_its_event_is_durable() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        journal.hold()
        reply = system.root.ask(pid, Add(5))
        await journal.held()
        await turns()
        assert not reply.done()
        journal.release()
        assert await reply == 5
        assert len(await stored(journal, "ledger")) == 1


async def test_the_actor_goes_on_while_its_events_are_on_their_way() -> None:
    journal = FaultJournal()
    diary = Diary()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        journal.hold()
        replies = [system.root.ask(pid, Add(1)) for _ in range(10)]
        await journal.held()
        replies += [system.root.ask(pid, Add(1)) for _ in range(10)]
        await eventually(lambda: diary.names().count("Add") == 20)
        assert not any(reply.done() for reply in replies)
        journal.release()
        assert await asyncio.gather(*replies) == list(range(1, 21))


async def test_a_query_waits_for_the_events_that_its_answer_rests_on() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 0
        journal.hold()
        added = system.root.ask(pid, Add(7))
        await journal.held()
        asked = system.root.ask(pid, Get())
        await turns()
        assert not asked.done()
        journal.release()
        assert (await added, await asked) == (7, 7)


async def test_sends_spawns_publications_and_stops_wait_in_their_order() -> None:
    journal = FaultJournal()
    published: list[str] = []

    async with world(journal) as system:
        witness, witness_pid = witness_in(system)
        _, victim = Witness(), system.root.spawn_named(Props(Witness), "victim")
        poisoned = system.root.spawn_named(Props(Witness), "poisoned")
        child = Witness()
        system.event_stream.subscribe(published.append, event_type=str)

        def act(ledger: Ledger, ctx: Context) -> None:
            ctx.send(witness_pid, "before any event")
            ledger.persist_receive(event())
            ctx.send(witness_pid, "first")
            ctx.spawn_named(Props(lambda: child), "child")
            ctx.publish("published")
            ctx.request(witness_pid, "second")
            ctx.stop(victim)
            ctx.poison(poisoned)

        pid = system.root.spawn_named(props(journal), "ledger")
        journal.hold()
        system.root.send(pid, Do(act))
        await journal.held()
        await turns()
        assert witness.strings() == ["before any event"]
        assert child.heard == []
        assert published == []
        assert system.is_alive(victim)
        assert system.is_alive(poisoned)
        journal.release()
        await eventually(lambda: len(witness.strings()) == 3 and not system.is_alive(poisoned))
        assert witness.strings() == ["before any event", "first", "second"]
        assert published == ["published"]
        assert child.heard
        assert not system.is_alive(victim)


async def test_what_leaves_keeps_the_order_in_which_it_was_said() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        witness, witness_pid = witness_in(system)

        def say(text: str, *, persist: bool) -> Do:
            def act(ledger: Ledger, ctx: Context) -> None:
                if persist:
                    ledger.persist_receive(event())
                ctx.send(witness_pid, text)

            return Do(act)

        pid = system.root.spawn_named(props(journal), "ledger")
        for number in range(60):
            if number == 20:
                journal.hold()
            if number == 40:
                await journal.held()
                journal.release()
            system.root.send(pid, say(str(number), persist=number % 3 == 0))
            if number % 7 == 0:
                await asyncio.sleep(0)
        await eventually(lambda: len(witness.heard) == 61)
        assert witness.strings() == [str(number) for number in range(60)]


async def test_await_persist_goes_on_when_the_event_is_durable() -> None:
    journal = FaultJournal()
    seen: list[int] = []

    async def act(ledger: Ledger, ctx: Context) -> None:
        await ledger.persist(event(3))
        seen.append(len(await stored(journal, "ledger")))
        ctx.respond("done")

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        journal.hold()
        reply = system.root.ask(pid, Do(act))
        await journal.held()
        await turns()
        assert seen == []
        journal.release()
        assert await reply == "done"
        assert seen == [1]


async def test_await_persist_without_events_waits_for_all_before() -> None:
    journal = FaultJournal()
    seen: list[int] = []

    async def act(ledger: Ledger, ctx: Context) -> None:
        await ledger.persist()
        seen.append(len(await stored(journal, "ledger")))

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        journal.hold()
        replies = [system.root.ask(pid, Add(1)) for _ in range(4)]
        system.root.send(pid, Do(act))
        await journal.held()
        journal.release()
        await asyncio.gather(*replies)
        await eventually(lambda: bool(seen))
        assert seen == [4]
        system.root.send(pid, Do(act))
        await eventually(lambda: seen == [4, 4])


async def test_a_handler_that_is_not_done_does_not_hold_up_what_is() -> None:
    """The journal takes the messages before it, and its own part later, whole."""
    journal = FaultJournal()
    go = asyncio.Event()

    async def slow(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(10))
        ctx.publish("slow")
        await go.wait()
        ledger.persist_receive(event(20))
        ledger.total += 30
        ctx.respond(ledger.total)

    published: list[str] = []
    async with world(journal) as system:
        system.event_stream.subscribe(published.append, event_type=str)
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        added = system.root.ask(pid, Add(1))
        reply = system.root.ask(pid, Do(slow))
        assert await added == 1
        await turns()
        assert not reply.done()
        assert published == []
        assert [len(write.events) for append in journal.appends for write in append] == [1]
        go.set()
        assert await reply == 31
        assert published == ["slow"]
        assert [len(write.events) for append in journal.appends for write in append] == [1, 2]


async def test_an_ask_that_would_wait_for_its_own_handler_is_refused() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        _, witness_pid = witness_in(system)

        async def act(ledger: Ledger, ctx: Context) -> None:
            ledger.persist_receive(event())
            await ctx.ask(witness_pid, "hello")

        pid = system.root.spawn_named(props(journal), "ledger")
        with pytest.raises(Exception, match=r"'await self\.persist\(\)' first") as caught:
            await system.root.ask(pid, Do(act))
        assert isinstance(cause_of(caught.value), HeldRequest)
        assert await stored(journal, "ledger") == []


async def test_it_is_refused_where_messages_before_it_are_on_their_way_too() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        _, witness_pid = witness_in(system)

        async def act(ledger: Ledger, ctx: Context) -> None:
            ledger.persist_receive(event())
            await ctx.ask(witness_pid, "hello")

        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.hold()
        added = [system.root.ask(pid, Add(1))]
        await journal.held()
        added.append(system.root.ask(pid, Add(1)))
        asked = system.root.ask(pid, Do(act))
        await turns()
        journal.release()
        assert await asyncio.gather(*added) == [1, 2]
        with pytest.raises(Exception, match=r"'await self\.persist\(\)' first"):
            await asked


async def test_an_ask_after_await_persist_has_its_answer() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        _, witness_pid = witness_in(system)

        async def act(ledger: Ledger, ctx: Context) -> None:
            await ledger.persist(event())
            ctx.respond(await ctx.ask(witness_pid, "hello"))

        pid = system.root.spawn_named(props(journal), "ledger")
        assert await system.root.ask(pid, Do(act)) == "HELLO"


async def test_an_ask_waits_with_the_events_of_messages_before() -> None:
    """They are on their way, so they will not wait for this handler."""
    journal = FaultJournal()
    async with world(journal) as system:
        witness, witness_pid = witness_in(system)

        async def act(ledger: Ledger, ctx: Context) -> None:
            ctx.respond(await ctx.ask(witness_pid, "hello"))

        pid = system.root.spawn_named(props(journal), "ledger")
        journal.hold()
        added = system.root.ask(pid, Add(1))
        reply = system.root.ask(pid, Do(act))
        await journal.held()
        await turns()
        assert witness.strings() == []
        journal.release()
        assert (await added, await reply) == (1, "HELLO")


async def test_a_continuation_persists_and_replies_as_a_message_does() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        _, witness_pid = witness_in(system)

        def act(ledger: Ledger, ctx: Context) -> None:
            def go_on(future: asyncio.Future[object]) -> None:
                ledger.persist_receive(event(9))
                ctx.respond(future.result())

            ctx.reenter_after(ctx.request_future(witness_pid, "later"), go_on)

        def act_async(ledger: Ledger, ctx: Context) -> None:
            async def store(future: asyncio.Future[object]) -> None:
                await ledger.persist(event(9))
                ctx.respond(future.result())

            def go_on(future: asyncio.Future[object]) -> Awaitable[None]:
                return store(future)

            ctx.reenter_after(ctx.request_future(witness_pid, "later"), go_on)

        pid = system.root.spawn_named(props(journal), "ledger")
        for number, do in enumerate((act, act_async), 1):
            journal.hold()
            reply = system.root.ask(pid, Do(do))
            await journal.held()
            await turns()
            assert not reply.done()
            journal.release()
            assert await reply == "LATER"
            assert len(await stored(journal, "ledger")) == number


async def test_an_async_handler_commits_as_a_plain_one_does() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=AsyncLedger), "ledger")
        replies = await asyncio.gather(*(system.root.ask(pid, Add(2)) for _ in range(20)))
        assert replies == list(range(2, 42, 2))
        assert len(await stored(journal, "ledger")) == 20


async def test_the_actor_waits_when_too_many_messages_wait_for_the_journal() -> None:
    journal = FaultJournal()
    diary = Diary()
    using = persistence.using(journal, max_uncommitted=10)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary, using=using), "ledger")
        await total(system, pid)
        diary.messages.clear()
        journal.hold()
        replies = [system.root.ask(pid, Add(1)) for _ in range(25)]
        await journal.held()
        await turns()
        assert len(diary.messages) == 10
        journal.release()
        assert await asyncio.gather(*replies) == list(range(1, 26))


async def test_messages_on_their_way_count_as_those_that_gather_do() -> None:
    journal = FaultJournal()
    diary = Diary()
    using = persistence.using(journal, max_uncommitted=10)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary, using=using), "ledger")
        await total(system, pid)
        diary.messages.clear()
        journal.hold()
        replies = [system.root.ask(pid, Add(1)) for _ in range(4)]
        await journal.held()
        replies += [system.root.ask(pid, Add(1)) for _ in range(20)]
        await turns()
        assert len(diary.messages) == 10
        await journal.let_one_pass()
        assert [len(append[0].events) for append in journal.appends] == [4, 6]
        await turns()
        # Six are on their way, so there is room for four.
        assert len(diary.messages) == 14
        journal.release()
        assert await asyncio.gather(*replies) == list(range(1, 25))


async def test_messages_without_events_count_too_where_the_journal_is_waited_for() -> None:
    journal = FaultJournal()
    diary = Diary()
    using = persistence.using(journal, max_uncommitted=10)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary, using=using), "ledger")
        await total(system, pid)
        diary.messages.clear()
        journal.hold()
        replies = [system.root.ask(pid, Add(1))]
        replies += [system.root.ask(pid, Get()) for _ in range(25)]
        await journal.held()
        await turns()
        assert len(diary.messages) == 10
        journal.release()
        assert await asyncio.gather(*replies) == [1] * 26


@pytest.mark.parametrize("option", ["max_uncommitted", "recovery_attempts"])
def test_a_limit_below_one_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} is 0, at least 1 is needed"):
        persistence.using(FaultJournal(), **{option: 0})  # type: ignore[arg-type]
