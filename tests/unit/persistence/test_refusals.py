"""What persistence refuses, and with which words."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from daicho import persistence
from daicho.actor import ActorSystem, Context, ContextView, Props, Started
from daicho.errors import (
    NoStreamName,
    NoSuchActor,
    NotPersistent,
    PersistRefused,
    RecoveryFailed,
    Unsupported,
)
from daicho.journal import Feature, MemoryJournal, SqliteJournal
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    Add,
    AsyncLedger,
    Diary,
    Do,
    Get,
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
from wallet.v1 import ReceiveMoney, Wallet


async def test_persisting_in_started_is_refused() -> None:
    class Eager(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, Started):
                self.persist_receive(event())
            return super().receive(ctx)

    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Eager), "ledger")
        with pytest.raises(PersistRefused, match=r"guard with 'if not self\.recovering'"):
            await system.root.ask(pid, Get())
        assert journal.appends == []


@pytest.mark.parametrize("kind", [Ledger, AsyncLedger])
async def test_persisting_history_is_refused_and_stops_the_actor(kind: type[Ledger]) -> None:
    class Unguarded(kind):  # type: ignore[misc, valid-type]
        def apply(self, message: object) -> None:
            if isinstance(message, ReceiveMoney):
                self.persist_receive(message)

    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await system.root.ask(pid, Add(1))
        await forget(system, pid)
        pid = system.root.spawn_named(props(journal, kind=Unguarded), "ledger")
        with pytest.raises(RecoveryFailed) as caught:
            await system.root.ask(pid, Get())
        assert isinstance(caught.value.__cause__, PersistRefused)
        assert "'ledger' is recovering" in str(caught.value.__cause__)
        assert len(await stored(journal, "ledger")) == 1


async def test_persisting_outside_of_a_handler_is_refused() -> None:
    journal = FaultJournal()
    ledgers: list[Ledger] = []
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        system.root.send(pid, Do(lambda ledger, ctx: ledgers.append(ledger)))
        await system.root.ask(pid, Add(1))
        with pytest.raises(PersistRefused, match="by the handler of a message"):
            ledgers[0].persist_receive(event())
        with pytest.raises(PersistRefused, match="send the actor one, or use reenter_after"):
            await ledgers[0].persist(event())
        with pytest.raises(PersistRefused, match="by the handler of a message"):
            ledgers[0].persist_snapshot(Wallet())
        assert len(await stored(journal, "ledger")) == 1


@pytest.mark.parametrize("moment", ["Restarting", "Stopped"])
async def test_persisting_when_the_incarnation_is_over_is_refused(moment: str) -> None:
    refused: list[Exception] = []

    class Late(Ledger):
        def receive(self, ctx: Context) -> object:
            if type(ctx.message).__name__ == moment:
                try:
                    self.persist_receive(event())
                except PersistRefused as error:
                    refused.append(error)
            return super().receive(ctx)

    def fail(ledger: Ledger, ctx: Context) -> None:
        raise RuntimeError("no")

    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Late), "ledger")
        system.root.send(pid, Do(fail))
        await total(system, pid)
        await forget(system, pid)
        assert len(refused) == 1
        assert await stored(journal, "ledger") == []


async def test_an_anonymous_actor_is_refused_with_the_reason() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        heard = listen(system)
        for prefix in (None, "ledger"):
            if prefix is None:
                pid = system.root.spawn(props(journal))
            else:
                pid = system.root.spawn_prefix(props(journal), prefix)
            with pytest.raises(NoStreamName) as caught:
                await system.root.ask(pid, Get())
            assert caught.value.pid == pid
            assert str(caught.value) == (
                f"{pid} has no name of its own, so its events would be found by nobody after a"
                " restart; spawn it with spawn_named, or give using(…, stream=…)"
            )
            await eventually(lambda pid=pid: not system.is_alive(pid))  # type: ignore[misc]
        assert len(heard.failures) == 2


async def test_a_child_of_an_anonymous_actor_is_anonymous_too() -> None:
    journal = FaultJournal()
    async with world(journal) as system:

        def parent(ctx: Context) -> None:
            if isinstance(ctx.message, Get):
                ctx.forward(ctx.spawn_named(props(journal), "child"))

        pid = system.root.spawn(Props.from_function(parent))
        with pytest.raises(NoStreamName, match="/child has no name of its own"):
            await system.root.ask(pid, Get())


async def test_the_stream_can_be_named_for_any_actor() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        fixed = persistence.using(journal, stream="fixed")
        derived = persistence.using(journal, stream=lambda ctx: f"of {ctx.self.address}")
        for using in (fixed, derived):
            pid = system.root.spawn(props(journal, using=using))
            assert await system.root.ask(pid, Add(1)) == 1
        assert [info.stream for info in await journal.list_streams()] == ["fixed", "of local"]


async def test_a_name_that_cannot_be_found_stops_the_actor() -> None:
    def nameless(ctx: Context) -> str:
        raise LookupError("no tenant")

    journal = FaultJournal()
    async with world(journal) as system:
        using = persistence.using(journal, stream=nameless)
        pid = system.root.spawn(props(journal, using=using))
        with pytest.raises(NoSuchActor) as caught:
            await system.root.ask(pid, Get())
        assert isinstance(caught.value.__cause__, LookupError)


async def test_a_name_that_no_journal_takes_stops_the_actor() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        using = persistence.using(journal, stream="a\0b")
        pid = system.root.spawn(props(journal, using=using))
        with pytest.raises(RecoveryFailed, match="contains NUL"):
            await system.root.ask(pid, Get())


async def test_a_mixin_without_its_middleware_says_what_to_do() -> None:
    ledger = Ledger()
    for use in (
        lambda: ledger.persist_receive(event()),
        lambda: ledger.persist_snapshot(Wallet()),
        lambda: ledger.recovering,
        lambda: ledger.version,
        lambda: ledger.stream,
    ):
        with pytest.raises(NotPersistent) as caught:
            use()
        assert str(caught.value) == (
            "this Ledger was not spawned with persistence; use"
            " Props(…, receiver_middleware=[persistence.using(journal)])"
        )
    with pytest.raises(NotPersistent):
        await ledger.persist(event())


async def test_the_middleware_without_the_mixin_stops_the_actor_and_says_what_to_do() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        plain = Props.from_function(lambda ctx: None).with_options(
            receiver_middleware=[persistence.using(journal)]
        )
        pid = system.root.spawn_named(plain, "plain")
        with pytest.raises(NotPersistent, match=r"does not inherit persistence\.Mixin; let it, or"):
            await system.root.ask(pid, Get())
        assert not system.is_alive(pid)


async def test_a_context_decorator_is_seen_by_commands_and_by_history() -> None:
    journal = FaultJournal()

    class Loud(ContextView):
        __slots__ = ()

        def respond(self, message: object, *, headers: object = None) -> None:
            super().respond(f"{message}!")

    seen: set[type] = set()

    class Looking(Ledger):
        def receive(self, ctx: Context) -> object:
            seen.add(type(ctx))
            return super().receive(ctx)

    async with world(journal) as system:
        decorated = props(journal, kind=Looking).with_options(context_decorators=[Loud])
        pid = system.root.spawn_named(decorated, "ledger")
        assert await system.root.ask(pid, Add(1)) == "1!"
        await forget(system, pid)
        pid = system.root.spawn_named(decorated, "ledger")
        assert await system.root.ask(pid, Get()) == "1!"
        assert seen == {Loud}


async def test_a_class_that_calls_no_super_init_works() -> None:
    journal = FaultJournal()

    class Own(persistence.Mixin):
        def __init__(self) -> None:
            self.count = 0

        def receive(self, ctx: Context) -> None:
            if isinstance(ctx.message, str):
                self.count += 1
                self.persist_receive(event())
                ctx.respond(self.count)

    async with world(journal) as system:
        own = Props(Own, receiver_middleware=[persistence.using(journal)])
        pid = system.root.spawn_named(own, "own")
        assert await system.root.ask(pid, "hello") == 1


async def test_a_journal_that_is_closed_meanwhile_fails_who_asks_and_then_stops_the_actor() -> None:
    journal = FaultJournal()
    async with ActorSystem() as system:
        async with journal:
            pid = system.root.spawn_named(props(journal), "ledger")
            assert await system.root.ask(pid, Add(1)) == 1
        with pytest.raises(Exception, match=r"were not stored: .* is not open"):
            await system.root.ask(pid, Add(1))
        with pytest.raises(RecoveryFailed, match="is not open"):
            await system.root.ask(pid, Get())
        await eventually(lambda: not system.is_alive(pid))


async def test_sqlite_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    diary = Diary()
    for expected in (10, 20, 30):
        journal = SqliteJournal(path)
        async with world(journal) as system:
            pid = system.root.spawn_named(props(journal, diary), "ledger")
            replies = await asyncio.gather(*(system.root.ask(pid, Add(1)) for _ in range(10)))
            assert replies[-1] == expected


async def test_a_message_about_nothing_persists_nothing() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        await turns()
        assert journal.appends == []


@pytest.mark.parametrize(
    ("lacking", "retention"),
    [
        (Feature.DELETE_SNAPSHOTS, persistence.Retention(1)),
        (Feature.TRUNCATE, persistence.Retention(1, truncate_events=True)),
    ],
)
def test_a_retention_that_the_journal_cannot_keep_is_refused(
    lacking: Feature, retention: persistence.Retention
) -> None:
    class Poor(MemoryJournal):
        @property
        def features(self) -> frozenset[Feature]:
            return super().features - {lacking}

    with pytest.raises(Unsupported, match=f"Poor does not offer {lacking.value}: the retention"):
        persistence.using(Poor(), retention=retention)


def test_what_is_no_journal_and_what_is_no_strategy_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"using takes a journal such as SqliteJournal\(path\)"):
        persistence.using(cast("Any", "events.db"))
    with pytest.raises(TypeError, match=r"snapshot is a strategy such as every\(100\), not 5"):
        persistence.using(MemoryJournal(), snapshot=cast("Any", 5))
