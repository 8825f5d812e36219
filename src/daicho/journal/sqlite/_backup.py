"""A copy of the file as it is at one moment, while others write to it.

A transaction that reads is held open until the end, so every page is of the moment at which it
began, and what was copied can be compared with what was there. Writers are not held up; their
write-ahead log grows until it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import apsw

from daicho.errors import JournalCorrupt
from daicho.journal.sqlite._chain import CHAIN_SINCE
from daicho.journal.sqlite._errors import store_error
from daicho.journal.sqlite._file import open_read_only
from daicho.journal.sqlite._sql import execute, fetch, number, pragma

if TYPE_CHECKING:
    Show = Callable[[int, int], None]

_PAGES = 1_000
"""Copied between two reports of how far it has come."""


class Copied(NamedTuple):
    """What is in a copy, and was compared with what it was made of."""

    streams: int
    events: int
    snapshots: int
    replies: int
    last_position: int
    is_chained: bool
    """Whether the journal's events are chained by hashes."""


def copy_file(source: Path, target: Path, *, busy_timeout_s: float, show: Show | None) -> Copied:
    """Copies a journal's file into a new one and compares the two, row by row.

    Args:
        source: The file; others may write to it.
        target: A file that does not exist. If this raises, what there is of it is of no use.
        busy_timeout_s: How long to wait for others, in seconds.
        show: Is told how many pages are done, and of how many.

    Raises:
        JournalCorrupt: The source is damaged, or the copy is not the same.
        StoreError: The source is no journal, or something else that SQLite said.
    """
    db = open_read_only(source, busy_timeout_s=busy_timeout_s)
    try:
        with _told_of(source):
            execute(db, "begin")
            last_position = number(db, "last_position")
        with _told_of(target):
            copy = apsw.Connection(
                str(target), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
            )
            try:
                _copy_pages(db, copy, show)
                # One file, which can be read where none may be made beside it.
                pragma(copy, "journal_mode", "DELETE")
                _check(copy, source)
                counts = _compare(db, copy, target)
                _make_another(copy, last_position)
            finally:
                copy.close()
    finally:
        db.close()
    return Copied(
        counts["stream"],
        counts["event"],
        counts["snapshot"],
        counts["reply"],
        last_position,
        is_chained=bool(counts.get("chain")),
    )


@contextmanager
def _told_of(path: Path) -> Generator[None]:
    """Raises what SQLite says as an error of the file."""
    try:
        yield
    except apsw.Error as error:
        raise store_error(path, error) from error


def _copy_pages(db: apsw.Connection, copy: apsw.Connection, show: Show | None) -> None:
    with copy.backup("main", db, "main") as backup:
        while not backup.done:
            backup.step(_PAGES)
            if show is not None:
                show(backup.page_count - backup.remaining, backup.page_count)


def _check(copy: apsw.Connection, source: Path) -> None:
    """Refuses a copy that SQLite finds damaged: its pages are those of the source."""
    found = [text for (text,) in fetch(copy, "integrity_check")]
    if found != ["ok"]:
        raise JournalCorrupt(str(source), f"SQLite finds it damaged: {found[0]}")


def _compare(db: apsw.Connection, copy: apsw.Connection, target: Path) -> dict[str, int]:
    """Compares all tables, row by row; returns how many rows each has."""
    counts: dict[str, int] = {}
    for table in ["sqlite_schema", *_tables(db)]:
        text = f'SELECT * FROM "{table}" ORDER BY rowid'  # noqa: S608 - the file's own names
        counts[table] = 0
        for one, other in zip_longest(_rows(db, text), _rows(copy, text)):
            if one != other:
                place = f"row {counts[table] + 1} of the table {table} is not that of the source"
                raise JournalCorrupt(str(target), place)
            counts[table] += 1
    return counts


def _make_another(copy: apsw.Connection, last_position: int) -> None:
    """Lets the copy become a store of its own when it is opened to be written.

    The copy of an earlier schema gets that when it is brought up to date.
    """
    if number(copy, "schema_version") >= CHAIN_SINCE and not number(copy, "count_unborn"):
        execute(copy, "insert_incarnation", (b"", last_position))


def _tables(db: apsw.Connection) -> list[str]:
    return [name for (name,) in fetch(db, "list_tables")]


def _rows(db: apsw.Connection, text: str) -> Iterable[tuple[Any, ...]]:
    return cast("Iterable[tuple[Any, ...]]", cast("Any", db).execute(text))
