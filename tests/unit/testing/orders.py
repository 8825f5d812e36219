"""Orders that are paid in time or not, and what sees to their delivery."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import daicho
from daicho.process import Process, Source, on_rejection, on_reply, reaction

DAY = timedelta(days=1)


@daicho.stored_as("orders.order")
@dataclass(frozen=True, slots=True)
class OrderState:
    items: tuple[str, ...] = ()
    paid: bool = False


@daicho.stored_as("orders.add")
@dataclass(frozen=True, slots=True)
class Add:
    item: str


@daicho.stored_as("orders.place")
@dataclass(frozen=True, slots=True)
class Place:
    """Adds several at once, and waits for the money."""

    items: tuple[str, ...]


@daicho.stored_as("orders.pay")
@dataclass(frozen=True, slots=True)
class Pay:
    """Pays, after a moment in which others could run."""


@daicho.stored_as("orders.remind")
@dataclass(frozen=True, slots=True)
class Remind:
    pass


@daicho.stored_as("orders.break")
@dataclass(frozen=True, slots=True)
class Break:
    """Does one of the things that a handler should not do."""

    how: str


@daicho.stored_as("orders.added")
@dataclass(frozen=True, slots=True)
class Added:
    item: str


@daicho.stored_as("orders.paid")
@dataclass(frozen=True, slots=True)
class Paid:
    at: str


@daicho.stored_as("orders.reminded")
@dataclass(frozen=True, slots=True)
class Reminded:
    pass


class NameMissing(Exception):
    """What a handler raises of its own."""


class Order(daicho.Entity[OrderState], name="order"):
    snapshot = daicho.every(2)

    @daicho.command
    def add(self, command: Add) -> int:
        if self.state.paid:
            raise daicho.Rejected("it is paid already", items=len(self.state.items))
        self.emit(Added(command.item))
        return len(self.state.items)

    @daicho.command
    def place(self, command: Place) -> OrderState:
        self.emit(*(Added(item) for item in command.items))
        self.schedule(Remind(), name="unpaid", after=DAY)
        return self.state

    @daicho.command
    async def pay(self, _: Pay) -> None:
        await asyncio.sleep(0)
        self.emit(Paid(self.now.isoformat()))
        self.cancel("unpaid")

    @daicho.command
    def remind(self, _: Remind) -> None:
        self.emit(Reminded())
        self.schedule(Remind(), name="unpaid", after=7 * DAY)

    @daicho.command
    def do_wrong(self, command: Break) -> None:
        match command.how:
            case "late rejection":
                self.emit(Added("x"))
                raise daicho.Rejected("too late")
            case "error":
                self.emit(Added("x"))
                raise NameMissing("no name")
            case "silent change":
                self.state = replace(self.state, paid=True)
            case "unstorable event":
                self.emit(Added(5))  # type: ignore[arg-type]
            case _:
                raise daicho.Rejected("nothing is wrong")

    @daicho.event
    def added(self, event: Added) -> None:
        self.state = replace(self.state, items=(*self.state.items, event.item))

    @daicho.event
    def paid(self, event: Paid) -> None:
        assert event.at
        self.state = replace(self.state, paid=True)

    @daicho.event
    def reminded(self, event: Reminded) -> None:
        """Changes nothing."""


@daicho.stored_as("delivery.state")
@dataclass(frozen=True, slots=True)
class DeliveryState:
    steps: tuple[str, ...] = ()


@daicho.stored_as("delivery.step")
@dataclass(frozen=True, slots=True)
class Step:
    text: str


class Delivery(Process[DeliveryState], name="delivery"):
    """Sees to it that what is paid is delivered, and reminds where it cannot be."""

    @reaction
    def on_paid(self, event: Paid) -> None:
        self.emit(Step(f"paid at {event.at}"))
        self.send(Order, self.id, Add("parcel"))
        self.send(Order, self.id, Remind())

    @on_paid.id
    @staticmethod
    def _(event: Paid, source: Source) -> str | None:
        return source.id if event.at else None

    @on_reply
    def packed(self, command: Add, reply: int) -> None:
        self.emit(Step(f"{command.item} {reply}"))

    @on_rejection
    def not_packed(self, command: Add, rejection: daicho.Rejected) -> None:
        self.emit(Step(f"no {command.item}: {rejection.reason}"))

    @daicho.event
    def step(self, event: Step) -> None:
        self.state = replace(self.state, steps=(*self.state.steps, event.text))
