"""The limit of everything durable: apsw on the same tables, with no thread, no loop and no actor.

The file is one that ``SqliteJournal`` made, so tables and indexes are the journal's, and so are the
settings. Rows are inserted in the fastest way that was found: ``VALUES`` of several hundred rows,
which beat ``executemany`` by half.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any, cast

import apsw

from bench.harness import Clock, Measure
from daicho.journal import Journal, NewEvent, Write
from daicho.journal.sqlite import SqliteJournal

STATEMENT_ROWS = 500
CACHE_KIB = 16_384
CHECKPOINT_PAGES = 8_000
"""The last two are the journal's own."""

MEGABYTES = 33
"""So much in one transaction makes the write-ahead log as long as it gets before a checkpoint.
Syncing a file that need not grow is faster, and that is how a program finds it that has run for a
while."""

FILL_EVENTS = 10_000

FILL_CACHE_KIB = 500_000
"""The index's ends of all streams, so that filling does not go through the disk."""

ROW = "(?,?,?,?,?,?)"

Row = tuple[int, int, str, bytes, bytes, int]
"""Stream id, version, type name, payload, event id, time."""


def event(type_name: str, payload: bytes) -> NewEvent:
    """An event as the benchmarks store it; nobody looks it up by its id."""
    return NewEvent(type_name, payload, bytes(range(16)), 1_700_000_000_000_000)


async def grow(journal: Journal) -> None:
    """Gives the journal's write-ahead log its working size."""
    large = event("warm-up", bytes(1_000_000))
    await journal.append([Write("warm-up", 0, [large] * MEGABYTES)])


async def fill(journal: Journal, stream: str, of: NewEvent, length: int) -> None:
    """Makes a stream of so many events."""
    for version in range(0, length, FILL_EVENTS):
        await journal.append([Write(stream, version, [of] * min(FILL_EVENTS, length - version))])


class Ledger:
    """A connection that appends and reads, and asks nothing."""

    def __init__(self, path: Path) -> None:
        self._db = apsw.Connection(str(path))
        # apsw's types name a class that Python 3.11 does not have.
        self._execute = cast("Any", self._db.cursor()).execute
        for pragma in ("journal_mode = WAL", "synchronous = FULL", f"cache_size = -{CACHE_KIB}"):
            self._execute(f"PRAGMA {pragma}")
        self._db.wal_autocheckpoint(CHECKPOINT_PAGES)
        self._streams = 0

    def close(self) -> None:
        """Closes the connection."""
        self._db.close()

    def grow(self) -> None:
        """Gives the write-ahead log its working size."""
        large = event("warm-up", bytes(1_000_000))
        (stream,) = self.add_streams(1)
        self.append([(stream, 1 + number, *large[:4]) for number in range(MEGABYTES)])

    def add_streams(self, number: int) -> range:
        """Makes so many streams; returns their ids."""
        added = range(self._streams + 1, self._streams + 1 + number)
        self._streams += number
        self._execute("BEGIN")
        for stream in added:
            row = (stream, f"stream {stream}")
            self._execute("INSERT INTO stream (id, name, slice) VALUES (?, ?, 0)", row)
        self._execute("COMMIT")
        return added

    def checkpoint(self) -> None:
        """Copies the write-ahead log into the file, as the journal does when nobody writes."""
        self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def append(self, batch: list[Row]) -> None:
        """Inserts a batch in one transaction; it is durable afterwards."""
        if len(batch) <= STATEMENT_ROWS:
            self._insert(batch)
            return
        self._execute("BEGIN IMMEDIATE")
        for start in range(0, len(batch), STATEMENT_ROWS):
            self._insert(batch[start : start + STATEMENT_ROWS])
        self._execute("COMMIT")

    def read(self, columns: str, stream: str, after: int = 0) -> Iterator[tuple[Any, ...]]:
        """Columns of a stream's events after a version, in order, by one statement."""
        query = (
            f"SELECT {columns} FROM event"
            " WHERE stream_id = (SELECT id FROM stream WHERE name = ?) AND version > ?"
            " ORDER BY version"
        )
        return cast("Iterator[tuple[Any, ...]]", self._execute(query, (stream, after)))

    def snapshot(self, stream: str) -> tuple[int, str, bytes]:
        """Version, type name and payload of a stream's newest snapshot."""
        query = (
            "SELECT version, type_name, payload FROM snapshot"
            " WHERE stream = ? ORDER BY version DESC LIMIT 1"
        )
        return cast("tuple[int, str, bytes]", self._execute(query, (stream,)).fetchone())

    def _insert(self, part: list[Row]) -> None:
        # A statement of one row, or of several, is a transaction by itself outside of one.
        self._execute(
            "INSERT INTO event (stream_id, version, type_name, payload, event_id, time_us) VALUES "
            + ",".join([ROW] * len(part)),
            [value for row in part for value in row],
        )


