"""Event-sourced actors that tests tell what to do, and what else their tests need."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from daicho import persistence
from daicho.actor import (
    PID,
    ActorFailed,
    ActorSystem,
    Context,
    DeadLetter,
    ExponentialBackoff,
    Props,
    ReceiverMiddleware,
)
from daicho.errors import HandlerFailed
from daicho.journal import Journal
from daicho.persistence import ReplayComplete, RequestSnapshot, SnapshotFailed
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet


@dataclass(frozen=True, slots=True)
class Add:
    """Adds an amount, persists it with ``persist_receive``, and replies with the total."""

    amount: int


@dataclass(frozen=True, slots=True)
class Get:
    """Replies with the total."""


@dataclass(frozen=True, slots=True)
class Do:
    """Lets the actor do something; what that returns is awaited if it can be."""

    act: Callable[[Ledger, Context], object]


@dataclass(slots=True)
class Diary:
    """What the incarnations of one actor went through."""

    incarnations: int = 0
    messages: list[object] = field(default_factory=list[object])

    def names(self) -> list[str]:
        """The names of the messages' types, in order."""
        return [type(message).__name__ for message in self.messages]


class Ledger(persistence.Mixin):
    """A sum of money."""

    def __init__(self, diary: Diary | None = None) -> None:
        self.diary = diary or Diary()
        self.diary.incarnations += 1
        self.total = 0

    def receive(self, ctx: Context) -> object:
        message = ctx.message
        self.diary.messages.append(message)
        match message:
            case Do():
                return message.act(self, ctx)
            case Add(amount):
                self.total += amount
                self.persist_receive(ReceiveMoney(amount=amount))
                ctx.respond(self.total)
            case Get():
                ctx.respond(self.total)
            case _:
                self.apply(message)
        return None

    def apply(self, message: object) -> None:
        """What history and persistence say."""
        match message:
            case Wallet():
                self.total = message.deposit
            case ReceiveMoney():
                self.total += message.amount
            case PaymentMoney():
                self.total -= message.amount
            case RequestSnapshot():
                self.persist_snapshot(Wallet(deposit=self.total))
            case _:
                pass  # what the actor hears of its own life


class AsyncLedger(Ledger):
    """The same with an ``async`` handler, which waits for its events."""

    async def receive(self, ctx: Context) -> object:
        message = ctx.message
        if isinstance(message, Add):
            self.diary.messages.append(message)
            await self.persist(ReceiveMoney(amount=message.amount))
            self.total += message.amount
            ctx.respond(self.total)
            return None
        pending = Ledger.receive(self, ctx)
        if asyncio.iscoroutine(pending):
            await pending
        return None


@dataclass(frozen=True)
class Delays(ExponentialBackoff):
    """A back-off that waits for nobody, and remembers how many failures it was asked about."""

    asked: list[int] = field(default_factory=list[int])

    def delay(self, failures: int) -> float:
        self.asked.append(failures)
        return 0.0


def props(
    journal: Journal,
    diary: Diary | None = None,
    *,
    kind: type[Ledger] = Ledger,
    using: ReceiverMiddleware | None = None,
) -> Props:
    """A ledger that is event-sourced on a journal."""
    middleware = using or persistence.using(journal, backoff=Delays())
    return Props(lambda: kind(diary), receiver_middleware=[middleware])


@dataclass(slots=True)
class Heard:
    """What was published on a system's event stream."""

    dead_letters: list[DeadLetter] = field(default_factory=list[DeadLetter])
    failures: list[ActorFailed] = field(default_factory=list[ActorFailed])
    snapshots: list[SnapshotFailed] = field(default_factory=list[SnapshotFailed])


def listen(system: ActorSystem) -> Heard:
    """Remembers what is published from now on."""
    heard = Heard()
    system.event_stream.subscribe(heard.dead_letters.append, event_type=DeadLetter)
    system.event_stream.subscribe(heard.failures.append, event_type=ActorFailed)
    system.event_stream.subscribe(heard.snapshots.append, event_type=SnapshotFailed)
    return heard


@contextlib.asynccontextmanager
async def world(journal: Journal) -> AsyncIterator[ActorSystem]:
    """An open journal and a system on it."""
    async with journal, ActorSystem(ask_timeout=20.0) as system:
        yield system


async def turns(count: int = 50) -> None:
    """Lets everything run that can."""
    for _ in range(count):
        await asyncio.sleep(0)


async def eventually(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.001)


async def total(system: ActorSystem, pid: PID) -> int:
    """What the ledger says that it holds."""
    return await system.root.ask(pid, Get(), expect=int)


async def forget(system: ActorSystem, pid: PID) -> None:
    """Stops an actor and waits for its end."""
    await system.root.stop_future(pid)


def cause_of(error: BaseException) -> BaseException | None:
    """What a handler raised."""
    assert isinstance(error, HandlerFailed)
    return error.__cause__


__all__ = [
    "Add",
    "AsyncLedger",
    "Delays",
    "Diary",
    "Do",
    "Get",
    "Heard",
    "Ledger",
    "ReplayComplete",
    "cause_of",
    "eventually",
    "forget",
    "listen",
    "props",
    "total",
    "turns",
    "world",
]
