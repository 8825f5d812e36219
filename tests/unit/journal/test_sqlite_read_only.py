"""A file that is opened to be read: nothing is made, nothing is changed, nobody is in the way."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from daicho.errors import (
    JournalClosed,
    JournalCorrupt,
    JournalReadOnly,
    JournalTooNew,
    NotAJournal,
    StoreError,
)
from daicho.journal import Feature, Journal, Parcel, Snapshot, SqliteJournal, Write
from daicho.journal.sqlite import _file, _sql
from tests.unit.journal.sqlite_help import (
    Earlier,
    appended,
    content,
    make,
    reply,
    threads,
    unprivileged,
    write,
)

SNAPSHOT = Snapshot(stream="s", version=2, type_name="t", payload=b"state", time_us=0)
KEYED = Write("s", 3, [], replies=[reply("key")])


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


def read_only(path: Path) -> SqliteJournal:
    return SqliteJournal(path, read_only=True, busy_timeout_s=0)


def files(folder: Path) -> dict[str, bytes]:
    """What is in the files of a folder; an empty write-ahead log is no content."""
    return {name: found for name, found in content(folder).items() if found}


async def fill(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        await journal.append([write("s", 0, count=3)])
        await journal.append([KEYED])
        await journal.save_snapshot(SNAPSHOT)


async def assert_filled(journal: Journal, *, events: int = 3) -> None:
    """Asserts that everything that reads finds what ``fill`` has stored."""
    versions = list(range(1, events + 1))
    assert [r.version async for page in journal.read("s") for r in page] == versions
    assert [r.version async for page in journal.read_all(page_size=2) for r in page] == versions
    assert (await journal.stream_info("s")).version == events
    assert await journal.last_position() == events
    assert [info.stream for info in await journal.list_streams()] == ["s"]
    assert await journal.load_snapshot("s") == SNAPSHOT
    assert await journal.list_snapshots("s") == [SNAPSHOT]
    assert await journal.load_reply("s", "key") == reply("key")
    info, snapshot, page = await journal.load("s")
    assert (info.version, snapshot, [r.version for r in page]) == (events, SNAPSHOT, versions[2:])


async def refused(path: Path, error: type[StoreError], text: str) -> None:
    """Asserts that opening raises that error, changes nothing and leaves no thread behind."""
    before = files(path.parent) if path.parent.is_dir() else {}
    journal = read_only(path)
    with pytest.raises(error, match=text) as raised:
        await journal.__aenter__()
    assert type(raised.value) is error
    assert (files(path.parent) if path.parent.is_dir() else {}) == before
    assert not threads()
    with pytest.raises(JournalClosed):
        await journal.stream_info("s")


async def test_everything_can_be_read_and_nothing_is_changed(path: Path) -> None:
    await fill(path)
    before = files(path.parent)
    journal = read_only(path)
    for _ in range(2):
        async with journal:
            assert Feature.REPLIES in journal.features
            await assert_filled(journal)
        assert files(path.parent) == before
        assert not threads()


async def test_whatever_would_change_the_file_is_refused(path: Path) -> None:
    await fill(path)
    before = files(path.parent)
    async with read_only(path) as journal:
        changes: list[Callable[[], Awaitable[object]]] = [
            lambda: journal.append([]),
            lambda: journal.append([write("s", 3)]),
            lambda: journal.append([KEYED]),
            lambda: journal.save_snapshot(SNAPSHOT),
            lambda: journal.delete_snapshots("s", max_version=9),
            lambda: journal.truncate("s", to_version=1),
            lambda: journal.prune_replies(before_us=0),
            lambda: journal.restore(Parcel(last_position=9)),
        ]
        for change in changes:
            with pytest.raises(
                JournalReadOnly, match="it was opened with read_only=True"
            ) as raised:
                await change()
            assert raised.value.store == str(path)
        await assert_filled(journal)
    assert files(path.parent) == before


async def test_a_reader_sees_what_a_writer_appends_and_is_not_in_its_way(path: Path) -> None:
    await fill(path)
    async with read_only(path) as reader, SqliteJournal(path) as writer:
        for version in range(3, 8):
            [outcome] = await writer.append([write("s", version)])
            await assert_filled(reader, events=appended(outcome).version)
    async with SqliteJournal(path) as writer:
        # What was appended is in the write-ahead log alone.
        await writer.append([write("s", 8)])
        async with read_only(path) as reader:
            await assert_filled(reader, events=9)


async def test_a_file_is_read_at_the_schema_that_it_has(path: Path) -> None:
    with Earlier(path, 1) as older:
        older.append(write("s", 0, count=3))
        older.save(SNAPSHOT)
    before = files(path.parent)
    async with read_only(path) as journal:
        assert [r.version async for page in journal.read("s") for r in page] == [1, 2, 3]
        assert await journal.load_snapshot("s") == SNAPSHOT
        assert await journal.load_reply("s", "key") is None
        assert await journal.list_replies() == []
        assert await journal.list_all_snapshots() == [SNAPSHOT]
        assert await journal.root() is None
        assert [_ async for _ in journal.read_chain()] == []
        assert await journal.incarnations() == []
        info, snapshot, [record] = await journal.load("s")
        assert (info.version, snapshot, record.version) == (3, SNAPSHOT, 3)
        assert files(path.parent) == before
        # Somebody else may bring it up to date in the meantime.
        async with SqliteJournal(path) as newer:
            await newer.append([KEYED])
            await assert_filled(journal)


async def test_no_file_is_made(path: Path) -> None:
    await refused(path, NotAJournal, "there is no file; name another file")
    assert not path.exists()
    await refused(path.parent / "missing" / "journal.db", NotAJournal, "there is no folder")


async def test_an_empty_file_stays_empty(path: Path) -> None:
    path.touch()
    await refused(path, NotAJournal, "it is empty")
    assert path.stat().st_size == 0


async def test_what_is_no_journal_is_named(path: Path) -> None:
    path.write_text("dear diary")
    await refused(path, NotAJournal, "it is not an SQLite database")
    path.unlink()
    path.mkdir()
    await refused(path, NotAJournal, "it is a folder")


async def test_a_database_of_something_else_is_refused(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE customer (name TEXT)")
    db.close()
    await refused(path, NotAJournal, "it is a database of something else")


async def test_a_journal_of_a_later_version_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    earlier = _sql.migrations()[:1]
    monkeypatch.setattr(_file, "migrations", lambda: earlier)
    await refused(path, JournalTooNew, "its schema version is 3, this Daicho knows up to 1")


async def test_a_journal_that_lacks_a_table_is_corrupt(path: Path) -> None:
    await fill(path)
    db = sqlite3.connect(path)
    db.execute("DROP TABLE snapshot")
    db.close()
    await refused(path, JournalCorrupt, "a table of schema version 3 is missing")


async def test_a_write_protected_file_can_be_read(open_folder: Path) -> None:
    path = open_folder / "journal.db"
    await fill(path)
    path.chmod(0o444)
    with unprivileged():
        async with read_only(path) as journal:
            await assert_filled(journal)


async def test_a_write_protected_folder_can_be_read_while_a_writer_has_the_file_open(
    open_folder: Path,
) -> None:
    path = open_folder / "journal.db"
    await fill(path)
    async with SqliteJournal(path) as writer:
        await writer.append([write("s", 3)])
        for file in open_folder.iterdir():
            file.chmod(0o444)
        open_folder.chmod(0o555)
        before = files(open_folder)
        with unprivileged():
            async with read_only(path) as journal:
                await assert_filled(journal, events=4)
        assert files(open_folder) == before
        open_folder.chmod(0o777)


async def test_a_write_protected_folder_that_nobody_writes_in_is_refused(
    open_folder: Path,
) -> None:
    path = open_folder / "journal.db"
    await fill(path)
    path.chmod(0o444)
    open_folder.chmod(0o555)
    with unprivileged():
        await refused(path, JournalReadOnly, "SQLite needs the file -shm beside it to read it")


async def test_it_is_opened_once_at_a_time(path: Path) -> None:
    await make(SqliteJournal(path))
    async with read_only(path) as journal:
        with pytest.raises(RuntimeError, match="is open already"):
            await journal.__aenter__()
