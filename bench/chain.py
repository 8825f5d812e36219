"""What a chain of hashes costs: the same on a journal that is chained and on one that is not."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import daicho
from bench import raw
from bench.balance import Balance
from bench.clients import asking
from bench.durable import asks, right
from bench.harness import Case, Clock, Measure, Options
from bench.journal import appends
from daicho.journal import NewEvent, SqliteJournal, Write, verify

APPENDS = ((1, 1_500), (1_000, 100_000))
"""Writes in a batch, each of one event, and events in all."""

LENGTH = 100_000
"""Events of the journal that is verified."""

IN_FLIGHT = ((1, 1_500), (2_000, 50_000))
"""Commands in flight, and commands in all."""

AGAINST = "the same without a chain"


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """Lines for appending, for commands of an entity, for verifying, and for the file's size."""
    stored = raw.event("bench.Event", bytes(range(24)))
    async with (
        SqliteJournal(options.folder / "chained.db", chained=True) as chained,
        SqliteJournal(options.folder / "plain.db") as plain,
    ):
        for journal in (chained, plain):
            await raw.grow(journal)
        for batch, full in APPENDS:
            ours, limit = (
                appends(journal, stored, options.count(full), batch) for journal in (chained, plain)
            )
            name = f"chain: append, {batch:,} at once"
            yield Case(name=name, unit="events/s", ours=ours, limit=limit, against=AGAINST)
    async for case in _commands(options):
        yield case
    async for case in _whole(options, stored):
        yield case


async def _commands(options: Options) -> AsyncGenerator[Case, None]:
    async with (
        _opened(options.folder / "chained-entities.db", chained=True) as chained,
        _opened(options.folder / "plain-entities.db", chained=False) as plain,
    ):
        for app in (chained, plain):
            await raw.grow(app.journal)
        for in_flight, full in IN_FLIGHT:
            ours, limit = (
                asking(asks(app, 1), options.count(full), in_flight, check=right)
                for app in (chained, plain)
            )
            name = f"chain: 1 entity, {in_flight:,} in flight"
            yield Case(name=name, unit="commands/s", ours=ours, limit=limit, against=AGAINST)


async def _whole(options: Options, of: NewEvent) -> AsyncGenerator[Case, None]:
    length = options.count(LENGTH)
    paths = {name: options.folder / f"{name}-whole.db" for name in ("chained", "plain")}
    for name, path in paths.items():
        async with SqliteJournal(path, chained=name == "chained") as journal:
            for start in range(0, length, 1_000):
                events = [of] * min(1_000, length - start)
                await journal.append([Write("verified", start, events)])
    async with SqliteJournal(paths["chained"], read_only=True) as journal:
        yield Case(
            name="chain: verify",
            unit="events/s",
            ours=_verifying(journal, length),
            limit=_reading(journal, length),
            against="reading the same events",
        )
    yield Case(
        name="chain: size of an event in the file",
        unit="B",
        ours=partial(_size, paths["chained"], length),
        limit=partial(_size, paths["plain"], length),
        against=AGAINST,
        less_is_better=True,
    )


def _opened(path: Path, *, chained: bool) -> daicho.App:
    journal = SqliteJournal(path, chained=chained)
    return daicho.open(journal, entities=[Balance], ask_timeout_s=60)


def _verifying(journal: SqliteJournal, length: int) -> Measure:
    async def run() -> float:
        with Clock() as clock:
            verified = await verify(journal)
        assert verified.events == length
        return clock.rate(length)

    return run


def _reading(journal: SqliteJournal, length: int) -> Measure:
    async def run() -> float:
        seen = 0
        with Clock() as clock:
            async for page in journal.read_all():
                seen += sum(1 for _ in page)
        assert seen == length
        return clock.rate(length)

    return run


async def _size(path: Path, events: int) -> float:
    return path.stat().st_size / events  # noqa: ASYNC240 - nothing else runs