@contextmanager
def opened(path: Path) -> Iterator[Ledger]:
    """A journal's file, opened without the journal."""
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.close()


@asynccontextmanager
async def made(path: Path) -> AsyncIterator[Ledger]:
    """A file of its own, as the journal makes it, with a write-ahead log of working size."""
    async with SqliteJournal(path):
        pass
    with opened(path) as ledger:
        ledger.grow()
        yield ledger


def appends(ledger: Ledger, streams: int, of: NewEvent, *, events: int, batch: int) -> Measure:
    """Appends to so many new streams in turn: so many events, in transactions of one size."""
    return appends_to(ledger, ledger.add_streams(streams), 0, of, events=events, batch=batch)


def appends_to(
    ledger: Ledger, ids: Sequence[int], version: int, of: NewEvent, *, events: int, batch: int
) -> Measure:
    """The same to streams that are there, each of this version."""
    places = ((stream, after) for after in count(version + 1) for stream in ids)
    tail = of[:4]

    async def run() -> float:
        # What is inserted is there before the clock starts.
        batches = [
            [(*place, *tail) for place in islice(places, batch)]
            for _ in range(max(1, events // batch))
        ]
        ledger.checkpoint()
        with Clock() as clock:
            for rows in batches:
                ledger.append(rows)
        return clock.rate(len(batches) * batch)

    return run


def commit_times(ledger: Ledger, of: NewEvent, times: int) -> list[float]:
    """How many seconds it takes to commit one row, so many times."""
    (stream,) = ledger.add_streams(1)
    taken: list[float] = []
    for version in range(1, times + 1):
        row = (stream, version, *of[:4])
        since = time.perf_counter()
        ledger.append([row])
        taken.append(time.perf_counter() - since)
    return taken


def fill_in_turn(path: Path, prefix: str, streams: int, of: NewEvent, events: int) -> None:
    """Gives a new journal so many streams, named ``prefix`` and a number, whose events alternate.

    One statement in SQLite itself, without a journal and without syncing, does it. The file is what
    as many commands would have made it, but for the times.
    """
    db = apsw.Connection(str(path))
    execute = cast("Any", db.cursor()).execute
    for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{FILL_CACHE_KIB}"):
        execute(f"PRAGMA {pragma}")
    execute("BEGIN")
    execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :streams)"
        " INSERT INTO stream (id, name, slice) SELECT i, :prefix || i, 0 FROM n",
        {"streams": streams, "prefix": prefix},
    )
    execute(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
        " INSERT INTO event (stream_id, version, type_name, payload, event_id, time_us)"
        " SELECT 1 + i % :streams, 1 + i / :streams, :type, :payload, :id, :time FROM n",
        {"last": events - 1, "streams": streams}
        | dict(zip(("type", "payload", "id", "time"), of[:4], strict=True)),
    )
    execute("COMMIT")
    execute("PRAGMA journal_mode = WAL")
    db.close()
