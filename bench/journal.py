"""The journal alone: appends of one caller, one after another, and reading by pages."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator

from bench import raw
from bench.harness import Case, Clock, Measure, Options
from daicho.journal import NewEvent, Write
from daicho.journal.sqlite import SqliteJournal

APPENDS = ((1, 1_500), (100, 30_000), (1_000, 100_000))
"""Writes in a batch, each of one event, and events in all."""

READ = 100_000
"""Events of the stream that is read."""

RECORD = (
    "version, position, type_name, payload, event_id, time_us,"
    " correlation_id, causation_id, command_id"
)


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """A line for each size of batch, and one for reading."""
    stored = raw.event("bench.Event", bytes(range(24)))
    length = options.count(READ)
    async with (
        raw.made(options.folder / "raw.db") as ledger,
        SqliteJournal(options.folder / "journal.db") as journal,
    ):
        await raw.grow(journal)
        await raw.fill(journal, "read", stored, length)
        for batch, full in APPENDS:
            events = options.count(full)
            yield Case(
                name=f"journal: append, {batch:,} at once",
                unit="events/s",
                ours=appends(journal, stored, events, batch),
                limit=raw.appends(ledger, 1, stored, events=events, batch=batch),
                against="apsw inserting rows that are there already",
            )
        yield _reading(journal, "read", length)


def appends(journal: SqliteJournal, of: NewEvent, events: int, batch: int) -> Measure:
    """Appends to one stream: so many events, in batches of one size."""
    stream = f"by {batch}"
    versions = itertools.count()

    async def run() -> float:
        batches = [
            [Write(stream, version, (of,)) for version in itertools.islice(versions, batch)]
            for _ in range(max(1, events // batch))
        ]
        with Clock() as clock:
            for writes in batches:
                await journal.append(writes)
        return clock.rate(len(batches) * batch)

    return run


def _reading(journal: SqliteJournal, stream: str, length: int) -> Case:
    async def ours() -> float:
        seen = 0
        with Clock() as clock:
            async for page in journal.read(stream):
                seen += len(page)
        assert seen == length
        return clock.rate(length)

    async def limit() -> float:
        with raw.opened(journal.path) as ledger, Clock() as clock:
            seen = sum(1 for _ in ledger.read(RECORD, stream))
        assert seen == length
        return clock.rate(length)

    return Case(
        name="journal: read a stream",
        unit="events/s",
        ours=ours,
        limit=limit,
        against="one SELECT of the same columns",
    )
