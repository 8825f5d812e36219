"""Promise 12 for the death of a process: what was acknowledged is there after SIGKILL."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daicho.journal import Record, SqliteJournal, verify
from tests.crash.effort import TIMES, Tried, Try, seeded

ROOT = Path(__file__).parents[2]
ROUNDS = 7 * TIMES
STREAMS = 5
LONGEST_PAUSE_S = 0.004

# Appends to some streams at once, for ever, and prints each version that the journal acknowledges.
# What it prints is with the operating system before the next append, so the killed process's last
# words are all there.
WRITER = """
import asyncio, sys
from daicho.journal import Appended, NewEvent, SqliteJournal, Write
from tests.crash.appender import append

async def write(journal, stream):
    version = (await journal.stream_info(stream)).version
    while True:
        events = [
            NewEvent("t", b"%d" % (version + number), bytes(16), 0) for number in (1, 2, 3)
        ]
        [outcome] = await append(journal, [Write(stream, version, events)])
        assert isinstance(outcome, Appended), outcome
        version = outcome.version
        print(stream, version, flush=True)
        await asyncio.sleep(0)

async def main():
    in_loop, chained = sys.argv[3] != "in-thread", sys.argv[3] == "chained"
    async with SqliteJournal(sys.argv[1], commits_in_loop=in_loop, chained=chained) as journal:
        await asyncio.gather(*(write(journal, f"s{n}") for n in range(int(sys.argv[2]))))

asyncio.run(main())
"""


def write_and_kill(path: Path, where: str, lines: int, then_s: float) -> dict[str, int]:
    """Kills a writer some time after so many acknowledgements; the versions that it printed."""
    versions: dict[str, int] = {}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(STREAMS), where],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert writer.stdout is not None
    with writer, writer.stdout as output:
        for number, line in enumerate(output):
            # A line that the kill cut short tells nothing.
            if line.endswith("\n"):
                stream, version = line.split()
                versions[stream] = int(version)
            if number == lines:
                time.sleep(then_s)  # at any moment, not just after an acknowledgement
                writer.kill()
    assert writer.returncode == -signal.SIGKILL
    return versions


@pytest.mark.crash
@pytest.mark.parametrize("where", ["in-loop", "in-thread", "chained"])
async def test_an_acknowledged_event_survives_kill_9(
    tmp_path: Path, tried: Try, where: str
) -> None:
    path = tmp_path / "journal.db"
    seed = seeded(9)
    chance = random.Random(seed)
    acknowledged: dict[str, int] = {}
    for _ in range(ROUNDS):
        acknowledged |= write_and_kill(
            path, where, chance.randrange(300), chance.random() * LONGEST_PAUSE_S
        )
        async with SqliteJournal(path) as journal:
            for stream, version in acknowledged.items():
                records: list[Record] = []
                async for page in journal.read(stream):
                    records.extend(page)
                versions = [record.version for record in records]
                assert versions == list(range(1, len(records) + 1))
                assert len(records) >= version
                # Whole writes of three, each with what was meant for it.
                assert len(records) % 3 == 0
                assert [record.payload for record in records] == [b"%d" % v for v in versions]
            if where == "chained":
                # Each has its link, unless it was killed before there was a chain.
                await journal.begin_chain()
                await verify(journal)
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    how = where if where == "chained" else f"commits {where}"
    tried(Tried(f"kill -9 of a journal, {how}", ROUNDS, seed, sum(acknowledged.values())))
