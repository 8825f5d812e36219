"""The lines of the journal on PostgreSQL; it needs the driver and a server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import daicho
from bench import raw as sqlite_raw
from bench.balance import STORED, Balance
from bench.clients import asking
from bench.durable import asks, in_memory, right
from bench.harness import Case, Clock, Goal, Measure, Options
from bench.postgres import raw
from bench.postgres.server import database, running
from bench.team import Team
from bench.worker import Worker
from daicho.journal import Journal, SqliteJournal
from daicho.journal.postgres import PostgresJournal
from wallet.v1 import Wallet

IN_FLIGHT = 2_000
BATCH = 1_000
"""Rows that the limit commits at once: while one half is being stored, the other half gathers."""

COMMANDS = ((1, 30_000), (1_000, 20_000))
"""Entities, and commands."""

PEERS_COUNT = 400
PEERS_LENGTH = 1_000

WRITERS = 4
EACH = 16_000
"""Commands to each of the processes that write."""

TIMES = 400
"""Round trips of a round."""

BUSY_S = 0.000_2
"""About as long as the client's Python takes for a command. The server's core sleeps or does
something else meanwhile, and then the same statement takes it longer."""

LENGTH = 200_000
FILLED = 10_000
"""Events in an append that makes the long stream."""

CHAINED = 20_000


async def lines(options: Options) -> AsyncGenerator[Case, None]:
    """All of them, on one server."""
    with running(options.postgres, options.folder) as server:
        async with database(server.url) as url, options.peers.team("durable", url) as team:
            async for case in _beside_sqlite(url, options, team):
                yield case
            async for case in _writers(url, options.count(EACH)):
                yield case
            async with _opened(PostgresJournal(url, schema="long")) as app:
                await sqlite_raw.fill(app.journal, "balance:long", STORED, options.count(LENGTH))
            theirs = _peers(team, "replay", options.count(PEERS_LENGTH), "events")
            yield _replay(url, options.count(LENGTH), theirs)


async def _beside_sqlite(url: str, options: Options, team: Team) -> AsyncGenerator[Case, None]:
    async with (
        raw.made(url, "bare") as db,
        _opened(PostgresJournal(url, schema="entities")) as app,
        _opened(SqliteJournal(options.folder / "entities.db")) as on_sqlite,
        _opened(PostgresJournal(url, schema="chained", chained=True)) as chained,
    ):
        found = await db.fetchval("SHOW server_version")
        options.notes.append(f"the lines of postgres were measured on PostgreSQL {found}")
        await sqlite_raw.grow(on_sqlite.journal)
        theirs = _peers(team, "durable", options.count(PEERS_COUNT), "one after another")
        for entities, full in COMMANDS:
            count = options.count(full)
            yield Case(
                name=f"postgres: {_number_of(entities)}, {IN_FLIGHT:,} in flight",
                unit="commands/s",
                ours=_asking(app, entities, count),
                limit=raw.appends(
                    db,
                    "bare",
                    [f"{number} of {entities}" for number in range(entities)],
                    STORED,
                    events=count,
                    batch=BATCH,
                ),
                against=f"asyncpg sending the same statement, {BATCH:,} rows a commit",
                goals=[Goal(at_least=0.6), *_thirty_times(entities)],
                peers=theirs if entities == 1 else {},
                beside={
                    "on SQLite": _asking(on_sqlite, entities, count),
                    "with a journal in memory": in_memory(entities, count, min(count, IN_FLIGHT)),
                },
            )
        yield _round_trip(db, app, on_sqlite, options.count(TIMES))
        count = options.count(CHAINED)
        yield Case(
            name=f"postgres: 1 entity, {IN_FLIGHT:,} in flight, with a chain",
            unit="commands/s",
            ours=_asking(chained, 1, count),
            limit=_asking(app, 1, count),
            against="the same without a chain",
        )


def _opened(journal: Journal) -> daicho.App:
    return daicho.open(journal, entities=[Balance], ask_timeout_s=120)


def _number_of(entities: int) -> str:
    return "1 entity" if entities == 1 else f"{entities:,} entities"


def _thirty_times(entities: int) -> list[Goal]:
    return [Goal(of="eventsourcing", at_least=30)] if entities == 1 else []


def _asking(app: daicho.App, entities: int, count: int) -> Measure:
    return asking(asks(app, entities), count, min(count, IN_FLIGHT), check=right)


def _peers(team: Team, work: str, count: int, how: str) -> Mapping[str, Measure]:
    said = how if work == "durable" else f"{count:,} {how}"
    return {f"{name}, {said}": side for name, side in team.sides(work, count).items()}


def _round_trip(db: raw.Connection, app: daicho.App, on_sqlite: daicho.App, times: int) -> Case:
    def waiting(app: daicho.App) -> Measure:
        (ask,) = asks(app, 1)
        return lambda: raw.median_ms(ask, times)

    return Case(
        name="postgres: 1 in flight, 50th percentile",
        unit="ms",
        ours=waiting(app),
        limit=raw.inserts(db, "bare", STORED, times),
        against="asyncpg inserting a row by itself, without asking where its stream is",
        goals=[Goal(at_most=1.3)],
        beside={
            "asyncpg sending the same statement": raw.round_trips(db, "bare", STORED, times),
            f"the same after {BUSY_S * 1_000} ms of other work": raw.round_trips(
                db, "bare", STORED, times, busy_s=BUSY_S
            ),
            f"the row after {BUSY_S * 1_000} ms of other work": raw.inserts(
                db, "bare", STORED, times, busy_s=BUSY_S
            ),
            "on SQLite": waiting(on_sqlite),
        },
        less_is_better=True,
    )


async def _writers(url: str, each: int) -> AsyncGenerator[Case, None]:
    async with AsyncExitStack() as stack:
        started = [
            Worker(Path(sys.executable), "bench.postgres.writer", [url, "writers", f"{number}"])
            for number in range(WRITERS)
        ]
        workers = await asyncio.gather(*(stack.enter_async_context(each) for each in started))

        def together(workers: list[Worker]) -> Measure:
            async def run() -> float:
                with Clock() as clock:
                    await asyncio.gather(*(each_of.measure("durable", each) for each_of in workers))
                return clock.rate(len(workers) * each)

            return run

        yield Case(
            name=f"postgres: {WRITERS} processes that write",
            unit="commands/s",
            ours=together(workers),
            limit=together(workers[:1]),
            against="one such process",
            goals=[Goal(at_least=1.5)],
        )


def _replay(url: str, length: int, theirs: Mapping[str, Measure]) -> Case:
    async def ours() -> float:
        async with _opened(PostgresJournal(url, schema="long")) as app:
            await app.settled()
            with Clock() as clock:
                balance = await app.entity(Balance, "long").ask(Balance.look, Wallet())
        assert balance.deposit == length
        return clock.rate(length)

    return Case(
        name=f"postgres: an entity with {length:,} events",
        unit="events/s",
        ours=ours,
        limit=raw.replay(url, "long", "balance:long", length),
        against="a cursor of asyncpg, pages, decode, dispatch by type and apply, in one loop",
        goals=[Goal(at_least=0.75)],
        peers=theirs,
    )
