"""What the journal asks of SQLite and of the disk, counted.

Beside a loop that computes, a thread waits for the interpreter lock after each statement and each
row. So these counts, and not the time that SQLite takes, say how fast the journal is there.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from daicho.journal import NewEvent, Snapshot, SqliteJournal, Write
from tests.unit.journal.faulty_disk import Disk
from tests.unit.journal.sqlite_help import event, make, reply, write


class Watch:
    """Counts the statements and rows of every connection, by the thread that runs them."""

    def __init__(self) -> None:
        self._connections: list[apsw.Connection] = []
        self._statements: list[tuple[str, str]] = []
        self._rows: Counter[str] = Counter()

    def open(self, db: apsw.Connection) -> None:
        self._connections.append(db)
        db.trace_v2(apsw.SQLITE_TRACE_STMT | apsw.SQLITE_TRACE_ROW, self._note)

    def _note(self, what: dict[str, Any]) -> None:
        thread = "reader" if "reader" in threading.current_thread().name else "writer"
        if what["code"] == apsw.SQLITE_TRACE_ROW:
            self._rows[thread] += 1
        else:
            self._statements.append((thread, what["sql"]))

    def take(self, thread: str) -> tuple[list[str], int]:
        """The statements of the writer or the readers, by their first words, and their rows."""
        found = [sql.split("(")[0].split()[:2] for name, sql in self._statements if name == thread]
        rows = self._rows[thread]
        self._statements.clear()
        self._rows.clear()
        return [" ".join(words) for words in found], rows

    def misses(self) -> int:
        """How many statements had to be prepared."""
        return sum(db.cache_stats()["misses"] for db in self._connections)


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    apsw.connection_hooks.append(watch.open)
    yield watch
    apsw.connection_hooks.remove(watch.open)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


INSERT = "INSERT OR"
IN_A_TRANSACTION = ["BEGIN IMMEDIATE", INSERT, "COMMIT"]


def one_stream(version: int) -> list[Write]:
    return [write("s0", version, count=1_024)]


def one_stream_by_many_writes(version: int) -> list[Write]:
    return [write("s0", version + number) for number in range(1_024)]


def many_streams(version: int) -> list[Write]:
    return [write(f"s{number}", version) for number in range(1_024)]


def with_ids(version: int) -> list[Write]:
    events = [event(number)._replace(causation_id="other") for number in range(512)]
    return [Write("s0", version, events)]


def with_one_id(version: int) -> list[Write]:
    events: list[NewEvent] = [*write("s0", version, count=500).events]
    return [Write("s0", version, [*events, event()._replace(command_id="")])]


@pytest.mark.parametrize(
    "batch", [one_stream, one_stream_by_many_writes, many_streams, with_ids, with_one_id]
)
async def test_events_of_streams_that_are_known_are_one_statement_and_one_sync(
    path: Path, disk: Disk, watch: Watch, batch: Callable[[int], list[Write]]
) -> None:
    async with SqliteJournal(path) as journal:
        await journal.append([write(f"s{number}", 0) for number in range(1_024)])
        await journal.append(batch(1))
        version = (await journal.stream_info("s0")).version
        misses, syncs = watch.misses(), disk.syncs
        watch.take("writer")
        await journal.append(batch(version))
        assert watch.take("writer") == ([INSERT], 0)
        assert disk.syncs - syncs == 1
        # It was prepared the first time, and is kept.
        assert watch.misses() == misses


@pytest.mark.parametrize(
    ("count", "statements"), [(1, 1), (600, 1), (1_025, 2), (2_048, 2), (5_000, 5)]
)
async def test_more_events_are_as_few_statements_as_there_can_be(
    path: Path, disk: Disk, watch: Watch, count: int, statements: int
) -> None:
    async with SqliteJournal(path) as journal:
        await journal.append([write("s", 0)])
        watch.take("writer")
        syncs = disk.syncs
        await journal.append([write("s", 1, count=count)])
        found, _ = watch.take("writer")
        assert found.count(INSERT) == statements
        assert len(found) == (1 if statements == 1 else statements + 2)
        assert disk.syncs - syncs == 1


async def test_replies_and_snapshots_are_a_statement_more_each(
    path: Path, disk: Disk, watch: Watch
) -> None:
    def snapshot(stream: str) -> Snapshot:
        return Snapshot(stream=stream, version=2, type_name="t", payload=b"", time_us=0)

    streams = [f"s{number}" for number in range(500)]
    async with SqliteJournal(path) as journal:
        await journal.append([write(stream, 0) for stream in streams])
        watch.take("writer")
        syncs = disk.syncs
        await journal.append(
            [write(stream, 1)._replace(snapshot=snapshot(stream)) for stream in streams]
        )
        assert watch.take("writer") == (
            ["BEGIN IMMEDIATE", INSERT, "INSERT INTO", "COMMIT"],
            0,
        )
        await journal.append([write(stream, 2)._replace(replies=[reply()]) for stream in streams])
        assert watch.take("writer") == (["BEGIN IMMEDIATE", INSERT, INSERT, "COMMIT"], 0)
        assert disk.syncs - syncs == 2


async def test_streams_that_are_not_known_are_asked_for_as_one_row(
    path: Path, disk: Disk, watch: Watch
) -> None:
    streams = [f"s{number}" for number in range(500)]
    async with SqliteJournal(path) as journal:
        await journal.append([write(stream, 0) for stream in streams])
    async with SqliteJournal(path) as journal:
        # The first transaction also begins the write-ahead log.
        await journal.append([write("first", 0)])
        watch.take("writer")
        syncs = disk.syncs
        await journal.append([write(stream, 1) for stream in streams])
        statements, rows = watch.take("writer")
        assert (len(statements), rows) == (4, 1)
        await journal.append([write(f"new {number}", 0) for number in range(500)])
        statements, rows = watch.take("writer")
        assert (len(statements), rows) == (5, 1)
        assert disk.syncs - syncs == 2


async def test_a_load_is_a_statement_for_what_there_is_and_one_for_the_events(
    path: Path, watch: Watch
) -> None:
    await make(SqliteJournal(path), events=500)
    async with SqliteJournal(path, reader_threads=1) as journal:
        await journal.load("s")
        watch.take("reader")
        await journal.load("absent")
        assert watch.take("reader") == (["SELECT head.version,"], 0)
        await journal.load("s")
        assert watch.take("reader") == (["SELECT head.version,", "WITH found"], 2)
        snapshot = Snapshot(stream="s", version=500, type_name="t", payload=b"", time_us=0)
        await journal.save_snapshot(snapshot)
        await journal.load("s")
        assert watch.take("reader") == (["SELECT head.version,"], 1)


@pytest.mark.parametrize("is_read_only", [False, True])
async def test_no_statement_is_prepared_anew_for_other_values(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, is_read_only: bool
) -> None:
    await make(SqliteJournal(path), events=50)
    prepared: list[object] = []

    def note(*what: object) -> int:
        prepared.append(what)
        return apsw.SQLITE_OK

    def open_db(db: apsw.Connection) -> None:
        # It is asked about each statement that is prepared, and not again when that runs.
        db.authorizer = note

    monkeypatch.setattr(apsw, "connection_hooks", [open_db])
    async with SqliteJournal(path, reader_threads=1, read_only=is_read_only) as journal:
        for number in range(1, 10):
            assert len((await journal.load("s", max_snapshot=number)).page) == 50
            assert [p async for p in journal.read("s", from_version=number, page_size=9)]
            assert [p async for p in journal.read_all(after_position=number)]
            assert await journal.load_snapshot("s", max_version=number) is None
            assert len(await journal.list_streams("s" * (number % 2))) == 1
            if number == 1:
                assert prepared
                prepared.clear()
    assert not prepared


@pytest.mark.parametrize("is_read_only", [False, True])
async def test_a_page_is_one_statement_and_one_row(
    path: Path, watch: Watch, *, is_read_only: bool
) -> None:
    await make(SqliteJournal(path), events=2_500)
    async with SqliteJournal(path, reader_threads=1, read_only=is_read_only) as journal:
        await journal.last_position()
        watch.take("reader")
        assert [len(page) async for page in journal.read("s")] == [1_000, 1_000, 500]
        assert watch.take("reader") == (["WITH found"] * 3, 3)
        for type_names in (None, ["test.v1.Event"]):
            pages = journal.read_all(type_names=type_names)
            assert [len(page) async for page in pages] == [1_000, 1_000, 500]
            # Where the journal ends is asked once.
            assert watch.take("reader") == (["SELECT coalesce", *["WITH found"] * 3], 4)
        # A page that can be the last is not followed by one that finds nothing.
        assert [len(page) async for page in journal.read("s", to_version=1_000)] == [1_000]
        assert watch.take("reader") == (["WITH found"], 1)
