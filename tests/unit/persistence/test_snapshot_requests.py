"""How a snapshot is asked for: the message at hand goes on as if nothing had happened."""

import asyncio

import pytest

from daicho import persistence
from daicho.actor import Context
from daicho.errors import PersistFailed
from daicho.persistence import RequestSnapshot
from tests.support.histories import versions
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    KINDS,
    Add,
    AsyncLedger,
    Diary,
    Do,
    Ledger,
    adding,
    event,
    forget,
    props,
    total,
    turns,
    world,
)
from wallet.v1 import Wallet


@pytest.mark.parametrize("kind", KINDS)
async def test_a_snapshot_holds_the_event_that_caused_it(kind: type[Ledger]) -> None:
    journal = FaultJournal()
    await adding(journal, persistence.every(3), *range(1, 8), kind=kind)
    async with journal:
        assert await versions(journal) == [3, 6]
        payloads = [snapshot.payload for snapshot in await journal.list_snapshots("ledger")]
        assert [Wallet.FromString(payload).deposit for payload in payloads] == [21, 6]
        assert len(await stored(journal, "ledger")) == 7


@pytest.mark.parametrize("kind", KINDS)
async def test_the_sender_survives_a_snapshot_request(kind: type[Ledger]) -> None:
    journal = FaultJournal()

    class Looking(kind):  # type: ignore[misc, valid-type]
        def persist_receive(self, *events: object) -> None:
            before = (context.message, context.sender, context.headers)
            super().persist_receive(*events)
            assert (context.message, context.sender, context.headers) == before

    using = persistence.using(journal, snapshot=persistence.every(1))
    context: Context
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Looking, using=using), "ledger")
        await total(system, pid)
        context = system.cell(pid)
        for amount in range(1, 6):
            reply = await system.root.ask(pid, Add(1), headers={"command-id": str(amount)})
            assert reply == amount
        await forget(system, pid)
        assert await versions(journal) == [1, 2, 3, 4, 5]


async def test_a_plain_handler_is_asked_in_its_middle_and_an_async_one_at_its_end() -> None:
    plain = await adding(FaultJournal(), persistence.every(2), 1, 1)
    assert plain.names()[-4:] == ["Add", "RequestSnapshot", "Stopping", "Stopped"]
    asked: list[str] = []

    class Telling(AsyncLedger):
        async def receive(self, ctx: Context) -> object:
            name = type(ctx.message).__name__
            asked.append(f"begin {name}")
            await super().receive(ctx)
            asked.append(f"end {name}")
            return None

    await adding(FaultJournal(), persistence.every(1), 1, kind=Telling)
    assert asked[4:8] == ["begin Add", "end Add", "begin RequestSnapshot", "end RequestSnapshot"]


async def test_a_message_that_persists_often_is_asked_once_at_its_end_if_async() -> None:
    journal = FaultJournal()
    diary = Diary()

    async def act(ledger: Ledger, ctx: Context) -> None:
        for _ in range(3):
            ledger.persist_receive(event())
            ledger.total += 1
        await ledger.persist(event())
        ledger.total += 1

    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(
            props(journal, diary, kind=AsyncLedger, using=using), "ledger"
        )
        system.root.send(pid, Do(act))
        assert await total(system, pid) == 4
        await forget(system, pid)
        assert diary.names().count("RequestSnapshot") == 1
        assert await versions(journal) == [4]


async def test_the_events_are_on_their_way_while_an_async_handler_makes_its_snapshot() -> None:
    journal = FaultJournal()
    go = asyncio.Event()

    class Slow(AsyncLedger):
        async def receive(self, ctx: Context) -> object:
            if isinstance(ctx.message, RequestSnapshot):
                await go.wait()
            return await super().receive(ctx)

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event())
        ctx.respond("stored")

    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Slow, using=using), "ledger")
        assert await system.root.ask(pid, Do(act)) == "stored"
        waiting = system.root.ask(pid, Add(1))
        await turns()
        assert not waiting.done()
        go.set()
        await waiting
        await forget(system, pid)
        assert await versions(journal) == [1, 2]


async def test_a_handler_that_raises_is_not_asked_any_more() -> None:
    journal = FaultJournal()
    diary = Diary()

    async def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event())
        raise RuntimeError("no")

    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(
            props(journal, diary, kind=AsyncLedger, using=using), "ledger"
        )
        system.root.send(pid, Do(act))
        assert await total(system, pid) == 0
        assert "RequestSnapshot" not in diary.names()


async def test_a_snapshot_is_stored_in_the_transaction_of_its_events() -> None:
    journal = FaultJournal()
    using = persistence.using(journal, snapshot=persistence.every(2))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        journal.fail("save_snapshot", AssertionError("a transaction of its own"), times=9)
        for amount in range(1, 5):
            assert await system.root.ask(pid, Add(1)) == amount
        await forget(system, pid)
        assert await versions(journal) == [2, 4]
        travelled = [write.snapshot for writes in journal.appends for write in writes]
        assert [each and each.version for each in travelled] == [None, 2, None, 4]


async def test_a_large_snapshot_follows_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daicho.persistence.pipeline.TRAVELS_BYTES", 1)
    journal = FaultJournal()
    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        assert await system.root.ask(pid, Add(5)) == 5
        await forget(system, pid)
        assert [write.snapshot for writes in journal.appends for write in writes] == [None]
        assert await versions(journal) == [1]


@pytest.mark.usefixtures("snapshots_follow")
@pytest.mark.parametrize("kind", KINDS)
async def test_snapshots_that_follow_hold_the_event_that_caused_them(kind: type[Ledger]) -> None:
    journal = FaultJournal()
    await adding(journal, persistence.every(3), *range(1, 8), kind=kind)
    async with journal:
        assert await versions(journal) == [3, 6]


async def test_a_write_that_is_refused_leaves_no_snapshot() -> None:
    journal = FaultJournal()
    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        await total(system, pid)
        journal.fail("append", OSError("no room"))
        with pytest.raises(PersistFailed):
            await system.root.ask(pid, Add(1))
        assert await total(system, pid) == 0
        assert await versions(journal) == []
