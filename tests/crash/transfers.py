"""Accounts and transfers; as a program, a child that orders transfers until it is killed."""

from __future__ import annotations

import asyncio
import itertools
import sys
from dataclasses import dataclass, field
from datetime import timedelta

import daicho

ACCOUNTS = [f"a{n}" for n in range(6)]
FILLED = 100_000
ENDS = {
    ("started", "withdrawn", "done"),
    ("started", "withdrawn", "returning", "returned"),
}


@daicho.stored_as("balance")
@dataclass
class Balance:
    amount: int = 0


@daicho.stored_as("deposit")
@dataclass(frozen=True)
class Deposit:
    amount: int


@daicho.stored_as("withdraw")
@dataclass(frozen=True)
class Withdraw:
    amount: int


@daicho.stored_as("order")
@dataclass(frozen=True)
class Order:
    transfer: str
    target: str
    amount: int


@daicho.stored_as("moved")
@dataclass(frozen=True)
class Moved:
    amount: int


@daicho.stored_as("ordered")
@dataclass(frozen=True)
class Ordered:
    transfer: str
    target: str
    amount: int


class Account(daicho.Entity[Balance], name="account"):
    snapshot = daicho.every(50)

    @daicho.command
    def order(self, command: Order) -> None:
        self.emit(Ordered(command.transfer, command.target, command.amount))

    @daicho.command
    def deposit(self, command: Deposit) -> None:
        if self.id == "closed":
            raise daicho.Rejected("it is closed")
        self.emit(Moved(command.amount))

    @daicho.command
    def withdraw(self, command: Withdraw) -> None:
        if self.state.amount < command.amount:
            raise daicho.Rejected("too little is there")
        self.emit(Moved(-command.amount))

    @daicho.event
    def moved(self, event: Moved) -> None:
        self.state.amount += event.amount

    @daicho.event
    def ordered(self, event: Ordered) -> None: ...


@daicho.stored_as("transfer")
@dataclass
class State:
    source: str = ""
    target: str = ""
    amount: int = 0
    steps: list[str] = field(default_factory=list[str])
    reminders: int = 0


@daicho.stored_as("started")
@dataclass(frozen=True)
class Started:
    source: str
    target: str
    amount: int


@daicho.stored_as("went-on")
@dataclass(frozen=True)
class WentOn:
    step: str


@daicho.stored_as("remind")
@dataclass(frozen=True)
class Remind:
    pass


@daicho.stored_as("reminded")
@dataclass(frozen=True)
class Reminded:
    pass


class Transfer(daicho.Process[State], name="transfer"):
    @daicho.reaction
    def ordered(self, event: Ordered) -> None:
        source = event.transfer.partition("/")[0]
        self.emit(Started(source, event.target, event.amount))
        self.send(Account, source, Withdraw(event.amount))
        self.schedule(Remind(), name="reminder", after=timedelta(milliseconds=50))

    @ordered.id
    @staticmethod
    def _(event: Ordered, source: daicho.Source) -> str | None:
        return event.transfer

    @daicho.on_reply
    def moved(self, command: Withdraw | Deposit, reply: None) -> None:
        if isinstance(command, Withdraw):
            self.emit(WentOn("withdrawn"))
            self.send(Account, self.state.target, Deposit(command.amount))
        else:
            self.emit(WentOn("returned" if self.state.steps[-1] == "returning" else "done"))
            self.cancel("reminder")

    @daicho.on_rejection
    def refused(self, command: Deposit, rejection: daicho.Rejected) -> None:
        self.emit(WentOn("returning"))
        self.send(Account, self.state.source, Deposit(command.amount))

    @daicho.command
    def remind(self, command: Remind) -> None:
        self.emit(Reminded())

    @daicho.event
    def started(self, event: Started) -> None:
        self.state = State(event.source, event.target, event.amount, ["started"])

    @daicho.event
    def went_on(self, event: WentOn) -> None:
        self.state.steps.append(event.step)

    @daicho.event
    def reminded(self, event: Reminded) -> None:
        self.state.reminders += 1


async def client(app: daicho.App, number: int, numbers: itertools.count[int]) -> None:
    """Orders transfers, and prints each that is sure to be carried out."""
    source = ACCOUNTS[number % len(ACCOUNTS)]
    for each in numbers:
        target = "closed" if each % 7 == 0 else ACCOUNTS[each % len(ACCOUNTS)]
        order = Order(f"{source}/{each}", target, each % 5 + 1)
        await app.entity(Account, source).ask(order, timeout=60)
        print(order.transfer, flush=True)  # noqa: T201
        await asyncio.sleep(0.01)


async def main(url: str, first: int) -> None:
    async with daicho.open(url, entities=[Account, Transfer], ask_timeout_s=60) as app:
        for id_ in ACCOUNTS:
            await app.entity(Account, id_).ask(Deposit(FILLED), idempotency_key="filled")
        numbers = itertools.count(first)
        await asyncio.gather(*(client(app, number, numbers) for number in range(12)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
