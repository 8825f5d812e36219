"""Opening the file: is it ours, is it whole, may we write it, is its schema one that we know.

Nothing is written before the file has said that it is ours or that it is empty, so a file of
something else stays as it was, down to its write-ahead log.

Who only reads writes nothing at all, and so takes a schema as it finds it. SQLite itself has to
share some memory with those who write, the file ``-shm``, which it makes if there is none.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal, cast

import apsw

from daicho.errors import (
    JournalCorrupt,
    JournalReadOnly,
    JournalTooNew,
    JournalUnavailable,
    NotAJournal,
)
from daicho.journal.checks import MAX_PAYLOAD_BYTES
from daicho.journal.offers import Migration
from daicho.journal.sqlite._chain import CHAIN_SINCE
from daicho.journal.sqlite._errors import is_writable, store_error
from daicho.journal.sqlite._sql import (
    execute,
    executor,
    fetch,
    migration_names,
    migrations,
    number,
    pragma,
)

Synchronous = Literal["FULL", "NORMAL"]
"""When SQLite waits for the disk; see :class:`SqliteJournal`."""

APPLICATION_ID = 0x44614368
"""In the file's header, where ``file`` and others look for it: "DaCh"."""

_MAGIC = b"SQLite format 3\0"

_ROLLBACK_MAGIC = bytes.fromhex("d9d505f920a163d7")
_ROLLBACK_HEAD_BYTES = 20
"""The start of SQLite's rollback journal. Its last four bytes are how many pages the database had
before (SQLite's fileformat2, section 3)."""

_TABLES = 7
_TABLES_BEFORE_CHAINS = 5

_WAL_SIZE_LIMIT_BYTES = 64 * 1_024 * 1_024
"""What stays of a write-ahead log that a burst has made longer. Syncing a file that need not grow
is faster, so this is larger than what is usual between two checkpoints."""

_NO_SHARED_MEMORY = (apsw.ReadOnlyError, apsw.CantOpenError)
_NEEDS_SHARED_MEMORY = (
    "SQLite needs the file -shm beside it to read it, and may not make it in this folder"
)
"""What SQLite says itself, that a database cannot be written or opened, is misleading there."""

_CACHE_KIB = 16_384

_PAGE_SIZE_BYTES = 2_048
"""Of a new file; one that exists keeps its own. Whole pages are logged and synced, and an event of
one among many streams changes a page of the index that no other event of its transaction changes.
So small pages store the events of many streams faster, and those of one stream a little slower."""

_READ_LIMIT_BYTES = 2 * MAX_PAYLOAD_BYTES
"""A reader's longest value, and so what it puts together of a page at most; larger pages are read
row by row."""

_RETRY_S = 0.01


def open_writer(path: Path, *, synchronous: Synchronous, busy_timeout_s: float) -> apsw.Connection:
    """Opens the journal's file for writing; makes it or brings its schema up to date if needed.

    Raises:
        StoreError: It is not a journal, or one that cannot be used; nothing was changed in it.
    """
    _check_path(path, may_be_missing=True)
    try:
        db = _connect(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, busy_timeout_s)
        try:
            _prepare(db, path, synchronous, busy_timeout_s)
        except BaseException:
            db.close()
            raise
    except apsw.Error as error:
        raise store_error(path, error) from error
    return db


def open_reader(path: Path, *, busy_timeout_s: float) -> apsw.Connection:
    """Opens a file that :func:`open_writer` has opened before, for reading alone.

    Raises:
        StoreError: It cannot be opened any more.
    """
    try:
        db = _connect(path, apsw.SQLITE_OPEN_READONLY, busy_timeout_s)
        try:
            _prepare_to_read(db)
        except BaseException:
            db.close()
            raise
    except apsw.Error as error:
        raise store_error(path, error) from error
    return db


def open_read_only(path: Path, *, busy_timeout_s: float) -> apsw.Connection:
    """Opens a file that nobody may have opened before, for reading alone.

    Raises:
        StoreError: It is not a journal, or one that cannot be read; nothing was changed in it.
    """
    _check_path(path, may_be_missing=False)
    try:
        db = _connect(path, apsw.SQLITE_OPEN_READONLY, busy_timeout_s)
        try:
            _check_readable(db, path)
            _prepare_to_read(db)
        except BaseException:
            db.close()
            raise
    except apsw.Error as error:
        if isinstance(error, _NO_SHARED_MEMORY) and not is_writable(path.parent):
            raise JournalReadOnly(str(path), _NEEDS_SHARED_MEMORY) from error
        raise store_error(path, error) from error
    return db


def pending_migrations(path: Path, *, busy_timeout_s: float) -> list[Migration]:
    """What a file's schema lacks; all of it, if there is no file or nothing in it.

    Raises:
        StoreError: It is not a journal, or one that cannot be read; nothing was changed in it.
    """
    _check_path(path, may_be_missing=True)
    known = [
        Migration(number, name, text)
        for number, (name, text) in enumerate(
            zip(migration_names(), migrations(), strict=True), start=1
        )
    ]
    if not path.exists() or not path.stat().st_size:
        return known
    try:
        db = _connect(path, apsw.SQLITE_OPEN_READONLY, busy_timeout_s)
        try:
            return known[_known_version(db, path) :]
        finally:
            db.close()
    except apsw.Error as error:
        raise store_error(path, error) from error


def _prepare_to_read(db: apsw.Connection) -> None:
    pragma(db, "cache_size", -_CACHE_KIB)
    db.limit(apsw.SQLITE_LIMIT_LENGTH, _READ_LIMIT_BYTES)


