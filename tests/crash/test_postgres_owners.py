"""A process that is stopped while it owns a slice, and wakes up when another one owns it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daicho.journal import Appended, NewEvent, Write, slice_of
from daicho.journal.postgres import PostgresJournal, from_url
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.support.journals import stored

ROOT = Path(__file__).parents[2]
ROUNDS = 3 * TIMES
STREAM = "owned"
SLICE = slice_of(STREAM)

# Claims the stream's slice and appends under its epoch, until it is refused.
OWNER = """
import asyncio, sys
from daicho.errors import SliceLost
from daicho.journal import Appended, NewEvent, Write
from daicho.journal.postgres import from_url

async def main(url, stream, slice_):
    async with from_url(url) as journal:
        epochs = await journal.claim([slice_], "child")
        version = (await journal.stream_info(stream)).version
        while True:
            event = NewEvent("t", b"child", bytes(16), 0)
            [outcome] = await journal.append([Write(stream, version, [event], epochs[slice_])])
            if isinstance(outcome, SliceLost):
                print("lost", outcome.current, flush=True)
                return
            assert isinstance(outcome, Appended), outcome
            version = outcome.version
            print(version, flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


async def take_over(journal: PostgresJournal) -> tuple[int, int]:
    """Claims the slice and appends to the stream where it ends; the epoch, and the version."""
    epochs = await journal.claim([SLICE], "parent")
    version = (await journal.stream_info(STREAM)).version
    event = NewEvent("t", b"parent", bytes(16), 0)
    [outcome] = await journal.append([Write(STREAM, version, [event], epochs[SLICE])])
    # Nothing comes between: the one that is stopped had sent all of a statement, or none of it.
    assert isinstance(outcome, Appended), outcome
    return epochs[SLICE], outcome.version


@pytest.mark.crash
async def test_an_owner_that_was_stopped_while_another_took_its_slice_stores_nothing_any_more(
    mortal_url: str, tried: Try
) -> None:
    seed = seeded(550)
    chance = random.Random(seed)
    arguments = [sys.executable, "-c", OWNER, mortal_url, STREAM, str(SLICE)]
    acknowledged, taken = 0, list[int]()
    async with from_url(mortal_url) as journal:
        for _ in range(ROUNDS):
            with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
                assert child.stdout is not None
                for _ in range(chance.randrange(1, 100)):
                    child.stdout.readline()
                child.send_signal(signal.SIGSTOP)
                try:
                    epoch, version = await take_over(journal)
                finally:
                    child.send_signal(signal.SIGCONT)
                *said, last = child.stdout.read().splitlines()
            assert last == f"lost {epoch}"
            assert all(int(line) < version for line in said)
            taken.append(version)
            acknowledged = version
        payloads = [record.payload for record in await stored(journal, STREAM)]
    assert [n + 1 for n, payload in enumerate(payloads) if payload == b"parent"] == taken
    assert len(payloads) == taken[-1]
    tried(
        Tried(
            "SIGSTOP of an owner of a slice, which is taken",
            ROUNDS,
            seed,
            acknowledged,
            told=ROUNDS,
        )
    )
