"""What a journal needs to be moved: all of it can be listed, and another can take it as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from daicho.errors import ConcurrencyConflict, PositionTaken, Unsupported
from daicho.journal import (
    MAX_VERSION,
    Feature,
    Journal,
    Parcel,
    Record,
    StoredReply,
    StreamInfo,
    Write,
)
from daicho.testing.journal_contract.appending import HOSTILE_NAMES
from daicho.testing.journal_contract.engine import EngineTests, Store, appended, records_of


class MovingTests(EngineTests):
    """Promises of ``list_all_snapshots``, ``list_replies`` and ``restore``."""

    def record(self, stream: str, version: int, position: int, **ids: str) -> Record:
        event = self.event(position)._replace(**ids)  # type: ignore[arg-type]
        return Record(stream, version, position, *event)

    # --- listing everything -----------------------------------------------------------------------

    async def test_all_snapshots_are_listed_by_stream_and_version(self, journal: Journal) -> None:
        # In an order of its own, and of streams that do not exist too.
        for number in (3, 1, 2):
            await journal.save_snapshot(self.snapshot(self.stream(number), number, number))
        listed = await journal.list_all_snapshots()
        assert [(s.stream, s.version) for s in listed] == [(self.stream(n), n) for n in (1, 2, 3)]
        for number, snapshot in enumerate(listed, 1):
            self.assert_snapshot(snapshot, self.snapshot(self.stream(number), number, number))
        assert await journal.list_all_snapshots(limit=2) == listed[:2]
        after = (self.stream(1), 1)
        assert await journal.list_all_snapshots(after=after) == listed[1:]
        assert await journal.list_all_snapshots(after=(self.stream(3), 3)) == []

    async def test_a_stream_may_have_many_snapshots_in_the_list(self, journal: Journal) -> None:
        self.need(Feature.SNAPSHOT_HISTORY)
        streams = [self.stream(1), self.stream(2)]
        for stream in streams:
            for version in (0, 10, 9):
                await journal.save_snapshot(self.snapshot(stream, version))
        everything = [(stream, version) for stream in streams for version in (0, 9, 10)]
        after = ("", 0)
        for place in everything:
            [found] = await journal.list_all_snapshots(after=after, limit=1)
            after = (found.stream, found.version)
            assert after == place
        assert await journal.list_all_snapshots(after=after) == []

    async def test_all_replies_are_listed_by_stream_and_key(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        everything = [
            StoredReply(self.stream(stream), self.reply(key, number))
            for stream in (1, 2)
            for number, key in enumerate(("a", "aa", "b", "é"))
        ]
        for stream, reply in reversed(everything):
            await journal.append([Write(stream, 0, [], replies=[reply])])
        assert await journal.list_replies() == everything
        assert await journal.list_replies(limit=3) == everything[:3]
        for place, (stream, reply) in enumerate(everything, 1):
            found = await journal.list_replies(after=(stream, reply.key))
            assert found == everything[place:]

    async def test_any_name_is_listed_in_the_order_of_code_points(self, journal: Journal) -> None:
        self.need(Feature.REPLIES, Feature.ANY_TYPE)
        for name in HOSTILE_NAMES:
            await journal.append([Write(name, 0, [], replies=[self.reply(name)])])
            await journal.save_snapshot(self.snapshot(name, 0))
        listed = await journal.list_replies()
        assert [(each.stream, each.reply.key) for each in listed] == [
            (name, name) for name in sorted(HOSTILE_NAMES)
        ]
        snapshots = await journal.list_all_snapshots()
        assert [each.stream for each in snapshots] == sorted(HOSTILE_NAMES)

    async def test_lists_of_nothing_are_refused(self, journal: Journal) -> None:
        uses: list[Callable[[], object]] = [
            lambda: journal.list_all_snapshots(limit=0),
            lambda: journal.list_all_snapshots(after=("\0", 0)),
            lambda: journal.list_all_snapshots(after=("", -1)),
        ]
        if Feature.REPLIES in self.features:
            uses += [
                lambda: journal.list_replies(limit=0),
                lambda: journal.list_replies(after=("", "\0")),
            ]
        for use in uses:
            with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own
                await use()  # type: ignore[misc]

    async def test_listing_replies_is_refused_where_they_are_not_offered(
        self, journal: Journal
    ) -> None:
        self.lacks(Feature.REPLIES)
        with pytest.raises(Unsupported) as raised:
            await journal.list_replies()
        assert raised.value.feature == Feature.REPLIES.value

    # --- taking what another journal has stored ---------------------------------------------------

    async def test_what_is_restored_is_as_it_was(self, store: Store) -> None:
        self.need(Feature.RESTORE)
        one, two = self.stream(1), self.stream(2)
        records = [
            self.record(one, 1, 3),
            self.record(two, 1, 7, correlation_id="a", causation_id="b", command_id="c"),
            self.record(one, 2, 8),
        ]
        snapshots = [self.snapshot(one, 2), self.snapshot("no stream", 99)]
        replies = [StoredReply(one, self.reply("key", 1)), StoredReply("none", self.reply("key"))]
        async with store() as journal:
            await journal.restore(Parcel({}, records, snapshots, replies, last_position=12))
        async with store() as journal:
            assert await records_of(journal.read_all()) == records
            assert await records_of(journal.read(one)) == [records[0], records[2]]
            assert await journal.list_streams() == [StreamInfo(one, 2, 0), StreamInfo(two, 1, 0)]
            by_stream = sorted(snapshots, key=lambda each: each.stream)
            assert await journal.list_all_snapshots() == by_stream
            assert await journal.list_replies() == sorted(replies)
            assert await journal.last_position() == 12
            [outcome] = await journal.append([Write(one, 2, self.events(1))])
            assert appended(outcome).version == 3
            assert appended(outcome).position > 12

    async def test_a_truncated_stream_is_restored_with_its_version(self, journal: Journal) -> None:
        self.need(Feature.RESTORE)
        gone, begun = self.stream(1), self.stream(2)
        record = self.record(begun, 6, 40)
        await journal.restore(Parcel({gone: 9, begun: 5}, [record]))
        assert await journal.list_streams() == [StreamInfo(gone, 9, 9), StreamInfo(begun, 6, 5)]
        assert await records_of(journal.read_all()) == [record]
        outcomes = await journal.append(
            [
                Write(gone, 0, self.events(1)),
                Write(gone, 9, self.events(1)),
                Write(begun, 6, self.events(1)),
            ]
        )
        assert isinstance(outcomes[0], ConcurrencyConflict)
        stored = [appended(outcome) for outcome in outcomes[1:]]
        assert [each.version for each in stored] == [10, 7]
        assert 40 < stored[0].position < stored[1].position

    async def test_a_stream_may_be_truncated_beyond_where_it_is(self, journal: Journal) -> None:
        self.need(Feature.RESTORE)
        stream, other = self.stream(1), self.stream(2)
        await self.fill(journal, stream, 3)
        await self.fill(journal, other, 4)
        await journal.restore(Parcel({stream: 5, other: 2}))
        assert await journal.list_streams() == [StreamInfo(stream, 5, 5), StreamInfo(other, 4, 2)]
        # The writer has just appended to them; what it knew of them does not hold any more.
        [conflict] = await journal.append([Write(stream, 3, self.events(1))])
        assert isinstance(conflict, ConcurrencyConflict)
        assert conflict.actual == 5
        [outcome] = await journal.append([Write(stream, 5, self.events(1))])
        assert appended(outcome).version == 6
        await journal.restore(Parcel({stream: 1, other: 1}))
        assert await journal.list_streams() == [StreamInfo(stream, 6, 5), StreamInfo(other, 4, 2)]

    async def test_restoring_goes_on_where_it_ended(self, journal: Journal) -> None:
        self.need(Feature.RESTORE)
        stream, new = self.stream(1), self.stream(2)
        records = [self.record(stream, version, version * 2) for version in range(1, 7)]
        records.append(self.record(new, 1, 14))
        for first in range(0, 7, 2):
            await journal.restore(Parcel(records=records[first : first + 2]))
        assert await records_of(journal.read_all()) == records
        assert await journal.last_position() == 14

    async def test_snapshots_and_replies_take_the_place_of_those_that_are_there(
        self, journal: Journal
    ) -> None:
        self.need(Feature.RESTORE)
        stream = self.stream(1)
        for number in (1, 2, 2):
            snapshot, reply = self.snapshot(stream, 5, number), self.reply("key", number)
            await journal.restore(
                Parcel(snapshots=[snapshot], replies=[StoredReply(stream, reply)])
            )
            assert await journal.list_all_snapshots() == [snapshot]
            assert await journal.load_reply(stream, "key") == reply
        assert await journal.list_streams() == []

    async def test_an_event_that_is_not_the_next_of_its_stream_stores_nothing(
        self, journal: Journal
    ) -> None:
        self.need(Feature.RESTORE)
        stream = self.stream(1)
        events = await self.fill(journal, stream, 2)
        last = await journal.last_position()
        for version, expected in ((2, 1), (4, 3), (1, 0)):
            parcel = Parcel(
                {self.stream(3): 4},
                [
                    self.record(self.stream(2), 1, last + 8),
                    self.record(stream, version, last + 9),
                ],
                [self.snapshot(stream, 1)],
                [StoredReply(stream, self.reply("key"))],
                last + 18,
            )
            with pytest.raises(ConcurrencyConflict) as raised:
                await journal.restore(parcel)
            conflict = raised.value
            assert (conflict.stream, conflict.expected, conflict.actual) == (stream, expected, 2)
        await self._assert_unchanged(journal, stream, events, last)

    async def test_a_position_that_the_journal_has_come_to_stores_nothing(
        self, journal: Journal
    ) -> None:
        self.need(Feature.RESTORE)
        stream = self.stream(1)
        events = await self.fill(journal, stream, 2)
        last = await journal.last_position()
        for position in (last - 1, last):
            records = [self.record(stream, 3, position)]
            with pytest.raises(PositionTaken) as raised:
                await journal.restore(Parcel(records=records, last_position=last + 18))
            assert (raised.value.position, raised.value.last) == (position, last)
        await self._assert_unchanged(journal, stream, events, last)

    async def _assert_unchanged(
        self, journal: Journal, stream: str, events: Sequence[object], last_position: int
    ) -> None:
        self.assert_stored(await records_of(journal.read_all()), stream, 1, events)  # type: ignore[arg-type]
        assert await journal.list_streams() == [StreamInfo(stream, 2, 0)]
        assert await journal.list_all_snapshots() == []
        assert await journal.list_replies() == []
        assert await journal.last_position() == last_position

    async def test_what_no_journal_could_have_stored_is_refused(self, journal: Journal) -> None:
        self.need(Feature.RESTORE)
        stream = self.stream(1)
        good = self.record(stream, 1, 5)
        wrong = [
            Parcel({"": 1}),
            Parcel({stream: 0}),
            Parcel({stream: MAX_VERSION + 1}),
            Parcel(records=[good, self.record(stream, 2, 5)]),
            Parcel(records=[good, self.record(stream, 2, 4)]),
            Parcel(records=[good._replace(position=0)]),
            Parcel(records=[good._replace(version=0)]),
            Parcel(records=[good._replace(stream="\0")]),
            Parcel(records=[good._replace(event_id=b"short")]),
            Parcel(records=[good], snapshots=[self.snapshot("", 1)]),
            Parcel(records=[good], replies=[StoredReply("", self.reply("key"))]),
            Parcel(records=[good], replies=[StoredReply(stream, self.reply(""))]),
            Parcel(records=[good], last_position=-1),
        ]
        for parcel in wrong:
            with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own
                await journal.restore(parcel)
        assert await journal.list_streams() == []
        assert await journal.last_position() == 0

    async def test_restoring_is_refused_where_it_is_not_offered(self, journal: Journal) -> None:
        self.lacks(Feature.RESTORE)
        with pytest.raises(Unsupported) as raised:
            await journal.restore(Parcel(records=[self.record(self.stream(1), 1, 1)]))
        assert raised.value.feature == Feature.RESTORE.value
        assert await journal.list_streams() == []
