"""Promise 12 for the death of a process: what was acknowledged is there after SIGKILL."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from daicho.journal import Record, SqliteJournal

ROUNDS = 12
STREAMS = 5

# Appends to some streams at once, for ever, and prints each version that the journal acknowledges.
# What it prints is with the operating system before the next append, so the killed process's last
# words are all there.
WRITER = """
import asyncio, sys
from daicho.journal import Appended, NewEvent, SqliteJournal, Write

async def write(journal, stream):
    version = (await journal.stream_info(stream)).version
    while True:
        events = [
            NewEvent("t", b"%d" % (version + number), bytes(16), 0) for number in (1, 2, 3)
        ]
        [outcome] = await journal.append([Write(stream, version, events)])
        assert isinstance(outcome, Appended), outcome
        version = outcome.version
        print(stream, version, flush=True)

async def main():
    async with SqliteJournal(sys.argv[1]) as journal:
        await asyncio.gather(*(write(journal, f"s{n}") for n in range(int(sys.argv[2]))))

asyncio.run(main())
"""


def write_and_kill(path: Path, lines: int) -> dict[str, int]:
    """Kills a writer after it has acknowledged so many appends; the versions that it printed."""
    versions: dict[str, int] = {}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(STREAMS)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    with writer, writer.stdout as output:
        for number, line in enumerate(output):
            # A line that the kill cut short tells nothing.
            if line.endswith("\n"):
                stream, version = line.split()
                versions[stream] = int(version)
            if number == lines:
                writer.kill()
    assert writer.returncode == -signal.SIGKILL
    return versions


@pytest.mark.crash
async def test_an_acknowledged_event_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    chance = random.Random(9)
    acknowledged: dict[str, int] = {}
    for _ in range(ROUNDS):
        acknowledged |= write_and_kill(path, chance.randrange(300))
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
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
