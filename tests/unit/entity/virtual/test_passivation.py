"""Entities leave when nobody needs them, never while they have work, and nothing is lost by it."""

from __future__ import annotations

import asyncio

import pytest

import daicho
from daicho.actor import Started, Stopped
from daicho.errors import SystemStopped
from daicho.journal import Journal, Snapshot
from tests.support.ledgers import turns
from tests.unit.entity.accounts import (
    Account,
    Balance,
    Deposit,
    Deposited,
    Do,
    Look,
    Store,
    Way,
)

IDS = ("alice", *(f"a{n}" for n in range(100)))


def lives(app: daicho.App) -> set[str]:
    """The ids of the accounts that live."""
    cells = (app.system.find_cell(app.directory.pid(f"account:{id_}")) for id_ in IDS)
    return {id_ for id_, cell in zip(IDS, cells, strict=True) if cell is not None}


async def test_an_entity_that_is_not_used_leaves(memory: Store) -> None:
    async with memory.app(passivate_after_s=60) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(1))
        first = await alice.ask(Do(id))
        await asyncio.sleep(59)
        assert lives(app) == {"alice"}
        assert await alice.ask(Do(id)) == first
        await asyncio.sleep(59)
        assert lives(app) == {"alice"}
        await asyncio.sleep(2)
        assert lives(app) == set()
        assert app.directory.live_count == 0
        assert app.system.find_cell(app.directory.pid("account:alice")) is None
        # And is woken by the next message.
        assert await alice.ask(Deposit(1)) == 2


async def test_each_leaves_when_its_own_time_has_come(memory: Store) -> None:
    async with memory.app(passivate_after_s=60) as app:
        for n in range(10):
            await app.entity(Account, f"a{n}").ask(Deposit(1))
            await asyncio.sleep(10)
        await asyncio.sleep(5)
        # a4 was used 65 s ago, a5 55 s ago.
        assert lives(app) == {"a5", "a6", "a7", "a8", "a9"}
        await asyncio.sleep(61)
        assert lives(app) == set()


async def test_those_used_longest_ago_leave_when_too_many_live(memory: Store) -> None:
    async with memory.app(max_live=3) as app:
        for n in range(6):
            await app.entity(Account, f"a{n}").ask(Deposit(1))
            # It is used again and again.
            await app.entity(Account, "a0").ask(Look())
            await turns()
            assert len(lives(app)) <= 3
        assert lives(app) == {"a0", "a4", "a5"}
        for n in range(6):
            assert await app.entity(Account, f"a{n}").ask(Deposit(1)) == 2


async def test_where_many_may_live_a_few_leave_together(memory: Store) -> None:
    async with memory.app(max_live=200) as app:
        counts: list[int] = []
        for n in range(300):
            await app.entity(Account, f"b{n}").ask(Deposit(1))
            counts.append(app.directory.live_count)
        # A hundredth, so that not each that comes has to look for one that may leave.
        assert (max(counts), min(counts[200:])) == (200, 198)


async def test_more_may_live_while_all_have_work_and_no_longer(memory: Store) -> None:
    gate = asyncio.Event()
    async with memory.app(max_live=2) as app:
        asked = [
            app.entity(Account, f"a{n}").ask(Do(lambda a: gate.wait()), timeout=1_000)
            for n in range(10)
        ]
        await turns()
        assert app.directory.live_count == 10
        await asyncio.sleep(100)
        assert app.directory.live_count == 10
        gate.set()
        assert await asyncio.gather(*asked) == [True] * 10
        await asyncio.sleep(2)
        assert app.directory.live_count <= 2


async def test_an_entity_that_works_does_not_leave(memory: Store) -> None:
    gate = asyncio.Event()
    async with memory.app(passivate_after_s=60) as app:
        alice = app.entity(Account, "alice")
        before = await alice.ask(Do(id))
        working = alice.ask(Do(lambda a: gate.wait()), timeout=10_000)
        await asyncio.sleep(1_000)
        assert lives(app) == {"alice"}
        gate.set()
        assert await working is True
        assert await alice.ask(Do(id)) == before
        await asyncio.sleep(200)
        assert lives(app) == set()


async def test_what_an_entity_that_leaves_has_on_its_way_is_stored_and_answered(
    memory: Store,
) -> None:
    way = memory.way()
    async with memory.app(way, passivate_after_s=60) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Look())
        way.hold()
        slow = alice.ask(Deposit(1), timeout=10_000)
        await way.held()
        await asyncio.sleep(200)
        # It may leave, as it has decided; but not before the journal has answered.
        late = alice.ask(Deposit(1), timeout=10_000)
        await asyncio.sleep(200)
        assert not slow.done()
        way.release()
        assert [await slow, await late] == [1, 2]
    assert len(await memory.events()) == 2


