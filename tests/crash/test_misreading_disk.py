"""A disk that gives something else than it has: what is told, and what nobody can tell.

A read that is short ends early, and SQLite takes zeros for the rest. One that is torn gives some
sectors as they were before they were written last. SQLite has no checksum of a page, so it tells
what contradicts itself, and no more. What is promised is that what is told is told by a typed
error, that what is only read stays as it is, and that a journal that has told goes on when it is
over.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from daicho.errors import StoreError
from daicho.journal import Appended, NewEvent, SqliteJournal, Write
from tests.crash.disk import Disk
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.crash.faults import Faults, Misreading, Short, Torn
from tests.crash.under_load import Run, run_under_load, state

READINGS = 40 * TIMES
WRITINGS = 20 * TIMES
STREAMS = 5
EVENTS = 80
APPENDS = 20

Content = dict[tuple[str, int], bytes]

each_kind = pytest.mark.parametrize("kind", [Short, Torn])


def name(kind: type[Misreading]) -> str:
    return f"reads that are {kind.__name__.lower()}"


@pytest.fixture
async def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """What was written on a good disk, and closed."""
    return await run_under_load(tmp_path, Disk(), seeded(170), monkeypatch)


@pytest.mark.crash
@each_kind
async def test_what_is_read_otherwise_than_it_is_stays_as_it_is_and_is_read_right_after_it_was_told(
    run: Run, tmp_path: Path, tried: Try, kind: type[Misreading]
) -> None:
    seed = seeded(171)
    chance = random.Random(seed)
    disk, truth = run.disk, run.states[-1]
    path = tmp_path / "journal.db"
    struck = told = wrong = 0
    with disk.under_sqlite():
        for _ in range(READINGS):
            async with SqliteJournal(path, reader_threads=1) as journal:
                disk.faults = faults = kind(chance)
                try:
                    wrong += await state(journal) != truth
                except StoreError:
                    told += 1
                    disk.faults = Faults()
                    assert await state(journal) == truth
                disk.faults = Faults()
            struck += faults.struck > 0
        async with SqliteJournal(path) as journal:
            assert await state(journal) == truth
    events = len(run.acknowledged)
    tried(
        Tried(f"{name(kind)}, of a reader", struck, seed, events * struck, told=told, wrong=wrong)
    )
    assert told


async def fill(path: Path, chance: random.Random) -> None:
    """Makes a file of which each part was written several times."""
    for first in range(0, EVENTS, EVENTS // 4):
        async with SqliteJournal(path) as journal:
            for number in range(first, first + EVENTS // 4):
                stream, version = number % STREAMS, number // STREAMS
                payload = chance.randbytes(chance.choice([10, 100, 3_000]))
                event = NewEvent("event", payload, chance.randbytes(16), number)
                await journal.append([Write(f"s{stream}", version, [event])])


async def content(path: Path) -> Content:
    async with SqliteJournal(path) as journal:
        return {
            (record.stream, record.version): record.payload
            async for page in journal.read_all()
            for record in page
        }


async def append(path: Path, disk: Disk, faults: Misreading) -> tuple[Content, int]:
    """Appends while reads are wrong: what was acknowledged, and how often something was told."""
    acknowledged: Content = {}
    told = version = 0
    disk.faults = faults
    try:
        async with SqliteJournal(path) as journal:
            for number in range(APPENDS):
                event = NewEvent("event", b"%d" % number * 500, bytes(16), 0)
                try:
                    [outcome] = await journal.append([Write("late", version, [event])])
                except StoreError:
                    told += 1
                    continue
                if isinstance(outcome, Appended):
                    version = outcome.version
                    acknowledged["late", version] = event.payload
            disk.faults = Faults()
    except StoreError:
        told += 1
    disk.faults = Faults()
    return acknowledged, told


@pytest.mark.crash
@each_kind
async def test_what_is_told_of_a_file_that_was_written_after_wrong_reads_is_a_typed_error(
    tmp_path: Path, tried: Try, kind: type[Misreading]
) -> None:
    seed = seeded(175)
    chance = random.Random(seed)
    struck = total = lost = told = wrong = 0
    for number in range(WRITINGS):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "journal.db"
        disk = Disk()
        with disk.under_sqlite():
            await fill(path, chance)
            promised = await content(path)
            faults = kind(chance)
            acknowledged, refused = await append(path, disk, faults)
            promised |= acknowledged
            struck += faults.struck > 0
            told += refused > 0
            total += len(promised)
            try:
                found = await content(path)
            except StoreError:
                told += not refused
                lost += len(promised)
                continue
        lost += len(promised.keys() - found.keys())
        wrong += any(found[key] != promised[key] for key in found.keys() & promised.keys())
    tried(Tried(f"{name(kind)}, of a writer", struck, seed, total, lost, told, wrong))
    assert told
