"""What is kept and what is let go: snapshots and truncation."""

from __future__ import annotations

import asyncio

import pytest

from daicho.errors import ConcurrencyConflict, KeyTaken
from daicho.journal import (
    MAX_VERSION,
    Feature,
    Journal,
    StreamInfo,
    Write,
)
from daicho.testing.journal_contract.engine import (
    EngineTests,
    Store,
    appended,
    records_of,
)


class KeepingTests(EngineTests):
    """Promises of snapshots and of ``truncate``."""

    async def test_a_truncated_stream_keeps_its_version(self, journal: Journal) -> None:
        self.need(Feature.TRUNCATE)
        stream = self.stream(1)
        events = await self.fill(journal, stream, 5)
        assert await journal.truncate(stream, to_version=2) == 2
        assert await journal.stream_info(stream) == StreamInfo(stream, 5, 2)
        for page_size in (1, 2, 1_000):
            records = await records_of(journal.read(stream, page_size=page_size))
            self.assert_stored(records, stream, 3, events[2:])
        assert await journal.truncate(stream, to_version=2) == 0
        assert await journal.truncate(stream, to_version=1) == 0
        assert await journal.stream_info(stream) == StreamInfo(stream, 5, 2)

    async def test_a_stream_goes_on_after_all_its_events_were_truncated(
        self, journal: Journal
    ) -> None:
        self.need(Feature.TRUNCATE)
        stream = self.stream(1)
        await self.fill(journal, stream, 3)
        assert await journal.truncate(stream, to_version=3) == 3
        assert await records_of(journal.read(stream)) == []
        assert await journal.list_streams() == [StreamInfo(stream, 3, 3)]
        [conflict] = await journal.append([Write(stream, 0, self.events(1))])
        assert isinstance(conflict, ConcurrencyConflict)
        assert conflict.actual == 3
        [outcome] = await journal.append([Write(stream, 3, self.events(1))])
        assert appended(outcome).version == 4
        assert await journal.stream_info(stream) == StreamInfo(stream, 4, 3)

    async def test_what_was_truncated_is_remembered_when_it_is_opened_again(
        self, journals: Store
    ) -> None:
        self.need(Feature.TRUNCATE)
        whole, part = self.stream(1), self.stream(2)
        events = self.events(5)
        async with journals() as journal:
            await journal.append([Write(whole, 0, events), Write(part, 0, events)])
            await journal.truncate(whole, to_version=5)
            await journal.truncate(part, to_version=2)
        async with journals() as journal:
            infos = [StreamInfo(whole, 5, 5), StreamInfo(part, 5, 2)]
            assert await journal.list_streams() == sorted(infos)
            assert [await journal.stream_info(info.stream) for info in infos] == infos
            refused, stored, other = await journal.append(
                [Write(whole, 0, events[:1]), Write(whole, 5, events[:1]), Write(part, 5, events)]
            )
            assert isinstance(refused, ConcurrencyConflict)
            assert [appended(outcome).version for outcome in (stored, other)] == [6, 10]
            self.assert_stored(await records_of(journal.read(whole)), whole, 6, events[:1])
            records = await records_of(journal.read(part))
            self.assert_stored(records, part, 3, events[2:] + events)

    async def test_a_snapshot_that_was_deleted_can_be_saved_again(self, journal: Journal) -> None:
        self.need(Feature.DELETE_SNAPSHOTS)
        stream = self.stream(1)
        await self.fill(journal, stream, 3)
        for number in (1, 2):
            await journal.save_snapshot(self.snapshot(stream, 2, number=number))
            self.assert_snapshot(
                await journal.load_snapshot(stream), self.snapshot(stream, 2, number)
            )
            assert await journal.delete_snapshots(stream, max_version=2) == 1
            assert await journal.list_snapshots(stream) == []
            assert (await journal.load(stream)).snapshot is None
        assert len(await records_of(journal.read(stream))) == 3

    async def test_a_stream_is_not_truncated_beyond_its_end(self, journal: Journal) -> None:
        self.need(Feature.TRUNCATE)
        stream = self.stream(1)
        events = await self.fill(journal, stream, 3)
        with pytest.raises(ValueError, match="cannot be truncated to version 4"):
            await journal.truncate(stream, to_version=4)
        with pytest.raises(ValueError, match="cannot be truncated to version 1"):
            await journal.truncate(self.stream(2), to_version=1)
        assert await journal.truncate(self.stream(2), to_version=0) == 0
        self.assert_stored(await records_of(journal.read(stream)), stream, 1, events)

    async def test_a_position_is_not_used_again_after_truncation(self, journals: Store) -> None:
        self.need(Feature.TRUNCATE, Feature.POSITIONS)
        stream = self.stream(1)
        async with journals() as journal:
            [before] = await journal.append([Write(stream, 0, self.events(3))])
            await journal.truncate(stream, to_version=3)
            assert await records_of(journal.read_all()) == []
            [after] = await journal.append([Write(stream, 3, self.events(1))])
            assert appended(after).position > appended(before).position
            await journal.truncate(stream, to_version=4)
        # Nor by a process that sees only what is left.
        async with journals() as journal:
            [last] = await journal.append([Write(stream, 4, self.events(1))])
            assert appended(last).position > appended(after).position

    async def test_positions_rise_beside_truncation(self, journal: Journal) -> None:
        self.need(Feature.TRUNCATE, Feature.POSITIONS)
        streams = [self.stream(number) for number in range(4)]
        seen: list[int] = []

        async def write(stream: str) -> None:
            for version in range(30):
                [outcome] = await journal.append([Write(stream, version, self.events(1))])
                seen.append(appended(outcome).position)
                if version % 5 == 4:
                    await journal.truncate(stream, to_version=version + 1)

        await asyncio.gather(*(write(stream) for stream in streams))
        assert len(set(seen)) == 120
        [outcome] = await journal.append([Write(streams[0], 30, self.events(1))])
        assert appended(outcome).position > max(seen)

    async def test_a_reader_goes_on_over_a_truncation(self, journal: Journal) -> None:
        self.need(Feature.TRUNCATE)
        stream = self.stream(1)
        await self.fill(journal, stream, 6)
        pages = journal.read(stream, page_size=2)
        assert [record.version for record in await anext(pages)] == [1, 2]
        await journal.truncate(stream, to_version=4)
        # The next page may have been read before.
        versions = [record.version for record in await records_of(pages)]
        assert versions in ([5, 6], [3, 4, 5, 6])

    async def test_a_snapshot_comes_back_as_it_was(self, journal: Journal) -> None:
        stream = self.stream(1)
        await self.fill(journal, stream, 5)
        snapshot = self.snapshot(stream, 5, number=7)
        await journal.save_snapshot(snapshot)
        self.assert_snapshot(await journal.load_snapshot(stream), snapshot)
        [listed] = await journal.list_snapshots(stream)
        self.assert_snapshot(listed, snapshot)
        assert await journal.load_snapshot(self.stream(2)) is None

    async def test_a_snapshot_of_the_same_version_is_replaced(self, journal: Journal) -> None:
        stream = self.stream(1)
        await self.fill(journal, stream, 5)
        await journal.save_snapshot(self.snapshot(stream, 5, number=1))
        await journal.save_snapshot(self.snapshot(stream, 5, number=2))
        [listed] = await journal.list_snapshots(stream)
        self.assert_snapshot(listed, self.snapshot(stream, 5, number=2))

    async def test_a_snapshot_above_the_version_asked_for_is_not_given(
        self, journal: Journal
    ) -> None:
        stream = self.stream(1)
        await self.fill(journal, stream, 5)
        await journal.save_snapshot(self.snapshot(stream, 4))
        assert await journal.load_snapshot(stream, max_version=3) is None
        assert await journal.load_snapshot(stream, max_version=0) is None
        for max_version in (4, 5, MAX_VERSION):
            found = await journal.load_snapshot(stream, max_version=max_version)
            self.assert_snapshot(found, self.snapshot(stream, 4))

    async def test_the_newest_snapshot_at_or_below_a_version_is_loaded(
        self, journal: Journal
    ) -> None:
        self.need(Feature.SNAPSHOT_HISTORY)
        stream = self.stream(1)
        await self.fill(journal, stream, 30)
        for version in (20, 10, 30):
            await journal.save_snapshot(self.snapshot(stream, version, number=version))
        for max_version, expected in [(9, None), (10, 10), (19, 10), (20, 20), (29, 20), (99, 30)]:
            found = await journal.load_snapshot(stream, max_version=max_version)
            assert (found.version if found else None) == expected
        listed = await journal.list_snapshots(stream)
        assert [snapshot.version for snapshot in listed] == [30, 20, 10]
        for snapshot in listed:
            self.assert_snapshot(
                snapshot, self.snapshot(stream, snapshot.version, snapshot.version)
            )

    async def test_snapshots_up_to_a_version_are_deleted(self, journal: Journal) -> None:
        self.need(Feature.SNAPSHOT_HISTORY, Feature.DELETE_SNAPSHOTS)
        first, second = self.stream(1), self.stream(2)
        for stream in (first, second):
            for version in (10, 20, 30):
                await journal.save_snapshot(self.snapshot(stream, version))
        assert await journal.delete_snapshots(first, max_version=9) == 0
        assert await journal.delete_snapshots(first, max_version=20) == 2
        assert [s.version for s in await journal.list_snapshots(first)] == [30]
        assert await journal.delete_snapshots(first, max_version=MAX_VERSION) == 1
        assert await journal.load_snapshot(first) is None
        assert len(await journal.list_snapshots(second)) == 3
        assert await journal.delete_snapshots(self.stream(3), max_version=1) == 0

    async def test_a_snapshot_is_stored_with_the_events_of_its_write(self, journals: Store) -> None:
        first, second = self.stream(1), self.stream(2)
        async with journals() as journal:
            outcomes = await journal.append(
                [
                    Write(first, 0, self.events(3), snapshot=self.snapshot(first, 3, number=1)),
                    Write(second, 0, self.events(3), snapshot=self.snapshot(second, 2, number=2)),
                    Write(first, 3, self.events(1)),
                ]
            )
            assert [appended(outcome).version for outcome in outcomes] == [3, 3, 4]
        async with journals() as journal:
            self.assert_snapshot(await journal.load_snapshot(first), self.snapshot(first, 3, 1))
            self.assert_snapshot(await journal.load_snapshot(second), self.snapshot(second, 2, 2))
            assert len(await records_of(journal.read(first))) == 4
            # Also when all streams of the append are known.
            await journal.append(
                [Write(first, 4, self.events(1), snapshot=self.snapshot(first, 5, number=3))]
            )
            self.assert_snapshot(await journal.load_snapshot(first), self.snapshot(first, 5, 3))

    async def test_a_snapshot_of_a_write_replaces_one_of_the_same_version(
        self, journal: Journal
    ) -> None:
        stream = self.stream(1)
        await self.fill(journal, stream, 2)
        await journal.save_snapshot(self.snapshot(stream, 2, number=1))
        for number in (2, 3):
            version = (await journal.stream_info(stream)).version
            snapshot = self.snapshot(stream, 2, number=number)
            await journal.append([Write(stream, version, self.events(1), snapshot=snapshot)])
            [listed] = await journal.list_snapshots(stream)
            self.assert_snapshot(listed, snapshot)

    async def test_a_refused_write_stores_no_snapshot(self, journal: Journal) -> None:
        stream, other = self.stream(1), self.stream(2)
        await self.fill(journal, stream, 2)
        await journal.save_snapshot(self.snapshot(stream, 2, number=1))
        refused, stored = await journal.append(
            [
                Write(stream, 1, self.events(1), snapshot=self.snapshot(stream, 2, number=2)),
                Write(other, 0, self.events(1), snapshot=self.snapshot(other, 1, number=3)),
            ]
        )
        assert isinstance(refused, ConcurrencyConflict)
        assert appended(stored).version == 1
        [listed] = await journal.list_snapshots(stream)
        self.assert_snapshot(listed, self.snapshot(stream, 2, number=1))
        self.assert_snapshot(await journal.load_snapshot(other), self.snapshot(other, 1, 3))

    async def test_a_snapshot_is_stored_with_replies_alone(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        stream = self.stream(1)
        await self.fill(journal, stream, 2)
        writes = [
            Write(
                stream,
                2,
                [],
                replies=[self.reply("key")],
                snapshot=self.snapshot(stream, 2, number=number),
            )
            for number in (1, 2)
        ]
        stored, refused = await journal.append(writes)
        assert appended(stored).version == 2
        assert isinstance(refused, KeyTaken)
        self.assert_snapshot(await journal.load_snapshot(stream), self.snapshot(stream, 2, 1))

    async def test_a_snapshot_never_changes_the_stream(self, journal: Journal) -> None:
        known, unknown = self.stream(1), self.stream(2)
        events = await self.fill(journal, known, 3)
        await journal.save_snapshot(self.snapshot(known, 2))
        await journal.save_snapshot(self.snapshot(unknown, 7))
        self.assert_snapshot(await journal.load_snapshot(unknown), self.snapshot(unknown, 7))
        assert await journal.list_streams() == [StreamInfo(known, 3, 0)]
        assert await journal.stream_info(unknown) == StreamInfo(unknown, 0, 0)
        self.assert_stored(await records_of(journal.read(known)), known, 1, events)
        [outcome] = await journal.append([Write(unknown, 0, self.events(1))])
        assert appended(outcome).version == 1
