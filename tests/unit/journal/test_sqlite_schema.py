"""What is in the file: an application id, a schema version, and views that one can read."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from daicho.errors import JournalUnavailable
from daicho.journal import SqliteJournal, slice_of
from daicho.journal.sqlite import APPLICATION_ID, _file, _sql
from tests.unit.journal.sqlite_help import event, make, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute(statement).fetchall()
    finally:
        db.close()


async def fill(path: Path) -> None:
    last = event(7)._replace(
        time_us=-1_500_000, correlation_id="c", causation_id="a", command_id="i"
    )
    async with SqliteJournal(path) as journal:
        await journal.append([write("wallet/台帳", 0, count=2), write("other", 0)])
        await journal.append([write("other", 1)._replace(events=[last])])
        await journal.truncate("wallet/台帳", to_version=1)


async def test_the_file_says_what_it_is(path: Path) -> None:
    await make(SqliteJournal(path))
    header = path.read_bytes()[:72]
    assert header[68:72] == APPLICATION_ID.to_bytes(4) == b"DaCh"
    assert int.from_bytes(header[60:64]) == len(_sql.migrations()) == 3


async def test_the_views_can_be_read_with_any_sqlite(path: Path) -> None:
    await fill(path)
    found = rows(path, "SELECT stream, version, type_name, time, event_id FROM events")
    assert found == [
        ("wallet/台帳", 2, "test.v1.Event", "2023-11-14T22:13:20.123456Z", f"{1:032x}"),
        ("other", 1, "test.v1.Event", "2023-11-14T22:13:20.123456Z", f"{0:032x}"),
        ("other", 2, "test.v1.Event", "1969-12-31T23:59:58.500000Z", f"{7:032x}"),
    ]
    metadata = "SELECT payload, correlation_id, causation_id, command_id FROM events"
    assert rows(path, metadata)[2] == (b"payload", "c", "a", "i")
    assert rows(path, "SELECT * FROM streams ORDER BY stream") == [
        ("other", 2, 0, slice_of("other")),
        ("wallet/台帳", 2, 1, slice_of("wallet/台帳")),
    ]


async def test_the_views_can_be_read_with_a_sqlite_shell(path: Path) -> None:
    shell = shutil.which("sqlite3")
    if shell is None:
        pytest.skip("no SQLite shell is installed")
    await fill(path)
    printed = subprocess.run(
        [shell, "-readonly", str(path), "SELECT stream, version, time FROM events LIMIT 1"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert printed.stdout == "wallet/台帳|2|2023-11-14T22:13:20.123456Z\n"


async def test_the_tables_agree_with_themselves(path: Path) -> None:
    await fill(path)
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "PRAGMA foreign_key_check") == []


async def test_a_migration_brings_an_older_journal_up_to_date(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    later = [*_sql.migrations(), "CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT;"]
    monkeypatch.setattr(_file, "migrations", lambda: later)
    for _ in range(2):
        async with SqliteJournal(path) as journal:
            assert (await journal.stream_info("other")).version == 2
        assert rows(path, "PRAGMA user_version") == [(len(later),)]
    assert rows(path, "SELECT * FROM later") == []


async def test_a_migration_that_fails_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    before = rows(path, "SELECT * FROM sqlite_schema")
    broken = [*_sql.migrations(), "CREATE TABLE later (id);\nSELECT * FROM nowhere;"]
    with monkeypatch.context() as patch:
        patch.setattr(_file, "migrations", lambda: broken)
        with pytest.raises(JournalUnavailable, match="no such table: nowhere"):
            await make(SqliteJournal(path))
    assert rows(path, "SELECT * FROM sqlite_schema") == before
    assert rows(path, "PRAGMA user_version") == [(len(broken) - 1,)]
    await make(SqliteJournal(path))


async def test_a_new_file_has_small_pages_and_another_keeps_its_own(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_file, "_PAGE_SIZE_BYTES", 4_096)
        await make(SqliteJournal(path), events=1)
    await make(SqliteJournal(path))
    assert rows(path, "PRAGMA page_size") == [(4_096,)]
    new = path.with_name("new.db")
    await make(SqliteJournal(new), events=1)
    assert rows(new, "PRAGMA page_size") == [(2_048,)]


def test_a_row_of_parameters_is_repeated_in_a_statement_that_stays_prepared() -> None:
    sizes = {
        "insert_plain_events": 1_024,
        "insert_events": 512,
        "insert_streams": 512,
        "insert_replies": 512,
        "insert_links": 512,
        "save_snapshots": 512,
    }
    for name, rows in sizes.items():
        text = _sql.repeated(name, rows)
        assert text.count("(?,") == rows
        # The longest statement that apsw keeps.
        assert len(text.encode()) < 16_384
