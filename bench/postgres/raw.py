"""The limit of the journal on PostgreSQL: asyncpg on the same tables, with no actor and no writer.

The tables are those that the journal made, in a schema to which only this writes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count, islice
from typing import TYPE_CHECKING

import asyncpg

from bench.balance import PARSERS, apply_bare
from bench.harness import Clock, Measure
from daicho.journal import NewEvent, Write
from daicho.journal.postgres import PostgresJournal
from daicho.journal.postgres._plan import Plan
from daicho.journal.postgres._sql import statements
from wallet.v1 import Wallet

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

PAGE = 1_000

INSERT = (
    "INSERT INTO {schema}.event"
    " (position, stream_id, version, type_name, payload, event_id, time_us)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
READ = (
    "SELECT type_name, payload FROM {schema}.event"
    " WHERE stream_id = (SELECT id FROM {schema}.stream WHERE name = $1) ORDER BY version"
)

_numbers = count(1)
"""Positions and versions of the rows that are inserted without being asked for."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection that has nothing of the journal's."""
    db: Connection = await asyncpg.connect(url)
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def made(url: str, schema: str) -> AsyncIterator[Connection]:
    """A connection to a server on which the journal has made a schema."""
    async with PostgresJournal(url, schema=schema):
        pass
    async with connected(url) as db:
        yield db


def appends(
    db: Connection, schema: str, streams: Sequence[str], of: NewEvent, *, events: int, batch: int
) -> Measure:
    """Appends to these streams in turn by the same statement, so many events a transaction."""
    texts = statements(schema)
    places = ((stream, version) for version in count() for stream in streams)

    def laid_out() -> tuple[str, tuple[object, ...]]:
        writes = [Write(stream, version, (of,)) for stream, version in islice(places, batch)]
        found = Plan([writes]).lay_out()
        assert found is not None
        return found

    async def run() -> float:
        # What is sent is there before the clock starts.
        batches = [laid_out() for _ in range(max(1, events // batch))]
        with Clock() as clock:
            for name, values in batches:
                row = await db.fetchrow(texts[name], *values)
                assert row is not None
                assert row["stored"]
        return clock.rate(len(batches) * batch)

    return run


def inserts(
    db: Connection, schema: str, of: NewEvent, times: int, *, busy_s: float = 0.0
) -> Measure:
    """How many milliseconds it takes to insert a row by itself: the median of so many.

    With ``busy_s`` the client does something else for so long before each, which does not count.
    """

    async def run() -> float:
        statement = await db.prepare(INSERT.format(schema=schema))
        # No other stream has this id.
        return await median_ms(
            lambda: statement.fetch(number := next(_numbers), -1, number, *of[:4]),
            times,
            busy_s=busy_s,
        )

    return run


def round_trips(
    db: Connection, schema: str, of: NewEvent, times: int, *, busy_s: float = 0.0
) -> Measure:
    """The same with the journal's statement for one event."""
    text, stream = statements(schema)["append_one"], f"one after another, {busy_s}"
    versions = count()

    async def run() -> float:
        if not await db.fetchval(f"SELECT count(*) FROM {schema}.stream WHERE name = $1", stream):
            await appends(db, schema, [stream], of, events=1, batch=1)()
            next(versions)
        statement = await db.prepare(text)
        return await median_ms(
            lambda: statement.fetch(stream, next(versions), *of[:4]), times, busy_s=busy_s
        )

    return run


def replay(url: str, schema: str, stream: str, length: int) -> Measure:
    """A cursor, pages, decoding, the dispatch by type and the change, in one loop."""

    async def run() -> float:
        state = Wallet()
        async with connected(url) as db, db.transaction(readonly=True):
            with Clock() as clock:
                cursor = await db.cursor(READ.format(schema=schema), stream)
                while rows := await cursor.fetch(PAGE):
                    for type_name, payload in rows:
                        apply_bare(state, PARSERS[type_name](payload))
        assert state.deposit == length
        return clock.rate(length)

    return run


async def median_ms(
    work: Callable[[], Awaitable[object]], times: int, *, busy_s: float = 0.0
) -> float:
    """How many milliseconds it takes to do something: the median of so many."""
    taken: list[float] = []
    for _ in range(times):
        until = time.perf_counter() + busy_s
        while time.perf_counter() < until:
            pass
        since = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - since)
    return statistics.median(taken) * 1_000
