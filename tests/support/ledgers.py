"""Event-sourced actors that tests tell what to do, and what else their tests need."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from daicho import persistence
from daicho.actor import (
    PID,
    ActorFailed,
    ActorSystem,
    Behavior,
    Context,
    DeadLetter,
    ExponentialBackoff,
    Props,
    ReceiverMiddleware,
)
from daicho.errors import HandlerFailed, JournalFull, PersistFailed
from daicho.journal import Journal
from daicho.persistence import RequestSnapshot, SnapshotFailed, SnapshotStrategy
from tests.support.journals import FaultJournal
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


class Behaving(Ledger):
    """A plain method that hands its messages to an async handler."""

    def __init__(self, diary: Diary | None = None) -> None:
        super().__init__(diary)
        self.behavior = Behavior(self.opened)

    def receive(self, ctx: Context) -> object:
        return self.behavior.receive(ctx)

    async def opened(self, ctx: Context) -> None:
        await asyncio.sleep(0)
        super().receive(ctx)


class Tasking(Ledger):
    """A plain method that returns a task where it is asked for a snapshot."""

    def receive(self, ctx: Context) -> object:
        if isinstance(ctx.message, RequestSnapshot):
            return asyncio.ensure_future(self.answer())
        return super().receive(ctx)

    async def answer(self) -> None:
        self.persist_snapshot(Wallet(deposit=self.total))


KINDS: list[type[Ledger]] = [Ledger, AsyncLedger, Behaving, Tasking]
"""The ways in which a handler can be written."""


def event(amount: int = 1) -> ReceiveMoney:
    """An event of a ledger."""
    return ReceiveMoney(amount=amount)


def fail(ledger: Ledger, ctx: Context) -> None:
    """A handler that raises."""
    raise RuntimeError("no")


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


FULL = JournalFull("the disk", "no space left")


async def fails(asked: asyncio.Future[object]) -> PersistFailed:
    """The error of a request whose events could not be stored."""
    with pytest.raises(PersistFailed) as caught:
        await asked
    return caught.value


async def held(
    journal: FaultJournal, system: ActorSystem, *, passivate_after: float | None = None
) -> tuple[Diary, asyncio.Future[object]]:
    """A ledger whose first commit is under way."""
    diary = Diary()
    made = props(journal, diary).with_options(passivate_after=passivate_after)
    pid = system.root.spawn_named(made, "ledger")
    await total(system, pid)
    journal.hold()
    added = system.root.ask(pid, Add(1))
    await journal.held()
    return diary, added


async def adding(
    journal: FaultJournal,
    strategy: SnapshotStrategy | None,
    *amounts: int,
    kind: type[Ledger] = Ledger,
) -> Diary:
    """What a ledger goes through that gets these amounts, one after another."""
    diary = Diary()
    using = persistence.using(journal, snapshot=strategy)
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, diary, kind=kind, using=using), "ledger")
        for amount in amounts:
            await system.root.ask(pid, Add(amount))
        await forget(system, pid)
    return diary


async def forget(system: ActorSystem, pid: PID) -> None:
    """Stops an actor and waits for its end."""
    await system.root.stop_future(pid)


def cause_of(error: BaseException) -> BaseException | None:
    """What a handler raised."""
    assert isinstance(error, HandlerFailed)
    return error.__cause__
