"""What is stored of what a handler persists."""

import asyncio

import pytest

from daicho import persistence
from daicho.actor import Context
from daicho.errors import (
    HandlerFailed,
    UnencodableEvent,
)
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import (
    FULL,
    Add,
    Do,
    Ledger,
    event,
    fails,
    forget,
    props,
    total,
    world,
)
from wallet.v1 import PaymentMoney


async def test_an_event_keeps_its_type_time_id_and_the_ids_of_its_message() -> None:
    journal = FaultJournal()
    ids = iter(n.to_bytes(16, "big") for n in range(1, 10))
    using = persistence.using(
        journal, clock_us=lambda: 1_700_000_000_000_000, event_ids=ids.__next__
    )
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, using=using), "ledger")
        headers = {"correlation-id": "c1", "causation-id": "c2", "command-id": "c3", "other": "x"}
        await system.root.ask(pid, Add(5), headers=headers)
        await system.root.ask(pid, Add(6))
        first, second = await stored(journal, "ledger")
        assert (first.type_name, first.payload) == ("wallet.v1.ReceiveMoney", b"\x08\x05")
        assert (first.time_us, first.event_id) == (1_700_000_000_000_000, (1).to_bytes(16, "big"))
        assert (first.correlation_id, first.causation_id, first.command_id) == ("c1", "c2", "c3")
        assert second.event_id == (2).to_bytes(16, "big")
        assert (second.correlation_id, second.causation_id, second.command_id) == (None, None, None)


async def test_event_ids_are_unique() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await asyncio.gather(*(system.root.ask(pid, Add(1)) for _ in range(200)))
        assert len({record.event_id for record in await stored(journal, "ledger")}) == 200


async def test_the_version_counts_events_as_they_are_applied_and_persisted() -> None:
    journal = FaultJournal()
    seen: list[tuple[str, int]] = []

    class Counting(Ledger):
        def receive(self, ctx: Context) -> object:
            seen.append((type(ctx.message).__name__, self.version))
            return super().receive(ctx)

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(), event())
        ctx.respond((ledger.version, ledger.stream))

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=Counting), "ledger")
        assert await system.root.ask(pid, Do(act)) == (2, "ledger")
        await forget(system, pid)
        seen.clear()
        pid = system.root.spawn_named(props(journal, kind=Counting), "ledger")
        await total(system, pid)
        assert seen == [
            ("Started", 0),
            ("ReceiveMoney", 1),
            ("ReceiveMoney", 2),
            ("ReplayComplete", 2),
            ("Get", 2),
        ]


async def test_one_bad_event_among_several_records_none() -> None:
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: Context) -> None:
        try:
            ledger.persist_receive(event(), "no event")
        except UnencodableEvent:
            ledger.persist_receive(PaymentMoney(amount=3))
            ctx.respond(ledger.version)

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await system.root.ask(pid, Do(act)) == 1
        assert [r.type_name for r in await stored(journal, "ledger")] == ["wallet.v1.PaymentMoney"]


async def test_persisting_nothing_is_nothing() -> None:
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive()
        ctx.respond(ledger.version)

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await system.root.ask(pid, Do(act)) == 0
        assert journal.appends == []


async def test_await_persist_in_the_middle_makes_two_parts() -> None:
    journal = FaultJournal()

    async def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(1))
        await ledger.persist(event(2))
        ledger.persist_receive(event(3))
        ledger.persist_receive(event(4))
        ledger.total += 10
        ctx.respond(ledger.total)

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await system.root.ask(pid, Do(act)) == 10
        assert [[len(w.events) for w in writes] for writes in journal.appends] == [[2], [2]]


async def test_a_handler_that_raises_after_await_persist_loses_only_what_came_after() -> None:
    journal = FaultJournal()

    async def act(ledger: Ledger, ctx: Context) -> None:
        await ledger.persist(event(2))
        ledger.persist_receive(event(3))
        raise RuntimeError("no")

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        with pytest.raises(HandlerFailed, match="no"):
            await system.root.ask(pid, Do(act))
        assert await total(system, pid) == 2


async def test_several_tasks_of_one_handler_may_wait() -> None:
    journal = FaultJournal()

    async def act(ledger: Ledger, ctx: Context) -> None:
        impatient = asyncio.create_task(ledger.persist(event(2)))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(ledger.persist(event(3)), ledger.persist(event(4)))
        ctx.respond("stored")

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.hold()
        reply = system.root.ask(pid, Do(act))
        await journal.held()
        journal.release()
        assert await reply == "stored"
        assert len(await stored(journal, "ledger")) == 3


async def test_waits_side_by_side_fail_from_the_first_version_that_is_not_stored() -> None:
    journal = FaultJournal()

    async def act(ledger: Ledger, ctx: Context) -> None:
        early = asyncio.ensure_future(ledger.persist(event(1)))
        await journal.held()
        late = [asyncio.ensure_future(ledger.persist(event(1))) for _ in range(3)]
        await journal.let_one_pass()
        await early
        journal.fail("append", FULL)
        journal.release()
        await asyncio.gather(*late)

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.hold()
        assert (await fails(system.root.ask(pid, Do(act)))).version == 2
        assert await total(system, pid) == 1
