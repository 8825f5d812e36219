"""Loading: what a recovery begins with, in one reading."""

from __future__ import annotations

import asyncio

import pytest

from daicho.errors import JournalClosed
from daicho.journal import (
    MAX_VERSION,
    Feature,
    Journal,
    Loaded,
    Snapshot,
    StreamInfo,
    Write,
    facts,
)
from daicho.testing.journal_contract.appending import HOSTILE_NAMES
from daicho.testing.journal_contract.engine import EngineTests, Store, appended


def versions_of(loaded: Loaded) -> list[int]:
    """The versions of the events that were loaded."""
    return [record.version for record in loaded.page]


class LoadingTests(EngineTests):
    """Promises of ``load``."""

    def assert_loaded(
        self, loaded: Loaded, info: StreamInfo, snapshot: Snapshot | None, versions: range
    ) -> None:
        assert loaded.info == info
        self.assert_snapshot(loaded.snapshot, snapshot)
        assert versions_of(loaded) == list(versions)
        assert [version for version, _, _ in facts(loaded.page)] == list(versions)

    async def test_of_a_stream_that_does_not_exist_there_is_nothing(self, journal: Journal) -> None:
        stream = self.stream(1)
        await self.fill(journal, self.stream(2), 3)
        loaded = await journal.load(stream)
        self.assert_loaded(loaded, StreamInfo(stream, 0, 0), None, range(0))
        assert len(loaded.page) == 0
        # It exists no more than before.
        assert [info.stream for info in await journal.list_streams()] == [self.stream(2)]

    @pytest.mark.parametrize("count", [1, 2, 3, 9, 40])
    async def test_without_a_snapshot_it_begins_with_the_first_event(
        self, journal: Journal, count: int
    ) -> None:
        stream = self.stream(1)
        events = await self.fill(journal, stream, count)
        loaded = await journal.load(stream)
        assert loaded.info == StreamInfo(stream, count, 0)
        assert loaded.snapshot is None
        self.assert_stored(loaded.page, stream, 1, events)

    @pytest.mark.parametrize("version", [1, 4, 8, 9, 10])
    async def test_the_events_are_those_after_the_snapshot(
        self, journal: Journal, version: int
    ) -> None:
        stream = self.stream(1)
        events = await self.fill(journal, stream, 10)
        snapshot = self.snapshot(stream, version, number=7)
        await journal.save_snapshot(snapshot)
        loaded = await journal.load(stream)
        info = StreamInfo(stream, 10, 0)
        self.assert_loaded(loaded, info, snapshot, range(version + 1, 11))
        self.assert_stored(loaded.page, stream, version + 1, events[version:])

    async def test_a_snapshot_ahead_of_its_stream_is_not_taken(self, journal: Journal) -> None:
        stream, empty = self.stream(1), self.stream(2)
        await self.fill(journal, stream, 3)
        for ahead in (self.snapshot(stream, 4), self.snapshot(empty, 1)):
            await journal.save_snapshot(ahead)
            self.assert_snapshot(await journal.load_snapshot(ahead.stream), ahead)
        loaded = await journal.load(stream)
        self.assert_loaded(loaded, StreamInfo(stream, 3, 0), None, range(1, 4))
        loaded = await journal.load(empty)
        self.assert_loaded(loaded, StreamInfo(empty, 0, 0), None, range(0))

    async def test_a_snapshot_of_version_0_is_none(self, journal: Journal) -> None:
        stream, empty = self.stream(1), self.stream(2)
        await self.fill(journal, stream, 3)
        for name in (stream, empty):
            await journal.save_snapshot(self.snapshot(name, 0))
        loaded = await journal.load(stream, max_snapshot=0)
        self.assert_loaded(loaded, StreamInfo(stream, 3, 0), None, range(1, 4))
        self.assert_loaded(await journal.load(empty), StreamInfo(empty, 0, 0), None, range(0))

    async def test_the_newest_snapshot_up_to_a_version_is_taken(self, journal: Journal) -> None:
        self.need(Feature.SNAPSHOT_HISTORY)
        stream = self.stream(1)
        await self.fill(journal, stream, 10)
        for version in (3, 6, 9, 12):
            await journal.save_snapshot(self.snapshot(stream, version))
        for max_snapshot, version in (
            (MAX_VERSION, 9), (12, 9), (9, 9), (8, 6), (6, 6), (5, 3), (2, 0), (0, 0)
        ):  # fmt: skip
            loaded = await journal.load(stream, max_snapshot=max_snapshot)
            snapshot = self.snapshot(stream, version) if version else None
            info = StreamInfo(stream, 10, 0)
            self.assert_loaded(loaded, info, snapshot, range(version + 1, 11))

    async def test_a_snapshot_above_the_largest_version_is_not_taken(
        self, journal: Journal
    ) -> None:
        stream = self.stream(1)
        await self.fill(journal, stream, 5)
        await journal.save_snapshot(self.snapshot(stream, 4))
        loaded = await journal.load(stream, max_snapshot=3)
        self.assert_loaded(loaded, StreamInfo(stream, 5, 0), None, range(1, 6))

    @pytest.mark.parametrize("page_size", [1, 2, 3, 6, 7, 8, 1_000])
    async def test_a_page_holds_no_more_than_is_asked_for(
        self, journal: Journal, page_size: int
    ) -> None:
        stream = self.stream(1)
        events = await self.fill(journal, stream, 10)
        await journal.save_snapshot(self.snapshot(stream, 3))
        loaded = await journal.load(stream, page_size=page_size)
        records = list(loaded.page)
        assert len(records) == min(page_size, 7)
        # What does not fit is read from there.
        after = 4 + len(records)
        async for page in journal.read(stream, from_version=after, page_size=page_size):
            records += page
        self.assert_stored(records, stream, 4, events[3:])

    async def test_a_truncated_stream_begins_where_it_was_truncated(self, journal: Journal) -> None:
        self.need(Feature.TRUNCATE)
        stream = self.stream(1)
        await self.fill(journal, stream, 10)
        await journal.truncate(stream, to_version=4)
        info = StreamInfo(stream, 10, 4)
        self.assert_loaded(await journal.load(stream), info, None, range(5, 11))
        # One whose next events are gone is a snapshot all the same, and the gap can be seen.
        await journal.save_snapshot(self.snapshot(stream, 2))
        loaded = await journal.load(stream)
        self.assert_loaded(loaded, info, self.snapshot(stream, 2), range(5, 11))
        await journal.save_snapshot(self.snapshot(stream, 9))
        loaded = await journal.load(stream)
        self.assert_loaded(loaded, info, self.snapshot(stream, 9), range(10, 11))
        await journal.truncate(stream, to_version=10)
        info = StreamInfo(stream, 10, 10)
        loaded = await journal.load(stream)
        self.assert_loaded(loaded, info, self.snapshot(stream, 9), range(0))
        loaded = await journal.load(stream, max_snapshot=8)
        self.assert_loaded(loaded, info, self.snapshot(stream, 2), range(0))

    async def test_streams_are_loaded_by_the_name_that_they_have(self, journal: Journal) -> None:
        self.need(Feature.ANY_TYPE)
        await journal.append(
            [
                Write(name, 0, self.events(number % 3 + 1), snapshot=self.snapshot(name, 1, number))
                for number, name in enumerate(HOSTILE_NAMES)
            ]
        )
        for number, name in enumerate(HOSTILE_NAMES):
            loaded = await journal.load(name)
            info = StreamInfo(name, number % 3 + 1, 0)
            snapshot = self.snapshot(name, 1, number)
            self.assert_loaded(loaded, info, snapshot, range(2, info.version + 1))
            assert all(record.stream == name for record in loaded.page)

    async def test_what_is_loaded_beside_a_writer_is_of_one_moment(self, journal: Journal) -> None:
        stream = self.stream(1)
        done = False

        async def write() -> None:
            nonlocal done
            for version in range(0, 300, 3):
                events = self.events(3, first=version)
                snapshot = self.snapshot(stream, version + 2) if version % 2 else None
                await journal.append([Write(stream, version, events, snapshot=snapshot)])
            done = True

        writer = asyncio.create_task(write())
        while not done:
            info, snapshot, page = await journal.load(stream)
            first = 1 if snapshot is None else snapshot.version + 1
            versions = list(range(first, info.version + 1))
            assert [record.version for record in page] == versions
            assert info.version % 3 == 0
            await asyncio.sleep(0)
        await writer
        [outcome] = await journal.append([Write(stream, 300, self.events(1))])
        assert (await journal.load(stream)).info.version == appended(outcome).version

    async def test_what_can_never_be_loaded_is_refused(self, journal: Journal) -> None:
        stream = self.stream(1)
        await self.fill(journal, stream, 1)
        for name, options in (
            ("", {}),
            (stream, {"max_snapshot": -1}),
            (stream, {"max_snapshot": MAX_VERSION + 1}),
            (stream, {"page_size": 0}),
        ):
            with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own
                await journal.load(name, **options)

    async def test_a_journal_that_is_not_open_loads_nothing(self, journals: Store) -> None:
        journal = journals()
        with pytest.raises(JournalClosed):
            await journal.load(self.stream(1))
