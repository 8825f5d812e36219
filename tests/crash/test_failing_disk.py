"""A disk that fails: what was acknowledged is there, the rest is told, and afterwards all goes on.

The disk of ``disk.py`` fails while a journal is opened, written, read and closed. Each refusal is a
typed error, and has changed nothing. Then, as if that were not enough, its power is cut as well.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from daicho.errors import JournalUnavailable
from daicho.journal import Appended, NewEvent, SqliteJournal, Write
from tests.crash.disk import Disk
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.crash.faults import Broken, Failing, Faults, Full
from tests.crash.under_load import closed, cut_often, found_in, run_under_load, state

FAILING = {
    "writes and syncs": ("write", "sync"),
    "reads": ("read",),
    "truncations": ("truncate",),
    "locks": ("lock", "unlock"),
    "all that SQLite asks of it": (
        "open", "size", "read", "write", "truncate", "sync", "lock", "unlock", "delete",
    ),
}  # fmt: skip

in_loop_and_in_thread = pytest.mark.parametrize(
    "commits_in_loop", [True, False], ids=["in-loop", "in-thread"]
)


async def fail_and_cut(
    folder: Path, seed: int, fault: str, faults: Faults, patch: pytest.MonkeyPatch, *, in_loop: bool
) -> Tried:
    """What is left of a journal that was written on such a disk, after its power was cut."""
    run = await run_under_load(folder, Disk(), seed, patch, commits_in_loop=in_loop, faults=faults)
    where = "in the loop" if in_loop else "in the thread"
    name = f"loss of power after {fault}, commits {where}"
    return await cut_often(run, name, seed, folder / "cut")


@pytest.mark.crash
@in_loop_and_in_thread
@pytest.mark.parametrize("what", FAILING)
async def test_what_was_acknowledged_by_a_disk_that_fails_now_and_then_survives_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Try, what: str, *, commits_in_loop: bool
) -> None:
    seed = seeded(130 + 2 * [*FAILING].index(what) + commits_in_loop)
    faults = Failing(random.Random(seed), *FAILING[what])
    found = await fail_and_cut(
        tmp_path, seed, f"{what} that failed", faults, monkeypatch, in_loop=commits_in_loop
    )
    tried(found._replace(told=found.told + faults.refused))
    assert faults.struck
    assert found.acknowledged
    assert (found.lost, found.told, found.wrong) == (0, 0, 0)


@pytest.mark.crash
@in_loop_and_in_thread
async def test_a_disk_that_is_full_takes_nothing_back_and_all_goes_on_when_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Try, *, commits_in_loop: bool
) -> None:
    seed = seeded(150 + commits_in_loop)
    faults = Full(random.Random(seed))
    found = await fail_and_cut(
        tmp_path, seed, "it was full", faults, monkeypatch, in_loop=commits_in_loop
    )
    tried(found._replace(told=found.told + faults.refused))
    assert faults.refused
    assert found.acknowledged
    assert (found.lost, found.told, found.wrong) == (0, 0, 0)


@pytest.mark.crash
async def test_what_is_acknowledged_does_not_rest_on_what_a_failed_sync_has_lost(
    tmp_path: Path, tried: Try
) -> None:
    """It can be read, so the next program finds it; but it is not on the disk."""
    seed = seeded(160)
    chance = random.Random(seed)
    event = NewEvent("event", b"payload", bytes(16), 0)
    times = 4 * TIMES
    for number in range(times):
        disk = Disk()
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "journal.db"
        with disk.under_sqlite():
            journal = await SqliteJournal(path).__aenter__()
            await journal.append([Write("before", 0, [event])])
            disk.faults = faults = Broken("sync")
            with pytest.raises(JournalUnavailable):
                await journal.append([Write("refused", 0, [event] * chance.randrange(1, 100))])
            # The log stays, as it does when a program is killed.
            await closed(journal, faults)
            disk.faults = Faults()
            async with SqliteJournal(path) as journal:
                [outcome] = await journal.append([Write("after", 0, [event])])
                assert isinstance(outcome, Appended)
                acknowledged = await state(journal)
                steps = len(disk.steps)
        image = disk.cut_power(steps, chance, survival=0.0)
        assert await found_in(image, folder / "cut") == acknowledged
    tried(
        Tried("loss of power after a sync that failed and a new beginning", times, seed, 2 * times)
    )
