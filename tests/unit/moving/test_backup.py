"""``daicho.moving.back_up``: a whole copy has the name, or none has."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from daicho.errors import JournalCorrupt, NotAJournal, TargetExists, Unsupported
from daicho.journal import MemoryJournal, SqliteJournal
from daicho.journal.sqlite import Copied, _backup
from daicho.moving import back_up, copy, new_file
from tests.support.moving import append, everything_in, fill
from tests.unit.journal.sqlite_help import Earlier, write


@pytest.fixture
async def journal(tmp_path: Path) -> SqliteJournal:
    journal = SqliteJournal(tmp_path / "journal.db")
    async with journal:
        await fill(journal)
    return journal


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_backup_is_a_journal_with_everything_in_one_file(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    (tmp_path / "safe").mkdir()
    target = tmp_path / "safe" / "backup.db"
    copied = back_up(journal, target)
    assert copied == Copied(4, 9, 3, 6, 16, is_chained=False)
    assert names(target.parent) == {"backup.db"}
    target.chmod(0o400)
    async with journal, SqliteJournal(target, read_only=True) as backup:
        assert await everything_in(backup) == await everything_in(journal)
    # Looking into it leaves nothing beside it.
    assert names(target.parent) == {"backup.db"}


async def test_a_backup_can_be_written_to_like_its_journal(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    target = tmp_path / "backup.db"
    back_up(journal, target)
    async with journal, SqliteJournal(target) as backup:
        for each in (journal, backup):
            assert await append(each, "whole", 1, replies=True) == 8
        assert await everything_in(backup) == await everything_in(journal)


async def test_a_backup_is_of_one_moment_while_others_write(
    journal: SqliteJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_backup, "_PAGES", 1)
    target = tmp_path / "backup.db"
    async with journal:
        loop = asyncio.get_running_loop()
        before = await everything_in(journal)
        shown: list[tuple[int, int]] = []

        def while_others_write(done: int, pages: int) -> None:
            # Between two pages somebody writes, and it is stored at once.
            asyncio.run_coroutine_threadsafe(append(journal, "whole", 1), loop).result(30)
            shown.append((done, pages))

        await asyncio.to_thread(back_up, journal, target, progress=while_others_write)
        assert len(shown) > 3
        assert shown[-1][0] == shown[-1][1] == len(shown)
        assert (await journal.stream_info("whole")).version == 7 + len(shown)
        async with SqliteJournal(target) as backup:
            assert await everything_in(backup) == before
            # And it is the beginning of the journal.
            await copy(journal, backup)
            assert await everything_in(backup) == await everything_in(journal)


async def test_a_file_that_is_there_stays_unless_it_may_go(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    target = tmp_path / "backup.db"
    target.write_bytes(b"precious")
    with pytest.raises(TargetExists) as raised:
        back_up(journal, target)
    assert raised.value.name == str(target)
    assert target.read_bytes() == b"precious"
    back_up(journal, target, overwrite=True)
    async with SqliteJournal(target) as backup:
        assert await backup.last_position() == 16


async def test_a_journal_is_not_overwritten_by_itself_or_while_it_is_in_use(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    with pytest.raises(TargetExists):
        back_up(journal, journal.path, overwrite=True)
    async with SqliteJournal(tmp_path / "used.db") as used:
        await fill(used)
        with pytest.raises(TargetExists, match=r"used\.db-wal exists"):
            back_up(journal, used.path, overwrite=True)
    async with journal, used:
        assert await everything_in(journal) == await everything_in(used)


async def test_a_backup_that_fails_leaves_nothing(journal: SqliteJournal, tmp_path: Path) -> None:
    (tmp_path / "safe").mkdir()
    target = tmp_path / "safe" / "backup.db"
    db = sqlite3.connect(journal.path)
    db.execute("PRAGMA writable_schema = ON")
    # An index that leads nowhere, as a damaged page would make it.
    db.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'reply_by_time'")
    db.commit()
    db.close()
    with pytest.raises(JournalCorrupt):
        back_up(journal, target)
    assert names(target.parent) == set()


async def test_a_copy_that_is_not_the_same_is_found(
    journal: SqliteJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(*_: object) -> None:
        [partial] = tmp_path.glob("*.partial-*")
        with sqlite3.connect(partial) as db:
            db.execute("UPDATE event SET payload = x'00' WHERE position = 8")
        db.close()

    monkeypatch.setattr(_backup, "_check", change)
    with pytest.raises(JournalCorrupt, match="row 6 of the table event is not that of the source"):
        back_up(journal, tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()


async def test_what_is_no_journal_or_no_file_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="export it instead"):
        back_up(MemoryJournal(), tmp_path / "backup.db")
    with pytest.raises(NotAJournal, match="there is no file"):
        back_up(SqliteJournal(tmp_path / "none.db"), tmp_path / "backup.db")
    assert names(tmp_path) == set()


async def test_a_file_of_an_earlier_schema_is_backed_up_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Earlier(path, 1) as older:
        older.append(write("s", 0, count=3))
    assert back_up(SqliteJournal(path), tmp_path / "backup.db").events == 3
    async with SqliteJournal(tmp_path / "backup.db", read_only=True) as backup:
        assert await backup.last_position() == 3
        assert await backup.list_replies() == []


def test_a_file_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with new_file(path) as partial:
        partial.write_text("half")
        assert not path.exists()
        assert partial.parent == path.parent
    assert path.read_text() == "half"

    def stop() -> None:
        with new_file(path, overwrite=True) as partial:
            partial.write_text("other half")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        stop()
    assert path.read_text() == "half"
    assert names(tmp_path) == {"file"}


def test_a_file_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def make() -> None:
        with new_file(path) as partial:
            partial.write_text("mine")
            path.write_text("another's")

    with pytest.raises(TargetExists):
        make()
    assert path.read_text() == "another's"
    assert names(tmp_path) == {"file"}
