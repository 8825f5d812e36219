"""The limit of everything durable: apsw on the same tables, with no thread, no loop and no actor.

The file is one that ``SqliteJournal`` made, so tables and indexes are the journal's, and so are the
settings. Rows are inserted in the fastest way that was found: ``VALUES`` of several hundred rows,
which beat ``executemany`` by half.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
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

    def read(self, columns: str, stream: str) -> Iterator[tuple[Any, ...]]:
        """Columns of a stream's events, in order, by one statement."""
        query = (
            f"SELECT {columns} FROM event"
            " WHERE stream_id = (SELECT id FROM stream WHERE name = ?) ORDER BY version"
        )
        return cast("Iterator[tuple[Any, ...]]", self._execute(query, (stream,)))

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
    ids = ledger.add_streams(streams)
    places = ((stream, version) for version in count(1) for stream in ids)
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
