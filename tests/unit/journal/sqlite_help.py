"""What the tests of the SQLite journal share."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from uuid import UUID

import apsw

from daicho.journal import (
    Appended,
    Journal,
    NewEvent,
    Outcome,
    Reply,
    Snapshot,
    Write,
    slice_of,
)
from daicho.journal.sqlite import APPLICATION_ID, _sql

NOBODY = 65_534


def event(number: int = 0, payload: bytes = b"payload") -> NewEvent:
    return NewEvent("test.v1.Event", payload, UUID(int=number).bytes, 1_700_000_000_123_456)


def write(stream: str, expected_version: int, count: int = 1, payload: bytes = b"payload") -> Write:
    return Write(stream, expected_version, [event(number, payload) for number in range(count)])


def reply(key: str = "key", number: int = 0) -> Reply:
    return Reply(
        key, b"digest", "test.v1.Reply", b"reply %d" % number, number, 1_700_000_000_000_000
    )


def appended(outcome: Outcome) -> Appended:
    assert isinstance(outcome, Appended), outcome
    return outcome


async def make(journal: Journal, events: int = 0) -> None:
    """Makes the file, with so many events of stream "s"."""
    async with journal:
        if events:
            await journal.append([write("s", 0, events)])


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but SQLite's shared memory, which is no content."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and not path.name.endswith("-shm")
    }


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("journal ")}


class Earlier:
    """A program that knows the schema up to some version, and has the file open for ever."""

    def __init__(self, path: Path, version: int) -> None:
        # The same library as the journal's: another in one process would take its locks away.
        self._db = apsw.Connection(str(path))
        self._db.execute("PRAGMA journal_mode = WAL")
        for script in _sql.migrations()[:version]:
            self._db.execute(script)
        self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version = {version}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._db.close()

    def append(self, *writes: Write) -> None:
        """Stores writes of events in its way, which gives no event a link."""
        for stream, version, events, *_ in writes:
            self._db.execute(
                "INSERT INTO stream (name, slice) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (stream, slice_of(stream)),
            )
            self._db.executemany(
                "INSERT INTO event (stream_id, version, type_name, payload, event_id, time_us)"
                " VALUES ((SELECT id FROM stream WHERE name = ?), ?, ?, ?, ?, ?)",
                [(stream, version + 1 + n, *event[:4]) for n, event in enumerate(events)],
            )

    def save(self, snapshot: Snapshot) -> None:
        """Stores a snapshot."""
        self._db.execute(
            "INSERT INTO snapshot (stream, version, type_name, payload, time_us)"
            " VALUES (?, ?, ?, ?, ?)",
            (snapshot.stream, snapshot.version, snapshot.type_name, snapshot.payload, 0),
        )


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without the superuser's right to write what is write-protected."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """While another connection writes."""
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def commits(path: Path) -> int:
    """How many transactions are in the write-ahead log: frames that name a size of the database.

    The format is SQLite's (fileformat2, section 4.1).
    """
    log = path.with_name(f"{path.name}-wal").read_bytes()
    page_size = int.from_bytes(log[8:12])
    salt = log[16:24]
    frames = [log[start : start + 24] for start in range(32, len(log), 24 + page_size)]
    return sum(1 for frame in frames if frame[8:16] == salt and frame[4:8] != b"\0\0\0\0")
