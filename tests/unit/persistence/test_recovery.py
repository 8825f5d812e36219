"""Promise 9: how an actor comes back: snapshot, events, ReplayComplete; messages wait."""

import asyncio

import pytest

from daicho import persistence
from daicho.actor import Context, Props, Started
from daicho.errors import (
    RecoveryFailed,
)
from daicho.persistence import ReplayComplete
from tests.support.histories import fill, snapshot
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    Add,
    AsyncLedger,
    Diary,
    Get,
    Ledger,
    eventually,
    forget,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import ReceiveMoney, Wallet


@pytest.mark.parametrize("kind", [Ledger, AsyncLedger])
async def test_first_the_snapshot_then_the_events_then_replay_complete(kind: type[Ledger]) -> None:
    journal = FaultJournal()
    diary = Diary()
    async with world(journal) as system:
        await fill(journal, 5)
        await journal.save_snapshot(snapshot(3, 1000))
        pid = system.root.spawn_named(props(journal, diary, kind=kind), "ledger")
        assert await total(system, pid) == 1009
        assert diary.messages == [
            Started(),
            Wallet(deposit=1000),
            ReceiveMoney(amount=4),
            ReceiveMoney(amount=5),
            ReplayComplete(),
            Get(),
        ]


async def test_an_empty_stream_ends_in_replay_complete_too() -> None:
    journal = FaultJournal()
    diary = Diary()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary), "ledger")
        assert await total(system, pid) == 0
        assert diary.messages == [Started(), ReplayComplete(), Get()]


async def test_an_initial_state_comes_where_no_snapshot_is_stored() -> None:
    journal = FaultJournal()
    diary = Diary()
    using = persistence.using(journal, initial=lambda: Wallet(deposit=100))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary, using=using), "ledger")
        assert await system.root.ask(pid, Add(1)) == 101
        assert diary.messages[1] == Wallet(deposit=100)
        await forget(system, pid)
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await total(system, pid) == 101
        await forget(system, pid)
        await journal.save_snapshot(snapshot(1, 7))
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await total(system, pid) == 7


async def test_an_initial_state_that_cannot_be_made_stops_the_actor() -> None:
    journal = FaultJournal()

    def broken() -> object:
        raise RuntimeError("no state")

    using = persistence.using(journal, initial=broken)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        with pytest.raises(RecoveryFailed, match="no state"):
            await system.root.ask(pid, Get())


async def test_recovering_is_true_until_replay_complete() -> None:
    journal = FaultJournal()
    seen: list[tuple[str, bool]] = []

    class Looking(Ledger):
        def receive(self, ctx: Context) -> object:
            seen.append((type(ctx.message).__name__, self.recovering))
            return super().receive(ctx)

    async with world(journal) as system:
        await fill(journal, 1)
        pid = system.root.spawn_named(props(journal, kind=Looking), "ledger")
        await total(system, pid)
        assert seen == [
            ("Started", True),
            ("ReceiveMoney", True),
            ("ReplayComplete", False),
            ("Get", False),
        ]


async def test_messages_wait_for_the_recovery_in_their_order() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        await fill(journal, 3000)
        pid = system.root.spawn_named(props(journal), "ledger")
        replies = await asyncio.gather(*(system.root.ask(pid, Add(1)) for _ in range(3)))
        base = sum(range(1, 3001))
        assert replies == [base + 1, base + 2, base + 3]


async def test_nothing_leaves_an_actor_that_is_being_recovered() -> None:
    journal = FaultJournal()
    heard: list[object] = []
    refused: list[asyncio.Future[object]] = []
    published: list[str] = []

    class Talking(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, ReceiveMoney | Wallet):
                ctx.send(other, "sent")
                ctx.publish("published")
                ctx.spawn_named(Props.from_function(lambda c: heard.append("child")), "child")
                refused.append(ctx.request_future(other, "asked"))
            return super().receive(ctx)

    async with world(journal) as system:
        system.event_stream.subscribe(published.append, event_type=str)
        other = system.root.spawn(Props.from_function(lambda ctx: heard.append(ctx.message)))
        await turns()
        heard.clear()
        await fill(journal, 1)
        pid = system.root.spawn_named(props(journal, kind=Talking), "ledger")
        assert await total(system, pid) == 1
        await turns()
        assert heard == []
        assert published == []
        with pytest.raises(Exception, match="'ledger' was recovering: nothing leaves an actor"):
            await refused[0]
        await eventually(lambda: not system.is_alive(system.pid("ledger/child")))


async def test_what_started_and_replay_complete_say_leaves_at_once() -> None:
    journal = FaultJournal()
    heard: list[object] = []

    class Talking(Ledger):
        def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, Started | ReplayComplete):
                ctx.publish(type(ctx.message).__name__)
            return super().receive(ctx)

    async with world(journal) as system:
        system.event_stream.subscribe(heard.append, event_type=str)
        pid = system.root.spawn_named(props(journal, kind=Talking), "ledger")
        await total(system, pid)
        assert heard == ["Started", "ReplayComplete"]


@pytest.mark.parametrize("kind", [Ledger, AsyncLedger])
async def test_replay_complete_may_persist(kind: type[Ledger]) -> None:
    journal = FaultJournal()

    class Opening(kind):  # type: ignore[misc, valid-type]
        def apply(self, message: object) -> None:
            super().apply(message)
            if isinstance(message, ReplayComplete) and not self.version:
                self.total += 50
                self.persist_receive(ReceiveMoney(amount=50))

    async with world(journal) as system:
        for _ in range(2):
            pid = system.root.spawn_named(props(journal, kind=Opening), "ledger")
            assert await total(system, pid) == 50
            await forget(system, pid)
        assert len(await stored(journal, "ledger")) == 1
