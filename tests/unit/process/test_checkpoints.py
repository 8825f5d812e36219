"""A checkpoint spares reading; without it, or with a wrong one, all comes out the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta

import pytest

import daicho
from daicho.errors import JournalFull
from daicho.journal import MAX_VERSION, Record, Snapshot
from daicho.persistence import Retention, every
from daicho.process.v1 import Checkpoint, Following, Pending, Unreacted
from daicho.testing import Clock, Faults
from tests.support.journals import stored
from tests.unit.entity.accounts import Way
from tests.unit.process.transfers import (
    BROKEN,
    DONE,
    Account,
    Bank,
    Deposit,
    Do,
    State,
    Transfer,
    amount,
    fill,
    order,
    settled,
    steps,
)

STREAM = "daicho.courier:main"


async def checkpoint(bank: Bank) -> Checkpoint:
    """The newest one."""
    found = await bank.journal.load_snapshot(STREAM)
    assert found is not None
    return Checkpoint.FromString(found.payload)


async def save(bank: Bank, version: int, payload: bytes) -> None:
    """Puts something in place of a checkpoint."""
    await bank.journal.save_snapshot(
        Snapshot(
            stream=STREAM,
            version=version,
            type_name="daicho.process.v1.Checkpoint",
            payload=payload,
            time_us=0,
        )
    )


def taken(app: daicho.App) -> int:
    """How many events the courier has read."""
    return sum(follower.taken for follower in app.courier._followers)


async def make_transfers(bank: Bank, first: int = 0) -> None:
    async with bank.app() as app:
        await fill(app, "alice", 100)
        for n in range(first, first + 3):
            await order(app, f"alice/{n}", "bob", 10)
        await settled(app)


async def test_a_courier_goes_on_where_it_was(bank: Bank) -> None:
    await make_transfers(bank)
    last = await bank.journal.last_position()
    assert (await checkpoint(bank)).position == last
    async with bank.app() as app:
        await settled(app)
        assert taken(app) == 0
        await order(app, "alice/9", "bob", 10)
        await settled(app)
        assert await steps(app, "alice/9") == DONE


async def test_a_checkpoint_says_what_was_not_done(bank: Bank) -> None:
    assert isinstance(bank.clock, Clock)

    def schedule(account: Account) -> None:
        account.schedule(Deposit(5), name="t", after=timedelta(minutes=1))

    async with bank.app() as app:
        await fill(app, "alice", 100)
        await app.entity(Account, "alice").ask(Do(schedule))
        BROKEN.update(("bob", "alice/2"))
        await order(app, "alice/1", "bob", 30)
        await order(app, "alice/2", "carol", 20)
        await asyncio.sleep(10)
    found = await checkpoint(bank)
    assert [(each.sender, each.outgoing.timer, each.outgoing.number) for each in found.pending] == [
        ("account:alice", "t", 1),
        ("transfer:alice/1", "", 2),
    ]
    assert [(each.process, each.stream, each.version) for each in found.unreacted] == [
        ("transfer", "account:alice", 4)
    ]
    BROKEN.clear()
    bank.clock.advance(timedelta(minutes=1))
    async with bank.app() as app:
        await settled(app)
        assert await steps(app, "alice/1") == DONE
        assert await steps(app, "alice/2") == DONE
        assert await amount(app, "alice") == 55
        assert taken(app) < 15


async def test_checkpoints_are_stored_as_it_goes_and_the_last_two_are_kept(bank: Bank) -> None:
    async with bank.app(checkpoint_every=10) as app:
        await fill(app, "alice", 100)
        seen = set()
        for n in range(20):
            await order(app, f"alice/{n}", "bob", 1)
            await settled(app)
            await asyncio.sleep(1)
            found = await bank.checkpoints()
            assert len(found) <= 2
            seen |= {*found}
        assert len(seen) > 5


@pytest.mark.parametrize("payload", [b"\xff\xff", b""])
async def test_a_checkpoint_that_cannot_be_used_is_passed_over(
    bank: Bank, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await make_transfers(bank)
    await make_transfers(bank, 3)
    newest, before = await bank.checkpoints()
    # Bytes that say nothing, or a position that the journal has not come to.
    await save(bank, newest if payload else newest + 100, payload)
    async with bank.app() as app:
        await settled(app)
        assert await amount(app, "bob") == 60
        if payload:
            assert 0 < taken(app) < 40
            assert (await bank.checkpoints())[-1] == before
    assert "cannot be used, one before it is tried" in caplog.text
    # It is gone, and will not be taken for one when the journal has grown.
    async with bank.app() as app:
        await settled(app)
        assert taken(app) == 0


async def test_without_any_checkpoint_everything_is_found_to_be_done(bank: Bank) -> None:
    await make_transfers(bank)
    before = [record async for page in bank.journal.read_all() for record in page]
    await bank.journal.delete_snapshots(STREAM, max_version=MAX_VERSION)
    async with bank.app() as app:
        await settled(app)
        assert taken(app) > 10
    assert before == [record async for page in bank.journal.read_all() for record in page]


async def test_what_was_settled_long_ago_is_not_delivered_again_when_its_key_is_pruned(
    bank: Bank,
) -> None:
    def send(kept: Kept) -> None:
        kept.send(Account, "bob", Deposit(5))

    entities = (Account, Kept)
    async with bank.app(entities=entities) as app:
        await app.entity(Kept, "k").ask(Do(send))
        await settled(app)
    await bank.journal.delete_snapshots(STREAM, max_version=MAX_VERSION)
    assert await bank.journal.prune_replies(before_us=2**57) > 0
    async with bank.app(Slowly(bank.journal), entities=entities) as app:
        await settled(app)
        assert await amount(app, "bob") == 5
        assert await bank.journal.prune_replies(before_us=2**57) == 0


async def test_two_names_of_couriers_do_not_share_checkpoints(bank: Bank) -> None:
    await make_transfers(bank)
    async with bank.app(name="other") as app:
        await settled(app)
        assert taken(app) > 10
    assert await bank.checkpoints("other") == await bank.checkpoints()


async def test_a_checkpoint_that_cannot_be_stored_costs_nothing_but_time(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    way = Way(bank.journal)
    async with bank.app(way) as app:
        await fill(app, "alice", 100)
        await order(app, "alice/1", "bob", 10)
        await settled(app)
        way.fail("save_snapshot", JournalFull("test", "no room"))
    assert "checkpoint could not be stored" in caplog.text
    assert await bank.checkpoints() == []
    async with bank.app() as app:
        await settled(app)
        assert await amount(app, "bob") == 10


class Later(Transfer, name="later"):
    """A process that only a newer version of the program has."""


async def test_a_program_leaves_in_place_how_far_the_processes_of_another_have_come(
    bank: Bank,
) -> None:
    newer = (Account, Transfer, Later)
    async with bank.app(entities=newer) as app:
        await fill(app, "alice", 100)
        await settled(app)
        BROKEN.add("alice/1")
        await order(app, "alice/1", "bob", 10)
        await asyncio.sleep(10)
    position = (await checkpoint(bank)).position
    BROKEN.clear()
    # An older version goes on, and knows nothing of it.
    async with bank.app() as app:
        await settled(app)
        assert await steps(app, "alice/1") == DONE
    found = await checkpoint(bank)
    assert found.position > position
    assert {each.process: each.position for each in found.following} == {
        "transfer": found.position,
        "later": position,
    }
    assert found.unreacted == [
        Unreacted(process="later", stream="account:alice", version=2, type_name="test.ordered")
    ]
    async with bank.app(entities=newer) as app:
        await settled(app)
        assert (await app.entity(Later, "alice/1").at()).steps == DONE
        assert await amount(app, "bob") == 20
    assert not (await checkpoint(bank)).unreacted


async def test_what_entities_of_another_program_let_go_stays_in_the_checkpoint(
    bank: Bank,
) -> None:
    async with bank.app(entities=(Account, Later)) as app:
        await fill(app, "alice", 100)
        BROKEN.add("bob")
        await order(app, "alice/1", "bob", 10)
        await asyncio.sleep(10)
    BROKEN.clear()
    async with bank.app(entities=(Account,)) as app:
        await settled(app)
        assert await amount(app, "bob") == 0
    assert [each.sender for each in (await checkpoint(bank)).pending] == ["later:alice/1"]
    async with bank.app(entities=(Account, Later)) as app:
        await settled(app)
        assert await amount(app, "bob") == 10
    assert not (await checkpoint(bank)).pending


async def test_an_event_that_was_deleted_before_the_reaction_is_said_to_be_gone(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    async with bank.app() as app:
        await fill(app, "alice", 100)
        BROKEN.add("alice/1")
        await order(app, "alice/1", "bob", 10)
        await asyncio.sleep(10)
    await bank.journal.truncate("account:alice", to_version=2)
    BROKEN.clear()
    async with bank.app(entities=(Transfer,)) as app:
        await settled(app)
    assert "will not react to event 2 of 'account:alice', which was deleted" in caplog.text


class Slowly(Way):
    """The journal is read one event after the other, and much can happen meanwhile."""

    async def read_all(
        self,
        *,
        after_position: int = 0,
        page_size: int = 1,
        type_names: Collection[str] | None = None,
    ) -> AsyncIterator[Sequence[Record]]:
        pages = super().read_all(after_position=after_position, page_size=1, type_names=type_names)
        async for page in pages:
            yield page
            await asyncio.sleep(1)


class Kept(daicho.Process[State], name="kept"):
    """Deletes nothing."""

    @daicho.command
    def do(self, command: Do) -> object:
        return command.act(self)


class Short(daicho.Process[State], name="short"):
    """Deletes what it has a snapshot of."""

    snapshot = every(1)
    retention = Retention(1, truncate_events=True)

    @daicho.command
    def do(self, command: Do) -> object:
        return command.act(self)


async def test_without_a_checkpoint_what_was_deleted_is_known_from_snapshots(bank: Bank) -> None:
    def send(short: Short) -> None:
        short.send(Account, "bob", Deposit(5))

    async with bank.app(entities=(Account, Short)) as app:
        BROKEN.add("bob")
        await app.entity(Short, "s").ask(Do(send))
        await asyncio.sleep(10)
    assert await _records(bank, "short:s") == []
    BROKEN.clear()
    await bank.journal.delete_snapshots(STREAM, max_version=MAX_VERSION)
    async with bank.app(entities=(Account, Short)) as app:
        await settled(app)
        assert await amount(app, "bob") == 5


async def _records(bank: Bank, stream: str) -> list[Record]:
    return await stored(bank.journal, stream)


def test_a_checkpoint_gives_back_what_it_was_given() -> None:
    given = Checkpoint(
        position=7,
        pending=[Pending(sender="a:b", position=3, version=2)],
        following=[Following(process="p", type_name="t", position=6)],
        unreacted=[Unreacted(process="p", type_name="t", stream="a:b", version=1)],
    )
    assert Checkpoint.FromString(given.SerializeToString()) == given


async def test_a_journal_that_never_answers_does_not_keep_the_application_from_its_end(
    bank: Bank,
) -> None:
    await make_transfers(bank)
    way = Way(bank.journal)
    async with asyncio.timeout(20):
        async with bank.app(way) as app:
            await order(app, "alice/3", "bob", 10)
            await settled(app)
            app.system.shutdown_timeout = 0.05
            way.faults = Faults(silent=1)
        assert way.happened
    async with bank.app() as app:
        await settled(app)
        assert await amount(app, "bob") == 40


async def test_who_only_looks_stores_nothing(bank: Bank) -> None:
    await make_transfers(bank)
    way = Way(bank.journal)
    way.fail("save_snapshot", JournalFull("test", "no room"), times=1)
    async with bank.app(way) as app:
        await settled(app)
        assert await amount(app, "bob") == 30
    assert way.planned
