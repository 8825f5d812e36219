"""Processes that are stopped in the middle, and processes whose file may not grow.

A child appends and prints what is acknowledged. Whatever it is done to, what it printed is stored,
once, in order and without a gap.
"""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from daicho.errors import JournalLocked
from daicho.journal import Appended, NewEvent, SqliteJournal, Write
from tests.crash.effort import TIMES, Tried, Try, seeded

ROOT = Path(__file__).parents[2]
STOPS = 12 * TIMES
ROOM_BYTES = 400_000


@contextmanager
def child(path: Path, where: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """An appender to the stream ``child``, and what it prints; it is killed in the end."""
    arguments = [sys.executable, "-m", "tests.crash.appender", str(path), "child", where]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def heard(line: str) -> int:
    """The version that a line acknowledges; 0 if it tells an error or was cut short."""
    return int(line) if line.endswith("\n") and line.strip().isdigit() else 0


async def payloads(journal: SqliteJournal, stream: str) -> list[bytes]:
    """Those of a stream, whose versions are seen to be without a gap."""
    found = [record async for page in journal.read(stream) for record in page]
    assert [record.version for record in found] == list(range(1, len(found) + 1))
    return [record.payload.rstrip(b"\0") for record in found]


@pytest.mark.crash
@pytest.mark.parametrize("where", ["in-loop", "in-thread"])
async def test_a_writer_that_is_stopped_in_the_middle_loses_nothing_and_goes_on(
    tmp_path: Path, tried: Try, where: str
) -> None:
    seed = seeded(300)
    chance = random.Random(seed)
    path = tmp_path / "journal.db"
    acknowledged = version = locked = 0
    async with SqliteJournal(path, busy_timeout_s=0.05) as journal:
        with child(path, where) as (process, output):
            for _ in range(STOPS):
                for _ in range(chance.randrange(1, 20)):
                    acknowledged = max(acknowledged, heard(output.readline()))
                process.send_signal(signal.SIGSTOP)
                # It may have been stopped while it held the file: then nobody else writes.
                try:
                    event = NewEvent("event", b"%d" % (version + 1), bytes(16), 0)
                    [outcome] = await journal.append([Write("parent", version, [event])])
                except JournalLocked:
                    locked += 1
                else:
                    assert isinstance(outcome, Appended)
                    version = outcome.version
                process.send_signal(signal.SIGCONT)
            process.kill()
            acknowledged = max([acknowledged, *map(heard, output)])
    async with SqliteJournal(path) as journal:
        mine = await payloads(journal, "parent")
        found = await payloads(journal, "child")
    assert mine == [b"%d" % (n + 1) for n in range(version)]
    assert found == [b"%d" % (n + 1) for n in range(len(found))]
    assert version
    fault = f"SIGSTOP of a writer while another writes, commits {where}"
    lost = max(0, acknowledged - len(found))
    tried(Tried(fault, STOPS, seed, acknowledged + version, lost, told=locked))
    assert acknowledged
    assert not lost


@pytest.mark.crash
@pytest.mark.parametrize("where", ["in-loop", "in-thread"])
async def test_a_file_that_may_not_grow_is_told_and_what_was_acknowledged_stays(
    tmp_path: Path, tried: Try, where: str
) -> None:
    path = tmp_path / "journal.db"
    acknowledged: list[int] = []
    told: list[str] = []
    unlimited = resource.RLIM_INFINITY
    times = 3 * TIMES
    with child(path, where) as (process, output):
        for round_ in range(times):
            before = len(told)
            limit = ROOM_BYTES * (round_ + 1)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, unlimited))
            while len(told) < before + 3:
                line = output.readline()
                if heard(line):
                    acknowledged.append(heard(line))
                else:
                    told.append(line.strip())
            # Room again, and it goes on by itself.
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
            while not heard(line := output.readline()):
                told.append(line.strip())
            acknowledged.append(heard(line))
        process.kill()
        acknowledged += filter(None, map(heard, output))
    async with SqliteJournal(path) as journal:
        found = await payloads(journal, "child")
    assert found == [b"%d" % (n + 1) for n in range(len(found))]
    assert {*told} <= {"JournalFull", "JournalUnavailable"}
    lost = max(0, acknowledged[-1] - len(found))
    fault = f"no room: a limit of the file's size, commits {where}"
    tried(Tried(fault, times, 0, acknowledged[-1], lost, told=len(told)))
    assert not lost
