"""What a deploy gate asks of a journal: can this program read it, and does it come to the same?

Both questions read and never write. They take one stream after the other, so they need little
memory, whatever the size of the journal.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime

import daicho.app
from daicho.check.problems import (
    FailingHandler,
    FieldDifference,
    Gap,
    NoBeginning,
    Problem,
    SnapshotAhead,
    StateDiffers,
    UndecodableType,
    Undeliverable,
    UnhandledType,
    UnknownEntityType,
    UnreadableSnapshot,
)
from daicho.check.report import Findings, Progress, Report
from daicho.check.walk import Walk
from daicho.entity.entity import AnyEntity
from daicho.events import Schema
from daicho.journal import PAGE_SIZE, Journal, StreamInfo

__all__ = [
    "FailingHandler",
    "FieldDifference",
    "Gap",
    "NoBeginning",
    "Problem",
    "Progress",
    "Report",
    "SnapshotAhead",
    "StateDiffers",
    "UndecodableType",
    "Undeliverable",
    "UnhandledType",
    "UnknownEntityType",
    "UnreadableSnapshot",
    "check",
    "replay",
]


async def check(
    journal: Journal,
    *,
    entities: Iterable[type[AnyEntity]],
    schema: Schema | None = None,
    sample: int | None = None,
    seed: int | None = None,
    since: datetime | None = None,
    max_problems: int = 1_000,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Whether a program with these entities can take over what is stored; nothing is written.

    Every event is decoded and applied. What is reported: types that cannot be decoded, events
    without a handler or with one that raises, streams of unknown entity types (whose events are
    counted, but not decoded), gaps, snapshots that are ahead of their stream or cannot be read,
    states that cannot be rebuilt, and pending commands that nobody would handle.

    Args:
        journal: The journal, open.
        entities: The classes that the program opens its application with.
        schema: Its schema, where it has one.
        sample: Look at so many streams, chosen at random; at all of them if None.
        seed: Choose the same ones again.
        since: Look at streams that have changed since then, with its zone.
        max_problems: Different problems that are kept; of more only the number is known.
        progress: Called with how far it has come, after each page and each stream.

    Raises:
        BadSchema: As with ``daicho.open``, as is whatever else that raises.
        StoreError: The journal cannot be read.
        ValueError: ``since`` has no zone, or a number is below 1.
    """
    return await _look(
        journal,
        entities=entities,
        schema=schema,
        sample=sample,
        seed=seed,
        since=since,
        max_problems=max_problems,
        progress=progress,
        compare=False,
    )


async def replay(
    journal: Journal,
    *,
    entities: Iterable[type[AnyEntity]],
    schema: Schema | None = None,
    sample: int | None = None,
    seed: int | None = None,
    since: datetime | None = None,
    max_problems: int = 1_000,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """What :func:`check` does, and whether the events still come to the states of the snapshots.

    A snapshot is what an earlier program made of the same events. Where this one makes another
    state of them, its behaviour has changed; each such place is reported with both states.

    It takes the same arguments and raises the same errors as :func:`check`.
    """
    return await _look(
        journal,
        entities=entities,
        schema=schema,
        sample=sample,
        seed=seed,
        since=since,
        max_problems=max_problems,
        progress=progress,
        compare=True,
    )


async def _look(
    journal: Journal,
    *,
    entities: Iterable[type[AnyEntity]],
    schema: Schema | None,
    sample: int | None,
    seed: int | None,
    since: datetime | None,
    max_problems: int,
    progress: Callable[[Progress], None] | None,
    compare: bool,
) -> Report:
    for name, number in (("sample", sample), ("max_problems", max_problems)):
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}, at least 1 is needed")
    if since is not None and since.tzinfo is None:
        raise ValueError(f"the time {since} has no zone; write datetime(…, tzinfo=UTC)")
    # An application that is not entered does nothing, but it refuses what the real one would.
    program = daicho.app.open(journal, entities=entities, schema=schema)
    findings = Findings(max_problems)
    walk = Walk(program.directory, findings, compare=compare, progress=progress)
    streams = _Streams(journal, since)
    chosen = streams.all() if sample is None else streams.some(sample, seed)
    async for info in chosen:
        await walk.stream(info)
    return Report(
        problems=findings.problems(),
        left_out=findings.left_out,
        streams=walk.counts.streams,
        skipped=streams.count - walk.counts.streams,
        events=walk.counts.events,
        snapshots=walk.counts.snapshots,
        compared=walk.counts.compared,
    )


class _Streams:
    """Which streams are looked at."""

    def __init__(self, journal: Journal, since: datetime | None) -> None:
        self._journal = journal
        self._since = since
        self.count = 0
        """All that there are, as far as they were seen."""

    async def all(self) -> AsyncIterator[StreamInfo]:
        """Those that have changed since then, sorted."""
        after = ""
        while page := await self._journal.list_streams(after=after, limit=PAGE_SIZE):
            for info in page:
                self.count += 1
                if await self._has_changed(info):
                    yield info
            after = page[-1].stream

    async def some(self, count: int, seed: int | None) -> AsyncIterator[StreamInfo]:
        """A random sample of these, each as likely as any other (Vitter's algorithm R)."""
        draw = random.Random(seed)  # noqa: S311 - nobody gains by foreseeing it
        chosen: list[StreamInfo] = []
        seen = 0
        async for info in self.all():
            seen += 1
            if len(chosen) < count:
                chosen.append(info)
            elif (place := draw.randrange(seen)) < count:
                chosen[place] = info
        for info in chosen:
            yield info

    async def _has_changed(self, info: StreamInfo) -> bool:
        if self._since is None:
            return True
        last = self._journal.read(
            info.stream, from_version=max(info.version, 1), to_version=max(info.version, 1)
        )
        async for page in last:
            return page[0].time >= self._since
        return True  # its events are deleted, so nothing says when it changed
