"""A full disk and a disk that fails: what is said, what is stored, and that the journal goes on."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from daicho.errors import JournalFull, JournalGone, JournalUnavailable, StoreError
from daicho.journal import Snapshot, SqliteJournal, StreamInfo
from tests.unit.journal.faulty_disk import Disk
from tests.unit.journal.sqlite_help import appended, locked, make, reply, threads, write

KIB = 1_024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
async def small_disk(tmp_path: Path) -> AsyncIterator[Path]:
    """A disk of 1 MiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


async def versions(journal: SqliteJournal, stream: str) -> list[int]:
    return [record.version async for page in journal.read(stream) for record in page]


async def test_a_full_disk_stores_nothing_and_the_journal_goes_on_once_there_is_room(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(400 * KIB))
    async with SqliteJournal(small_disk / "journal.db") as journal:
        await journal.append([write("s", 0, count=2)])
        for large in ([write("s", 2, payload=bytes(900 * KIB))], [write("new", 0, count=9_000)]):
            with pytest.raises(JournalFull, match=r"\(SQLITE_FULL\); nothing of this transaction"):
                await journal.append(large)
        snapshot = Snapshot(
            stream="s", version=2, type_name="t", payload=bytes(900 * KIB), time_us=0
        )
        with pytest.raises(JournalFull):
            await journal.save_snapshot(snapshot)
        assert await versions(journal, "s") == [1, 2]
        ballast.unlink()
        [first, second] = await journal.append([write("s", 2), write("new", 0)])
        assert (appended(first).version, appended(second).version) == (3, 1)
    async with SqliteJournal(small_disk / "journal.db") as journal:
        assert await versions(journal, "s") == [1, 2, 3]
        assert await versions(journal, "new") == [1]


async def test_a_disk_that_is_full_from_the_start_is_named(small_disk: Path) -> None:
    with (small_disk / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, 1_016 * KIB)
    with pytest.raises((JournalFull, JournalUnavailable), match=r"journal\.db: "):
        await make(SqliteJournal(small_disk / "journal.db"))
    assert not threads()
    (small_disk / "ballast").unlink()
    await make(SqliteJournal(small_disk / "journal.db"), events=1)


async def test_a_commit_that_the_disk_does_not_confirm_is_unknown_and_the_journal_goes_on(
    disk: Disk, path: Path
) -> None:
    async with SqliteJournal(path) as journal:
        await journal.append([write("s", 0)])
        disk.fails_to_sync = True
        for writes in ([write("s", 1)], [write("new", 0)], [write("s", 1, count=2_000)]):
            with pytest.raises(
                JournalUnavailable, match="read the stream again to learn"
            ) as raised:
                await journal.append(writes)
            assert isinstance(raised.value.__cause__, apsw.IOError)
        disk.fails_to_sync = False
        version = (await journal.stream_info("s")).version
        [outcome] = await journal.append([write("s", version, count=3)])
        assert appended(outcome).version == version + 3
    async with SqliteJournal(path) as journal:
        assert await versions(journal, "s") == list(range(1, version + 4))


@pytest.mark.parametrize(
    ("fault", "error"), [(apsw.IOError, JournalUnavailable), (apsw.FullError, JournalFull)]
)
async def test_a_write_that_the_disk_refuses_stores_nothing_and_the_journal_goes_on(
    disk: Disk, path: Path, fault: type[apsw.Error], error: type[StoreError]
) -> None:
    async with SqliteJournal(path) as journal:
        await journal.append([write(f"s{n}", 0) for n in range(10)])
        disk.fails_to_write = fault
        for writes in (
            [write("s0", 1)],
            [write("new", 0)],
            [write(f"s{n}", 1, count=100) for n in range(10)],
        ):
            with pytest.raises(error):
                await journal.append(writes)
        with pytest.raises(error):
            await journal.truncate("s0", to_version=1)
        disk.fails_to_write = None
        infos = await journal.list_streams()
        assert infos == [StreamInfo(f"s{n}", 1, 0) for n in range(10)]
        [first, second] = await journal.append([write("s0", 1), write("new", 0)])
        assert (appended(first).version, appended(second).version) == (2, 1)


@pytest.mark.parametrize("fault", [apsw.IOError, apsw.FullError])
async def test_events_and_replies_are_stored_together_or_not_at_all(
    disk: Disk, path: Path, fault: type[apsw.Error]
) -> None:
    keyed = write("s", 1)._replace(replies=[reply("key")])
    async with SqliteJournal(path) as journal:
        await journal.append([write("s", 0)])
        disk.fails_to_write = fault
        for _ in range(2):
            with pytest.raises(StoreError):
                await journal.append([keyed])
        disk.fails_to_write = None
        assert await versions(journal, "s") == [1]
        assert await journal.load_reply("s", "key") is None
        [outcome] = await journal.append([keyed])
        assert appended(outcome).version == 2
        assert await journal.load_reply("s", "key") == reply("key")


