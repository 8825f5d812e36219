"""Appending: versions, conflicts, batches, names."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from daicho.errors import ConcurrencyConflict
from daicho.journal import (
    MAX_VERSION,
    Appended,
    Feature,
    Journal,
    Snapshot,
    StreamInfo,
    Write,
)
from daicho.journal.offers import append_now_of, append_soon_of
from daicho.testing.journal_contract.engine import (
    EngineTests,
    Store,
    appended,
    records_of,
)

HOSTILE_NAMES = [
    "'; DROP TABLE event; --",
    '"quoted" `and` [bracketed]',
    "back\\slash / slash %_* ?",
    " leading and trailing ",
    "new\nline\ttab\r",
    "\x01\x1f\x7f",
    "🦀🏴‍☠️ 台帳",
    "\U0010ffff\ud7ff\ue000",
    "ﬁ ẛ̣ ́",
    "n" * 1_024,
    "é" * 512,
]

REFUSED_NAMES = ["", "nul\0inside", "\0", "n" * 1_025, "é" * 513, "lone \ud800 surrogate"]


class AppendingTests(EngineTests):
    """Promises of ``append``."""

    async def test_it_offers_what_it_says(self, store: Store) -> None:
        offered = store().features
        assert offered == self.features, (
            f"{type(self).__name__}.features says otherwise than the journal: "
            + ", ".join(f"Feature.{feature.name}" for feature in offered ^ self.features)
        )

    async def test_it_appends_at_once_if_it_says_so(self, store: Store) -> None:
        found = append_now_of(store()) is not None
        assert found is self.appends_now, (
            f"the journal has {'an' if found else 'no'} append_now;"
            f" say appends_now = {found} in {type(self).__name__}"
        )

    async def test_it_appends_soon_if_it_says_so(self, store: Store) -> None:
        found = append_soon_of(store()) is not None
        assert found is self.appends_soon, (
            f"the journal has {'an' if found else 'no'} append_soon;"
            f" say appends_soon = {found} in {type(self).__name__}"
        )

    async def test_a_stream_that_does_not_exist_is_at_version_0(self, journal: Journal) -> None:
        stream = self.stream(1)
        assert await journal.stream_info(stream) == StreamInfo(stream, 0, 0)
        assert await records_of(journal.read(stream)) == []
        assert await journal.load_snapshot(stream) is None
        assert await journal.list_snapshots(stream) == []
        assert await journal.list_streams() == []

    async def test_versions_are_1_2_3_without_a_gap(self, journal: Journal) -> None:
        stream = self.stream(1)
        events = self.events(5)
        await journal.append([Write(stream, 0, events[:2])])
        [outcome] = await journal.append([Write(stream, 2, events[2:])])
        assert appended(outcome).version == 5
        self.assert_stored(await records_of(journal.read(stream)), stream, 1, events)
        assert await journal.stream_info(stream) == StreamInfo(stream, 5, 0)

    async def test_append_at_a_stale_version_is_refused(self, journal: Journal) -> None:
        stream = self.stream(1)
        events = await self.fill(journal, stream, 3)
        [outcome] = await journal.append([Write(stream, 2, self.events(2, first=3))])
        assert isinstance(outcome, ConcurrencyConflict)
        assert (outcome.stream, outcome.expected, outcome.actual) == (stream, 2, 3)
        self.assert_stored(await records_of(journal.read(stream)), stream, 1, events)

    async def test_append_ahead_of_the_stream_is_refused(self, journal: Journal) -> None:
        known, unknown = self.stream(1), self.stream(2)
        await self.fill(journal, known, 1)
        outcomes = await journal.append(
            [
                Write(known, 2, self.events(1)),
                Write(unknown, 1, self.events(1)),
                Write(known, MAX_VERSION, self.events(1)),
            ]
        )
        for outcome, actual in zip(outcomes, (1, 0, 1), strict=True):
            assert isinstance(outcome, ConcurrencyConflict)
            assert outcome.actual == actual
        # A refused write makes no stream.
        assert await journal.list_streams() == [StreamInfo(known, 1, 0)]

    async def test_one_conflict_in_a_batch_hurts_no_other_write(self, journal: Journal) -> None:
        first, second, third = (self.stream(number) for number in range(3))
        await self.fill(journal, second, 1)
        outcomes = await journal.append(
            [
                Write(first, 0, self.events(2)),
                Write(second, 0, self.events(2)),
                Write(third, 0, self.events(3)),
            ]
        )
        assert [type(outcome) for outcome in outcomes] == [Appended, ConcurrencyConflict, Appended]
        versions = [(await journal.stream_info(s)).version for s in (first, second, third)]
        assert versions == [2, 1, 3]

    async def test_writes_to_one_stream_in_one_append_follow_each_other(
        self, journal: Journal
    ) -> None:
        stream = self.stream(1)
        events = self.events(6)
        outcomes = await journal.append(
            [
                Write(stream, 0, events[:2]),
                Write(stream, 1, self.events(1)),
                Write(stream, 2, events[2:3]),
                Write(stream, 0, self.events(1)),
                Write(stream, 3, events[3:]),
            ]
        )
        assert [isinstance(o, ConcurrencyConflict) for o in outcomes] == [0, 1, 0, 1, 0]
        versions = [o.actual if isinstance(o, ConcurrencyConflict) else o for o in outcomes]
        assert [v if isinstance(v, int) else appended(v).version for v in versions] == [
            2,
            2,
            3,
            3,
            6,
        ]
        self.assert_stored(await records_of(journal.read(stream)), stream, 1, events)

    async def test_an_append_of_nothing_does_nothing(self, journal: Journal) -> None:
        assert await journal.append([]) == []
        assert await journal.list_streams() == []

    async def test_of_many_appends_at_one_version_exactly_one_wins(self, journal: Journal) -> None:
        stream = self.stream(1)
        writes = [Write(stream, 0, [self.event(number)]) for number in range(50)]
        results = await asyncio.gather(*(journal.append([write]) for write in writes))
        winners = [
            write
            for write, [outcome] in zip(writes, results, strict=True)
            if isinstance(outcome, Appended)
        ]
        assert len(winners) == 1
        self.assert_stored(await records_of(journal.read(stream)), stream, 1, winners[0].events)

    @pytest.mark.parametrize("one_write", [True, False])
    async def test_ten_thousand_events_are_one_append(
        self, journal: Journal, *, one_write: bool
    ) -> None:
        stream = self.stream(1)
        events = self.events(10_000)
        writes = (
            [Write(stream, 0, events)]
            if one_write
            else [Write(stream, version, [event]) for version, event in enumerate(events)]
        )
        outcomes = await journal.append(writes)
        assert [appended(o).version for o in outcomes] == (
            [10_000] if one_write else list(range(1, 10_001))
        )
        self.assert_stored(await records_of(journal.read(stream)), stream, 1, events)

    async def test_thousands_of_streams_are_one_append(self, journal: Journal) -> None:
        streams = [self.stream(number) for number in range(3_000)]
        outcomes = await journal.append([Write(s, 0, [self.event(0)]) for s in streams])
        assert {appended(outcome).version for outcome in outcomes} == {1}
        outcomes = await journal.append([Write(s, 1, self.events(2)) for s in streams])
        assert {appended(outcome).version for outcome in outcomes} == {3}
        assert len(await journal.list_streams(limit=5_000)) == 3_000

    async def test_one_conflict_among_ten_thousand_events_hurts_no_other(
        self, journal: Journal
    ) -> None:
        streams = [self.stream(number) for number in range(100)]
        await self.fill(journal, streams[50], 1)
        outcomes = await journal.append([Write(s, 0, self.events(100)) for s in streams])
        refused = outcomes.pop(50)
        assert isinstance(refused, ConcurrencyConflict)
        assert (refused.stream, refused.expected, refused.actual) == (streams[50], 0, 1)
        assert {appended(outcome).version for outcome in outcomes} == {100}
        listed = {info.stream: info.version for info in await journal.list_streams()}
        assert listed == {s: 1 if s == streams[50] else 100 for s in streams}
        for stream in (streams[49], streams[51], streams[99]):
            records = await records_of(journal.read(stream))
            self.assert_stored(records, stream, 1, self.events(100))

    @pytest.mark.parametrize("size", [0, 1, 70_000, 16 * 1_024 * 1_024])
    async def test_payloads_come_back_as_they_were(self, journal: Journal, size: int) -> None:
        self.need(Feature.ANY_TYPE)
        stream = self.stream(1)
        event = self.event(1)._replace(
            payload=bytes(range(256)) * (size // 256) + b"\0" * (size % 256)
        )
        assert len(event.payload) == size
        await journal.append([Write(stream, 0, [event])])
        await journal.save_snapshot(
            Snapshot(stream=stream, version=1, type_name="t", payload=event.payload, time_us=0)
        )
        [record] = await records_of(journal.read(stream))
        assert record.payload == event.payload
        snapshot = await journal.load_snapshot(stream)
        assert snapshot is not None
        assert snapshot.payload == event.payload

    async def test_a_write_may_be_larger_than_a_payload_may_be(self, journal: Journal) -> None:
        self.need(Feature.ANY_TYPE)
        stream, size = self.stream(1), 16 * 1_024 * 1_024
        events = [self.event(n)._replace(payload=bytes([n]) * size) for n in range(5)]
        [outcome] = await journal.append([Write(stream, 0, events)])
        assert appended(outcome).version == 5
        async for page in journal.read(stream, page_size=1):
            [record] = page
            assert record.payload == events[record.version - 1].payload

    async def test_metadata_comes_back_as_it_was(self, journal: Journal) -> None:
        self.need(Feature.METADATA)
        stream = self.stream(1)
        earliest = datetime.min.replace(tzinfo=UTC)
        events = [
            self.event(0),
            self.event(1)._replace(correlation_id="c'1", causation_id="", command_id="台帳"),
            self.event(2)._replace(causation_id="only this"),
            self.event(3)._replace(time_us=-1),
            self.event(4)._replace(time_us=-62_135_596_800_000_000),
            self.event(5)._replace(time_us=253_402_300_799_999_999),
        ]
        await journal.append([Write(stream, 0, events)])
        records = await records_of(journal.read(stream))
        self.assert_stored(records, stream, 1, events)
        assert records[0].time == datetime(2023, 11, 14, 22, 13, 20, 123_456, tzinfo=UTC)
        assert [record.time for record in records] == [event.time for event in events]
        assert records[4].time == earliest

    async def test_any_name_that_is_taken_comes_back_as_it_was(self, journal: Journal) -> None:
        self.need(Feature.ANY_TYPE)
        names = HOSTILE_NAMES
        event = self.event(1)
        await journal.append([Write(name, 0, [event._replace(type_name=name)]) for name in names])
        for name in names:
            [record] = await records_of(journal.read(name))
            assert (record.stream, record.type_name) == (name, name)
            assert await journal.stream_info(name) == StreamInfo(name, 1, 0)
            assert await journal.list_streams(name) == [StreamInfo(name, 1, 0)]
            await journal.save_snapshot(self.snapshot(name, 1))
            self.assert_snapshot(await journal.load_snapshot(name), self.snapshot(name, 1))
        assert [info.stream for info in await journal.list_streams()] == sorted(names)

    async def test_streams_of_any_name_are_streams_of_their_own(self, journal: Journal) -> None:
        """Without types of any name, so that every engine does it."""
        names = HOSTILE_NAMES
        writes = [Write(n, 0, self.events(k % 4 + 1, first=k)) for k, n in enumerate(names)]
        for outcome, write in zip(await journal.append(writes), writes, strict=True):
            assert appended(outcome).version == len(write.events)
        for name, _, events, *_ in writes:
            self.assert_stored(await records_of(journal.read(name)), name, 1, events)
            assert (await journal.load(name)).info == StreamInfo(name, len(events), 0)
        listed = await journal.list_streams()
        assert listed == sorted(StreamInfo(w.stream, len(w.events), 0) for w in writes)

    async def test_unicode_normal_forms_are_different_streams(self, journal: Journal) -> None:
        self.need(Feature.ANY_TYPE)
        composed, decomposed = "caf\u00e9", "cafe\u0301"
        await journal.append([Write(composed, 0, self.events(1))])
        assert (await journal.stream_info(decomposed)).version == 0
        await journal.append([Write(decomposed, 0, self.events(2))])
        assert (await journal.stream_info(composed)).version == 1

    @pytest.mark.parametrize("name", REFUSED_NAMES)
    async def test_a_name_that_not_every_store_holds_is_refused(
        self, journal: Journal, name: str
    ) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - the texts differ, which are tested elsewhere
            await journal.append([Write(name, 0, self.events(1))])
        with pytest.raises(ValueError):  # noqa: PT011
            await journal.append(
                [Write(self.stream(1), 0, [self.event(1)._replace(type_name=name)])]
            )
        with pytest.raises(ValueError):  # noqa: PT011
            await records_of(journal.read(name))
        with pytest.raises(ValueError):  # noqa: PT011
            await journal.stream_info(name)
        assert await journal.list_streams() == []
