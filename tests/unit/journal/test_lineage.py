"""A reader that has noted how far it came learns that another history has taken its place."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from daicho.errors import HistoryWentBack, Unsupported
from daicho.journal import (
    Bookmark,
    Journal,
    MemoryJournal,
    Parcel,
    SqliteJournal,
    Write,
    bookmark,
    position_after,
)
from daicho.moving import Export, back_up, copy, export, import_
from tests.support.moving import append, event
from tests.unit.journal.sqlite_help import Earlier, write


async def read_all(journal: Journal) -> Bookmark:
    """What a reader notes that has read everything."""
    last = None
    async for page in journal.read_all():
        last = page[-1]
    return await bookmark(journal, last)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    async with SqliteJournal(tmp_path / "journal.db") as journal:
        await append(journal, "s", 5)
    return tmp_path / "journal.db"


async def assert_went_back(journal: Journal, noted: Bookmark, common: int) -> None:
    with pytest.raises(HistoryWentBack) as raised:
        await position_after(journal, noted)
    assert (raised.value.position, raised.value.common) == (noted.position, common)


async def test_a_reader_goes_on_where_it_was(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        begun, noted = await bookmark(journal), await read_all(journal)
        await append(journal, "s", 2)
    async with SqliteJournal(path) as journal:
        assert await position_after(journal, begun) == 0
        assert await position_after(journal, noted) == 5
        # Also where its event is forgotten.
        await journal.truncate("s", to_version=7)
        assert await position_after(journal, noted) == 5


async def test_a_backup_that_took_its_place_is_noticed(path: Path, tmp_path: Path) -> None:
    back_up(SqliteJournal(path), tmp_path / "backup.db")
    async with SqliteJournal(path) as journal:
        early = await read_all(journal)
        await append(journal, "s", 3)
        noted = await read_all(journal)
    shutil.copy(tmp_path / "backup.db", path)
    for file in path.parent.glob("journal.db-*"):
        file.unlink()
    async with SqliteJournal(path) as journal:
        # It comes to the same positions again, with events of other ids.
        for number in range(10):
            await journal.append([Write("s", 5 + number, [event(100 + number)])])
        assert await position_after(journal, early) == 5
        await assert_went_back(journal, noted, 5)


async def test_each_time_that_a_backup_takes_its_place_is_another_history(
    path: Path, tmp_path: Path
) -> None:
    back_up(SqliteJournal(path), tmp_path / "backup.db")
    seen: list[Bookmark] = []
    for number in range(3):
        shutil.copy(tmp_path / "backup.db", tmp_path / f"restored-{number}.db")
        async with SqliteJournal(tmp_path / f"restored-{number}.db") as journal:
            for noted in seen:
                await assert_went_back(journal, noted, 5)
            await append(journal, "s", 2)
            seen.append(await read_all(journal))
    assert len({noted.history[-1].id for noted in seen}) == 3


async def test_a_backup_is_no_other_history_until_somebody_writes_to_it(
    path: Path, tmp_path: Path
) -> None:
    back_up(SqliteJournal(path), tmp_path / "backup.db")
    back_up(SqliteJournal(tmp_path / "backup.db"), tmp_path / "again.db")
    async with (
        SqliteJournal(path, read_only=True) as journal,
        SqliteJournal(tmp_path / "again.db", read_only=True) as backup,
    ):
        assert await backup.incarnations() == await journal.incarnations()
        noted = await read_all(backup)
        assert await position_after(journal, noted) == 5


async def test_a_copy_and_an_import_go_on_with_what_was_read(path: Path) -> None:
    async with (
        SqliteJournal(path) as journal,
        MemoryJournal() as copied,
        MemoryJournal() as imported,
    ):
        noted = await read_all(journal)
        file = io.BytesIO()
        await copy(journal, copied)
        await export(copied, file)
        file.seek(0)
        await import_(Export(file, "a file"), imported)
        await append(journal, "s", 1)
        later = await read_all(journal)
        for other in (copied, imported):
            assert await position_after(other, noted) == 5
            await append(other, "s", 3)
            assert await position_after(other, noted) == 5
            await assert_went_back(other, later, 5)
        await assert_went_back(journal, await read_all(copied), 5)
        assert len(await imported.incarnations()) == 3


async def test_a_copy_that_is_brought_up_to_date_goes_on_with_what_was_read_since(
    path: Path,
) -> None:
    async with SqliteJournal(path) as journal, MemoryJournal() as other:
        await copy(journal, other)
        await append(journal, "s", 3)
        noted = await read_all(journal)
        await assert_went_back(other, noted, 5)
        await copy(journal, other)
        assert await position_after(other, noted) == 8


async def test_a_mirror_goes_on_with_what_was_read_of_it_before_it_knew_its_origin(
    path: Path,
) -> None:
    async with SqliteJournal(path) as journal, MemoryJournal() as mirror:
        last = await journal.last_position()
        records = [record async for page in journal.read_all() for record in page]
        await mirror.restore(Parcel(records=records, last_position=last))
        noted = await read_all(mirror)
        await copy(journal, mirror)
        assert len(await mirror.incarnations()) == 2
        assert await position_after(mirror, noted) == 5


async def test_a_bookmark_can_be_stored_as_a_text(path: Path) -> None:
    async with SqliteJournal(path) as journal, MemoryJournal() as other:
        await copy(journal, other)
        for noted in (await read_all(other), await bookmark(other)):
            assert Bookmark.parse(str(noted)) == noted
    for text in ("", "5", "5::", "5:zz:00@0", "x::00@0"):
        with pytest.raises(ValueError, match="is no bookmark"):
            Bookmark.parse(text)


async def test_what_was_put_back_without_daicho_is_noticed_by_its_events(path: Path) -> None:
    before = path.read_bytes()
    async with SqliteJournal(path) as journal:
        await append(journal, "s", 3)
        noted = await read_all(journal)
    path.write_bytes(before)
    async with SqliteJournal(path) as journal:
        await assert_went_back(journal, noted, 0)
        for number in range(3):
            await journal.append([Write("s", 5 + number, [event(100 + number)])])
        await assert_went_back(journal, noted, 0)
        # Who has not noted the event does not see it, until it is gone on with.
        assert await position_after(journal, noted._replace(event_id=b"")) == 8


async def test_a_reader_of_another_journal_has_read_nothing_of_this_one(path: Path) -> None:
    async with SqliteJournal(path) as journal, MemoryJournal() as other:
        await append(other, "s", 5)
        await assert_went_back(journal, await read_all(other), 0)
        # Nothing was read, so nothing is missing.
        assert await position_after(journal, await bookmark(other)) == 0


async def test_a_file_of_an_earlier_schema_gets_its_own_when_it_is_brought_up_to_date(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    with Earlier(path, 2) as older:
        older.append(write("s", 0, count=3))
    async with SqliteJournal(path, read_only=True) as journal:
        with pytest.raises(Unsupported, match="open it once to write to it"):
            await bookmark(journal)
    async with SqliteJournal(path) as journal:
        [own] = await journal.incarnations()
        assert (len(own.id), own.after_position) == (16, 0)
    async with SqliteJournal(path) as journal:
        assert await journal.incarnations() == [own]