def _check_readable(db: apsw.Connection, path: Path) -> None:
    version = _known_version(db, path)
    if not version:
        raise NotAJournal(str(path), "it is empty")
    _check_tables(db, path, version)


def _check_path(path: Path, *, may_be_missing: bool) -> None:
    """Refuses what SQLite would take for a file, would wait for, or cannot name."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise NotAJournal(ascii(str(path)), "its name is not UTF-8, as SQLite needs it") from error
    try:
        if not path.parent.is_dir():
            raise NotAJournal(str(path), f"there is no folder {path.parent}")
        if not path.exists():
            if may_be_missing:
                return
            raise NotAJournal(str(path), "there is no file")
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            raise NotAJournal(str(path), f"it is {what}")
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise JournalUnavailable(str(path), f"it cannot be read: {error.strerror}") from error
    if start not in (b"", _MAGIC) and not _is_half_made(path):
        raise NotAJournal(str(path), "it is not an SQLite database")


def _is_half_made(path: Path) -> bool:
    """Whether power failed while the file was made, so that any part of it may be missing.

    Then SQLite's rollback journal lies beside it and says that there was nothing before, to which
    SQLite goes back.
    """
    try:
        with path.with_name(f"{path.name}-journal").open("rb") as file:
            head = file.read(_ROLLBACK_HEAD_BYTES)
    except OSError:
        return False
    return head.startswith(_ROLLBACK_MAGIC) and head[-4:] == bytes(4)


def _connect(path: Path, flags: int, busy_timeout_s: float) -> apsw.Connection:
    db = apsw.Connection(str(path), flags=flags)
    db.set_busy_timeout(round(busy_timeout_s * 1_000))
    # Without this promise that values change no plan, SQLite prepares a statement with a range anew
    # whenever other values are bound: 50 µs of the 60 µs that an empty page took.
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return db


def _prepare(
    db: apsw.Connection, path: Path, synchronous: Synchronous, busy_timeout_s: float
) -> None:
    if db.readonly("main"):
        raise JournalReadOnly(str(path), "the file is write-protected")
    # Who closes a database last moves its write-ahead log into it. In a foreign file that is
    # not for us to do. Asked before the first read, which would make one.
    has_log = path.with_name(f"{path.name}-wal").exists()
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(has_log))
    version = _known_version(db, path)
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    if not version:
        pragma(db, "page_size", _PAGE_SIZE_BYTES)
    if _use_wal(db, busy_timeout_s) != "wal":
        raise JournalUnavailable(
            str(path), "this file system has no shared memory for SQLite's WAL"
        )
    pragma(db, "cache_size", -_CACHE_KIB)
    pragma(db, "synchronous", synchronous)
    pragma(db, "journal_size_limit", _WAL_SIZE_LIMIT_BYTES)
    # The writer decides when, so that a checkpoint delays no acknowledgement.
    db.wal_autocheckpoint(0)
    scripts = migrations()
    if version < len(scripts):
        _migrate(db, path, scripts)
    _check_tables(db, path, len(scripts))
    if has_log:
        _copy_log(db)
    if number(db, "count_unborn"):
        execute(db, "draw_incarnation")


def _copy_log(db: apsw.Connection) -> None:
    """Copies a write-ahead log that was left behind into the file, and begins a new one.

    Its last commits can be read, and yet may not be on the disk: after a sync that failed the
    operating system takes what it was about for written. Nobody was told that they are stored, but
    they count from now on, and whatever followed them in that log would be lost with them when the
    power fails. What is copied is written anew, and synced.
    """
    try:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
    except apsw.BusyError:
        # Others use it right now, so it was not left behind, and what they have stored is synced.
        return


def _use_wal(db: apsw.Connection, busy_timeout_s: float) -> object:
    """Turns the write-ahead log on and returns the mode that the file is in then.

    A file that is in that mode stays in it. The first time SQLite needs the file for itself, and
    then it does not wait for others, though they are just doing the same.
    """
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            return pragma(db, "journal_mode", "WAL")
        except apsw.BusyError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_S)


def _known_version(db: apsw.Connection, path: Path) -> int:
    """The version of our schema in the file, one that this program knows; 0 if it is empty."""
    version, known = _schema_version(db, path), len(migrations())
    if version > known:
        raise JournalTooNew(str(path), version, known)
    return version


def _check_tables(db: apsw.Connection, path: Path, version: int) -> None:
    if number(db, "count_own_tables") != _tables_at(version):
        raise JournalCorrupt(str(path), f"a table of schema version {version} is missing")


def _tables_at(version: int) -> int:
    return _TABLES_BEFORE_CHAINS if version < CHAIN_SINCE else _TABLES


def _schema_version(db: apsw.Connection, path: Path) -> int:
    """The version of our schema in the file; 0 if it is empty."""
    ((application_id, version, objects),) = fetch(db, "identity")
    if application_id == APPLICATION_ID:
        return cast("int", version)
    if application_id:
        raise NotAJournal(str(path), f"its application id is {application_id:#010x}, not ours")
    if version or objects:
        raise NotAJournal(str(path), "it is a database of something else")
    return 0


def _migrate(db: apsw.Connection, path: Path, scripts: list[str]) -> None:
    run = executor(db)
    run("BEGIN IMMEDIATE")
    try:
        # Asked again, because another process may have been faster.
        version = _schema_version(db, path)
        if version < len(scripts):
            for script in scripts[version:]:
                run(script)
            pragma(db, "application_id", APPLICATION_ID)
            pragma(db, "user_version", len(scripts))
        run("COMMIT")
    except BaseException:
        if db.in_transaction:
            run("ROLLBACK")
        raise
