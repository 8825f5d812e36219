"""The article's SQLite file: opening it, and the statements on its two tables."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from functools import cache
from pathlib import Path
from typing import Any, cast

import apsw

from daicho.errors import JournalReadOnly, JournalUnavailable, NotAJournal
from daicho.journal.sqlite import APPLICATION_ID, store_error

Value = str | int

_MAGIC = b"SQLite format 3\0"

VERSION = "SELECT max(version) FROM wallet_event WHERE user_id = ?"

INSERT_EVENT = """
INSERT INTO wallet_event (user_id, version, event_name, event_value, timestamp)
VALUES (?, ?, ?, ?, ?)
"""

READ_EVENTS = """
SELECT version, event_name, event_value, timestamp
FROM wallet_event
WHERE user_id = ? AND version BETWEEN ? AND ?
ORDER BY version
LIMIT ?
"""

STREAM_INFO = "SELECT max(version), min(version) FROM wallet_event WHERE user_id = ?"

LIST_STREAMS = """
SELECT user_id, max(version), min(version)
FROM wallet_event
WHERE user_id > ?1 AND substr(user_id, 1, length(?2)) = ?2
GROUP BY user_id
ORDER BY user_id
LIMIT ?3
"""

LOAD_SNAPSHOT = """
SELECT saved_version, deposit
FROM wallet_snapshot
WHERE user_id = ? AND saved_version <= ?
"""

LIST_SNAPSHOTS = """
SELECT user_id, saved_version, deposit
FROM wallet_snapshot
WHERE (user_id, saved_version) > (?, ?)
ORDER BY user_id
LIMIT ?
"""

SAVE_SNAPSHOT = """
INSERT INTO wallet_snapshot (user_id, saved_version, deposit)
VALUES (?, ?, ?)
ON CONFLICT (user_id) DO UPDATE SET
    saved_version = excluded.saved_version,
    deposit = excluded.deposit
"""

_COLUMNS = """
SELECT tables.name, columns.name, columns.pk
FROM sqlite_schema AS tables
LEFT JOIN pragma_table_info(tables.name) AS columns
WHERE tables.type = 'table' AND tables.name IN ('wallet_event', 'wallet_snapshot')
ORDER BY tables.name, columns.name
"""


def rows(
    db: apsw.Connection, statement: str, values: Sequence[Value] = ()
) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    # apsw's types name a class that Python 3.11 does not have, so its rows get theirs here.
    return cast("list[tuple[Any, ...]]", cast("Any", db).execute(statement, values).fetchall())


@contextmanager
def at_one_moment(db: apsw.Connection) -> Generator[None]:
    """What is read in the block is of one moment; nothing is written in it, and nobody locked."""
    rows(db, "BEGIN")
    try:
        yield
    finally:
        rows(db, "COMMIT")


@contextmanager
def one_transaction(db: apsw.Connection) -> Generator[None]:
    """What the block writes is stored whole, or not at all if it raises.

    Nobody else can write meanwhile, so what was read inside still holds when it writes. ``with db``
    would do the same, but keep the interpreter lock while it waits for others, so that no thread of
    the program could go on: neither the loop nor, if it is here, the one that is waited for.
    """
    rows(db, "BEGIN IMMEDIATE")
    try:
        yield
        rows(db, "COMMIT")
    except BaseException:
        # SQLite may have ended it already, as it does when the disk is full.
        if db.in_transaction:
            rows(db, "ROLLBACK")
        raise


def open_article(path: Path, *, busy_timeout_s: float) -> apsw.Connection:
    """Opens the file, and makes it or its tables where there is none or it is empty.

    Raises:
        StoreError: It is no such file, or cannot be used; nothing was changed in it.
    """
    _check_path(path)
    with told_of(path):
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        try:
            _prepare(db, path, busy_timeout_s)
        except BaseException:
            db.close()
            raise
        return db


class Owner(Enum):
    """Whose file it is."""

    ARTICLE = auto()
    DAICHO = auto()


def owner_of(path: Path) -> Owner | None:
    """Whose file it is; None if it is another's, or cannot be read. It leaves no trace."""
    if not path.is_file():
        return None  # SQLite would wait for somebody to write into a pipe
    # An immutable file is read without locks, its log, or shared memory.
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        db = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            ((application_id,),) = rows(db, "PRAGMA application_id")
            if application_id == APPLICATION_ID:
                return Owner.DAICHO
            return Owner.ARTICLE if rows(db, _COLUMNS) == _expected_columns() else None
        finally:
            db.close()
    except apsw.Error:
        return None


@contextmanager
def told_of(path: Path) -> Generator[None]:
    """What SQLite says of the file becomes an error of the tree.

    Raises:
        StoreError: What it said.
    """
    try:
        yield
    except apsw.Error as error:
        raise store_error(path, error) from error


def _check_path(path: Path) -> None:
    """Refuses what SQLite would wait for, would not name, or would take for an empty file."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise NotAJournal(repr(str(path)), "to SQLite, a file's name is UTF-8") from error
    try:
        if not path.parent.is_dir():
            raise NotAJournal(str(path), f"there is no folder {path.parent}")
        if not path.exists():
            return
        if not path.is_file():
            raise NotAJournal(str(path), "it is not a file")
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise JournalUnavailable(str(path), f"it cannot be read: {error.strerror}") from error
    if start not in (b"", _MAGIC):
        raise NotAJournal(str(path), "it is not an SQLite database")


def _prepare(db: apsw.Connection, path: Path, busy_timeout_s: float) -> None:
    db.set_busy_timeout(round(busy_timeout_s * 1_000))
    # Who closes a database last tidies up its write-ahead log: not our task where a foreign one has
    # left one behind.
    has_log = path.with_name(f"{path.name}-wal").exists()
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)
    # The file stays in the journal mode that it is in: the article's is SQLite's own default, in
    # which a transaction is durable once its rollback journal is deleted. FULL does not wait until
    # the folder knows of that, EXTRA does; otherwise it is FULL.
    rows(db, "PRAGMA synchronous = EXTRA")
    with one_transaction(db):
        ((application_id,),) = rows(db, "PRAGMA application_id")
        ((objects,),) = rows(db, "SELECT count(*) FROM sqlite_schema")
        if application_id == APPLICATION_ID:
            raise NotAJournal(str(path), "it is a journal of Daicho's own, not the article's")
        if application_id:
            raise NotAJournal(str(path), f"its application id is {application_id:#010x}, not 0")
        if not objects:
            rows(db, _schema())
        elif rows(db, _COLUMNS) != _expected_columns():
            raise NotAJournal(
                str(path), "its tables are not the article's wallet_event and wallet_snapshot"
            )
        if db.readonly("main"):
            raise JournalReadOnly(str(path), "the file is write-protected")
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)


@cache
def _schema() -> str:
    return Path(__file__).with_name("article_schema.sql").read_text(encoding="utf-8")


@cache
def _expected_columns() -> list[tuple[Any, ...]]:
    db = apsw.Connection(":memory:")
    try:
        rows(db, _schema())
        return rows(db, _COLUMNS)
    finally:
        db.close()
