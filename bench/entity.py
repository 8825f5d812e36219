"""What the entity layer costs: the same durable commands to entities and to bare persistent actors.

The limit of a line is the bare actor: the same message, event, state and reply, written by hand.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import daicho
from bench import raw
from bench.harness import Case, Clock, Measure, Options
from daicho import ActorSystem, Context, Props, persistence
from daicho.journal import SqliteJournal
from wallet.v1 import ReceiveMoney, Wallet

AIM = 0.8
"""Of the bare actor's pace: a cost of a quarter."""

SIZES = ((1, "1"), (1_000, "1,000"))
LOADS = ((1, 1_500), (100, 30_000), (2_000, 60_000))
"""Commands in flight, and commands in all."""


class Balance(daicho.Entity[Wallet], name="balance"):
    """A balance; each receipt is an event."""

    @daicho.command
    def receive(self, command: ReceiveMoney) -> Wallet:
        """Takes money."""
        self.emit(command)
        return self.state

    @daicho.event
    def received(self, event: ReceiveMoney) -> None:
        """Money came."""
        self.state.deposit += event.amount


class BareBalance(persistence.Mixin):
    """The same by hand."""

    def __init__(self) -> None:
        self.state = Wallet()

    def receive(self, ctx: Context) -> None:
        """Handles commands, and events in recovery."""
        message = ctx.message
        if isinstance(message, ReceiveMoney):
            self.state.deposit += message.amount
            if not self.recovering:
                self.persist_receive(message)
                ctx.respond(Wallet(deposit=self.state.deposit))


def commands(
    asks: Sequence[Callable[[ReceiveMoney], Awaitable[object]]], count: int, in_flight: int
) -> Measure:
    """Clients, as many as are in flight, that each ask the next one, wait, and ask again."""
    each = max(1, count // in_flight)
    command = ReceiveMoney(amount=1)
    turns = itertools.cycle(asks)

    async def client() -> None:
        for _ in range(each):
            await next(turns)(command)

    async def run() -> float:
        with Clock() as clock:
            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(client())
        return clock.rate(each * in_flight)

    return run


@asynccontextmanager
async def subject(options: Options) -> AsyncIterator[Sequence[Case]]:
    """A line for each number of entities and each number in flight."""
    async with (
        SqliteJournal(options.folder / "bare.db") as journal,
        ActorSystem(ask_timeout=60) as system,
        daicho.open(
            SqliteJournal(options.folder / "entities.db"), entities=[Balance], ask_timeout_s=60
        ) as app,
    ):
        await raw.grow(journal)
        await raw.grow(app.journal)
        props = Props(BareBalance, receiver_middleware=[persistence.using(journal)])

        def bare(name: str) -> Callable[[ReceiveMoney], Awaitable[object]]:
            pid = system.root.spawn_named(props, name)
            return lambda command: system.root.ask(pid, command)

        def entity(name: str) -> Callable[[ReceiveMoney], Awaitable[object]]:
            ref = app.entity(Balance, name)
            return lambda command: ref.ask(Balance.receive, command)

        cases: list[Case] = []
        for size, title in SIZES:
            names = [f"{size}-{n}" for n in range(size)]
            entities, actors = [entity(name) for name in names], [bare(name) for name in names]
            for in_flight, full in LOADS:
                count = options.count(full)
                cases.append(
                    Case(
                        name=f"entity: {title} live, {in_flight:,} in flight",
                        unit="commands/s",
                        ours=commands(entities, count, in_flight),
                        limit=commands(actors, count, in_flight),
                    )
                )
        # What a key costs: the same entity with keys, held against itself without them.
        ref, keys = app.entity(Balance, "keyed"), itertools.count()

        def keyed(command: ReceiveMoney) -> Awaitable[object]:
            return ref.ask(Balance.receive, command, idempotency_key=f"key {next(keys)}")

        count = options.count(10_000)
        cases.append(
            Case(
                name="entity: under keys, 500 in flight",
                unit="commands/s",
                ours=commands([keyed], count, 500),
                limit=commands([entity("not-keyed")], count, 500),
            )
        )
        yield cases
