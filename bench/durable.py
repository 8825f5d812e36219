"""Durable commands: asked, handled, their event stored and synced, and only then answered."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bench import raw, rivals
from bench.account import Account, Deposit
from bench.harness import Case, Clock, Measure, Options
from daicho.actor import PID, ActorSystem, Props
from daicho.events import ProtobufCodec
from daicho.journal.sqlite import SqliteJournal
from daicho.persistence import using
from wallet.v1.wallet_pb2 import ReceiveMoney

ACTORS = ((1, "1 actor"), (1_000, "1,000 actors"))

LOADS = ((1, 1_500, 1), (100, 30_000, 100), (2_000, 60_000, 1_000))
"""Commands in flight, commands in all, and the rows that the limit commits at once: while one half
of 2,000 is being stored, the other half gathers."""

AIMS = {(1, 2_000): 100e3}
"""By actors and commands in flight."""


def commands(system: ActorSystem, pids: Sequence[PID], count: int, in_flight: int) -> Measure:
    """Clients, as many as are in flight, that each ask the next actor, wait, and ask again."""
    each = max(1, count // in_flight)
    command = Deposit(1)
    turns = itertools.cycle(pids)

    async def client() -> None:
        for _ in range(each):
            await system.root.ask(next(turns), command)

    async def run() -> float:
        with Clock() as clock:
            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(client())
        return clock.rate(each * in_flight)

    return run


@asynccontextmanager
async def subject(options: Options) -> AsyncIterator[Sequence[Case]]:
    """A line for each number of actors and each number in flight."""
    stored = raw.event(*ProtobufCodec().encode(ReceiveMoney(amount=1)))
    rival = rivals.durable(options.folder / "rival.db", options.count(600))
    cases: list[Case] = []
    async with (
        raw.made(options.folder / "raw.db") as ledger,
        SqliteJournal(options.folder / "durable.db") as journal,
        ActorSystem(ask_timeout=60) as system,
    ):
        await raw.grow(journal)
        props = Props(Account, receiver_middleware=[using(journal)])
        for actors, title in ACTORS:
            pids = [system.root.spawn_named(props, f"{actors}-{n}") for n in range(actors)]
            for in_flight, full, batch in LOADS:
                count = options.count(full)
                cases.append(
                    Case(
                        name=f"durable: {title}, {in_flight:,} in flight",
                        unit="commands/s",
                        ours=commands(system, pids, count, in_flight),
                        limit=raw.appends(ledger, actors, stored, events=count, batch=batch),
                        aim=AIMS.get((actors, in_flight)),
                        rivals=rival if (actors, in_flight) == (1, 1) else {},
                    )
                )
        yield cases
