"""Reading: a stream, the whole journal, the list of streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from daicho.journal import (
    MAX_VERSION,
    Appended,
    Feature,
    Journal,
    Record,
    StreamInfo,
    Write,
    facts,
)
from daicho.testing.journal_contract.appending import HOSTILE_NAMES
from daicho.testing.journal_contract.engine import (
    EngineTests,
    Store,
    appended,
    positions_of,
    records_of,
)


class ReadingTests(EngineTests):
    """Promises of what reads."""

    @pytest.mark.parametrize("page_size", [1, 2, 3, 7, 10, 1_000])
    async def test_pages_hold_the_events_in_order(self, journal: Journal, page_size: int) -> None:
        stream = self.stream(1)
        events = await self.fill(journal, stream, 10)
        pages = [page async for page in journal.read(stream, page_size=page_size)]
        assert all(0 < len(page) <= page_size for page in pages)
        self.assert_stored([r for page in pages for r in page], stream, 1, events)

    @pytest.mark.parametrize(
        ("from_version", "to_version", "expected"),
        [
            (0, 3, [1, 2, 3]),
            (1, 1, [1]),
            (4, 7, [4, 5, 6, 7]),
            (9, MAX_VERSION, [9, 10]),
            (10, 10, [10]),
            (11, MAX_VERSION, []),
            (5, 4, []),
            (1, 0, []),
            (MAX_VERSION, MAX_VERSION, []),
        ],
    )
    async def test_reading_includes_both_ends(
        self, journal: Journal, from_version: int, to_version: int, expected: list[int]
    ) -> None:
        stream = self.stream(1)
        await self.fill(journal, stream, 10)
        for page_size in (1, 2, 4, 1_000):
            pages = journal.read(
                stream, from_version=from_version, to_version=to_version, page_size=page_size
            )
            assert [record.version for record in await records_of(pages)] == expected

    @pytest.mark.parametrize("page_size", [1, 4, 1_000])
    async def test_the_facts_of_a_page_are_those_of_its_records(
        self, journal: Journal, page_size: int
    ) -> None:
        stream = self.stream(1)
        await self.fill(journal, stream, 10)
        versions: list[int] = []
        async for page in journal.read(stream, page_size=page_size):
            found = list(facts(page))
            assert found == [(r.version, r.type_name, r.payload) for r in page]
            # They can be asked for again, and after the records.
            assert list(facts(page)) == found
            versions += [version for version, _, _ in found]
        assert versions == list(range(1, 11))

    async def test_a_page_is_a_sequence(self, journal: Journal) -> None:
        stream = self.stream(1)
        await self.fill(journal, stream, 5)
        [page] = [page async for page in journal.read(stream)]
        assert len(page) == 5
        assert [page[0].version, page[-1].version] == [1, 5]
        assert [record.version for record in page[1:3]] == [2, 3]
        assert [record.version for record in reversed(page)] == [5, 4, 3, 2, 1]
        assert page[2] in page
        with pytest.raises(IndexError):
            page[5]

    @pytest.mark.parametrize("page_size", [1, 3, 1_000])
    async def test_bytes_and_texts_of_any_kind_come_back_in_pages(
        self, journal: Journal, page_size: int
    ) -> None:
        self.need(Feature.ANY_TYPE, Feature.METADATA, Feature.POSITIONS)
        payloads = [b"", b"\0", b"\xff\xfe", b"", b"\xc3\x28\0,", b'"],[', "台帳".encode(), b""]
        ids = [None, "", ",", '","', "\\", "\n", "\U0010ffff", None]
        names = ["a,b", '"', "[", "\ufeff", "\u2028", "\x01", "🦀", "'"]
        events = [
            self.event(number)._replace(
                payload=payload, type_name=name, correlation_id=id_, command_id=ids[-number]
            )
            for number, (payload, name, id_) in enumerate(zip(payloads, names, ids, strict=True))
        ]
        streams = ["plain", '["a"]', ",", HOSTILE_NAMES[0], HOSTILE_NAMES[1]]
        await journal.append([Write(stream, 0, events) for stream in streams])
        for stream in streams:
            records = await records_of(journal.read(stream, page_size=page_size))
            self.assert_stored(records, stream, 1, events)
        everything = await records_of(journal.read_all(page_size=page_size))
        assert [record.stream for record in everything] == [s for s in streams for _ in events]
        assert [record[3:] for record in everything] == [tuple(event) for event in events] * 5
        picked = journal.read_all(type_names=["\ufeff", '"'], page_size=page_size)
        assert [record.type_name for record in await records_of(picked)] == ['"', "\ufeff"] * 5

    async def test_a_reader_that_stops_half_way_holds_nothing_open(self, journal: Journal) -> None:
        stream = self.stream(1)
        await self.fill(journal, stream, 10)
        # As many as would use up anything that a reader could hold.
        readers = [journal.read(stream, page_size=2) for _ in range(20)]
        for reader in readers:
            assert [record.version for record in await anext(reader)] == [1, 2]
        [outcome] = await journal.append([Write(stream, 10, self.events(1))])
        assert appended(outcome).version == 11
        assert len(await records_of(journal.read(stream))) == 11
        # And goes on where it stopped.
        assert [record.version for record in await anext(readers[0])] == [3, 4]

    async def test_a_reader_that_is_closed_or_cancelled_holds_nothing_open(
        self, journals: Store
    ) -> None:
        stream = self.stream(1)
        async with journals() as journal:
            await self.fill(journal, stream, 10)
            tasks: list[asyncio.Task[list[Record]]] = []
            for turns in range(20):
                reader = journal.read(stream, page_size=2)
                await anext(reader)
                if isinstance(reader, AsyncGenerator):
                    await reader.aclose()
                task = asyncio.create_task(records_of(journal.read(stream, page_size=1)))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                tasks.append(task)
            await asyncio.gather(*tasks, return_exceptions=True)
            assert len(await records_of(journal.read(stream))) == 10
            [outcome] = await journal.append([Write(stream, 10, self.events(1))])
            assert appended(outcome).version == 11
        # And closing waited for none of them.
        async with journals() as journal:
            assert len(await records_of(journal.read(stream))) == 11

    async def test_a_reader_beside_a_writer_sees_whole_writes_in_order(
        self, journal: Journal
    ) -> None:
        stream = self.stream(1)
        done = False

        async def write() -> None:
            nonlocal done
            for version in range(0, 300, 3):
                await journal.append([Write(stream, version, self.events(3, first=version))])
            done = True

        writer = asyncio.create_task(write())
        while not done:
            versions = [r.version for r in await records_of(journal.read(stream))]
            assert versions == list(range(1, len(versions) + 1))
            assert len(versions) % 3 == 0
            await asyncio.sleep(0)
        await writer
        assert len(await records_of(journal.read(stream))) == 300

    async def test_what_was_appended_is_read_at_once(self, journal: Journal) -> None:
        stream = self.stream(1)
        for version in range(20):
            await journal.append([Write(stream, version, [self.event(version)])])
            assert (await journal.stream_info(stream)).version == version + 1
            [record] = await records_of(journal.read(stream, from_version=version + 1))
            self.assert_stored([record], stream, version + 1, [self.event(version)])

    async def test_positions_rise_in_the_order_of_the_writes(self, journal: Journal) -> None:
        self.need(Feature.POSITIONS)
        first, second = self.stream(1), self.stream(2)
        outcomes = await journal.append(
            [
                Write(first, 0, self.events(2)),
                Write(second, 0, self.events(1)),
                Write(first, 0, self.events(1)),
                Write(first, 2, self.events(1)),
            ]
        )
        outcomes += await journal.append([Write(second, 1, self.events(2))])
        records = await records_of(journal.read_all())
        assert [(r.stream, r.version) for r in records] == [
            (first, 1),
            (first, 2),
            (second, 1),
            (first, 3),
            (second, 2),
            (second, 3),
        ]
        positions = positions_of(records)
        assert positions == sorted(set(positions))
        assert positions[0] > 0
        # An outcome names the position of the write's last event.
        stored = [outcome.position for outcome in outcomes if isinstance(outcome, Appended)]
        assert stored == [positions[1], positions[2], positions[3], positions[5]]
        assert positions_of(await records_of(journal.read(first))) == [
            positions[0],
            positions[1],
            positions[3],
        ]

    @pytest.mark.parametrize("page_size", [1, 3, 4, 1_000])
    async def test_the_whole_journal_is_read_from_a_position(
        self, journal: Journal, page_size: int
    ) -> None:
        self.need(Feature.POSITIONS)
        for number in range(4):
            await journal.append([Write(self.stream(number), 0, self.events(3))])
        everything = await records_of(journal.read_all())
        assert len(everything) == 12
        for index, record in enumerate(everything):
            pages = journal.read_all(after_position=record.position, page_size=page_size)
            assert await records_of(pages) == everything[index + 1 :]
        assert await records_of(journal.read_all(after_position=MAX_VERSION)) == []

    async def test_reading_the_whole_journal_ends_at_what_was_stored_when_it_began(
        self, journal: Journal
    ) -> None:
        self.need(Feature.POSITIONS)
        stream = self.stream(1)
        await self.fill(journal, stream, 4)
        found: list[Record] = []
        version = 4
        async for page in journal.read_all(page_size=1):
            found.extend(page)
            await journal.append([Write(stream, version, self.events(1))])
            version += 1
        assert [record.version for record in found] == [1, 2, 3, 4]

    @pytest.mark.parametrize("page_size", [1, 2, 1_000])
    async def test_only_events_of_the_types_that_are_asked_for_are_read(
        self, journal: Journal, page_size: int
    ) -> None:
        self.need(Feature.POSITIONS, Feature.ANY_TYPE)
        names = ["a", "b", "a'b", "c", "a", "b", "\U0001f4d2"]
        for version, name in enumerate(names):
            events = [event._replace(type_name=name) for event in self.events(1)]
            await journal.append([Write(self.stream(version % 2), version // 2, events)])
        everything = await records_of(journal.read_all())
        assert [record.type_name for record in everything] == names
        for wanted in (["a"], ["b", "\U0001f4d2"], ["a'b", "never"], ["never"], [], names):
            pages = journal.read_all(type_names=wanted, page_size=page_size)
            expected = [record for record in everything if record.type_name in wanted]
            assert await records_of(pages) == expected
        after = everything[3].position
        pages = journal.read_all(after_position=after, type_names=["a"], page_size=page_size)
        assert await records_of(pages) == [everything[4]]

    async def test_the_last_position_is_that_of_the_newest_event(self, journal: Journal) -> None:
        self.need(Feature.POSITIONS)
        assert await journal.last_position() == 0
        stream = self.stream(1)
        for version in range(3):
            [outcome] = await journal.append([Write(stream, version, self.events(1))])
            assert await journal.last_position() == appended(outcome).position

    async def test_the_last_position_outlives_its_event(self, journal: Journal) -> None:
        self.need(Feature.POSITIONS, Feature.TRUNCATE)
        stream = self.stream(1)
        [outcome] = await journal.append([Write(stream, 0, self.events(2))])
        await journal.truncate(stream, to_version=2)
        assert await journal.last_position() == appended(outcome).position

    async def test_a_reader_that_has_passed_a_position_finds_nothing_before_it(
        self, journal: Journal
    ) -> None:
        self.need(Feature.POSITIONS)
        streams = [self.stream(number) for number in range(8)]
        done = False

        async def write(stream: str) -> None:
            for version in range(40):
                [outcome] = await journal.append([Write(stream, version, self.events(1))])
                assert appended(outcome).version == version + 1

        async def write_all() -> None:
            nonlocal done
            await asyncio.gather(*(write(stream) for stream in streams))
            done = True

        writer = asyncio.create_task(write_all())
        followed: list[Record] = []
        is_last_round = False
        while not is_last_round:
            is_last_round = done
            after = followed[-1].position if followed else 0
            followed += await records_of(journal.read_all(after_position=after, page_size=7))
            await asyncio.sleep(0)
        await writer
        assert followed == await records_of(journal.read_all())
        assert len(followed) == 320

    async def test_streams_are_listed_by_prefix(self, journal: Journal) -> None:
        self.need(Feature.ANY_TYPE)
        names = ["a", "a/1", "a/2", "a0", "ab", "b", "a%", "a_", "a\U0010ffff", "a\U0010ffffz", "A"]
        await journal.append([Write(name, 0, self.events(1)) for name in names])
        for prefix in ("", "a", "a/", "a%", "a_", "a\U0010ffff", "b", "c", "A"):
            found = await journal.list_streams(prefix)
            expected = sorted(name for name in names if name.startswith(prefix))
            assert [info.stream for info in found] == expected

    async def test_streams_are_paged_in_the_order_of_code_points(self, journal: Journal) -> None:
        self.need(Feature.ANY_TYPE)
        # UTF-16 would sort the last two the other way round.
        names = ["Z", "a", "z", "é", "ü", "台", "\ue000", "\U0001f980"]
        names += [f"{name}{number}" for name in names for number in range(3)]
        await journal.append([Write(name, 0, self.events(2)) for name in reversed(names)])
        for limit in (1, 5, len(names), 1_000):
            paged: list[str] = []
            while page := await journal.list_streams(after=paged[-1] if paged else "", limit=limit):
                assert len(page) <= limit
                assert all(info.version == 2 for info in page)
                paged += [info.stream for info in page]
            assert paged == sorted(names)
        after = await journal.list_streams("z", after="z1")
        assert [info.stream for info in after] == ["z2"]

    async def test_streams_that_the_engine_takes_are_listed(self, journal: Journal) -> None:
        streams = sorted(self.stream(number) for number in range(12))
        await journal.append([Write(stream, 0, self.events(2)) for stream in streams])
        assert await journal.list_streams() == [StreamInfo(s, 2, 0) for s in streams]
        assert await journal.list_streams(after=streams[3], limit=2) == [
            StreamInfo(s, 2, 0) for s in streams[4:6]
        ]
        assert await journal.list_streams(streams[5]) == [StreamInfo(streams[5], 2, 0)]
