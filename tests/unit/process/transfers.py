"""Accounts, and transfers between them: a process that tests let run and die."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import daicho
from daicho.actor import ExponentialBackoff
from daicho.entity import Change, Clock
from daicho.entity.entity import AnyEntity
from daicho.entity.v1 import Outgoing, Settled
from daicho.journal import Journal
from daicho.process import Courier
from daicho.testing import Clock as StillClock
from tests.support.journals import FaultJournal
from tests.unit.entity.accounts import Way

BROKEN: set[str] = set()
"""Ids of accounts and transfers whose handlers fail."""


class Broken(Exception):
    """What the handlers of something broken raise."""


def whole(id: str) -> None:  # noqa: A002
    """Raises if that is broken."""
    if id in BROKEN:
        raise Broken(id)


@daicho.stored_as("test.balance")
@dataclass
class Balance:
    amount: int = 0


@daicho.stored_as("test.deposit")
@dataclass(frozen=True)
class Deposit:
    """An account whose id begins with "closed" rejects it."""

    amount: int


@daicho.stored_as("test.withdraw")
@dataclass(frozen=True)
class Withdraw:
    """Rejected where too little is there."""

    amount: int


@daicho.stored_as("test.order")
@dataclass(frozen=True)
class Order:
    """Asks for a transfer; nothing moves by that."""

    transfer: str
    target: str
    amount: int


@daicho.stored_as("test.deposit-later")
@dataclass(frozen=True)
class DepositLater:
    """Sets a timer for a deposit."""

    amount: int
    timer: str
    seconds: int


@daicho.stored_as("test.deposited")
@dataclass(frozen=True)
class Deposited:
    amount: int


@daicho.stored_as("test.withdrawn")
@dataclass(frozen=True)
class Withdrawn:
    amount: int


@daicho.stored_as("test.ordered")
@dataclass(frozen=True)
class Ordered:
    transfer: str
    target: str
    amount: int


@dataclass(frozen=True)
class Do:
    """Lets an entity do something; what that returns is the reply."""

    act: Callable[..., object]


class Account(daicho.Entity[Balance], name="account"):
    @daicho.command
    def order(self, command: Order) -> None:
        self.emit(Ordered(command.transfer, command.target, command.amount))

    @daicho.command
    def deposit(self, command: Deposit) -> int:
        whole(self.id)
        if self.id.startswith("closed"):
            raise daicho.Rejected("the account is closed", id=self.id)
        self.emit(Deposited(command.amount))
        return self.state.amount

    @daicho.command
    def deposit_later(self, command: DepositLater) -> None:
        after = timedelta(seconds=command.seconds)
        self.schedule(Deposit(command.amount), name=command.timer, after=after)

    @daicho.command
    def withdraw(self, command: Withdraw) -> int:
        whole(self.id)
        missing = command.amount - self.state.amount
        if missing > 0:
            raise daicho.Rejected("too little is there", missing=missing)
        self.emit(Withdrawn(command.amount))
        return self.state.amount

    @daicho.command
    def do(self, command: Do) -> object:
        return command.act(self)

    @daicho.event
    def ordered(self, event: Ordered) -> None: ...

    @daicho.event
    def deposited(self, event: Deposited) -> None:
        self.state.amount += event.amount

    @daicho.event
    def withdrawn(self, event: Withdrawn) -> None:
        self.state.amount -= event.amount


@daicho.stored_as("test.transfer")
@dataclass(frozen=True)
class State:
    source: str = ""
    target: str = ""
    amount: int = 0
    steps: tuple[str, ...] = ()

    @property
    def under_way(self) -> int:
        """What has left one account and not come to another."""
        return self.amount if self.steps[-1:] in {("withdrawn",), ("returning",)} else 0


@daicho.stored_as("test.transfer-started")
@dataclass(frozen=True)
class Started:
    source: str
    target: str
    amount: int


@daicho.stored_as("test.transfer-went-on")
@dataclass(frozen=True)
class WentOn:
    step: str


class Transfer(daicho.Process[State], name="transfer"):
    @daicho.reaction
    def ordered(self, event: Ordered) -> None:
        whole(self.id)
        source = event.transfer.partition("/")[0]
        self.emit(Started(source, event.target, event.amount))
        self.send(Account, source, Withdraw(event.amount))

    @ordered.id
    @staticmethod
    def _(event: Ordered, source: daicho.Source) -> str | None:
        return event.transfer if event.transfer.startswith(f"{source.id}/") else None

    @daicho.on_reply
    def withdrawn(self, command: Withdraw, reply: int) -> None:
        self.emit(WentOn("withdrawn"))
        self.send(Account, self.state.target, Deposit(command.amount))

    @daicho.on_rejection
    def not_withdrawn(self, command: Withdraw, rejection: daicho.Rejected) -> None:
        self.emit(WentOn(f"refused, missing {rejection.data['missing']}"))

    @daicho.on_reply
    def deposited(self, command: Deposit, reply: int) -> None:
        whole(self.id)
        self.emit(WentOn("returned" if self.state.steps[-1] == "returning" else "done"))

    @daicho.on_rejection
    def not_deposited(self, command: Deposit, rejection: daicho.Rejected) -> None:
        self.emit(WentOn("returning"))
        self.send(Account, self.state.source, Deposit(command.amount))

    @daicho.command
    def do(self, command: Do) -> object:
        return command.act(self)

    @daicho.event
    def started(self, event: Started) -> None:
        self.state = State(event.source, event.target, event.amount, ("started",))

    @daicho.event
    def went_on(self, event: WentOn) -> None:
        state = self.state
        self.state = State(state.source, state.target, state.amount, (*state.steps, event.step))


DONE = ("started", "withdrawn", "done")
RETURNED = ("started", "withdrawn", "returning", "returned")


@dataclass
class Bank:
    """What is remembered, and the applications on it."""

    journal: Journal
    """Open, for the test itself."""
    clock: Clock = field(default_factory=StillClock)

    def app(
        self,
        way: FaultJournal | None = None,
        *,
        entities: tuple[type[AnyEntity], ...] = (Account, Transfer),
        schema: daicho.Schema | None = None,
        clock: Clock | None = None,
        name: str = "main",
        grace_s: float = 5.0,
        checkpoint_every: int = 1_000,
        max_concurrent: int = 256,
        ask_timeout_s: float = 30.0,
        conflict_attempts: int = 100,
        max_mailbox: int = 10_000,
    ) -> daicho.App:
        """An application of them; its courier never waits the same time by chance."""
        app = daicho.open(
            way or Way(self.journal),
            entities=entities,
            schema=schema,
            clock=clock or self.clock,
            conflict_attempts=conflict_attempts,
            max_mailbox=max_mailbox,
        )
        app.courier = Courier(
            app.directory,
            name=name,
            grace_s=grace_s,
            checkpoint_every=checkpoint_every,
            max_concurrent=max_concurrent,
            ask_timeout_s=ask_timeout_s,
            backoff=ExponentialBackoff(initial=0.1, maximum=60.0, jitter=0.0),
        )
        return app

    async def checkpoints(self, name: str = "main") -> list[int]:
        """The positions of a courier's checkpoints, newest first."""
        found = await self.journal.list_snapshots(f"daicho.courier:{name}")
        return [snapshot.version for snapshot in found]


