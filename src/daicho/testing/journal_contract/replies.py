"""Replies of commands: stored with their events, one for each key of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from daicho.errors import ConcurrencyConflict, KeyTaken
from daicho.journal import (
    MAX_VERSION,
    Appended,
    Feature,
    Journal,
    NewEvent,
    Outcome,
    Reply,
    StreamInfo,
    Write,
)
from daicho.testing.journal_contract.appending import HOSTILE_NAMES, REFUSED_NAMES
from daicho.testing.journal_contract.engine import (
    EngineTests,
    Store,
    appended,
    positions_of,
    records_of,
)

MAX_TIME_US = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""


def key_taken(outcome: Outcome) -> KeyTaken:
    """The outcome of a write whose key was taken."""
    assert isinstance(outcome, KeyTaken), outcome
    return outcome


def keyed(stream: str, expected_version: int, events: Sequence[NewEvent], *replies: Reply) -> Write:
    """A write with replies."""
    return Write(stream, expected_version, events, replies=replies)


class RepliesTests(EngineTests):
    """Promises of stored replies."""

    async def test_a_reply_comes_back_as_it_was(self, journals: Store) -> None:
        self.need(Feature.REPLIES)
        stream = self.stream(1)
        replies = [
            self.reply("plain", 1),
            self.reply("empty", 2)._replace(payload=b"", command=b"\0"),
            self.reply("large", 3)._replace(payload=bytes(1_000_000), command=b"\xff" * 64),
            self.reply("early", 4)._replace(time_us=-62_135_596_800_000_000, version=0),
            self.reply("late", 5)._replace(time_us=MAX_TIME_US, version=MAX_VERSION),
        ]
        async with journals() as journal:
            await journal.append([keyed(stream, 0, self.events(2), *replies)])
        async with journals() as journal:
            assert [await journal.load_reply(stream, reply.key) for reply in replies] == replies
            assert await journal.load_reply(stream, "another") is None
            assert await journal.load_reply(self.stream(2), "plain") is None

    async def test_any_key_that_is_allowed_comes_back_as_it_was(self, journal: Journal) -> None:
        self.need(Feature.REPLIES, Feature.ANY_TYPE)
        for number, key in enumerate(HOSTILE_NAMES):
            await journal.append([keyed(key, 0, [], self.reply(key, number))])
        for number, key in enumerate(HOSTILE_NAMES):
            assert await journal.load_reply(key, key) == self.reply(key, number)
            [outcome] = await journal.append([keyed(key, 0, [], self.reply(key))])
            assert key_taken(outcome).key == key

    async def test_replies_are_stored_with_the_events_of_their_write(
        self, journal: Journal
    ) -> None:
        self.need(Feature.REPLIES)
        stream, events = self.stream(1), self.events(5)
        for version, end in ((0, 2), (2, 5)):
            replies = [self.reply(f"{version}-{number}", number) for number in range(2)]
            [outcome] = await journal.append(
                [keyed(stream, version, events[version:end], *replies)]
            )
            assert appended(outcome).version == end
            assert [await journal.load_reply(stream, reply.key) for reply in replies] == replies
        self.assert_stored(await records_of(journal.read(stream)), stream, 1, events)

    async def test_a_write_at_a_stale_version_stores_no_reply(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        stream = self.stream(1)
        await self.fill(journal, stream, 3)
        for events in (self.events(1), []):
            [outcome] = await journal.append([keyed(stream, 2, events, self.reply("key"))])
            assert type(outcome) is ConcurrencyConflict
            assert (outcome.stream, outcome.expected, outcome.actual) == (stream, 2, 3)
            assert await journal.load_reply(stream, "key") is None

    async def test_a_write_of_replies_alone_moves_nothing(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        first, second = self.stream(1), self.stream(2)
        events = await self.fill(journal, first, 3)
        [last] = await journal.append([Write(second, 0, self.events(2))])
        [outcome] = await journal.append([keyed(first, 3, [], self.reply("key", 1))])
        assert outcome == Appended(3, appended(last).position)
        assert await journal.load_reply(first, "key") == self.reply("key", 1)
        assert await journal.list_streams() == [StreamInfo(first, 3, 0), StreamInfo(second, 2, 0)]
        self.assert_stored(await records_of(journal.read(first)), first, 1, events)
        [outcome] = await journal.append([Write(first, 3, self.events(1))])
        assert appended(outcome).version == 4

    async def test_a_write_of_replies_alone_has_the_last_position_of_its_moment(
        self, journal: Journal
    ) -> None:
        self.need(Feature.REPLIES, Feature.POSITIONS)
        first, second = self.stream(1), self.stream(2)
        await self.fill(journal, first, 1)
        outcomes = await journal.append(
            [
                keyed(first, 1, [], self.reply("a")),
                Write(second, 0, self.events(2)),
                keyed(first, 1, [], self.reply("b")),
                Write(first, 1, self.events(1)),
            ]
        )
        stored = positions_of(await records_of(journal.read_all()))
        assert [appended(outcome).position for outcome in outcomes] == [
            stored[0],
            stored[2],
            stored[2],
            stored[3],
        ]

    async def test_a_stream_with_replies_alone_does_not_exist(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        stream = self.stream(1)
        [outcome] = await journal.append([keyed(stream, 0, [], self.reply("a"))])
        assert outcome == Appended(0, 0)
        assert await journal.stream_info(stream) == StreamInfo(stream, 0, 0)
        assert await journal.list_streams() == []
        assert await records_of(journal.read(stream)) == []
        # It begins like any other, and others beside it.
        outcomes = await journal.append(
            [
                keyed(stream, 0, [], self.reply("b")),
                Write(self.stream(2), 0, self.events(1)),
                keyed(stream, 0, self.events(2), self.reply("c")),
            ]
        )
        assert [appended(outcome).version for outcome in outcomes] == [0, 1, 2]
        assert await journal.stream_info(stream) == StreamInfo(stream, 2, 0)

    async def test_a_key_that_is_taken_refuses_the_whole_write_and_no_other(
        self, journals: Store
    ) -> None:
        self.need(Feature.REPLIES)
        first, second = self.stream(1), self.stream(2)
        events = self.events(3)
        async with journals() as journal:
            await journal.append([keyed(first, 0, events[:2], self.reply("taken", 1))])
        # Once by who sees what is stored for the first time, once by who remembers it.
        async with journals() as journal:
            for version in (0, 1):
                refused, other = await journal.append(
                    [
                        keyed(first, 2, self.events(1), self.reply("free"), self.reply("taken")),
                        keyed(second, version, self.events(1), self.reply(f"other {version}")),
                    ]
                )
                conflict = key_taken(refused)
                assert (conflict.stream, conflict.expected, conflict.actual) == (first, 2, 2)
                assert conflict.key == "taken"
                assert appended(other).version == version + 1
                assert await journal.load_reply(first, "free") is None
                assert await journal.load_reply(first, "taken") == self.reply("taken", 1)
                assert await journal.load_reply(second, f"other {version}") is not None
            # A refused write took no key.
            await journal.append([keyed(first, 2, events[2:], self.reply("free", 2))])
            assert await journal.load_reply(first, "free") == self.reply("free", 2)
            self.assert_stored(await records_of(journal.read(first)), first, 1, events)

    async def test_the_first_key_that_is_taken_is_named(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        stream = self.stream(1)
        await journal.append([keyed(stream, 0, [], self.reply("a"), self.reply("b"))])
        replies = [self.reply(key) for key in ("c", "b", "a")]
        [outcome] = await journal.append([keyed(stream, 0, self.events(1), *replies)])
        assert key_taken(outcome).key == "b"

    async def test_the_version_is_checked_before_the_key(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        stream = self.stream(1)
        await journal.append([keyed(stream, 0, self.events(1), self.reply("key"))])
        [outcome] = await journal.append([keyed(stream, 0, self.events(1), self.reply("key"))])
        assert type(outcome) is ConcurrencyConflict

    async def test_of_writes_with_one_key_in_one_append_the_first_that_is_stored_has_it(
        self, journal: Journal
    ) -> None:
        self.need(Feature.REPLIES)
        stream, events = self.stream(1), self.events(3)
        outcomes = await journal.append(
            [
                keyed(stream, 7, self.events(1), self.reply("key", 7)),
                keyed(stream, 0, events[:2], self.reply("key", 1)),
                keyed(stream, 2, self.events(1), self.reply("key", 2)),
                keyed(stream, 2, [], self.reply("key", 3)),
                keyed(stream, 2, events[2:], self.reply("another")),
            ]
        )
        kinds = [ConcurrencyConflict, Appended, KeyTaken, KeyTaken, Appended]
        assert [type(outcome) for outcome in outcomes] == kinds
        assert await journal.load_reply(stream, "key") == self.reply("key", 1)
        self.assert_stored(await records_of(journal.read(stream)), stream, 1, events)

    async def test_one_key_of_two_streams_is_two_keys(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        streams = [self.stream(number) for number in range(12)]
        writes = [
            keyed(stream, 0, self.events(1), self.reply("key", number))
            for number, stream in enumerate(streams)
        ]
        for outcome in await journal.append(writes):
            assert appended(outcome).version == 1
        for number, stream in enumerate(streams):
            assert await journal.load_reply(stream, "key") == self.reply("key", number)

    @pytest.mark.parametrize("has_events", [True, False])
    async def test_of_many_appends_with_one_key_exactly_one_wins(
        self, journal: Journal, *, has_events: bool
    ) -> None:
        self.need(Feature.REPLIES)
        stream = self.stream(1)
        replies = [self.reply("key", number) for number in range(50)]
        writes = [
            keyed(stream, 0, [self.event(number)] if has_events else [], reply)
            for number, reply in enumerate(replies)
        ]
        results = await asyncio.gather(*(journal.append([write]) for write in writes))
        winners = [n for n, [outcome] in enumerate(results) if isinstance(outcome, Appended)]
        assert len(winners) == 1
        assert await journal.load_reply(stream, "key") == replies[winners[0]]
        if not has_events:
            # The stream is at the version that they expect, so the key alone refuses them.
            kinds = [type(outcome) for [outcome] in results]
            assert kinds.count(KeyTaken) == 49

    async def test_thousands_of_replies_are_one_append(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        stream, others = self.stream(0), [self.stream(number) for number in range(1, 1_500)]
        many = [self.reply(f"key {number}", number) for number in range(1_500)]
        writes = [keyed(stream, 0, self.events(1), *many)]
        writes += [keyed(other, 0, [], self.reply("key")) for other in others]
        assert {type(outcome) for outcome in await journal.append(writes)} == {Appended}
        writes[0] = writes[0]._replace(expected_version=1)
        assert {type(outcome) for outcome in await journal.append(writes)} == {KeyTaken}
        assert await journal.load_reply(stream, "key 1499") == many[-1]
        assert await journal.prune_replies(before_us=MAX_TIME_US, limit=5_000) == 2_999

    async def test_a_reply_outlives_the_truncation_of_its_stream(self, journals: Store) -> None:
        self.need(Feature.REPLIES, Feature.TRUNCATE)
        stream = self.stream(1)
        async with journals() as journal:
            await journal.append([keyed(stream, 0, self.events(3), self.reply("key"))])
            await journal.truncate(stream, to_version=3)
        async with journals() as journal:
            assert await journal.load_reply(stream, "key") == self.reply("key")
            [outcome] = await journal.append([keyed(stream, 3, self.events(1), self.reply("key"))])
            assert key_taken(outcome).actual == 3

    async def test_the_oldest_replies_are_pruned_first(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        first, second = self.stream(1), self.stream(2)
        times = [(first, 50), (second, 10), (first, 30), (second, 40), (first, 20)]
        for stream, time_us in times:
            reply = self.reply(f"at {time_us}")._replace(time_us=time_us)
            await journal.append([keyed(stream, 0, [], reply)])

        async def left() -> list[int]:
            found = [(await journal.load_reply(s, f"at {time_us}")) for s, time_us in times]
            return sorted(reply.time_us for reply in found if reply is not None)

        assert await journal.prune_replies(before_us=10) == 0
        assert await journal.prune_replies(before_us=40, limit=2) == 2
        assert await left() == [30, 40, 50]
        assert await journal.prune_replies(before_us=40, limit=2) == 1
        assert await left() == [40, 50]
        assert await journal.prune_replies(before_us=40, limit=2) == 0
        assert await journal.prune_replies(before_us=51, limit=1_000) == 2
        assert await left() == []

    async def test_keys_of_a_prefix_are_not_pruned(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        keys = ["layer:1", "layer", "other", "a layer:2", "layer:\U0001f4d2"]
        stream = self.stream(1)
        replies = [self.reply(key, number) for number, key in enumerate(keys)]
        await journal.append([Write(stream, 0, [], replies=replies)])
        pruned = await journal.prune_replies(before_us=MAX_TIME_US, keep_prefix="layer:")
        assert pruned == 3
        left = [key for key in keys if await journal.load_reply(stream, key) is not None]
        assert left == ["layer:1", "layer:\U0001f4d2"]
        assert await journal.prune_replies(before_us=MAX_TIME_US, keep_prefix="layer:") == 0
        assert await journal.prune_replies(before_us=MAX_TIME_US) == 2

    async def test_a_key_whose_reply_was_pruned_is_free_again(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        stream = self.stream(1)
        await journal.append([keyed(stream, 0, self.events(1), self.reply("key", 1))])
        assert await journal.prune_replies(before_us=MAX_TIME_US) == 1
        assert await journal.load_reply(stream, "key") is None
        [outcome] = await journal.append([keyed(stream, 1, self.events(1), self.reply("key", 2))])
        assert appended(outcome).version == 2
        assert await journal.load_reply(stream, "key") == self.reply("key", 2)

    async def test_replies_that_are_never_right_are_refused(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        stream, reply = self.stream(1), self.reply("key")
        wrong = [
            [reply, self.reply("key", 1)],
            [reply._replace(command=b"")],
            [reply._replace(command=bytes(65))],
            [reply._replace(version=-1)],
            [reply._replace(version=MAX_VERSION + 1)],
            [reply._replace(time_us=1 << 62)],
            *([reply._replace(key=name)] for name in REFUSED_NAMES),
            *([reply._replace(type_name=name)] for name in REFUSED_NAMES),
        ]
        for replies in wrong:
            with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own
                await journal.append(
                    [
                        Write(self.stream(2), 0, self.events(1)),
                        keyed(stream, 0, self.events(1), *replies),
                    ]
                )
        assert await journal.list_streams() == []
        assert await journal.load_reply(stream, "key") is None

    async def test_a_reply_with_a_value_of_another_type_is_refused(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        reply = self.reply("key")
        for wrong in (
            reply._replace(key=7),  # type: ignore[arg-type]
            reply._replace(command="text"),  # type: ignore[arg-type]
            reply._replace(type_name=b"bytes"),  # type: ignore[arg-type]
            reply._replace(payload=bytearray(b"may change")),  # type: ignore[arg-type]
            reply._replace(version=1.5),  # type: ignore[arg-type]
            reply._replace(time_us=1.5),  # type: ignore[arg-type]
        ):
            with pytest.raises(TypeError):
                await journal.append([keyed(self.stream(1), 0, self.events(1), wrong)])
        assert await journal.list_streams() == []

    async def test_asking_for_replies_that_cannot_be_is_refused(self, journal: Journal) -> None:
        self.need(Feature.REPLIES)
        wrong: list[Callable[[], Awaitable[object]]] = [
            lambda: journal.load_reply("", "key"),
            lambda: journal.load_reply(self.stream(1), ""),
            lambda: journal.load_reply(self.stream(1), "nul\0inside"),
            lambda: journal.prune_replies(before_us=0, limit=0),
            lambda: journal.prune_replies(before_us=1 << 62),
            lambda: journal.prune_replies(before_us=-(1 << 62)),
        ]
        for use in wrong:
            with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own
                await use()
