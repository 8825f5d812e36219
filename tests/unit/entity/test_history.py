"""What was: history, the state as of a version or a time, and what differs between two."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from daicho.entity import MISSING, Difference
from daicho.entity.fields import differences
from daicho.errors import NoSuchVersion, RecoveryFailed, UnknownEventType
from daicho.journal import Snapshot
from daicho.persistence import Retention, every
from tests.support.journals import foreign_append
from tests.unit.entity.accounts import (
    Account,
    Balance,
    Deposit,
    Deposited,
    Look,
    ManualClock,
    Paid,
    Pay,
    Store,
    changes,
)
from wallet.v1 import Wallet

BEGIN = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


class Often(Account, name="often"):
    """Takes a snapshot at every third version, and forgets nothing."""

    snapshot = every(3)


class Forgetful(Account, name="forgetful"):
    """Keeps two snapshots, and of the events what they do not hold."""

    snapshot = every(3)
    retention = Retention(2, truncate_events=True)


ALL = (Account, Often, Forgetful)
KINDS = pytest.mark.parametrize("kind", [Account, Often])


async def test_history_is_every_event_with_its_version_and_time(store: Store) -> None:
    clock = ManualClock()
    async with store.app(clock=clock) as app:
        alice = app.entity(Account, "alice")
        assert await changes(alice) == []
        assert await alice.version() == 0
        await alice.ask(Deposit(10, "note"))
        clock.move(60)
        await alice.ask(Pay(3))
        first, second = await changes(alice)
        assert (first.version, first.event, first.type_name) == (
            1,
            Deposited(10, "note"),
            "test.deposited",
        )
        assert (second.version, second.event, second.type_name) == (2, Paid(3), "test.paid")
        assert (first.time, second.time) == (BEGIN, BEGIN + timedelta(minutes=1))
        assert first.position < second.position
        assert [c.version async for c in alice.history(from_version=2)] == [2]
        assert [c.version async for c in alice.history(to_version=1)] == [1]
        assert await alice.version() == 2


async def test_history_wakes_nobody(store: Store) -> None:
    async with store.app() as app:
        await app.entity(Account, "alice").ask(Deposit(10))
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        assert await alice.at() == Balance(10)
        assert len(await changes(alice)) == 1
        assert await alice.diff(0, 1) == [Difference("amount", 0, 10)]
        assert app.directory.live_count == 0


@KINDS
async def test_the_state_is_seen_as_of_any_version(store: Store, kind: type[Account]) -> None:
    async with store.app(entities=ALL) as app:
        entity = app.entity(kind, "alice")
        for amount in range(1, 11):
            await entity.ask(Deposit(amount, str(amount)))
        for version in range(11):
            seen = await entity.at(version=version)
            assert seen.amount == sum(range(version + 1))
            assert seen.notes == [str(n) for n in range(1, version + 1)]
        assert await entity.at() == await entity.at(version=10)
        for version in (11, 1_000):
            with pytest.raises(NoSuchVersion, match="come to version 10") as caught:
                await entity.at(version=version)
            assert caught.value.version == version


@KINDS
async def test_the_state_is_seen_as_of_any_time(store: Store, kind: type[Account]) -> None:
    clock = ManualClock()
    async with store.app(entities=ALL, clock=clock) as app:
        entity = app.entity(kind, "alice")
        for _ in range(10):
            clock.move(10)
            await entity.ask(Deposit(1))
        for seconds in range(0, 120, 5):
            at = BEGIN + timedelta(seconds=seconds)
            assert (await entity.at(time=at)).amount == min(seconds // 10, 10)
        # What happened at that very moment has happened, in whatever zone it is said.
        japan = timezone(timedelta(hours=9))
        at = (BEGIN + timedelta(seconds=70)).astimezone(japan)
        assert (await entity.at(time=at)).amount == 7
        at -= timedelta(microseconds=1)
        assert (await entity.at(time=at)).amount == 6
        assert await entity.at(time=datetime.min.replace(tzinfo=UTC)) == Balance()
        assert await entity.at(time=datetime.max.replace(tzinfo=UTC)) == Balance(10)


@KINDS
async def test_a_clock_that_is_set_back_leads_to_a_moment_that_had_the_time(
    store: Store, kind: type[Account]
) -> None:
    clock = ManualClock()
    moves = (10, 10, -15, 20, -5, -5, 30, 1, -40, 60, 5, 5)
    async with store.app(entities=ALL, clock=clock) as app:
        entity = app.entity(kind, "alice")
        for seconds in moves:
            clock.move(seconds)
            await entity.ask(Deposit(1))
        times = [change.time for change in await changes(entity)]
        for seconds in range(-20, 100):
            at = BEGIN + timedelta(seconds=seconds)
            version = (await entity.at(time=at)).amount
            assert version == 0 or times[version - 1] <= at
            assert version == len(times) or at < times[version]


async def test_what_is_deleted_is_not_seen_any_more(store: Store) -> None:
    clock = ManualClock()
    async with store.app(entities=ALL, clock=clock) as app:
        entity = app.entity(Forgetful, "alice")
        for _ in range(10):
            clock.move(10)
            await entity.ask(Deposit(1))
    async with store.app(entities=ALL, clock=clock) as app:
        entity = app.entity(Forgetful, "alice")
        info = await store.journal.stream_info("forgetful:alice")
        assert info.truncated_to == 6
        for version in range(6, 11):
            assert (await entity.at(version=version)).amount == version
            at = BEGIN + timedelta(seconds=version * 10)
            assert (await entity.at(time=at)).amount == version
        # That it was nothing in the beginning is known all the same.
        assert await entity.at(version=0) == Balance()
        for version in range(1, 6):
            with pytest.raises(NoSuchVersion, match="the events up to 6 are deleted"):
                await entity.at(version=version)
            with pytest.raises(NoSuchVersion, match="the events up to 6 are deleted"):
                await entity.at(time=BEGIN + timedelta(seconds=version * 10))
        assert [change.version for change in await changes(entity)] == [7, 8, 9, 10]
        assert await entity.ask(Account.look, Look()) == Balance(10)


async def test_a_question_that_cannot_be_meant_is_refused(memory: Store) -> None:
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        with pytest.raises(ValueError, match="give one of them"):
            await alice.at(version=1, time=BEGIN)
        with pytest.raises(ValueError, match="has no zone"):
            await alice.at(time=datetime(2023, 1, 1))  # noqa: DTZ001
        with pytest.raises(ValueError, match="0 or more"):
            await alice.at(version=-1)


async def test_what_does_not_exist_is_seen_as_it_would_begin(memory: Store) -> None:
    async with memory.app() as app:
        nobody = app.entity(Account, "nobody")
        assert await nobody.at() == Balance()
        assert await nobody.at(version=0) == Balance()
        assert await nobody.at(time=BEGIN) == Balance()
        assert await nobody.diff(0, 0) == []


async def test_what_is_seen_is_a_copy(memory: Store) -> None:
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(1, "note"))
        (await alice.at()).notes.clear()
        assert (await alice.ask(Account.look, Look())).notes == ["note"]
        assert (await alice.at()).notes == ["note"]


async def test_an_event_that_nobody_knows_is_named(memory: Store) -> None:
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(1))
        await foreign_append(memory.journal, "account:alice", ("test.unknown", b"{}"))
        assert (await alice.at(version=1)).amount == 1
        with pytest.raises(RecoveryFailed) as caught:
            await alice.at()
        assert (caught.value.version, caught.value.type_name) == (2, "test.unknown")
        with pytest.raises(UnknownEventType):
            await changes(alice)


@pytest.mark.parametrize(
    ("type_name", "payload"),
    [("test.unknown", b""), ("test.balance", b"\xff"), ("test.paid", b'{"amount":1}')],
)
async def test_a_snapshot_that_is_of_no_use_gives_way_to_the_one_before(
    store: Store, type_name: str, payload: bytes
) -> None:
    clock = ManualClock()
    async with store.app(entities=ALL, clock=clock) as app:
        entity = app.entity(Often, "alice")
        for _ in range(7):
            await entity.ask(Deposit(1))
    bad = Snapshot(
        stream="often:alice",
        version=6,
        type_name=type_name,
        payload=payload,
        time_us=clock.now_us(),
    )
    await store.journal.save_snapshot(bad)
    async with store.app(entities=ALL, clock=clock) as app:
        entity = app.entity(Often, "alice")
        assert (await entity.at()).amount == 7
        assert (await entity.at(version=6)).amount == 6
        assert (await entity.at(time=BEGIN)).amount == 7
        assert (await entity.ask(Account.look, Look())).amount == 7


async def test_a_snapshot_before_one_that_is_of_no_use_spares_what_is_deleted(
    store: Store,
) -> None:
    async with store.app(entities=ALL) as app:
        entity = app.entity(Forgetful, "alice")
        for _ in range(10):
            await entity.ask(Deposit(1))
    [newest, _] = await store.journal.list_snapshots("forgetful:alice")
    await store.journal.save_snapshot(replace(newest, payload=b"\xff"))
    async with store.app(entities=ALL) as app:
        entity = app.entity(Forgetful, "alice")
        for version in (6, 8, 9, 10):
            assert (await entity.at(version=version)).amount == version
        assert await entity.ask(Deposit(1)) == 11


# --- differences ----------------------------------------------------------------------------------


@dataclass
class Inner:
    x: int = 0
    tags: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Outer:
    name: str = ""
    inner: Inner = field(default_factory=Inner)
    limits: dict[str, int] = field(default_factory=dict[str, int])
    maybe: Inner | None = None


def test_dataclasses_differ_in_their_fields() -> None:
    before = Outer("a", Inner(1, ["x", "y"]), {"day": 1, "week": 2})
    after = Outer("b", Inner(1, ["x", "z", "w"]), {"day": 1, "month": 3}, Inner())
    assert differences(before, before) == []
    assert differences(before, after) == [
        Difference("name", "a", "b"),
        Difference("inner.tags[1]", "y", "z"),
        Difference("inner.tags[2]", MISSING, "w"),
        Difference("limits['week']", 2, MISSING),
        Difference("limits['month']", MISSING, 3),
        Difference("maybe", None, Inner()),
    ]


def test_protobuf_messages_differ_in_their_fields() -> None:
    assert differences(Wallet(deposit=1), Wallet(deposit=2)) == [Difference("deposit", 1, 2)]
    before = FileDescriptorProto(name="a", dependency=["x", "y"])
    before.message_type.add(name="M").field.add(name="f", number=1)
    after = FileDescriptorProto(name="a", dependency=["y"])
    after.message_type.add(name="M").field.add(name="f", number=2)
    after.options.java_package = "j"
    assert differences(before, after) == [
        Difference("dependency[0]", "x", "y"),
        Difference("dependency[1]", "y", MISSING),
        Difference("message_type[0].field[0].number", 1, 2),
        Difference("options", MISSING, after.options),
    ]


def test_a_field_that_is_not_set_differs_from_one_that_is_empty() -> None:
    unset, empty = FieldDescriptorProto(), FieldDescriptorProto(name="")
    assert differences(unset, empty) == [Difference("name", MISSING, "")]


def test_maps_differ_in_their_keys() -> None:
    before, after = Struct(), Struct()
    before.update({"a": 1, "b": "x"})
    after.update({"b": "y", "c": None})
    found = {each.path: (each.before, each.after) for each in differences(before, after)}
    assert found.keys() == {"fields['a']", "fields['b'].string_value", "fields['c']"}
    assert found["fields['b'].string_value"] == ("x", "y")
    assert found["fields['a']"][1] is MISSING


def test_what_is_of_two_classes_differs_as_a_whole() -> None:
    assert differences(1, True) == [Difference("", 1, True)]  # noqa: FBT003
    assert differences(Inner(), Wallet()) == [Difference("", Inner(), Wallet())]
    assert repr(MISSING) == "MISSING"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@given(before=VALUES, after=VALUES)
def test_two_values_differ_where_they_are_not_equal(before: object, after: object) -> None:
    found = differences(before, after)
    assert len({each.path for each in found}) == len(found)
    mirrored = {(each.path, repr(each.after), repr(each.before)) for each in found}
    assert {(e.path, repr(e.before), repr(e.after)) for e in differences(after, before)} == mirrored
    # Types count: 1 and True are not the same thing.
    assert bool(found) == (repr(before) != repr(after) and (before != after or bool(found)))
    assert not differences(before, before)


async def test_a_diff_is_of_the_states_at_two_versions(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        for amount in (10, 20):
            await alice.ask(Deposit(amount, str(amount)))
        assert await alice.diff(1, 2) == [
            Difference("amount", 10, 30),
            Difference("notes[1]", MISSING, "20"),
        ]
        assert await alice.diff(2, 1) == [
            Difference("amount", 30, 10),
            Difference("notes[1]", "20", MISSING),
        ]
        assert await alice.diff(2, 2) == []
        with pytest.raises(NoSuchVersion):
            await alice.diff(1, 3)