async def steps(app: daicho.App, transfer: str) -> tuple[str, ...]:
    """How far a transfer has come."""
    return (await app.entity(Transfer, transfer).at()).steps


async def amount(app: daicho.App, account: str) -> int:
    """What is in an account."""
    return (await app.entity(Account, account).at()).amount


async def history(app: daicho.App, transfer: str) -> list[object]:
    """The events of a transfer; of what is sent and settled only its number and outcome."""
    changes = [change async for change in app.entity(Transfer, transfer).history()]
    return [_short(change) for change in changes]


async def fill(app: daicho.App, account: str, amount: int) -> None:
    """Puts something into an account."""
    await app.entity(Account, account).ask(Deposit(amount))


async def order(app: daicho.App, transfer: str, target: str, amount: int) -> None:
    """Asks for a transfer: "alice/1" is the first of alice's."""
    source = transfer.partition("/")[0]
    await app.entity(Account, source).ask(Order(transfer, target, amount))


def _short(change: Change) -> object:
    match change.event:
        case Outgoing() as out:
            return "sent", out.number
        case Settled() as settled:
            outcome = Settled.Outcome.Name(settled.outcome).removeprefix("OUTCOME_")
            return outcome.lower(), settled.number
        case WentOn(step):
            return step
        case event:
            return type(event).__name__


async def settled(app: daicho.App) -> None:
    """Waits until all has had its consequences; ten minutes of the loop's time are enough."""
    async with asyncio.timeout(600):
        await app.settled()
