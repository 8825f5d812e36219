"""A process takes several entities through something, each step once in effect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

import daicho
from daicho.entity.v1 import Outgoing, Settled
from daicho.errors import BadId, PersistRefused, UnencodableEvent, UnknownCommand
from tests.support.journals import foreign_append
from tests.unit.entity.accounts import Way
from tests.unit.process.transfers import (
    DONE,
    RETURNED,
    Account,
    Balance,
    Bank,
    Deposit,
    Deposited,
    Do,
    Order,
    Ordered,
    Started,
    State,
    Transfer,
    Withdraw,
    amount,
    fill,
    history,
    order,
    settled,
    steps,
)


async def test_a_process_reacts_sends_and_hears_of_the_replies(bank: Bank) -> None:
    async with bank.app() as app:
        await fill(app, "alice", 100)
        await order(app, "alice/1", "bob", 30)
        await settled(app)
        assert await steps(app, "alice/1") == DONE
        assert (await amount(app, "alice"), await amount(app, "bob")) == (70, 30)
        assert await history(app, "alice/1") == [
            *("Started", ("sent", 1)),
            *("withdrawn", ("sent", 2), ("replied", 1)),
            *("done", ("replied", 2)),
        ]


async def test_a_rejection_reaches_the_process_with_what_belongs_to_it(bank: Bank) -> None:
    async with bank.app() as app:
        await fill(app, "alice", 10)
        await order(app, "alice/1", "bob", 30)
        await settled(app)
        assert await steps(app, "alice/1") == ("started", "refused, missing 20")
        assert (await amount(app, "alice"), await amount(app, "bob")) == (10, 0)
        assert (await history(app, "alice/1"))[-1] == ("rejected", 1)


async def test_a_process_makes_good_what_it_did_before_a_rejection(bank: Bank) -> None:
    async with bank.app() as app:
        await fill(app, "alice", 100)
        await order(app, "alice/1", "closed", 30)
        await settled(app)
        assert await steps(app, "alice/1") == RETURNED
        assert (await amount(app, "alice"), await amount(app, "closed")) == (100, 0)


async def test_what_follows_from_an_outcome_is_one_write_with_it(bank: Bank) -> None:
    way = Way(bank.journal)
    async with bank.app(way) as app:
        await fill(app, "alice", 100)
        await order(app, "alice/1", "bob", 30)
        await settled(app)
    writes = [
        [event.type_name for event in write.events]
        for writes in way.appends
        for write in writes
        if write.stream == "transfer:alice/1"
    ]
    sent, over = Outgoing.DESCRIPTOR.full_name, Settled.DESCRIPTOR.full_name
    assert writes == [
        ["test.transfer-started", sent],
        ["test.transfer-went-on", sent, over],
        ["test.transfer-went-on", over],
    ]


async def test_commands_and_reactions_carry_keys_that_name_where_they_come_from(
    bank: Bank,
) -> None:
    async with bank.app() as app:
        await fill(app, "alice", 100)
        await order(app, "alice/1", "bob", 30)
        await settled(app)
        assert await bank.journal.load_reply("account:alice", "daicho:transfer:alice/1#1")
        assert await bank.journal.load_reply("account:bob", "daicho:transfer:alice/1#2")
        assert await bank.journal.load_reply("transfer:alice/1", "daicho:account:alice@2")


async def test_a_key_fits_however_long_the_names_are(bank: Bank) -> None:
    source = "ü" * 500
    async with bank.app() as app:
        await fill(app, source, 100)
        await app.entity(Account, source).ask(Order("short", "bob", 30))

        def send(transfer: Transfer) -> None:
            transfer.emit(Started("x", "bob", 0))
            transfer.send(Account, "bob", Deposit(1))

        for last in "xy":
            await app.entity(Transfer, "ü" * 506 + last).ask(Do(send))
        await settled(app)
        assert await amount(app, "bob") == 2


async def test_an_event_that_concerns_no_instance_is_left_alone(bank: Bank) -> None:
    async with bank.app() as app:
        await app.entity(Account, "alice").ask(Order("bob/1", "bob", 30))
        await settled(app)
        assert await app.entities(Transfer) == []


async def test_commands_to_one_entity_arrive_in_their_order_each_after_the_outcome_before(
    bank: Bank,
) -> None:
    def send(transfer: Transfer) -> None:
        transfer.emit(Started("x", "bob", 0))
        for each in range(1, 21):
            transfer.send(Account, "bob", Deposit(each))

    async with bank.app() as app:
        await app.entity(Transfer, "x/1").ask(Do(send))
        await settled(app)
        changes = [change async for change in app.entity(Account, "bob").history()]
        assert [change.event for change in changes] == [Deposited(n) for n in range(1, 21)]
        over = [
            (change.position, change.event.number)
            async for change in app.entity(Transfer, "x/1").history()
            if isinstance(change.event, Settled)
        ]
        assert [number for _, number in over] == [*range(1, 21)]
        for (position, _), later in zip(over, changes[1:], strict=False):
            assert position < later.position


async def test_transfers_of_many_entities_at_once_all_come_to_their_end(bank: Bank) -> None:
    async with bank.app() as app:
        for n in range(20):
            await fill(app, f"a{n}", 100)
        await asyncio.gather(
            *(order(app, f"a{n}/{i}", f"a{(n + i) % 20}", i) for n in range(20) for i in range(10))
        )
        await settled(app)
        found = [await steps(app, id_) for id_ in await app.entities(Transfer)]
        assert found == [DONE] * 200
        assert sum([await amount(app, f"a{n}") for n in range(20)]) == 2_000


# --- what a process does beside that --------------------------------------------------------------


@daicho.stored_as("test.seen")
@dataclass(frozen=True)
class Seen:
    what: str


@daicho.stored_as("test.log")
@dataclass
class Log:
    lines: list[str]


class Watcher(daicho.Process[Log], name="watcher"):
    """Sees deposits, what it did itself, and where that comes from."""

    def initial(self) -> Log:
        return Log([])

    @daicho.reaction
    async def deposited(self, event: Deposited | Ordered) -> None:
        await asyncio.sleep(0)
        if event == Deposited(13):
            raise daicho.Rejected("that brings bad luck")
        self.emit(Seen(f"{event} at {self.now:%H:%M}"))

    @deposited.id
    @staticmethod
    def _(event: Deposited | Ordered, source: daicho.Source) -> str | None:
        assert source.stream == f"{source.entity}:{source.id}"
        return f"{source.id}, version {source.version}" if source.version > 2 else source.id

    @daicho.reaction
    def seen(self, event: Seen) -> None:
        raise AssertionError("a process does not hear of itself")

    @seen.id
    @staticmethod
    def _(event: Seen, source: daicho.Source) -> str | None:
        return "self"

    @daicho.event
    def saw(self, event: Seen) -> None:
        self.state.lines.append(event.what)


async def test_a_reaction_may_be_async_and_of_several_types_and_sees_its_source(
    bank: Bank,
) -> None:
    async with bank.app(entities=(Account, Watcher)) as app:
        alice = app.entity(Account, "alice")
        for each in (Deposit(1), Order("t", "b", 2), Deposit(3)):
            await alice.ask(each)
        await settled(app)
        log = await app.entity(Watcher, "alice").at()
        assert log.lines == [
            "Deposited(amount=1) at 00:00",
            "Ordered(transfer='t', target='b', amount=2) at 00:00",
        ]
        later = await app.entity(Watcher, "alice, version 3").at()
        assert later.lines == ["Deposited(amount=3) at 00:00"]


async def test_a_process_does_not_react_to_events_of_its_own_type(bank: Bank) -> None:
    async with bank.app(entities=(Account, Watcher)) as app:
        await fill(app, "alice", 1)
        await settled(app)
        assert await app.entities(Watcher) == ["alice"]


async def test_a_reaction_that_rejects_passes_the_event_over(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    async with bank.app(entities=(Account, Watcher)) as app:
        await fill(app, "alice", 13)
        await fill(app, "alice", 14)
        await settled(app)
        log = await app.entity(Watcher, "alice").at()
        assert log.lines == ["Deposited(amount=14) at 00:00"]
    assert "passes over event 1 of 'account:alice': that brings bad luck" in caplog.text


async def test_a_reaction_that_rejects_after_an_event_is_tried_again(bank: Bank) -> None:
    tries: list[str] = []

    class Hasty(daicho.Process[State], name="hasty"):
        @daicho.reaction
        def deposited(self, event: Deposited) -> None:
            self.emit(Started("", "", event.amount))
            tries.append(self.id)
            if len(tries) < 3:
                raise daicho.Rejected("too late to say so")

        @deposited.id
        @staticmethod
        def _(event: Deposited, source: daicho.Source) -> str | None:
            return source.id

        @daicho.event
        def started(self, event: Started) -> None: ...

    async with bank.app(entities=(Account, Hasty)) as app:
        await fill(app, "alice", 1)
        await settled(app)
        assert tries == ["alice"] * 3
        assert await app.entity(Hasty, "alice").version() == 1


@daicho.stored_as("test.moved")
@dataclass(frozen=True)
class Moved:
    """How deposits and withdrawals were stored once, several in one."""

    amounts: tuple[int, ...]


async def test_a_process_reacts_to_what_old_events_have_become(bank: Bank) -> None:
    @daicho.upcast(Moved, Deposited)
    def split(old: Moved) -> Iterable[Deposited]:
        return [Deposited(amount) for amount in old.amounts]

    schema = daicho.Schema(upcasters=[split])
    old = [schema.encode(Moved((1, 2))), schema.encode(Moved(())), schema.encode(Moved((5,)))]
    await foreign_append(bank.journal, "account:alice", *old)
    for _ in range(2):
        async with bank.app(entities=(Account, Watcher), schema=schema) as app:
            await settled(app)
            lines = [
                (await app.entity(Watcher, id_).at()).lines for id_ in await app.entities(Watcher)
            ]
            assert [line.partition(" ")[0] for each in lines for line in each] == [
                "Deposited(amount=1)",
                "Deposited(amount=2)",
                "Deposited(amount=5)",
            ]
        await bank.journal.delete_snapshots("daicho.courier:main", max_version=100)


async def test_a_process_reacts_to_what_was_stored_before_it_was_written(bank: Bank) -> None:
    async with bank.app(entities=(Account,)) as app:
        await fill(app, "alice", 100)
        await order(app, "alice/1", "bob", 30)
        await settled(app)
    for _ in range(2):
        async with bank.app() as app:
            await settled(app)
            assert await steps(app, "alice/1") == DONE
            assert (await amount(app, "alice"), await amount(app, "bob")) == (70, 30)


class Careless(daicho.Process[State], name="careless"):
    """Sends commands, and does not care what becomes of them."""

    @daicho.command
    def do(self, command: Do) -> object:
        return command.act(self)


async def test_an_outcome_without_a_handler_is_settled_and_a_rejection_logged(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    def send(careless: Careless) -> None:
        careless.send(Account, "bob", Deposit(1))
        careless.send("account", "closed", Deposit(2))

    async with bank.app(entities=(Account, Careless)) as app:
        ref = app.entity(Careless, "x")
        await ref.ask(Do(send))
        await settled(app)
        assert await amount(app, "bob") == 1
        over = [c.event async for c in ref.history() if isinstance(c.event, Settled)]
        assert {each.number: each.outcome for each in over} == {
            1: Settled.OUTCOME_REPLIED,
            2: Settled.OUTCOME_REJECTED,
        }
    [warning] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "process careless 'x' has no on_rejection for test.deposit" in warning.message
    assert "the account is closed" in warning.message


@dataclass(frozen=True)
class Nameless:
    """A command that has no stored name."""


class Strange(daicho.Entity[Balance], name="strange"):
    @daicho.command
    def nameless(self, command: Nameless) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((Account, "", Deposit(1)), BadId),
        ((Account, "x" * 2_000, Deposit(1)), BadId),
        ((Account, "bob", Balance(1)), UnknownCommand),
        (("account", "bob", Nameless()), UnencodableEvent),
        ((Strange, "bob", Nameless()), UnencodableEvent),
    ],
)
async def test_what_cannot_arrive_is_not_sent(
    bank: Bank, arguments: tuple[type[Account] | str, str, object], error: type[Exception]
) -> None:
    def send(transfer: Transfer) -> None:
        with pytest.raises(error):
            transfer.send(*arguments)

    async with bank.app() as app:
        ref = app.entity(Transfer, "x/1")
        await ref.ask(Do(send))
        assert await ref.version() == 0


def test_only_a_handler_sends() -> None:
    with pytest.raises(PersistRefused):
        Transfer("x/1").send(Account, "bob", Withdraw(1))
