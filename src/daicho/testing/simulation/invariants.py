"""What holds of every journal, whatever the entities are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

from daicho import check
from daicho.entity.entity import AnyEntity
from daicho.events import Schema
from daicho.journal import Journal, Record

_LOOKS_S = 0.05


class Reader:
    """Reads all events from beside, as they come, each after the position of the one before."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.records: list[Record] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._read_on())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def read(self) -> None:
        """Reads what has come."""
        after = self.records[-1].position if self.records else 0
        async for page in self._journal.read_all(after_position=after, page_size=7):
            self.records.extend(page)

    async def _read_on(self) -> None:
        while True:
            await self.read()
            await asyncio.sleep(_LOOKS_S)


async def check_journal(
    journal: Journal, reader: Reader, entities: Sequence[type[AnyEntity]], schema: Schema | None
) -> None:
    """Raises ``AssertionError`` if the journal breaks a promise.

    Versions are without gaps, positions rise, a reader that went along has seen each event once,
    and the events come to the states that are stored as snapshots.
    """
    await reader.__aexit__()
    await reader.read()
    stored = await _all_of(journal)
    gone = await _truncated(journal)
    _rise(stored)
    _rise(reader.records)
    versions = dict(gone)
    for record in stored:
        version = versions.get(record.stream, 0) + 1
        assert record.version == version, (
            f"{record.stream!r} has version {record.version} where {version} is next"
        )
        versions[record.stream] = version
    seen = [record for record in reader.records if record.version > gone.get(record.stream, 0)]
    assert seen == stored, "who read along saw something else than what is stored"
    report = await check.replay(journal, entities=entities, schema=schema)
    assert report.ok, str(report)


async def _all_of(journal: Journal) -> list[Record]:
    found: list[Record] = []
    async for page in journal.read_all():
        found.extend(page)
    return found


async def _truncated(journal: Journal) -> dict[str, int]:
    """Up to which version the events of streams are gone."""
    found: dict[str, int] = {}
    after = ""
    while page := await journal.list_streams(after=after):
        found.update({info.stream: info.truncated_to for info in page})
        after = page[-1].stream
    return found


def _rise(records: Sequence[Record]) -> None:
    position = 0
    for record in records:
        assert record.position > position, f"position {record.position} follows {position}"
        position = record.position
