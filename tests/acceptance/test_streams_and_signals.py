"""What the command does when nobody listens, when it is interrupted, and when a disk is full."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.command import (
    EXPECTED,
    assert_refused,
    command,
    events,
    python,
    run,
)


def test_a_reader_that_leaves_is_no_error_of_the_wallet(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(command("demo"), tmp_path, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
    assert len(events(tmp_path / "db.sqlite3")) == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_an_output_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(command("demo"), tmp_path, stdout=full.fileno())
    assert_refused(done, 1, "standard output: No space left on device; all amounts were stored")
    assert len(events(tmp_path / "db.sqlite3")) == 4


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_a_wallet_without_an_output_works(tmp_path: Path) -> None:
    done = run(["sh", "-c", 'exec "$@" >&-', "sh", *command("demo")], tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(events(tmp_path / "db.sqlite3")) == 4


# A journal that never answers, so that Ctrl-C comes while the demo waits for it.
INTERRUPTED = """
import asyncio, os, signal, sys
from daicho.journal import MemoryJournal
from wallet import cli, demo

class Silent(MemoryJournal):
    async def append(self, writes):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

demo.journal_of = lambda name, db: Silent()
sys.exit(cli.main(["demo"]))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals as POSIX has them")
def test_ctrl_c_ends_the_demo_without_a_word(tmp_path: Path) -> None:
    done = run(python(INTERRUPTED), tmp_path)
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, b"")
    assert done.stdout == (EXPECTED / "run-1.txt").read_bytes()


SNAPSHOTS_FAIL = """
import sys
import daicho.persistence.pipeline as pipeline
from daicho.errors import JournalFull
from daicho.journal import MemoryJournal
from wallet import cli, demo

class Full(MemoryJournal):
    async def save_snapshot(self, snapshot):
        raise JournalFull("the store", "no room")

pipeline.TRAVELS_BYTES = -1  # it follows its event, as a large one does
demo.journal_of = lambda name, db: Full()
sys.exit(cli.main(["demo", "--snapshot-interval", "4"]))
"""


def test_a_snapshot_that_could_not_be_stored_is_told_and_harms_nobody(tmp_path: Path) -> None:
    done = run(python(SNAPSHOTS_FAIL), tmp_path)
    assert_refused(done, 0, "the snapshot at version 4 was not stored: the store: no room")
    assert done.stdout.endswith(
        b"snapshot requested, current deposit: 10800\ncurrent deposit: 10800\n"
    )
