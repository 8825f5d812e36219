"""What an engine gives to its tests, and what helps them."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from typing import ClassVar
from uuid import UUID

import pytest

from daicho.journal import (
    Appended,
    Feature,
    Journal,
    NewEvent,
    Outcome,
    Record,
    Reply,
    Snapshot,
    Write,
)

Store = Callable[[], Journal]
"""Makes a journal that is not open yet; all that one of them makes share their content."""

EVERYTHING = frozenset(Feature)


async def records_of(pages: AsyncIterable[Sequence[Record]]) -> list[Record]:
    """All records of the pages, none of which may be empty."""
    found: list[Record] = []
    async for page in pages:
        assert page
        found.extend(page)
    return found


def positions_of(records: Sequence[Record]) -> list[int]:
    return [record.position for record in records]


def appended(outcome: Outcome) -> Appended:
    assert isinstance(outcome, Appended), outcome
    return outcome


class EngineTests:
    """An engine, as the tests see it."""

    features: ClassVar[frozenset[Feature]]

    @pytest.fixture
    def store(self) -> Store:
        raise AssertionError("a suite of an engine overrides this fixture: it makes its journals")

    def stream(self, number: int) -> str:
        """The name of a stream that the engine takes."""
        return f"stream-{number}"

    def event(self, number: int) -> NewEvent:
        """An event that the engine takes, different for each number."""
        return NewEvent(
            type_name=f"test.v1.Event{number % 3}",
            payload=b"payload %d" % number,
            event_id=UUID(int=number).bytes,
            time_us=1_700_000_000_123_456 + number,
        )

    def snapshot(self, stream: str, version: int, number: int = 0) -> Snapshot:
        """A snapshot that the engine takes, different for each number."""
        return Snapshot(
            stream=stream,
            version=version,
            type_name="test.v1.State",
            payload=b"state %d" % number,
            time_us=1_700_000_000_654_321 + number,
        )

    def reply(self, key: str, number: int = 0) -> Reply:
        """A reply under a key, different for each number."""
        return Reply(
            key=key,
            command=b"digest %d" % number,
            type_name=f"test.v1.Reply{number % 3}",
            payload=b"reply %d" % number,
            version=number,
            time_us=1_700_000_000_123_456 + number,
        )

    @pytest.fixture
    async def journal(self, store: Store) -> AsyncIterator[Journal]:
        async with store() as journal:
            yield journal

    def need(self, *features: Feature) -> None:
        missing = set(features) - self.features
        if missing:
            pytest.skip(f"not offered: {', '.join(sorted(f.value for f in missing))}")

    def lacks(self, feature: Feature) -> None:
        if feature in self.features:
            pytest.skip(f"offered: {feature.value}")

    def events(self, count: int, first: int = 0) -> list[NewEvent]:
        return [self.event(first + number) for number in range(count)]

    def assert_stored(
        self, records: Sequence[Record], stream: str, first: int, events: Sequence[NewEvent]
    ) -> None:
        """Asserts that the records are those events, with versions from ``first`` on."""
        assert [record.version for record in records] == list(range(first, first + len(events)))
        for record, event in zip(records, events, strict=True):
            assert record.stream == stream
            assert (record.type_name, record.payload) == (event.type_name, event.payload)
            if Feature.METADATA in self.features:
                assert record[3:] == event

    def assert_snapshot(self, found: Snapshot | None, expected: Snapshot | None) -> None:
        if found is None or expected is None or Feature.METADATA in self.features:
            assert found == expected
            return
        assert (found.stream, found.version) == (expected.stream, expected.version)
        assert (found.type_name, found.payload) == (expected.type_name, expected.payload)

    async def fill(self, journal: Journal, stream: str, count: int) -> list[NewEvent]:
        events = self.events(count)
        [outcome] = await journal.append([Write(stream, 0, events)])
        assert appended(outcome).version == count
        return events
