"""``python -m bench.postgres.scale [--events 10M] [--json FILE]``: what a large journal costs.

A schema with a long history and one with a short are filled by the server itself, with streams of
one length that take turns, as commands would have it. Then both are appended to and read in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path

from bench import machine
from bench.harness import Clock
from bench.postgres import raw
from bench.postgres.server import database, running
from daicho.journal import NewEvent, Write, slice_of
from daicho.journal.postgres import PostgresJournal

SMALL = 100_000
LENGTH = 500
"""Events of each stream."""
STREAMS = 200
"""Those that are appended to and read; all of the small history."""
AT_ONCE = 1_000_000
"""Events in a transaction that fills; at most 2^20 have room in one."""

BATCH, BATCHES = 1_000, 20
ALONE = 300
ROUNDS = 5

EVENT = NewEvent("wallet.v1.ReceiveMoney", bytes(range(100)), bytes(16), 1_700_000_000_000_000)

FILL = """
INSERT INTO {schema}.event
    (position, stream_id, version, type_name, payload, event_id, time_us)
SELECT
    (pg_current_xact_id()::text::bigint << 20) - (SELECT origin FROM {schema}.journal)
        + (version - $1) * $3 + stream,
    stream, version, $4, $5, uuid_send(gen_random_uuid()), $6
FROM generate_series($1::bigint, $2::bigint) AS version
CROSS JOIN generate_series(1::bigint, $3::bigint) AS stream
"""
SIZES = """
SELECT relname, pg_relation_size(oid) FROM pg_class
WHERE relnamespace = $1::regnamespace AND relname IN ('event', 'event_pkey',
    'event_stream_id_version_key')
"""


async def fill(db: raw.Connection, schema: str, events: int) -> None:
    """Gives a new journal so many events, in streams of one length."""
    streams = events // LENGTH
    names = [_name(number) for number in range(streams)]
    await db.execute(
        f"INSERT INTO {schema}.stream (id, name, slice)"
        " SELECT n, name, slice FROM unnest($1::text[], $2::smallint[]) WITH ORDINALITY"
        " AS s (name, slice, n)",
        names,
        [slice_of(name) for name in names],
    )
    await db.execute(f"SELECT setval('{schema}.stream_id_seq', $1)", streams)
    each = min(LENGTH, max(1, AT_ONCE // streams))
    for first in range(1, LENGTH + 1, each):
        last = min(first + each - 1, LENGTH)
        await db.execute(
            FILL.format(schema=schema), first, last, streams, *EVENT[:2], EVENT.time_us,
            timeout=600,
        )  # fmt: skip
    await db.execute(f"ANALYZE {schema}.event, {schema}.stream", timeout=600)


def _name(number: int) -> str:
    return f"balance:{number:06}"


class History:
    """A filled schema, and what it costs to append to it and to read it."""

    def __init__(self, journal: PostgresJournal, events: int) -> None:
        self._journal = journal
        step = events // LENGTH // STREAMS
        self._names = [_name(number * step) for number in range(STREAMS)]
        self._places = ((name, version) for version in count(LENGTH) for name in self._names)
        self._alone = count()
        self._first = 0
        self.rounds: dict[str, list[float]] = {}

    async def append(self) -> float:
        """Events a second, in batches over all of the streams."""
        batches = [
            [Write(*next(self._places), (EVENT,)) for _ in range(BATCH)] for _ in range(BATCHES)
        ]
        with Clock() as clock:
            for writes in batches:
                await self._journal.append(writes)
        return clock.rate(BATCH * BATCHES)

    async def append_one(self) -> float:
        """Milliseconds for an event by itself, to one stream after another."""
        return await raw.median_ms(
            lambda: self._journal.append([Write("alone", next(self._alone), (EVENT,))]), ALONE
        )

    async def read(self) -> float:
        """Events a second, one stream after another."""
        seen = 0
        with Clock() as clock:
            for name in self._names:
                async for page in self._journal.read(name, to_version=LENGTH):
                    seen += len(page)
        assert seen == STREAMS * LENGTH
        return clock.rate(seen)

    async def read_all(self) -> float:
        """Events a second, of the whole journal in its order, the first so many."""
        seen = 0
        with Clock() as clock:
            async for page in self._journal.read_all():
                seen += len(page)
                if seen >= SMALL:
                    break
        return clock.rate(seen)


WORKS: dict[str, Callable[[History], Awaitable[float]]] = {
    "append": History.append,
    "append_one_ms": History.append_one,
    "read": History.read,
    "read_all": History.read_all,
}


async def sizes(db: raw.Connection, schema: str) -> dict[str, int]:
    """Bytes of the table and of each index."""
    return {row[0]: row[1] for row in await db.fetch(SIZES, schema)}


async def vacuumed(db: raw.Connection, schema: str, option: str = "") -> float:
    """Seconds of a vacuum."""
    with Clock() as clock:
        await db.execute(f"VACUUM {option} {schema}.event", timeout=600)
    return clock.seconds


async def measure(url: str, events: int) -> dict[str, object]:
    """All figures."""
    found: dict[str, object] = {"events": events, "small": SMALL}
    histories: dict[str, History] = {}
    async with raw.connected(url) as db:
        small, large = PostgresJournal(url, schema="small"), PostgresJournal(url, schema="large")
        async with small, large:
            for name, journal, size in (("small", small, SMALL), ("large", large, events)):
                with Clock() as clock:
                    await fill(db, name, size)
                found[f"{name} filled_s"] = round(clock.seconds)
                found[f"{name} sizes"] = await sizes(db, name)
                histories[name] = History(journal, size)
                print(f"{name}: filled in {clock.seconds:.0f} s", file=sys.stderr, flush=True)
            found["first vacuum_s"] = await vacuumed(db, "large")
            await db.execute("CHECKPOINT", timeout=600)
            rounds = {work: {name: [] for name in histories} for work in WORKS}  # type: dict[str, dict[str, list[float]]]
            for turn in range(ROUNDS + 1):
                for work, run in WORKS.items():
                    for name, history in histories.items():
                        figure = await run(history)
                        if turn:
                            rounds[work][name].append(figure)
            found["rounds"] = rounds
            found["appended"] = (ROUNDS + 1) * (BATCH * BATCHES + ALONE)
            found["sizes after appending"] = await sizes(db, "large")
            found["second vacuum_s"] = await vacuumed(db, "large")
            found["frozen_s"] = await vacuumed(db, "large", "(FREEZE)")
            for number in range(0, events // LENGTH, 100):
                await large.truncate(_name(number), to_version=LENGTH)
            found["truncated"] = len(range(0, events // LENGTH, 100)) * LENGTH
            found["vacuum after truncating_s"] = await vacuumed(db, "large")
            found["sizes after truncating"] = await sizes(db, "large")
            found["server"] = await db.fetchval("SHOW server_version")
    return found


async def run(events: int, folder: Path, named: str | None) -> dict[str, object]:
    """Measures on a server, and says on what."""
    with running(named, folder) as server:
        async with database(server.url) as url:
            since = time.monotonic()
            found = await measure(url, events)
            return found | {"seconds": round(time.monotonic() - since), "load": machine.load()}


def main(arguments: Sequence[str]) -> int:
    """Prints the figures, and keeps them if asked."""
    parser = argparse.ArgumentParser(prog="bench.postgres.scale")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--postgres", metavar="URL", help="of a server; one of its own")
    parser.add_argument("--dir", type=Path, default=Path())
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments)
    found = asyncio.run(run(chosen.events, chosen.dir, chosen.postgres))
    text = json.dumps(found, indent=1)
    print(text)
    if chosen.json is not None:
        chosen.json.write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