async def test_what_comes_while_an_entity_leaves_wakes_the_next_one(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way, passivate_after_s=60) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Look())
        way.hold()
        slow = alice.ask(Deposit(1, "before"), timeout=10_000)
        await way.held()
        await asyncio.sleep(200)
        late = [alice.ask(Deposit(1, f"late {n}"), timeout=10_000) for n in range(10)]
        keyed = alice.ask(Deposit(1, "keyed"), idempotency_key="k", timeout=10_000)
        await turns()
        way.release()
        assert await asyncio.gather(slow, *late, keyed) == [*range(1, 13)]
        state = await alice.ask(Account.look, Look())
        assert state.notes == ["before", *(f"late {n}" for n in range(10)), "keyed"]
    assert len(await memory.events()) == 12


class Often(Account, name="often"):
    """Takes a snapshot of every version, and leaves when that is stored."""

    snapshot = daicho.every(1)


class SlowSnapshots(Way):
    """Stores a snapshot when it is let."""

    def __init__(self, inner: Journal) -> None:
        super().__init__(inner)
        self.gate = asyncio.Event()

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        await self.gate.wait()
        await super().save_snapshot(snapshot)


@pytest.mark.usefixtures("snapshots_follow")
async def test_what_comes_while_an_entity_waits_for_its_snapshot_wakes_the_next_one(
    memory: Store,
) -> None:
    way = SlowSnapshots(memory.journal)
    async with memory.app(way, entities=(Often,), passivate_after_s=60) as app:
        often = app.entity(Often, "alice")
        assert await often.ask(Deposit(1, "before")) == 1
        first = app.system.find_cell(app.directory.pid(often.stream))
        await asyncio.sleep(200)
        # It is at its end, which the snapshot delays.
        assert app.directory.live_count == 0
        late = [often.ask(Deposit(1, f"late {n}"), timeout=10_000) for n in range(10)]
        often.tell(Deposit(1, "told"))
        keyed = often.ask(Deposit(1, "keyed"), idempotency_key="k", timeout=10_000)
        await asyncio.sleep(10)
        assert not any(each.done() for each in [*late, keyed])
        assert app.system.find_cell(app.directory.pid(often.stream)) is first
        way.gate.set()
        assert await asyncio.gather(*late) == [*range(2, 12)]
        assert await keyed == 13
        state = await often.ask(Account.look, Look())
        assert state.notes == ["before", *(f"late {n}" for n in range(10)), "told", "keyed"]


@pytest.mark.usefixtures("snapshots_follow")
async def test_what_waits_for_the_end_of_an_entity_in_an_application_that_closes_is_answered(
    memory: Store,
) -> None:
    way = SlowSnapshots(memory.journal)
    async with memory.app(way, entities=(Often,), passivate_after_s=60) as app:
        often = app.entity(Often, "alice")
        await often.ask(Deposit(1))
        await asyncio.sleep(200)
        late = often.ask(Deposit(1), timeout=10_000)
        app.system.loop.call_later(1, way.gate.set)
    with pytest.raises((SystemStopped, daicho.NoSuchActor)):
        await late
    assert len(await memory.events("alice")) == 0
    assert (await memory.journal.stream_info("often:alice")).version == 1


async def test_an_application_that_closes_lets_those_go_that_were_to_leave(memory: Store) -> None:
    async with memory.app(passivate_after_s=60) as app:
        for n in range(20):
            await app.entity(Account, f"a{n}").ask(Deposit(1))
        await asyncio.sleep(59.99)
        asked = [app.entity(Account, f"a{n}").ask(Deposit(1)) for n in range(20)]
    assert await asyncio.gather(*asked) == [2] * 20


async def test_a_ref_keeps_nobody_alive_and_needs_nobody(memory: Store) -> None:
    async with memory.app(passivate_after_s=60) as app:
        refs = [app.entity(Account, f"a{n}") for n in range(100)]
        assert lives(app) == set()
        assert repr(refs[0]) == "Ref(account, 'a0')"
        assert await refs[0].ask(Account.look, Look()) == Balance()
        await asyncio.sleep(100)
        assert lives(app) == set()


async def test_an_entity_that_emits_nothing_and_leaves_writes_nothing(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way, passivate_after_s=60) as app:
        await app.entity(Account, "alice").ask(Look())
        await asyncio.sleep(100)
    assert way.appends == []


async def test_actors_beside_the_entities_are_not_touched(memory: Store) -> None:
    seen: list[object] = []
    async with memory.app(passivate_after_s=60, max_live=1) as app:
        props = daicho.Props.from_function(lambda ctx: seen.append(ctx.message))
        app.system.root.spawn_named(props, "beside")
        for n in range(5):
            await app.entity(Account, f"a{n}").ask(Do(lambda a: a.emit(Deposited(1))))
        await asyncio.sleep(1_000)
        assert [type(message) for message in seen] == [Started]
    assert any(isinstance(message, Stopped) for message in seen)
