"""Promise 12 on PostgreSQL: the server dies or stops, the client dies, and nothing is lost."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from daicho.errors import ConcurrencyConflict, JournalUnavailable
from daicho.journal import Journal, Write
from daicho.journal.postgres import PostgresJournal
from daicho.testing.journal_contract import records_of
from tests.crash.effort import TIMES, seeded
from tests.support.postgres import OwnServer, Server, own_server
from tests.support.postgres_by_hand import appended, event, until, write

pytestmark = pytest.mark.crash

KILLS = 4 * TIMES

# Appends to some streams at once, for ever, and prints each version that the journal acknowledges.
# What it prints is with the operating system before the next append.
WRITER = """
import asyncio, sys
from daicho.journal import Appended, NewEvent, Write
from daicho.journal.postgres import PostgresJournal

event = NewEvent("t", b"", bytes(16), 0)

async def write(journal, stream):
    version = (await journal.stream_info(stream)).version
    while True:
        [outcome] = await journal.append([Write(stream, version, [event] * 3)])
        assert isinstance(outcome, Appended), outcome
        version = outcome.version
        print(stream, version, flush=True)

async def main(url, schema):
    async with PostgresJournal(url, schema=schema) as journal:
        await asyncio.gather(*(write(journal, f"s{number}") for number in range(4)))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def server() -> Iterator[OwnServer]:
    """One that may be killed."""
    with own_server() as server:
        yield server


async def test_a_server_that_is_killed_again_and_again_loses_nothing_that_was_acknowledged(
    server: OwnServer,
) -> None:
    chance = random.Random(seeded(5))
    streams = [f"s{number}" for number in range(5)]
    is_over = False
    async with PostgresJournal(server.url, connect_timeout_s=60.0) as journal:
        tasks = [asyncio.create_task(_write_on(journal, s, lambda: is_over)) for s in streams]
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.05, 0.3))
            server.kill()
            await asyncio.to_thread(server.start)
        is_over = True
        expected = [await task for task in tasks]
    assert all(len(payloads) > KILLS for payloads in expected)
    async with PostgresJournal(server.url) as journal:
        for stream, payloads in zip(streams, expected, strict=True):
            assert [r.payload for r in await records_of(journal.read(stream))] == payloads
        everything = await records_of(journal.read_all())
        assert len(everything) == sum(map(len, expected))


async def test_a_server_that_is_stopped_for_a_while_is_waited_for(server: OwnServer) -> None:
    async with PostgresJournal(server.url) as journal:
        await journal.append([write("s")])
        with server.stopped():
            append = asyncio.create_task(journal.append([write("s", 1)]))
            read = asyncio.create_task(records_of(journal.read("s")))
            await asyncio.sleep(0.3)
            assert not append.done()
            assert not read.done()
        [outcome] = await append
        assert appended(outcome).version == 2
        assert len(await read) in (1, 2)


async def test_what_a_stopped_server_did_not_answer_in_time_may_be_stored(
    server: OwnServer,
) -> None:
    async with PostgresJournal(server.url, answer_timeout_s=0.2, connect_timeout_s=60.0) as journal:
        await journal.append([write("s")])
        with server.stopped(), pytest.raises(JournalUnavailable, match="did not answer in time"):
            await journal.append([write("s", 1)])
        # What was under way may still be running: then it comes first, and this is a conflict.
        [outcome] = await journal.append([write("s", 1)])
        if isinstance(outcome, ConcurrencyConflict):
            assert outcome.actual == 2
        assert (await journal.stream_info("s")).version == 2


async def test_a_client_that_is_killed_again_and_again_loses_nothing_that_was_acknowledged(
    postgres_server: Server, postgres_schema: str
) -> None:
    chance = random.Random(seeded(6))
    acknowledged: dict[str, int] = {}
    for _ in range(KILLS):
        acknowledged |= _write_and_kill(
            [postgres_server.url, postgres_schema], chance.randrange(30), chance.uniform(0, 0.01)
        )
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        for stream, version in acknowledged.items():

            async def is_whole(stream: str = stream) -> bool:
                # The last statement of a killed client may still be running.
                return (await journal.stream_info(stream)).version % 3 == 0

            await until(is_whole)
            records = await records_of(journal.read(stream))
            assert len(records) >= version
            assert [record.version for record in records] == list(range(1, len(records) + 1))


def _write_and_kill(where: list[str], lines: int, then_s: float) -> dict[str, int]:
    """Kills a writer some time after so many acknowledgements; the versions that it printed."""
    versions: dict[str, int] = {}
    arguments = [sys.executable, "-c", WRITER, *where]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        for number, line in enumerate(client.stdout):
            # A line that the kill cut short tells nothing.
            if line.endswith("\n"):
                stream, version = line.split()
                versions[stream] = int(version)
            if number == lines:
                time.sleep(then_s)  # at any moment, not just after an acknowledgement
                client.kill()
    assert client.returncode == -signal.SIGKILL
    return versions


async def _write_on(journal: Journal, stream: str, is_over: Callable[[], bool]) -> list[bytes]:
    """Writes events one after another; returns those that have to be there."""
    stored: list[bytes] = []
    while not is_over():
        payload = b"%d" % len(stored)
        try:
            [outcome] = await journal.append([Write(stream, len(stored), [event(payload)])])
        except JournalUnavailable:
            if not await _is_there(journal, stream, len(stored) + 1):
                continue
        else:
            # What was taken for lost may be stored after somebody looked.
            if isinstance(outcome, ConcurrencyConflict):
                assert outcome.actual == len(stored) + 1
        stored.append(payload)
    return stored


async def _is_there(journal: Journal, stream: str, version: int) -> bool:
    while True:
        try:
            return (await journal.stream_info(stream)).version == version
        except JournalUnavailable:
            continue
