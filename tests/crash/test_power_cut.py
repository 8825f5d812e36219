"""Promise 12 for loss of power: what was acknowledged is there, wherever the power was cut.

A journal works on a disk that notes every step, and the same is done to a journal in memory, whose
states are what may be found. The power is cut after steps drawn at random; what the disk holds then
is opened on a new one. It has to be a state that the journal in memory was in, all of it, and no
older than what had been acknowledged.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from daicho.errors import JournalUnavailable, StoreError
from daicho.journal import (
    Journal,
    MemoryJournal,
    NewEvent,
    Reply,
    Snapshot,
    SqliteJournal,
    Write,
)
from tests.crash.disk import Disk, Image, Synced
from tests.crash.effort import TIMES, Tried, Try, seeded

CUTS = 40 * TIMES
TURNS = 60
STREAMS = 5
KEYED = 20
"""One of so many events is that of a command under a key."""
SURVIVAL = (0.0, 0.5, 0.9, 1.0)
"""Nothing that was not synced, some of it, most, all."""


class Run(NamedTuple):
    """What was done, and when it was acknowledged."""

    disk: Disk
    states: list[bytes]
    """What the journal held at first and after each acknowledgement."""
    acknowledged: list[int]
    """How many steps the disk had made when each of the states but the first was acknowledged."""


class Load:
    """Does the same to journals, as chance has it."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._versions = [0] * STREAMS
        self._number = 0

    def writes(self) -> list[Write]:
        chance = self._chance
        streams = chance.sample(range(STREAMS), chance.choice([1, 1, 1, 2, STREAMS]))
        return [self._write(stream) for stream in streams]

    def _write(self, stream: int) -> Write:
        chance = self._chance
        expected = self._versions[stream]
        events = [self._event() for _ in range(chance.choice([1, 1, 2, 30]))]
        self._versions[stream] += len(events)
        version = self._versions[stream]
        replies = [
            Reply(f"key-{each.time_us}", b"digest", "reply", b"done", version, 0)
            for each in events
            if each.time_us % KEYED == 0
        ]
        snapshot = None
        if chance.random() < 0.2:
            snapshot = self.snapshot(stream)
        return Write(f"s{stream}", expected, events, replies=replies, snapshot=snapshot)

    def snapshot(self, stream: int) -> Snapshot:
        payload = self._chance.randbytes(100)
        version = self._versions[stream]
        return Snapshot(
            stream=f"s{stream}", version=version, type_name="state", payload=payload, time_us=0
        )

    def truncation(self) -> tuple[str, int]:
        """Takes one event more than before from a stream that has some."""
        stream = max(range(STREAMS), key=self._versions.__getitem__)
        return f"s{stream}", self._chance.randrange(self._versions[stream]) + 1

    def _event(self) -> NewEvent:
        self._number += 1
        size = self._chance.choice([10, 100, 6_000])
        return NewEvent(
            "event", self._chance.randbytes(size), self._number.to_bytes(16), self._number
        )


async def state(journal: Journal) -> bytes:
    """A digest of everything that a journal holds."""
    infos = await journal.list_streams()
    found: list[object] = [infos, await journal.last_position()]
    async for page in journal.read_all():
        found += page
        for each in page:
            if each.time_us % KEYED == 0:
                found.append(await journal.load_reply(each.stream, f"key-{each.time_us}"))
    for info in infos:
        found += [
            tuple(getattr(snapshot, name) for name in ("version", "payload"))
            for snapshot in await journal.list_snapshots(info.stream)
        ]
    return sha256(repr(found).encode()).digest()


def one_thing(load: Load, chance: random.Random) -> Callable[[Journal], Awaitable[object]]:
    """What can be done to any journal, and again if a disk has refused it."""
    what = chance.random()
    if what < 0.05:
        stream, version = load.truncation()
        return lambda journal: journal.truncate(stream, to_version=version)
    if what < 0.1:
        snapshot = load.snapshot(chance.randrange(STREAMS))
        return lambda journal: journal.save_snapshot(snapshot)
    writes = load.writes()

    async def append(journal: Journal) -> None:
        if not (isinstance(journal, SqliteJournal) and journal.append_now(writes)):
            await journal.append(writes)

    return append


