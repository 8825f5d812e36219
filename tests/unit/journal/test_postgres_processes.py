"""Several processes on one schema: who is second learns it, and positions rise in commit order."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from daicho.journal import Journal, Record
from daicho.journal.postgres import PostgresJournal
from daicho.testing.journal_contract import records_of
from tests.support.postgres import Server

# Appends events to a stream that all share and to some of its own, each time at the version that it
# has to be, and prints a line for each event that the journal says is stored. What is its own is on
# its way at the same time, so transactions of several connections meet.
RIVAL = """
import asyncio, sys
from daicho.journal import Appended, NewEvent, Write
from daicho.journal.postgres import PostgresJournal

event = NewEvent("t", b"", bytes(16), 0)

async def share(journal, rounds):
    shared = 0
    for _ in range(rounds):
        while True:
            [outcome] = await journal.append([Write("shared", shared, [event])])
            if isinstance(outcome, Appended):
                print("shared", outcome.version, outcome.position)
                shared = outcome.version
                break
            shared = outcome.actual

async def own(journal, stream, rounds):
    for version in range(rounds):
        [outcome] = await journal.append([Write(stream, 2 * version, [event, event])])
        print(stream, outcome.version, outcome.position)

async def main(url, schema, name, rounds):
    async with PostgresJournal(url, schema=schema) as journal:
        mine = [own(journal, f"{name}-{number}", rounds) for number in range(5)]
        await asyncio.gather(share(journal, rounds), *mine)

asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
"""


async def test_processes_that_append_to_one_stream_lose_and_double_nothing(
    postgres_server: Server, postgres_schema: str
) -> None:
    rounds, names = 40, ["first", "second", "third"]
    async with PostgresJournal(
        postgres_server.url, schema=postgres_schema, patience_s=0
    ) as journal:
        rivals = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    RIVAL,
                    postgres_server.url,
                    postgres_schema,
                    name,
                    str(rounds),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in names
        ]
        followed: list[Record] = []
        while any(rival.poll() is None for rival in rivals):
            await follow(journal, followed)
            await asyncio.sleep(0.001)
        outputs = [rival.communicate()[0].splitlines() for rival in rivals]
        assert [rival.returncode for rival in rivals] == [0, 0, 0]
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        await follow(journal, followed)
        # Who followed while they wrote missed nothing: nothing came at or before what it had seen.
        assert followed == await records_of(journal.read_all())
    places = {f"{r.stream} {r.version} {r.position}" for r in followed}
    acknowledged = [line for lines in outputs for line in lines]
    assert len({*acknowledged}) == len(acknowledged) == rounds * 6 * len(names)
    assert {*acknowledged} <= places
    assert len(followed) == rounds * (1 + 5 * 2) * len(names)
    shared = [record.version for record in followed if record.stream == "shared"]
    assert shared == list(range(1, rounds * len(names) + 1))


async def follow(journal: Journal, followed: list[Record]) -> None:
    after = followed[-1].position if followed else 0
    followed += await records_of(journal.read_all(after_position=after, page_size=50))
