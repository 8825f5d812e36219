"""How an entity comes back: snapshots, changed schemas, and what cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

import daicho
from daicho.errors import (
    JournalUnavailable,
    RecoveryFailed,
    UndecodableEvent,
    UnhandledEvent,
    UnknownEventType,
)
from daicho.journal import MAX_VERSION, PAGE_SIZE, Loaded, Record
from daicho.persistence import Retention, SnapshotFailed, every
from tests.support.journals import foreign_append
from tests.unit.entity.accounts import (
    Account,
    Balance,
    Deposit,
    Deposited,
    Look,
    Store,
    Way,
)


class Often(Account, name="often"):
    """Takes a snapshot at every third version and keeps two."""

    snapshot = every(3)
    retention = Retention(2)


async def versions(store: Store, stream: str) -> list[int]:
    """The versions of the snapshots of a stream, oldest first."""
    return [each.version for each in await store.journal.list_snapshots(stream)][::-1]


async def test_snapshots_are_taken_as_the_class_says(store: Store) -> None:
    way = store.way()
    async with store.app(entities=(Often,)) as app:
        entity = app.entity(Often, "alice")
        for amount in range(1, 11):
            assert await entity.ask(Deposit(1, str(amount))) == amount
    assert await versions(store, "often:alice") == [6, 9]
    seen: list[int] = []

    def note(record: Record) -> Record:
        seen.append(record.version)
        return record

    way.edit = note
    async with store.app(way, entities=(Often,)) as app:
        state = await app.entity(Often, "alice").ask(Account.look, Look())
        assert state == Balance(10, [str(n) for n in range(1, 11)])
    assert seen == [10]


async def test_a_snapshot_holds_the_state_when_it_was_due_not_later(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way, entities=(Often,)) as app:
        entity = app.entity(Often, "alice")
        await entity.ask(Look())
        way.hold()
        asked = [entity.ask(Deposit(1)) for _ in range(20)]
        await way.held()
        way.release()
        await asyncio.gather(*asked)
    for snapshot in await memory.journal.list_snapshots("often:alice"):
        assert b'"amount":%d,' % snapshot.version in snapshot.payload


@pytest.mark.usefixtures("snapshots_follow")
async def test_a_snapshot_that_cannot_be_stored_is_reported_and_nothing_else(
    memory: Store,
) -> None:
    way = memory.way()
    failures: list[SnapshotFailed] = []
    async with memory.app(way, entities=(Often,)) as app:
        app.system.event_stream.subscribe(failures.append, event_type=SnapshotFailed)
        entity = app.entity(Often, "alice")
        way.fail("save_snapshot", OSError("no"))
        for total in range(1, 8):
            assert await entity.ask(Deposit(1)) == total
    assert [failure.version for failure in failures] == [3]
    assert await versions(memory, "often:alice") == [6]


async def test_a_state_that_cannot_be_a_snapshot_is_reported_and_nothing_else(
    memory: Store,
) -> None:
    failures: list[SnapshotFailed] = []
    async with memory.app(entities=(Spoiling,)) as app:
        app.system.event_stream.subscribe(failures.append, event_type=SnapshotFailed)
        spoiling = app.entity(Spoiling, "s")
        assert await spoiling.ask(Deposit(1)) == "spoilt"
        assert await spoiling.ask(Deposit(1)) == "spoilt"
        assert await spoiling.version() == 2
    assert [failure.version for failure in failures] == [1, 2]


class Spoiling(daicho.Entity[Balance], name="spoiling"):
    """Puts into its state what cannot be stored."""

    snapshot = every(1)

    @daicho.command
    def deposit(self, command: Deposit) -> str:
        self.emit(Deposited(1))
        return "spoilt"

    @daicho.event
    def deposited(self, event: Deposited) -> None:
        self.state.notes = [object()]  # type: ignore[list-item]


# --- what cannot be read --------------------------------------------------------------------------


@daicho.stored_as("test.renamed")
@dataclass(frozen=True, slots=True)
class Renamed:
    """Handled by nobody."""


@pytest.mark.parametrize(
    ("type_name", "payload", "cause"),
    [
        ("test.unknown", b"{}", UnknownEventType),
        ("test.deposited", b"\xff", UndecodableEvent),
        ("test.renamed", b"{}", UnhandledEvent),
        ("test.balance", b"{}", UnhandledEvent),
    ],
)
async def test_an_event_that_cannot_be_applied_stops_that_entity_alone_and_is_named(
    store: Store, type_name: str, payload: bytes, cause: type[Exception]
) -> None:
    schema = daicho.Schema([Renamed])
    await foreign_append(store.journal, "account:alice", ("test.deposited", b'{"amount":1}'))
    await foreign_append(store.journal, "account:alice", (type_name, payload))
    async with store.app(schema=schema) as app:
        alice, bob = app.entity(Account, "alice"), app.entity(Account, "bob")
        asked = [alice.ask(Deposit(1)) for _ in range(3)]
        asked.append(alice.ask(Deposit(1), idempotency_key="k"))
        for each in asked:
            with pytest.raises(RecoveryFailed) as caught:
                await each
            error = caught.value
            assert (error.stream, error.version) == ("account:alice", 2)
            assert error.type_name == type_name
            assert isinstance(error.__cause__, cause)
        assert await bob.ask(Deposit(1)) == 1
        # It is tried again with the next message, not with none.
        with pytest.raises(RecoveryFailed):
            await alice.ask(Deposit(1))
    assert len(await store.events()) == 2


async def test_an_entity_works_again_once_its_events_are_known(store: Store) -> None:
    await foreign_append(store.journal, "account:alice", ("test.once", b'{"amount":5}'))
    async with store.app() as app:
        with pytest.raises(RecoveryFailed, match=r"test\.once"):
            await app.entity(Account, "alice").ask(Look())
    schema = daicho.Schema()
    schema.register(Deposited, aliases=["test.once"])
    async with store.app(schema=schema) as app:
        assert await app.entity(Account, "alice").ask(Deposit(1)) == 6


async def test_a_schema_that_learns_a_type_heals_the_entity_at_once(memory: Store) -> None:
    schema = daicho.Schema()
    await foreign_append(memory.journal, "account:alice", ("test.once", b'{"amount":5}'))
    async with memory.app(schema=schema) as app:
        alice = app.entity(Account, "alice")
        with pytest.raises(RecoveryFailed):
            await alice.ask(Look())
        schema.register(Deposited, aliases=["test.once"])
        assert await alice.ask(Deposit(1)) == 6


async def test_one_event_that_became_several_or_none_is_one_version(store: Store) -> None:
    @daicho.stored_as("test.split")
    @dataclass(frozen=True, slots=True)
    class Split:
        amounts: list[int]

    @daicho.upcast(Split, Deposited)
    def split(event: Split) -> list[Deposited]:
        return [Deposited(amount) for amount in event.amounts]

    schema = daicho.Schema(upcasters=[split])
    await foreign_append(
        store.journal,
        "account:alice",
        ("test.split", b'{"amounts":[1,2,3]}'),
        ("test.split", b'{"amounts":[]}'),
        ("test.deposited", b'{"amount":10}'),
    )
    async with store.app(schema=schema) as app:
        alice = app.entity(Account, "alice")
        assert await alice.ask(Deposit(1)) == 17
        assert [(await alice.at(version=v)).amount for v in range(5)] == [0, 6, 6, 16, 17]
        answer = await alice.ask_with_token(Account.deposit, Deposit(1))
        assert answer.token.version == 5


async def test_a_gap_in_the_stream_is_named(memory: Store) -> None:
    way = memory.way()
    async with memory.app() as app:
        for _ in range(3):
            await app.entity(Account, "alice").ask(Deposit(1))
    way.edit = lambda record: None if record.version == 2 else record
    async with memory.app(way) as app:
        with pytest.raises(RecoveryFailed) as caught:
            await app.entity(Account, "alice").ask(Look())
        assert caught.value.version == 2


async def test_an_initial_state_that_cannot_be_made_is_a_failed_recovery(memory: Store) -> None:
    class Beginning(daicho.Entity[Balance], name="beginning"):
        def initial(self) -> Balance:
            if self.id == "bad":
                raise ValueError("no such account")
            return Balance(100, [self.id])

        @daicho.command
        def look(self, command: Look) -> Balance:
            return self.state

    async with memory.app(entities=(Beginning,)) as app:
        assert await app.entity(Beginning, "good").ask(Look()) == Balance(100, ["good"])
        assert await app.entity(Beginning, "good").at() == Balance(100, ["good"])
        with pytest.raises(RecoveryFailed, match="no such account"):
            await app.entity(Beginning, "bad").ask(Look())
        assert await app.entity(Beginning, "good").ask(Look()) == Balance(100, ["good"])


async def test_a_journal_that_is_away_for_a_while_is_waited_for(memory: Store) -> None:
    way = memory.way()
    async with memory.app() as app:
        await app.entity(Account, "alice").ask(Deposit(1))
    way.fail("stream_info", JournalUnavailable("the disk", "away"), times=2)
    async with memory.app(way) as app:
        assert await app.entity(Account, "alice").ask(Deposit(1)) == 2


# --- the bound on recoveries ----------------------------------------------------------------------


class Counting(Way):
    """Counts how many recoveries run at once."""

    def __init__(self, inner: daicho.Journal) -> None:
        super().__init__(inner)
        self.running = self.most = 0

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(5):
            await asyncio.sleep(0)
        yield
        self.running -= 1

    async def load(
        self, stream: str, *, max_snapshot: int = MAX_VERSION, page_size: int = PAGE_SIZE
    ) -> Loaded:
        async with self.counted():
            return await super().load(stream, max_snapshot=max_snapshot, page_size=page_size)


@pytest.mark.parametrize("most", [1, 3, 64])
async def test_no_more_entities_recover_at_once_than_are_allowed(memory: Store, most: int) -> None:
    way = Counting(memory.journal)
    async with memory.app(way, max_recoveries=most) as app:
        asked = [app.entity(Account, f"a{n}").ask(Deposit(n)) for n in range(1, 101)]
        assert await asyncio.gather(*asked) == [*range(1, 101)]
        assert way.most == most


async def test_recoveries_that_fail_give_their_place_to_others(memory: Store) -> None:
    for n in range(10):
        await foreign_append(memory.journal, f"account:bad{n}", ("test.unknown", b""))
    async with memory.app(max_recoveries=2) as app:
        bad = [app.entity(Account, f"bad{n}").ask(Look()) for n in range(10)]
        good = [app.entity(Account, f"good{n}").ask(Deposit(1)) for n in range(10)]
        assert await asyncio.gather(*good) == [1] * 10
        errors = await asyncio.gather(*bad, return_exceptions=True)
        assert {type(error) for error in errors} == {RecoveryFailed}


def test_limits_that_cannot_be_are_refused() -> None:
    for limit, value in (
        ("max_live", 0),
        ("max_recoveries", 0),
        ("conflict_attempts", -1),
        ("passivate_after_s", 0.0),
        ("passivate_after_s", float("nan")),
    ):
        with pytest.raises(ValueError, match=limit):
            daicho.open("memory:", entities=[Account], **{limit: value})  # type: ignore[arg-type]