async def test_a_fault_reaches_each_append_of_its_transaction(disk: Disk, path: Path) -> None:
    async with SqliteJournal(path, busy_timeout_s=60) as journal:
        await journal.append([write("s", 0)])
        with locked(path):
            appends = [asyncio.create_task(journal.append([write(f"s{n}", 0)])) for n in range(9)]
            await asyncio.sleep(0)
            disk.fails_to_write = apsw.FullError
        results = await asyncio.gather(*appends, return_exceptions=True)
        disk.fails_to_write = None
        assert [type(result) for result in results] == [JournalFull] * 9
        # Each has an error of its own, because raising one adds to its traceback.
        assert len({id(result) for result in results}) == 9


async def test_each_append_is_synced_by_default(disk: Disk, path: Path) -> None:
    async with SqliteJournal(path) as journal:
        await journal.append([write("s", 0)])
        before = disk.syncs
        for version in range(1, 11):
            await journal.append([write("s", version)])
        assert disk.syncs - before == 10


async def test_the_weaker_sync_waits_for_the_disk_at_checkpoints_alone(
    disk: Disk, path: Path
) -> None:
    async with SqliteJournal(path, synchronous="NORMAL") as journal:
        await journal.append([write("s", 0)])
        before = disk.syncs
        for version in range(1, 11):
            await journal.append([write("s", version)])
        assert disk.syncs == before
    # Closing is a checkpoint.
    assert disk.syncs > before


async def test_a_checkpoint_that_fails_is_logged_and_costs_nobody_an_append(
    disk: Disk, path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daicho.journal.sqlite._writer._BUSY_CHECKPOINT_BYTES", 1)
    async with SqliteJournal(path, synchronous="NORMAL") as journal:
        disk.fails_to_sync = True
        for version in range(3):
            [outcome] = await journal.append([write("s", version)])
            assert appended(outcome).version == version + 1
        disk.fails_to_sync = False
    assert "journal.db: the checkpoint failed: the disk lost it" in caplog.text
    async with SqliteJournal(path) as journal:
        assert await versions(journal, "s") == [1, 2, 3]


async def test_closing_says_what_the_disk_refused_and_leaves_no_thread(
    disk: Disk, path: Path
) -> None:
    journal = SqliteJournal(path)
    await journal.__aenter__()
    await journal.append([write("s", 0)])
    disk.fails_to_write = apsw.IOError
    with pytest.raises(JournalUnavailable, match="the disk is gone"):
        await journal.__aexit__(None, None, None)
    assert not threads()
    disk.fails_to_write = None
    async with journal:
        assert await versions(journal, "s") == [1]


async def test_a_file_that_was_removed_cannot_be_read(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        await journal.append([write("s", 0)])
        path.unlink()
        with pytest.raises(JournalGone, match=r"journal\.db: it cannot be found: No such file"):
            await versions(journal, "s")


async def test_the_write_ahead_log_is_used_again(path: Path) -> None:
    log = path.with_name("journal.db-wal")
    async with SqliteJournal(path, synchronous="NORMAL") as journal:
        for version in range(200):
            await journal.append([write("s", version, payload=bytes(512 * KIB))])
        assert log.stat().st_size < 64 * KIB * KIB
    assert path.stat().st_size > 100 * KIB * KIB


async def test_a_log_that_a_reader_holds_is_used_again_when_it_lets_go(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daicho.journal.sqlite._writer._BUSY_CHECKPOINT_BYTES", KIB * KIB)
    log = path.with_name("journal.db-wal")
    async with SqliteJournal(path, synchronous="NORMAL") as journal:
        await journal.append([write("s", 0)])
        other = apsw.Connection(str(path))
        other.execute("BEGIN")
        assert list(other.execute("SELECT count(*) FROM event")) == [(1,)]
        for version in range(1, 17):
            await journal.append([write("s", version, payload=bytes(512 * KIB))])
        held = log.stat().st_size
        # Nothing of it may be overwritten, and nobody waits for that.
        assert held > 8 * KIB * KIB
        other.execute("COMMIT")
        for version in range(17, 57):
            await journal.append([write("s", version, payload=bytes(512 * KIB))])
        assert log.stat().st_size < held + 4 * KIB * KIB
        other.close()