async def is_done(do: Callable[[Journal], Awaitable[object]], journal: Journal) -> bool:
    try:
        await do(journal)
    except JournalUnavailable:
        return False
    return True


async def run_under_load(
    folder: Path,
    disk: Disk,
    seed: int,
    patch: pytest.MonkeyPatch,
    *,
    synchronous: str = "FULL",
    commits_in_loop: bool = True,
    failures: random.Random | None = None,
) -> Run:
    """Opens a journal three times and writes each time until it is closed."""
    # Checkpoints come often, and a disk that notes everything counts as quick.
    patch.setattr("daicho.journal.sqlite._writer._BUSY_CHECKPOINT_BYTES", 300_000)
    patch.setattr("daicho.journal.sqlite._haste.QUICK_S", 1e9)
    chance = random.Random(seed)
    load = Load(chance)
    acknowledged: list[int] = []
    with disk.under_sqlite():
        async with MemoryJournal() as model:
            states = [await state(model)]
            for _ in range(3):
                journal = SqliteJournal(folder / "journal.db", commits_in_loop=commits_in_loop)
                # Not through the argument, which takes no setting that loses what is stored.
                patch.setattr(journal, "_synchronous", synchronous)
                async with journal:
                    disk.failures = failures
                    for _ in range(TURNS // 3):
                        do = one_thing(load, chance)
                        while not await is_done(do, journal):
                            # The disk did not confirm it, and so it is not there.
                            assert await state(journal) == states[-1]
                        await do(model)
                        found = await state(model)
                        if found != states[-1]:
                            acknowledged.append(len(disk.steps))
                            states.append(found)
                    disk.failures = None
    return Run(disk, states, acknowledged)


async def found_in(image: Image, folder: Path) -> bytes:
    """The state that a journal has after a cut, from which it goes on.

    Raises:
        StoreError: It cannot be opened, or not read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in image.items():
        (folder / name).write_bytes(content)
    # On a whole disk, which spares the wait for the real one.
    with Disk().under_sqlite():
        async with SqliteJournal(folder / "journal.db") as journal:
            found = await state(journal)
            await journal.append([Write("new", 0, [NewEvent("event", b"", bytes(16), 0)])])
    db = sqlite3.connect(folder / "journal.db")
    whole = db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    return found if whole else b"not whole"


async def cut_often(run: Run, fault: str, seed: int, folder: Path) -> Tried:
    chance = random.Random(seed)
    total = lost = told = wrong = 0
    for _ in range(CUTS):
        after = chance.randrange(len(run.disk.steps) + 1)
        image = run.disk.cut_power(after, chance, chance.choice(SURVIVAL))
        promised = bisect_right(run.acknowledged, after)
        total += promised
        kept = 0
        try:
            found = await found_in(image, folder)
        except StoreError:
            told += 1
        else:
            if found in run.states:
                kept = run.states.index(found)
            else:
                wrong += 1
        lost += max(0, promised - kept)
    return Tried(fault, CUTS, seed, total, lost, told, wrong)


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
@pytest.mark.parametrize("commits_in_loop", [True, False], ids=["in-loop", "in-thread"])
async def test_what_was_acknowledged_by_a_disk_that_fails_now_and_then_survives_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Try, *, commits_in_loop: bool
) -> None:
    seed = seeded(130 + commits_in_loop)
    run = await run_under_load(
        tmp_path,
        Disk(),
        seed,
        monkeypatch,
        commits_in_loop=commits_in_loop,
        failures=random.Random(seed),
    )
    where = "in the loop" if commits_in_loop else "in the thread"
    fault = f"loss of power after writes and syncs that failed, commits {where}"
    found = await cut_often(run, fault, seed, tmp_path / "cut")
    tried(found)
    assert run.disk.failed
    assert found.acknowledged
    assert (found.lost, found.told, found.wrong) == (0, 0, 0)


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
