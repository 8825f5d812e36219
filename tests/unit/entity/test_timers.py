"""What ``schedule`` and ``cancel`` record: whoever fires timers finds it in the stream."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import daicho
from daicho.entity.messages import Fire
from daicho.entity.pending import Pending
from daicho.entity.v1 import EntitySnapshot, Outgoing, Settled
from daicho.errors import UnencodableEvent, UnknownCommand
from daicho.persistence import every
from tests.unit.entity.accounts import (
    Account,
    Balance,
    Boom,
    Deposit,
    Deposited,
    Do,
    Look,
    ManualClock,
    Pay,
    Store,
    changes,
)

NOW_US = 1_700_000_000_000_000
NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Often(Account, name="often"):
    """Takes a snapshot at every second version."""

    snapshot = every(2)


def pending_of(account: Account) -> dict[str, int]:
    """The timers that have not fired, by name: when they are due."""
    pending = account._pending
    return {} if pending is None else {i.timer: i.due_us for i in pending.items.values()}


async def test_a_timer_is_recorded_with_the_events_of_its_command(store: Store) -> None:
    way = store.way()

    def act(account: Account) -> int:
        account.emit(Deposited(1))
        account.schedule(Deposit(5, "later"), name="t", after=HOUR)
        return account.version

    async with store.app(way, clock=ManualClock()) as app:
        alice = app.entity(Account, "alice")
        assert await alice.ask(Do(act)) == 2
        _, timer = await changes(alice)
        assert timer.event == Outgoing(
            number=1,
            target_entity="account",
            target_id="alice",
            command_type="test.deposit",
            command=b'{"amount":5,"note":"later"}',
            due_us=NOW_US + 3_600_000_000,
            timer="t",
        )
        assert await alice.ask(Do(pending_of)) == {"t": NOW_US + 3_600_000_000}
    assert [[len(write.events) for write in writes] for writes in way.appends] == [[2]]


async def test_a_timer_is_due_after_a_while_or_at_a_time(memory: Store) -> None:
    times: list[tuple[dict[str, object], int]] = [
        ({"after": HOUR}, NOW_US + 3_600_000_000),
        ({"after": timedelta(0)}, NOW_US),
        ({"after": -HOUR}, NOW_US - 3_600_000_000),
        ({"at": NOW + HOUR}, NOW_US + 3_600_000_000),
        ({"at": datetime(1969, 1, 1, tzinfo=UTC)}, 1),
        ({"at": datetime(9999, 12, 31, tzinfo=UTC)}, 253_402_214_400_000_000),
    ]
    async with memory.app(clock=ManualClock()) as app:
        for number, (when, due_us) in enumerate(times):
            alice = app.entity(Account, f"alice{number}")
            await alice.ask(
                Do(lambda a, when=when: a.schedule(Deposit(1), name="t", **when))  # type: ignore[misc]
            )
            assert await alice.ask(Do(pending_of)) == {"t": due_us}


async def test_a_timer_of_the_same_name_takes_the_place_of_the_first(store: Store) -> None:
    async with store.app(clock=ManualClock()) as app:
        alice = app.entity(Account, "alice")
        for hours in (1, 2, 3):
            await alice.ask(
                Do(lambda a, h=hours: a.schedule(Deposit(h), name="t", after=h * HOUR))  # type: ignore[misc]
            )
        await alice.ask(Do(lambda a: a.schedule(Deposit(9), name="other", after=HOUR)))
        assert await alice.ask(Do(pending_of)) == {
            "t": NOW_US + 3 * 3_600_000_000,
            "other": NOW_US + 3_600_000_000,
        }
        events = [change.event for change in await changes(alice)]
        cancelled = Settled.OUTCOME_CANCELLED
        assert [e for e in events if isinstance(e, Settled)] == [
            Settled(number=1, outcome=cancelled),
            Settled(number=2, outcome=cancelled),
        ]
        assert [e.number for e in events if isinstance(e, Outgoing)] == [1, 2, 3, 4]


async def test_a_timer_is_cancelled_once(store: Store) -> None:
    async with store.app(clock=ManualClock()) as app:
        alice = app.entity(Account, "alice")
        assert await alice.ask(Do(lambda a: a.cancel("t"))) is False
        assert await alice.version() == 0
        await alice.ask(Do(lambda a: a.schedule(Deposit(1), name="t", after=HOUR)))
        assert await alice.ask(Do(lambda a: a.cancel("t"))) is True
        assert await alice.ask(Do(lambda a: a.cancel("t"))) is False
        assert await alice.ask(Do(pending_of)) == {}
        assert await alice.version() == 2


async def test_timers_of_a_command_that_fails_are_forgotten(memory: Store) -> None:
    def act(account: Account) -> None:
        account.schedule(Deposit(1), name="t", after=HOUR)
        raise Boom

    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        with pytest.raises(Boom):
            await alice.ask(Do(act))
        assert await alice.ask(Do(pending_of)) == {}
        assert await alice.version() == 0


async def test_what_cannot_be_a_timer_is_refused_and_leaves_the_one_there_is(
    memory: Store,
) -> None:
    def refused(account: Account) -> None:
        with pytest.raises(ValueError, match="a timer has a name"):
            account.schedule(Deposit(1), name="", after=HOUR)
        with pytest.raises(ValueError, match="give one of them"):
            account.schedule(Deposit(1), name="t")
        with pytest.raises(ValueError, match="give one of them"):
            account.schedule(Deposit(1), name="t", after=HOUR, at=NOW)
        with pytest.raises(ValueError, match="has no zone"):
            account.schedule(Deposit(1), name="t", at=datetime(2030, 1, 1))  # noqa: DTZ001
        with pytest.raises(UnencodableEvent):
            account.schedule(Do(id), name="t", after=HOUR)
        with pytest.raises(UnknownCommand):
            account.schedule(Deposited(1), name="t", after=HOUR)

    async with memory.app(clock=ManualClock()) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Do(lambda a: a.schedule(Deposit(1), name="t", after=HOUR)))
        await alice.ask(Do(refused))
        assert await alice.ask(Do(pending_of)) == {"t": NOW_US + 3_600_000_000}
        assert await alice.version() == 1


@pytest.mark.parametrize("kind", [Account, Often])
async def test_timers_are_remembered_with_and_without_a_snapshot(
    store: Store, kind: type[Account]
) -> None:
    clock = ManualClock()

    expected: dict[str, int] = {}
    for round_ in range(5):
        async with store.app(entities=(Account, Often), clock=clock) as app:
            entity = app.entity(kind, "alice")
            assert await entity.ask(Do(pending_of)) == expected
            name = f"t{round_ % 3}"
            await entity.ask(
                Do(lambda a, n=name: a.schedule(Deposit(1), name=n, after=HOUR))  # type: ignore[misc]
            )
            expected.pop(name, None)
            expected[name] = clock.now_us() + 3_600_000_000
            await entity.ask(Deposit(1))
            clock.move(1)
    async with store.app(entities=(Account, Often), clock=clock) as app:
        entity = app.entity(kind, "alice")
        assert await entity.ask(Do(pending_of)) == expected
        assert await entity.ask(Do(lambda a: a.cancel("t1"))) is True
        numbers = [c.event.number for c in await changes(entity) if isinstance(c.event, Outgoing)]
        assert numbers == [1, 2, 3, 4, 5]
        assert await entity.at() == await entity.ask(Account.look, Look()) == Balance(5)
    snapshots = await store.journal.list_snapshots(f"{kind._kind.name}:alice")  # type: ignore[union-attr]
    assert bool(snapshots) == (kind is Often)
    for snapshot in snapshots:
        assert snapshot.type_name == EntitySnapshot.DESCRIPTOR.full_name


async def test_an_entity_without_timers_has_its_plain_state_as_snapshot(store: Store) -> None:
    async with store.app(entities=(Often,)) as app:
        entity = app.entity(Often, "alice")
        for _ in range(4):
            await entity.ask(Deposit(1))
    snapshots = await store.journal.list_snapshots("often:alice")
    assert {snapshot.type_name for snapshot in snapshots} == {"test.balance"}


# --- firing ---------------------------------------------------------------------------------------


async def fire(app: daicho.App, number: int) -> object:
    """What the courier does when a timer is due."""
    return await app.entity(Account, "alice")._ask(Fire(number))


async def test_a_timer_that_fires_is_done_and_settled_in_one_write_and_once(store: Store) -> None:
    way = store.way()
    async with store.app(way) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Do(lambda a: a.schedule(Deposit(5), name="t", after=HOUR)))
        for _ in range(3):
            assert await fire(app, 1) is None
        assert await alice.ask(Account.look, Look()) == Balance(5)
        assert [change.event for change in await changes(alice)][1:] == [
            Settled(number=1, outcome=Settled.OUTCOME_FIRED),
            Deposited(5),
        ]
        assert await alice.ask(Do(pending_of)) == {}
    assert [[len(write.events) for write in writes] for writes in way.appends] == [[1], [2]]


async def test_a_timer_that_was_cancelled_or_replaced_does_nothing(memory: Store) -> None:
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        for _ in range(2):
            await alice.ask(Do(lambda a: a.schedule(Deposit(5), name="t", after=HOUR)))
        await fire(app, 1)
        await alice.ask(Do(lambda a: a.cancel("t")))
        await fire(app, 2)
        await fire(app, 99)
        assert await alice.ask(Account.look, Look()) == Balance(0)


async def test_a_timer_whose_command_is_rejected_has_come_to_its_end(memory: Store) -> None:
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Do(lambda a: a.schedule(Pay(5), name="t", after=HOUR)))
        assert await fire(app, 1) is None
        assert await alice.ask(Do(pending_of)) == {}
        assert await alice.version() == 2


async def test_a_timer_whose_command_fails_stays_pending(memory: Store) -> None:
    async with memory.app(entities=(Failing,)) as app:
        failing = app.entity(Failing, "f")
        await failing.ask(Look())
        with pytest.raises(Boom):
            await failing._ask(Fire(1))
        await failing.ask(Look())
        assert await failing.version() == 2
        assert [timer.event.number for timer in await changes(failing)] == [1, 2]  # type: ignore[attr-defined]


class Failing(daicho.Entity[Balance], name="failing"):
    """Sets timers whose command fails."""

    @daicho.command
    def look(self, command: Look) -> None:
        self.schedule(Deposit(1), name=str(self.version), after=HOUR)

    @daicho.command
    async def deposit(self, command: Deposit) -> None:
        self.schedule(Deposit(1), name="lost", after=HOUR)
        await asyncio.sleep(0)
        raise Boom


# --- what is pending ------------------------------------------------------------------------------


STEPS = st.lists(
    st.tuples(st.sampled_from(["", "a", "b"]), st.booleans(), st.integers(1, 9)), max_size=20
)


@given(steps=STEPS)
def test_what_is_pending_is_what_was_let_go_and_not_settled(
    steps: list[tuple[str, bool, int]],
) -> None:
    pending, model = Pending(), dict[int, str]()
    last = 0
    for timer, settles, number in steps:
        if settles:
            pending.apply(Settled(number=number, outcome=Settled.OUTCOME_FIRED))
            model.pop(number, None)
        else:
            last += 1
            # As ``schedule`` does: the one of that name is settled first.
            before = pending.timer(timer) if timer else None
            if before is not None:
                pending.apply(Settled(number=before, outcome=Settled.OUTCOME_CANCELLED))
                del model[before]
            pending.apply(Outgoing(number=last, timer=timer))
            model[last] = timer
        assert {n: item.timer for n, item in pending.items.items()} == model
        assert pending.last_number == last
        for name in ("a", "b"):
            assert pending.timer(name) == next((n for n, t in model.items() if t == name), None)
        again = Pending(pending.last_number, pending.items.values())
        assert again.items == pending.items
        assert [again.timer(n) for n in "ab"] == [pending.timer(n) for n in "ab"]
