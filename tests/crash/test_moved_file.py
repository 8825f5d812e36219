"""The file is deleted, moved or replaced under a journal: nothing is acknowledged any more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from daicho.errors import JournalGone
from daicho.journal import NewEvent, Snapshot, SqliteJournal, StreamInfo, Write
from tests.crash.effort import Tried, Try

FILES = ("journal.db", "journal.db-wal", "journal.db-shm")


def write(version: int) -> Write:
    return Write("s", version, [NewEvent("event", b"", bytes(16), 0)])


async def append(journal: SqliteJournal, version: int) -> None:
    """As actors do: in the loop, where that is to be."""
    if journal.append_now([write(version)]) is None:
        await journal.append([write(version)])


def delete(path: Path) -> None:
    for name in FILES:
        (path.parent / name).unlink(missing_ok=True)


def move(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def replace(path: Path) -> None:
    backup = path.with_name("backup.db")
    shutil.copyfile(path, backup)
    backup.rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "journal.db"


@pytest.mark.crash
@pytest.mark.parametrize("happens", [delete, move, replace])
@pytest.mark.parametrize("commits_in_loop", [True, False], ids=["in-loop", "in-thread"])
async def test_a_journal_whose_file_is_gone_acknowledges_nothing_and_tells_nothing(
    path: Path, happens: Callable[[Path], None], tried: Try, *, commits_in_loop: bool
) -> None:
    snapshot = Snapshot(stream="s", version=1, type_name="state", payload=b"", time_us=0)
    async with SqliteJournal(path, commits_in_loop=commits_in_loop) as journal:
        await journal.append([write(0)])
        assert (await journal.stream_info("s")).version == 1
        happens(path)
        for version in range(1, 4):
            with pytest.raises(JournalGone, match="put its file back") as raised:
                await append(journal, version)
            assert raised.value.store == str(path)
        with pytest.raises(JournalGone):
            await journal.save_snapshot(snapshot)
        # What they have stored would be seen in the file that is open, and in none afterwards.
        with pytest.raises(JournalGone):
            await journal.stream_info("s")
        with pytest.raises(JournalGone):
            await journal.load("s")
    where = "in the loop" if commits_in_loop else "in the thread"
    fault = f"the open file: {happens.__name__}, commits {where}"
    tried(Tried(fault, times=1, acknowledged=1, told=1))


@pytest.mark.crash
async def test_a_journal_whose_file_came_back_goes_on(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        await journal.append([write(0)])
        move(path)
        with pytest.raises(JournalGone):
            await journal.append([write(1)])
        path.parent.with_name("elsewhere").rename(path.parent)
        # What was not acknowledged may be stored.
        assert (await journal.stream_info("s")).version == 2
        await journal.append([write(2)])
    async with SqliteJournal(path) as journal:
        assert await journal.list_streams() == [StreamInfo("s", 3, 0)]


@pytest.mark.crash
async def test_an_older_backup_in_place_of_a_closed_file_is_what_it_was(
    path: Path, tried: Try
) -> None:
    async with SqliteJournal(path) as journal:
        await journal.append([write(0)])
    backup = path.read_bytes()
    async with SqliteJournal(path) as journal:
        await journal.append([write(1), write(2)])
    path.write_bytes(backup)
    # Nothing in the file can tell: it is whole. Whoever has seen version 3 can.
    async with SqliteJournal(path) as journal:
        assert await journal.list_streams() == [StreamInfo("s", 1, 0)]
        assert await journal.last_position() == 1
    tried(Tried("an older backup in place of the closed file", times=1, acknowledged=3, lost=2))


@pytest.mark.crash
async def test_a_link_to_the_file_is_as_good_as_the_file(path: Path) -> None:
    link = path.with_name("link.db")
    async with SqliteJournal(path) as journal:
        await journal.append([write(0)])
    link.symlink_to(path)
    async with SqliteJournal(link) as journal:
        await journal.append([write(1)])
        assert (await journal.stream_info("s")).version == 2
