"""What retention deletes: commands and timers are known from snapshots, reactions are not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

import daicho
from daicho.actor import Started as Awake
from daicho.entity.v1 import EntitySnapshot, Outgoing
from daicho.errors import JournalUnavailable
from daicho.journal import PAGE_SIZE, Snapshot, StreamInfo
from daicho.persistence import Retention, every
from daicho.process.v1 import Checkpoint, Pending
from daicho.testing import Clock
from tests.support.journals import stored
from tests.unit.entity.accounts import Way
from tests.unit.process.transfers import (
    BROKEN,
    Account,
    Bank,
    Deposit,
    Deposited,
    Do,
    Started,
    State,
    Transfer,
    amount,
    settled,
)

MINUTE = timedelta(minutes=1)


class Short(daicho.Process[State], name="short"):
    """Deletes what it has a snapshot of, which it takes every fourth event."""

    snapshot = every(4)
    retention = Retention(1, truncate_events=True)

    @daicho.command
    def do(self, command: Do) -> object:
        return command.act(self)

    @daicho.command
    def deposit(self, command: Deposit) -> None:
        self.emit(Started(str(command.amount), "", 0))

    @daicho.event
    def started(self, event: Started) -> None:
        self.state = State(self.state.source + event.source)


ENTITIES = (Account, Short)


def send(*amounts: int) -> Callable[[Short], None]:
    def act(short: Short) -> None:
        for each in amounts:
            short.send(Account, "bob", Deposit(each))

    return act


def schedule(short: Short) -> None:
    short.schedule(Deposit(5), name="t", after=MINUTE)


def go_on(short: Short) -> None:
    short.emit(*[Started(".", "", 0)] * 4)


async def live_and_die(bank: Bank, *acts: Callable[[Short], None]) -> None:
    """An application stores a checkpoint; the next one does what is wanted, and stores none."""
    async with bank.app(entities=ENTITIES) as app:
        await app.entity(Short, "first").ask(Do(go_on))
        await settled(app)
    BROKEN.add("bob")
    way = Way(bank.journal)
    async with bank.app(way, entities=ENTITIES) as app:
        for act in acts:
            await app.entity(Short, "s").ask(Do(act))
            await asyncio.sleep(1)
        way.cut_off()
    BROKEN.clear()


async def deposits(bank: Bank) -> list[object]:
    schema = daicho.Schema([Deposited])
    records = await stored(bank.journal, "account:bob")
    return [schema.decode(record.type_name, record.payload) for record in records]


async def test_a_command_that_was_deleted_after_the_checkpoint_is_delivered(bank: Bank) -> None:
    await live_and_die(bank, send(5), go_on)
    assert not [
        each for each in await stored(bank.journal, "short:s") if "Outgoing" in each.type_name
    ]
    assert await bank.checkpoints()
    for _ in range(2):
        async with bank.app(entities=ENTITIES) as app:
            await settled(app)
            assert await amount(app, "bob") == 5


class Away(Way):
    """It does not say at once what streams there are."""

    refused = 0

    async def list_streams(
        self, prefix: str = "", *, after: str = "", limit: int = PAGE_SIZE
    ) -> list[StreamInfo]:
        if self.refused < 3:
            self.refused += 1
            raise JournalUnavailable("test", "away")
        return await super().list_streams(prefix, after=after, limit=limit)


async def test_a_journal_that_does_not_answer_at_the_start_is_asked_again(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    await live_and_die(bank, send(5), go_on)
    async with bank.app(Away(bank.journal), entities=ENTITIES) as app:
        await settled(app)
        assert await amount(app, "bob") == 5
    assert "cannot be read, next try in 0.4 s" in caplog.text


async def test_a_timer_that_was_deleted_after_the_checkpoint_comes(bank: Bank) -> None:
    assert isinstance(bank.clock, Clock)
    await live_and_die(bank, schedule, go_on)
    async with bank.app(entities=ENTITIES) as app:
        await settled(app)
        assert (await app.entity(Short, "s").at()).source == "...."
        bank.clock.advance(MINUTE)
        await settled(app)
        assert (await app.entity(Short, "s").at()).source == "....5"
    async with bank.app(entities=ENTITIES) as app:
        await settled(app)
        assert (await app.entity(Short, "s").at()).source == "....5"


async def test_what_was_settled_after_the_snapshot_is_not_recalled(bank: Bank) -> None:
    await live_and_die(bank, send(5), go_on)
    async with bank.app(entities=ENTITIES) as app:
        await settled(app)
    snapshot = await bank.journal.load_snapshot("short:s")
    assert snapshot is not None
    assert len(EntitySnapshot.FromString(snapshot.payload).pending) == 1
    async with bank.app(entities=ENTITIES) as app:
        awake: list[object] = []
        app.system.event_stream.subscribe(awake.append, event_type=Awake)
        await settled(app)
        assert not awake
        assert len(app.courier._post) == 0


async def test_a_snapshot_that_cannot_be_read_gives_way_to_the_one_before(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    await live_and_die(bank, send(5), go_on, lambda short: short.emit(Started(".", "", 0)))
    info = await bank.journal.stream_info("short:s")
    assert info is not None
    assert info.version == info.truncated_to + 1
    await bank.journal.save_snapshot(
        Snapshot(
            stream="short:s",
            version=info.version,
            type_name=EntitySnapshot.DESCRIPTOR.full_name,
            payload=b"\xff",
            time_us=0,
        )
    )
    async with bank.app(entities=(Account,)) as app:
        await settled(app)
        assert len(app.courier._post) == 1
    assert f"snapshot {info.version} of 'short:s' is passed over" in caplog.text


async def test_what_is_recalled_and_what_is_read_arrive_in_the_order_in_which_it_left(
    bank: Bank,
) -> None:
    await live_and_die(bank, send(1, 2), go_on, send(3))
    # It was stored by a program that came too late to read the first command.
    second = Pending(sender="short:s", position=6, version=2, outgoing=_outgoing(2))
    checkpoint = Checkpoint(position=await bank.journal.last_position() - 1, pending=[second])
    await bank.journal.save_snapshot(
        Snapshot(
            stream="daicho.courier:main",
            version=checkpoint.position,
            type_name=Checkpoint.DESCRIPTOR.full_name,
            payload=checkpoint.SerializeToString(),
            time_us=0,
        )
    )
    async with bank.app(entities=ENTITIES) as app:
        await settled(app)
        assert await deposits(bank) == [Deposited(1), Deposited(2), Deposited(3)]


def _outgoing(number: int) -> Outgoing:
    type_name, command = daicho.Schema([Deposit]).encode(Deposit(number))
    return Outgoing(
        number=number,
        target_entity="account",
        target_id="bob",
        command_type=type_name,
        command=command,
    )


class Forgetful(Account, name="forgetful"):
    """What others react to is not kept."""

    snapshot = every(100)
    retention = Retention(2, truncate_events=True)


@pytest.mark.parametrize("kept", [True, False])
async def test_an_application_is_warned_of_reactions_to_what_retention_deletes(
    bank: Bank,
    kept: bool,  # noqa: FBT001
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bank.app(entities=(Account if kept else Forgetful, Transfer)):
        pass
    warned = "process transfer reacts to Ordered of forgetful, whose retention deletes events"
    assert (warned in caplog.text) is not kept
