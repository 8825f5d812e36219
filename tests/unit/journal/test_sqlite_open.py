"""What is said of a file that cannot be a journal, or cannot be used as one."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from daicho.errors import (
    JournalCorrupt,
    JournalLocked,
    JournalReadOnly,
    JournalTooNew,
    JournalUnavailable,
    NotAJournal,
    StoreError,
)
from daicho.journal import SqliteJournal
from daicho.journal.sqlite import APPLICATION_ID, _file
from tests.unit.journal.sqlite_help import (
    content,
    locked,
    make,
    threads,
    unprivileged,
    write,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that a user without privileges can reach."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
        folder.chmod(0o777)


async def refused(path: Path, error: type[StoreError], text: str) -> StoreError:
    """Asserts that opening raises that error, changes nothing and leaves nothing behind."""
    before = content(path.parent) if path.parent.is_dir() else {}
    journal = SqliteJournal(path, busy_timeout_s=0)
    with pytest.raises(error, match=text) as raised:
        await journal.__aenter__()
    assert type(raised.value) is error
    assert raised.value.store == str(path)
    assert raised.value.reason
    assert (content(path.parent) if path.parent.is_dir() else {}) == before
    assert not threads()
    return raised.value


def execute(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("dear diary")
    await refused(path, NotAJournal, "it is not an SQLite database; name another file")


async def test_a_database_of_something_else_is_refused(path: Path) -> None:
    execute(path, "CREATE TABLE customer (name TEXT)")
    await refused(path, NotAJournal, "it is a database of something else")


async def test_a_database_with_another_application_id_is_refused(path: Path) -> None:
    execute(path, "PRAGMA application_id = 252006673", "CREATE TABLE node (id)")
    await refused(path, NotAJournal, "its application id is 0x0f055111, not ours")


async def test_a_database_with_a_schema_version_of_its_own_is_refused(path: Path) -> None:
    execute(path, "PRAGMA user_version = 3")
    await refused(path, NotAJournal, "it is a database of something else")


async def test_the_write_ahead_log_of_something_else_is_left_alone(path: Path) -> None:
    other = apsw.Connection(str(path))
    other.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    other.pragma("journal_mode", "WAL")
    other.execute("CREATE TABLE customer (name TEXT)")
    other.close()
    assert path.with_name("journal.db-wal").stat().st_size > 0
    await refused(path, NotAJournal, "it is a database of something else")


async def test_a_rollback_journal_of_something_else_is_left_alone(path: Path) -> None:
    path.write_bytes(bytes(4_096))
    # As SQLite begins it, for a database that had one page.
    head = bytes.fromhex("d9d505f920a163d7 00000000 00000000 00000001 00000200 00001000")
    path.with_name("journal.db-journal").write_bytes(head.ljust(512, b"\0"))
    await refused(path, NotAJournal, "it is not an SQLite database")


async def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    path.touch()
    await make(SqliteJournal(path), events=1)
    assert int.from_bytes(path.read_bytes()[68:72]) == APPLICATION_ID


async def test_a_folder_is_refused(path: Path) -> None:
    path.mkdir()
    await refused(path, NotAJournal, "it is a folder")


async def test_a_pipe_is_refused_without_waiting_for_its_other_end(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(NotAJournal, match="it is no regular file"):
        await make(SqliteJournal(path))


async def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    await refused(tmp_path / "missing" / "journal.db", NotAJournal, "there is no folder .*missing")


async def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAJournal, match="not UTF-8"):
        await SqliteJournal(tmp_path / "broken\udcff.db").__aenter__()


async def test_special_names_of_sqlite_are_names_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "file:x?mode=memory"):
        await make(SqliteJournal(name))
        assert (tmp_path / name).stat().st_size > 0


async def test_a_journal_of_a_later_version_is_refused(path: Path) -> None:
    await make(SqliteJournal(path), events=1)
    execute(path, "PRAGMA user_version = 99")
    error = await refused(
        path, JournalTooNew, "its schema version is 99, this Daicho knows up to 3"
    )
    assert isinstance(error, JournalTooNew)
    assert (error.found, error.known) == (99, 3)


async def test_a_write_protected_file_is_refused(open_folder: Path) -> None:
    path = open_folder / "journal.db"
    await make(SqliteJournal(path), events=1)
    path.chmod(0o444)
    with unprivileged():
        await refused(
            path, JournalReadOnly, "the file is write-protected; give this user the right"
        )


async def test_a_write_protected_folder_is_refused(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with unprivileged():
        path = open_folder / "journal.db"
        await refused(path, JournalReadOnly, "unable to open database file")


async def test_a_journal_in_a_write_protected_folder_is_refused(open_folder: Path) -> None:
    path = open_folder / "journal.db"
    await make(SqliteJournal(path), events=1)
    path.chmod(0o666)
    open_folder.chmod(0o555)
    with unprivileged():
        await refused(path, JournalReadOnly, "give this user the right to write the file and its")


async def test_a_file_that_may_not_be_read_is_refused(open_folder: Path) -> None:
    path = open_folder / "journal.db"
    await make(SqliteJournal(path), events=1)
    path.chmod(0)
    with (
        unprivileged(),
        pytest.raises(JournalUnavailable, match="cannot be read: Permission denied"),
    ):
        await make(SqliteJournal(path))


async def test_a_journal_that_another_process_has_to_itself_is_refused(path: Path) -> None:
    await make(SqliteJournal(path), events=1)
    other = apsw.Connection(str(path))
    other.pragma("locking_mode", "EXCLUSIVE")
    other.execute("BEGIN IMMEDIATE; COMMIT")
    with pytest.raises(JournalLocked, match=r"database is locked.*another process holds it"):
        await make(SqliteJournal(path, busy_timeout_s=0))
    other.close()
    await make(SqliteJournal(path))


async def test_a_journal_that_another_process_is_just_making_is_refused(path: Path) -> None:
    with locked(path), pytest.raises(JournalLocked):
        await make(SqliteJournal(path, busy_timeout_s=0))
    await make(SqliteJournal(path))


async def test_garbage_behind_the_header_is_corrupt(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"garbage " * 1_000)
    await refused(path, JournalCorrupt, r"SQLITE_NOTADB\); restore it from a backup")


async def test_a_journal_that_lacks_a_table_is_corrupt(path: Path) -> None:
    await make(SqliteJournal(path), events=1)
    execute(path, "DROP TABLE snapshot")
    await refused(path, JournalCorrupt, "a table of schema version 3 is missing")


async def test_a_damaged_page_is_corrupt(path: Path) -> None:
    await make(SqliteJournal(path), events=5_000)
    pages = bytearray(path.read_bytes())
    damaged = slice(20 * 4_096, 60 * 4_096)
    pages[damaged] = b"\xee" * (damaged.stop - damaged.start)
    path.write_bytes(pages)
    async with SqliteJournal(path) as journal:
        with pytest.raises(JournalCorrupt, match="SQLITE_CORRUPT"):
            [_ async for _ in journal.read("s")]
        with pytest.raises(JournalCorrupt, match="SQLITE_CORRUPT"):
            await journal.truncate("s", to_version=5_000)


async def test_a_file_system_without_shared_memory_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What SQLite answers there: the mode that the file is in, and no error.
    monkeypatch.setattr(_file, "_use_wal", lambda *_: "delete")
    with pytest.raises(JournalUnavailable, match="this file system has no shared memory"):
        await make(SqliteJournal(path))


async def test_a_journal_can_be_opened_after_it_was_refused(path: Path) -> None:
    path.mkdir()
    journal = SqliteJournal(path)
    with pytest.raises(NotAJournal):
        await journal.__aenter__()
    path.rmdir()
    async with journal:
        await journal.append([write("s", 0)])


def test_options_that_cannot_be_are_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="synchronous is 'OFF', allowed is 'FULL' or 'NORMAL'"):
        SqliteJournal(path, synchronous="OFF")  # type: ignore[arg-type]
    for timeout_s in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="busy_timeout_s is"):
            SqliteJournal(path, busy_timeout_s=timeout_s)
    with pytest.raises(ValueError, match="reader_threads is 0, at least 1 is needed"):
        SqliteJournal(path, reader_threads=0)
