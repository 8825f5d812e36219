"""Promise 12 for loss of power: what was acknowledged is there, wherever the power was cut."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from daicho.journal import SqliteJournal
from tests.crash.disk import Disk, Synced
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.crash.under_load import cut_often, found_in, run_under_load, state


@pytest.mark.crash
@pytest.mark.parametrize("commits_in_loop", [True, False], ids=["in-loop", "in-thread"])
async def test_what_was_acknowledged_survives_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Try, *, commits_in_loop: bool
) -> None:
    seed = seeded(100 + commits_in_loop)
    run = await run_under_load(tmp_path, Disk(), seed, monkeypatch, commits_in_loop=commits_in_loop)
    where = "in the loop" if commits_in_loop else "in the thread"
    found = await cut_often(run, f"loss of power, commits {where}", seed, tmp_path / "cut")
    tried(found)
    assert found.acknowledged
    assert (found.lost, found.told, found.wrong) == (0, 0, 0)


@pytest.mark.crash
async def test_a_file_that_was_being_made_when_the_power_failed_is_made_anew(
    tmp_path: Path, tried: Try
) -> None:
    seed = seeded(105)
    chance = random.Random(seed)
    disk = Disk()
    with disk.under_sqlite():
        async with SqliteJournal(tmp_path / "journal.db") as journal:
            nothing = await state(journal)
    # Before it syncs is when most is unsure.
    moments = [n for n, step in enumerate(disk.steps) if isinstance(step, Synced)] * 12 * TIMES
    for after in moments:
        image = disk.cut_power(after, chance, survival=0.5)
        assert await found_in(image, tmp_path / "cut") == nothing
    tried(Tried("loss of power while the file is made", len(moments), seed))


@pytest.mark.crash
async def test_the_weaker_sync_loses_the_newest_alone_and_the_file_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Try
) -> None:
    seed = seeded(110)
    run = await run_under_load(tmp_path, Disk(), seed, monkeypatch, synchronous="NORMAL")
    fault = 'loss of power, synchronous="NORMAL"'
    found = await cut_often(run, fault, seed, tmp_path / "cut")
    tried(found)
    # What the name of the setting says; a disk under which nothing is lost would prove nothing.
    assert found.lost
    assert (found.told, found.wrong) == (0, 0)


@pytest.mark.crash
@pytest.mark.parametrize("is_honest", [True, False], ids=["never-synced", "a-disk-that-lies"])
async def test_without_syncs_the_same_cuts_lose_what_was_acknowledged_and_break_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Try, *, is_honest: bool
) -> None:
    seed = seeded(120)
    synchronous = "OFF" if is_honest else "FULL"
    disk = Disk(is_honest=is_honest)
    run = await run_under_load(tmp_path, disk, seed, monkeypatch, synchronous=synchronous)
    why = "SQLite does not sync" if is_honest else "the disk only says that it syncs"
    fault = f"loss of power where {why} (a test of the test)"
    found = await cut_often(run, fault, seed, tmp_path / "cut")
    tried(found)
    assert found.lost
    assert found.told
