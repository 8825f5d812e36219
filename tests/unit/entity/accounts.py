"""Accounts that tests open, and ways to the journal that remembers them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, TypeVar

import daicho
from daicho.entity import Change, Ref
from daicho.entity.entity import AnyEntity
from daicho.journal import Journal, Record
from tests.support.journals import FaultJournal, stored

E = TypeVar("E", bound=AnyEntity)


@daicho.stored_as("test.balance")
@dataclass(slots=True)
class Balance:
    """A state that changes in place, and holds something that does."""

    amount: int = 0
    notes: list[str] = field(default_factory=list[str])


@daicho.stored_as("test.deposit")
@dataclass(frozen=True, slots=True)
class Deposit:
    """Adds an amount, and replies with what there is then; 0 or less is rejected."""

    amount: int
    note: str = ""


@daicho.stored_as("test.pay")
@dataclass(frozen=True, slots=True)
class Pay:
    """Takes an amount out, and replies with what is left; more than there is is rejected."""

    amount: int


@daicho.stored_as("test.look")
@dataclass(frozen=True, slots=True)
class Look:
    """Replies with the state."""


@daicho.stored_as("test.deposited")
@dataclass(frozen=True, slots=True)
class Deposited:
    amount: int
    note: str = ""


@daicho.stored_as("test.paid")
@dataclass(frozen=True, slots=True)
class Paid:
    amount: int


@dataclass(frozen=True, slots=True)
class Do:
    """Lets the account do something; what that returns is the reply, or awaited for it."""

    act: Callable[[Account], object]


class Account(daicho.Entity[Balance], name="account"):
    """What there is, and what was said about it."""

    @daicho.command
    def deposit(self, command: Deposit) -> int:
        if command.amount <= 0:
            raise daicho.Rejected("the amount must be positive", amount=command.amount)
        self.emit(Deposited(command.amount, command.note))
        return self.state.amount

    @daicho.command
    def pay(self, command: Pay) -> int:
        missing = command.amount - self.state.amount
        if missing > 0:
            raise daicho.Rejected("too little is there", missing=missing)
        self.emit(Paid(command.amount))
        return self.state.amount

    @daicho.command
    def look(self, command: Look) -> Balance:
        return self.state

    @daicho.command
    def do(self, command: Do) -> object:
        return command.act(self)

    @daicho.event
    def deposited(self, event: Deposited) -> None:
        self.state.amount += event.amount
        if event.note:
            self.state.notes.append(event.note)

    @daicho.event
    def paid(self, event: Paid) -> None:
        self.state.amount -= event.amount


class Boom(Exception):
    """What handlers of tests raise."""


def boom(account: Account) -> None:
    """Fails before it has emitted anything."""
    raise Boom


def emit_and_boom(account: Account) -> None:
    """Fails after it has emitted something."""
    account.emit(Deposited(1_000))
    raise Boom


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us

    def move(self, seconds: float) -> None:
        """Moves it on; back, if the number is negative."""
        self._now_us += round(seconds * 1_000_000)

    async def sleep_until(self, us: int) -> None:
        while self._now_us < us:
            await asyncio.sleep(0.001)


class Way(FaultJournal):
    """A way to an engine that is open already, and stays so."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None: ...


@dataclass(slots=True)
class Store:
    """What is remembered, and how applications reach it."""

    journal: Journal
    """Open, for the test itself."""
    make: Callable[[], FaultJournal]

    def way(self) -> FaultJournal:
        """Another way to what is remembered, for one more application; not open yet."""
        return self.make()

    def app(
        self,
        way: FaultJournal | None = None,
        *,
        entities: tuple[type[AnyEntity], ...] = (),
        **options: object,
    ) -> daicho.App:
        """An application with accounts."""
        return daicho.open(way or self.way(), entities=entities or (Account,), **options)  # type: ignore[arg-type]

    async def events(self, id: str = "alice") -> list[Record]:  # noqa: A002
        """The events of an account."""
        return await stored(self.journal, f"account:{id}")


async def changes(ref: Ref[E]) -> list[Change]:
    """All of an entity's history."""
    return [change async for change in ref.history()]
