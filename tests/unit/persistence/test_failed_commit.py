"""Promise 4: of a commit that failed nothing leaves; the actor goes back to what is stored."""

import pytest

from daicho import persistence
from daicho.actor import (
    ActorSystem,
    Context,
    Props,
    RequestFailed,
)
from daicho.errors import JournalUnavailable, PersistFailed
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    FULL,
    Add,
    Delays,
    Diary,
    Do,
    Get,
    Ledger,
    event,
    eventually,
    fails,
    props,
    total,
    turns,
    world,
)


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
