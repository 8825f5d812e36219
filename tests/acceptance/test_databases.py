"""What the command says of a database that it cannot use: one line, and the file is as it was."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.acceptance.command import (
    EXPECTED,
    assert_refused,
    command,
    demo,
    files,
    python,
    run,
    typed,
)

JOURNALS = ["article", "daicho"]

# The superuser may write what is write-protected, so the wallet is run as somebody else.
AS_NOBODY = """
import os, sys, asyncio
from wallet import cli, demo
is_superuser = not os.geteuid()
if is_superuser:
    os.seteuid(65534)
code = cli.main(sys.argv[1:])
if is_superuser:
    os.seteuid(0)  # what measures coverage writes its file at the end
sys.exit(code)
"""


def assert_unusable(folder: Path, text: str, *options: str) -> None:
    """The database cannot be used: nothing is printed, and all files are as they were."""
    before = files(folder)
    done = typed(folder, "demo", *options)
    assert_refused(done, 1, text)
    assert done.stdout == b""
    assert files(folder) == before


def make_folder(path: Path) -> None:
    path.mkdir()


def make_text(path: Path) -> None:
    path.write_text("hello\n")


def make_short_text(path: Path) -> None:
    path.write_text("\n")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE customer (name TEXT); INSERT INTO customer VALUES ('a')")


def make_foreign_wal(path: Path) -> None:
    make_foreign(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("INSERT INTO customer VALUES ('b')")
    db.commit()
    # As a process that was killed leaves it: with a log that is not copied into the file.
    left = {name: (path.parent / name).read_bytes() for name in (path.name, f"{path.name}-wal")}
    db.close()
    for name, data in left.items():
        (path.parent / name).write_bytes(data)


def make_similar(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TABLE wallet_event (id INT); CREATE TABLE wallet_snapshot (id INT)"
        )


def make_half(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TABLE wallet_snapshot (user_id TEXT PRIMARY KEY, saved_version INT)"
        )


def make_other_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA application_id = 7; VACUUM")


NO_DATABASE = "it is not an SQLite database; name another file"


@pytest.mark.parametrize(
    ("make", "article", "daicho"),
    [
        (make_folder, "it is not a file; name another file", "it is a folder"),
        (make_pipe, "it is not a file; name another file", "it is no regular file"),
        (make_text, NO_DATABASE, NO_DATABASE),
        (make_short_text, NO_DATABASE, NO_DATABASE),
        (make_foreign, "its tables are not the article's", "a database of something else"),
        (make_foreign_wal, "its tables are not the article's", "a database of something else"),
        (make_similar, "its tables are not the article's", "a database of something else"),
        (make_half, "its tables are not the article's", "a database of something else"),
        (make_other_application, "its application id is 0x00000007", "0x00000007"),
    ],
)
def test_what_is_no_database_of_the_wallet_is_refused(
    make: Callable[[Path], None], article: str, daicho: str, tmp_path: Path
) -> None:
    make(tmp_path / "db.sqlite3")
    assert_unusable(tmp_path, article)
    assert_unusable(tmp_path, daicho, "--journal", "daicho")


@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no/db.sqlite3", "there is no folder"),
        (".", "name another file"),
        ("n" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_is_refused(
    name: str, text: str, journal: str, tmp_path: Path
) -> None:
    assert_unusable(tmp_path, text, "--db", name, "--journal", journal)


def test_the_database_of_one_journal_is_refused_by_the_other(tmp_path: Path) -> None:
    demo(tmp_path, "--db", "article.db")
    demo(tmp_path, "--db", "daicho.db", "--journal", "daicho")
    assert_unusable(
        tmp_path,
        "it is a journal of Daicho's own, not the article's; use --journal daicho, or name another",
        "--db",
        "daicho.db",
    )
    assert_unusable(
        tmp_path,
        "a database of something else; use --journal article, or name another file",
        "--db",
        "article.db",
        "--journal",
        "daicho",
    )


@pytest.mark.parametrize("journal", JOURNALS)
def test_a_damaged_database_is_refused(journal: str, tmp_path: Path) -> None:
    demo(tmp_path, "--journal", journal)
    path = tmp_path / "db.sqlite3"
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * (path.stat().st_size - 100))
    assert_unusable(tmp_path, "restore it from a backup", "--journal", journal)


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    demo(tmp_path, "--journal", "daicho")
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as db:
        db.execute("PRAGMA user_version = 99")
    assert_unusable(tmp_path, "upgrade Daicho", "--journal", "daicho")


@pytest.mark.parametrize("journal", JOURNALS)
def test_a_database_that_another_process_has_to_itself_is_refused(
    journal: str, tmp_path: Path
) -> None:
    demo(tmp_path, "--journal", journal)
    before = files(tmp_path)
    with closing(apsw.Connection(str(tmp_path / "db.sqlite3"))) as other:
        other.pragma("locking_mode", "EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        done = run(command("demo", "--journal", journal), tmp_path)
        other.execute("ROLLBACK")
    assert_refused(done, 1, "another process holds it; try again when that has ended")
    assert done.stdout == b""
    assert files(tmp_path) == before


@pytest.mark.parametrize("journal", JOURNALS)
def test_a_database_that_another_process_is_writing_is_not_written(
    journal: str, tmp_path: Path
) -> None:
    expected = [(EXPECTED / f"run-{number}.txt").read_bytes() for number in (1, 2)]
    assert demo(tmp_path, "--journal", journal) == expected[0]
    with closing(apsw.Connection(str(tmp_path / "db.sqlite3"))) as other:
        other.execute("BEGIN IMMEDIATE")
        done = run(command("demo", "--journal", journal), tmp_path)
        assert_refused(done, 1, "another process holds it; try again when that has ended")
        # Not once more, although the actor goes back to what is stored.
        assert expected[1].startswith(done.stdout)
    assert demo(tmp_path, "--journal", journal) == expected[1]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that a user without privileges can reach."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
        folder.chmod(0o777)


@pytest.mark.skipif(os.name != "posix", reason="needs the rights of files as POSIX has them")
@pytest.mark.parametrize("journal", JOURNALS)
def test_a_database_that_can_only_be_read_is_refused(journal: str, open_folder: Path) -> None:
    demo(open_folder, "--journal", journal)
    (open_folder / "db.sqlite3").chmod(0o444)
    before = files(open_folder)
    done = run(python(AS_NOBODY, "demo", "--journal", journal), open_folder)
    assert_refused(done, 1, "give this user the right to write the file and its folder")
    assert done.stdout == b""
    assert files(open_folder) == before


@pytest.mark.skipif(os.name != "posix", reason="needs the rights of files as POSIX has them")
@pytest.mark.parametrize("journal", JOURNALS)
def test_a_folder_that_can_only_be_read_is_refused(journal: str, open_folder: Path) -> None:
    open_folder.chmod(0o555)
    done = run(python(AS_NOBODY, "demo", "--journal", journal), open_folder)
    assert_refused(done, 1, "give this user the right to write the file and its folder")
    assert done.stdout == b""
    assert files(open_folder) == {}


# --- histories ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        ("DELETE FROM wallet_event WHERE version = 2", "at version 2 (missing)"),
        ("UPDATE wallet_event SET event_name = 'frozen' WHERE version = 3", "'frozen'"),
        ("UPDATE wallet_event SET event_value = 1.5 WHERE version = 3", "1.5"),
        ("UPDATE wallet_event SET event_value = 'much' WHERE version = 3", "'much'"),
        ("UPDATE wallet_event SET timestamp = 'noon' WHERE version = 3", "'noon'"),
        (f"UPDATE wallet_event SET event_value = {2**63 - 1} WHERE version = 3", "64 bits"),
    ],
)
def test_a_history_that_cannot_be_replayed_stops_the_wallet_at_once(
    damage: str, text: str, tmp_path: Path
) -> None:
    """The original goes on without the event, or tries the same again and again."""
    demo(tmp_path)
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as db:
        db.execute(damage)
        db.commit()
    before = files(tmp_path)
    done = typed(tmp_path, "demo")
    assert_refused(done, 1, "stream 'user_id' cannot be recovered")
    assert text in done.stderr.decode()
    # A row that cannot be read is found before the wallet has begun.
    assert done.stdout.count(b"recovering wallet") <= 1
    assert b"-----" not in done.stdout
    assert files(tmp_path) == before
