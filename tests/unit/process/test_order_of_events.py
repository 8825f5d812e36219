"""An instance hears of events in the order of the journal, also where it is found only later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import daicho
from daicho.entity.entity import AnyEntity
from tests.support.journals import foreign_append
from tests.unit.process.transfers import (
    BROKEN,
    Account,
    Bank,
    Deposited,
    Do,
    Started,
    State,
    settled,
    whole,
)


class All(daicho.Process[State], name="all"):
    """One instance for all deposits; it cannot be told while the account is broken."""

    @daicho.reaction
    def deposited(  # pyright: ignore[reportIncompatibleVariableOverride] - of its own self
        self, event: Deposited
    ) -> None:
        whole(self.id)
        self.emit(Started(str(event.amount), "", 0))

    @deposited.id
    @staticmethod
    def _(event: Deposited, source: daicho.Source) -> str | None:
        whole(source.id)
        return "all"

    @daicho.event
    def started(self, event: Started) -> None:
        self.state = State(self.state.source + event.source)


class Each(All, name="each"):
    """An instance for each amount, which can always be told."""

    # pyright takes a handler for a variable, and an heir's for one of another type.
    @daicho.reaction
    def deposited(self, event: Deposited) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        whole(self.id)
        self.emit(Started(str(event.amount), "", 0))

    @deposited.id
    @staticmethod
    def _(event: Deposited, source: daicho.Source) -> str | None:
        return str(event.amount)


ENTITIES: tuple[type[AnyEntity], ...] = (Account, All, Each)


async def deposit(app: daicho.App, account: str, amount: int) -> None:
    await app.entity(Account, account).ask(Do(lambda a: a.emit(Deposited(amount))))


async def heard(app: daicho.App, of: type[All] = All, id: str = "all") -> str:  # noqa: A002
    return (await app.entity(of, id).at()).source


async def test_no_event_overtakes_one_whose_instance_is_not_known(bank: Bank) -> None:
    async with bank.app(entities=ENTITIES) as app:
        BROKEN.add("bob")
        await deposit(app, "alice", 1)
        await deposit(app, "bob", 2)
        await deposit(app, "alice", 3)
        await deposit(app, "bob", 4)
        await asyncio.sleep(10)
        assert await heard(app) == "1"
        # Other process types go on.
        assert [await heard(app, Each, str(n)) for n in range(1, 5)] == ["1", "2", "3", "4"]
        # What comes after it is left in the journal.
        assert len([*app.courier._lanes]) == 1
        BROKEN.clear()
        await settled(app)
        assert await heard(app) == "1234"


async def test_what_is_placed_late_waits_for_what_failed_before(bank: Bank) -> None:
    async with bank.app(entities=ENTITIES) as app:
        BROKEN.update(("bob", "all"))
        await deposit(app, "alice", 1)
        await deposit(app, "bob", 2)
        await deposit(app, "alice", 3)
        await asyncio.sleep(10)
        BROKEN.remove("bob")
        await asyncio.sleep(100)
        assert await heard(app) == ""
        BROKEN.clear()
        await settled(app)
        assert await heard(app) == "123"


async def test_the_order_outlives_the_application(bank: Bank) -> None:
    async with bank.app(entities=ENTITIES) as app:
        BROKEN.add("all")
        await deposit(app, "bob", 1)
        await deposit(app, "alice", 2)
        await deposit(app, "bob", 3)
        await asyncio.sleep(10)
    # They were read, and can be told to nobody any more.
    BROKEN.add("bob")
    async with bank.app(entities=ENTITIES) as app:
        BROKEN.remove("all")
        await deposit(app, "alice", 4)
        await asyncio.sleep(10)
        assert await heard(app) == ""
    async with bank.app(entities=ENTITIES) as app:
        await deposit(app, "alice", 5)
        BROKEN.clear()
        await settled(app)
        assert await heard(app) == "12345"


async def test_who_waits_for_an_event_waits_until_it_is_placed_and_reacted_to(bank: Bank) -> None:
    async with bank.app(entities=ENTITIES) as app:
        BROKEN.add("all")
        await deposit(app, "bob", 1)
        await asyncio.sleep(10)
    BROKEN.add("bob")
    async with bank.app(entities=ENTITIES) as app:
        waits = asyncio.create_task(app.courier.passed(await bank.journal.last_position()))
        await asyncio.sleep(10)
        BROKEN.remove("bob")
        await asyncio.sleep(100)
        assert not waits.done()
        BROKEN.clear()
        await asyncio.wait_for(waits, 120)
        assert await heard(app) == "1"


@daicho.stored_as("test.deposited-at-once")
@dataclass(frozen=True)
class Together:
    """How deposits were stored once, several in one."""

    amounts: tuple[int, ...]


async def test_one_event_for_two_instances_is_in_order_for_each(bank: Bank) -> None:
    @daicho.upcast(Together, Deposited)
    def split(old: Together) -> Iterable[Deposited]:
        return [Deposited(amount) for amount in old.amounts]

    schema = daicho.Schema(upcasters=[split])
    old = [schema.encode(Together((1, 2))), schema.encode(Together((2, 3, 2)))]
    await foreign_append(bank.journal, "account:alice", *old)
    BROKEN.add("1")
    for _ in range(2):
        async with bank.app(entities=(Account, Each), schema=schema) as app:
            await asyncio.sleep(10)
            assert [await heard(app, Each, id_) for id_ in "123"] == ["", "222", "3"]
    BROKEN.clear()
    async with bank.app(entities=(Account, Each), schema=schema) as app:
        await settled(app)
        assert [await heard(app, Each, id_) for id_ in "123"] == ["1", "222", "3"]
