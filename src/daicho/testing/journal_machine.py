"""Journals against a model that is simple enough to be believed, over any order of calls.

A state machine of hypothesis for engines that offer every feature but epochs; beside the contract,
which has the promises one by one, it finds what only some order of calls brings about::

    class MyMachine(JournalMachine):
        def make(self):
            return [MyJournal(self.folder / "journal")]

    TestMyModel = MyMachine.TestCase

It needs hypothesis, and pytest with pytest-asyncio. Each of its rules is a method of the journal.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from daicho.errors import ConcurrencyConflict, KeyTaken
from daicho.journal import (
    Appended,
    Journal,
    NewEvent,
    Record,
    Reply,
    Snapshot,
    StoredReply,
    StreamInfo,
    Write,
    verify,
)
from daicho.journal.chain import GENESIS, Link, links_of
from daicho.testing.journal_contract import records_of

T = TypeVar("T")

STREAMS = ["a", "a/b", "b", "ü", "🦀", "\U0010ffff"]
VERSIONS = st.integers(0, 12)
KEYS = ["k", "K", "ü"]
TIMES_US = st.integers(0, 12)
PAGE_SIZES = st.sampled_from([1, 2, 3, 1_000])

events = st.builds(
    NewEvent,
    st.sampled_from(["x", "y", "台帳"]),
    st.binary(max_size=40),
    st.binary(min_size=16, max_size=16),
    st.integers(-(10**15), 10**16),
    st.none() | st.text("abc", max_size=3),
    st.none() | st.text("abc", max_size=3),
    st.none() | st.text("abc", max_size=3),
)

replies = st.builds(
    Reply,
    st.sampled_from(KEYS),
    st.binary(min_size=1, max_size=64),
    st.sampled_from(["x", "台帳"]),
    st.binary(max_size=40),
    VERSIONS,
    TIMES_US,
)

wanted_writes = st.tuples(
    st.sampled_from(STREAMS),
    st.sampled_from([0, 0, 0, 0, -1, 1]),
    st.lists(events, max_size=4),
    st.just([]) | st.lists(replies, max_size=2, unique_by=lambda reply: reply.key),
    # How far a snapshot is behind, and what is in it.
    st.none() | st.tuples(st.sampled_from([0, 0, 1]), st.binary(max_size=20)),
).filter(lambda wanted: bool(wanted[2] or wanted[3]))


Kept = tuple[int, bytes] | None
Wanted = tuple[str, int, list[NewEvent], list[Reply], Kept]


def snapshot_of(stream: str, version: int, kept: Kept) -> Snapshot | None:
    """The snapshot that a write carries."""
    if kept is None:
        return None
    behind, payload = kept
    return Snapshot(
        stream=stream,
        version=max(version - behind, 0),
        type_name="s",
        payload=payload,
        time_us=len(payload),
    )


@dataclass
class ModelStream:
    """All events that there ever were; the first ``truncated_to`` of them cannot be read."""

    events: list[tuple[int, NewEvent]] = field(default_factory=list[tuple[int, NewEvent]])
    truncated_to: int = 0

    def records(self, name: str) -> Iterator[Record]:
        for version, (position, event) in enumerate(self.events, start=1):
            if version > self.truncated_to:
                yield Record(name, version, position, *event)


class JournalMachine(RuleBasedStateMachine):
    """Rules that an engine of all features follows; a subclass says how its journals are made."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        """An empty one for the files of a run; it is gone at its end."""
        self.runner = asyncio.Runner()
        self.streams: dict[str, ModelStream] = {}
        self.snapshots: dict[tuple[str, int], Snapshot] = {}
        self.replies: dict[tuple[str, str], Reply] = {}
        self.journals: list[Journal] = []
        self.turn = 0
        self.last_position = 0
        self.chained: list[Record] | None = None
        """Events that have links, also those that were truncated since; None without a chain."""

    def make(self) -> list[Journal]:
        """Journals on one store; the rules take turns with them."""
        raise AssertionError("a machine of an engine makes its journals")

    @initialize()
    def open(self) -> None:
        self.journals = self.make()
        for journal in self.journals:
            self.run(journal.__aenter__())

    def teardown(self) -> None:
        for journal in self.journals:
            self.run(journal.__aexit__(None, None, None))
        self.runner.close()
        shutil.rmtree(self.folder)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @property
    def journal(self) -> Journal:
        self.turn += 1
        return self.journals[self.turn % len(self.journals)]

    def version(self, stream: str) -> int:
        return len(self.streams[stream].events) if stream in self.streams else 0

    def info(self, stream: str) -> StreamInfo:
        model = self.streams.get(stream, ModelStream())
        return StreamInfo(stream, len(model.events), model.truncated_to)

    def all_records(self) -> list[Record]:
        found = [r for name, model in self.streams.items() for r in model.records(name)]
        return sorted(found, key=lambda record: record.position)

    # --- what changes something -------------------------------------------------------------------

    @rule(wanted=st.lists(wanted_writes, max_size=6))
    def append(self, wanted: list[Wanted]) -> None:
        """Appends writes, most of which expect the right version."""
        versions = {stream: self.version(stream) for stream, *_ in wanted}
        taken = set(self.replies)
        writes: list[Write] = []
        for stream, wrong_by, new, answers, kept in wanted:
            expected = max(versions[stream] + wrong_by, 0)
            taken_at = snapshot_of(stream, expected + len(new), kept)
            writes.append(Write(stream, expected, new, replies=answers, snapshot=taken_at))
            keys = {(stream, reply.key) for reply in answers}
            if expected == versions[stream] and not keys & taken:
                versions[stream] += len(new)
                taken |= keys
        outcomes = self.run(self.journal.append(writes))
        assert len(outcomes) == len(writes)
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, Appended):
                self.store(write, outcome)
            else:
                assert isinstance(outcome, ConcurrencyConflict), outcome
                self.assert_refused(write, outcome)

    @rule(anew=st.sampled_from([False, False, False, True]))
    def begin_chain(self, *, anew: bool) -> None:
        """Begins the chain, or does nothing."""
        self.run(self.journal.begin_chain(anew=anew))
        if anew or self.chained is None:
            self.chained = self.all_records()

    def taken_key(self, write: Write) -> str | None:
        keys = (reply.key for reply in write.replies if (write.stream, reply.key) in self.replies)
        return next(keys, None)

    def store(self, write: Write, outcome: Appended) -> None:
        """Stores in the model what the journal says that it has stored."""
        version = self.version(write.stream)
        assert write.expected_version == version
        assert self.taken_key(write) is None
        assert outcome.version == version + len(write.events)
        self.replies |= {(write.stream, reply.key): reply for reply in write.replies}
        if write.snapshot:
            self.snapshots[write.stream, write.snapshot.version] = write.snapshot
        if not write.events:
            assert outcome.position == self.last_position
            return
        first = outcome.position - len(write.events) + 1
        assert first > self.last_position
        self.last_position = outcome.position
        model = self.streams.setdefault(write.stream, ModelStream())
        model.events += enumerate(write.events, start=first)
        if self.chained is not None:
            self.chained += [
                Record(write.stream, version + 1 + place, first + place, *event)
                for place, event in enumerate(write.events)
            ]

    def assert_refused(self, write: Write, conflict: ConcurrencyConflict) -> None:
        """Asserts that the write could not be stored, for the reason that the journal gives."""
        version = self.version(write.stream)
        expected = (write.stream, write.expected_version, version)
        assert (conflict.stream, conflict.expected, conflict.actual) == expected
        if write.expected_version != version:
            assert type(conflict) is ConcurrencyConflict
        else:
            assert isinstance(conflict, KeyTaken)
            assert conflict.key == self.taken_key(write) is not None

    @rule(before_us=TIMES_US, limit=st.sampled_from([1, 2, 100]))
    def prune_replies(self, before_us: int, limit: int) -> None:
        old = {at: r.time_us for at, r in self.replies.items() if r.time_us < before_us}
        pruned = self.run(self.journal.prune_replies(before_us=before_us, limit=limit))
        assert pruned == min(len(old), limit)
        gone = {at for at in self.replies if self.run(self.journal.load_reply(*at)) is None}
        assert len(gone) == pruned
        assert gone <= old.keys()
        # Of those of one time it may be any.
        newest = max((old[at] for at in gone), default=0)
        assert all(time_us >= newest for at, time_us in old.items() if at not in gone)
        for at in gone:
            del self.replies[at]

    @rule(stream=st.sampled_from(STREAMS), to_version=VERSIONS)
    def truncate(self, stream: str, to_version: int) -> None:
        if to_version > self.version(stream):
            with pytest.raises(ValueError, match="cannot be truncated"):
                self.run(self.journal.truncate(stream, to_version=to_version))
            return
        model = self.streams.get(stream, ModelStream())
        count = max(to_version - model.truncated_to, 0)
        assert self.run(self.journal.truncate(stream, to_version=to_version)) == count
        model.truncated_to += count

    @rule(stream=st.sampled_from(STREAMS), version=VERSIONS, payload=st.binary(max_size=20))
    def save_snapshot(self, stream: str, version: int, payload: bytes) -> None:
        snapshot = Snapshot(
            stream=stream, version=version, type_name="s", payload=payload, time_us=len(payload)
        )
        self.run(self.journal.save_snapshot(snapshot))
        self.snapshots[stream, version] = snapshot

    @rule(stream=st.sampled_from(STREAMS), max_version=VERSIONS)
    def delete_snapshots(self, stream: str, max_version: int) -> None:
        doomed = [key for key in self.snapshots if key[0] == stream and key[1] <= max_version]
        deleted = self.run(self.journal.delete_snapshots(stream, max_version=max_version))
        assert deleted == len(doomed)
        for key in doomed:
            del self.snapshots[key]

    @rule()
    def close_and_open_again(self) -> None:
        for journal in self.journals:
            self.run(journal.__aexit__(None, None, None))
            self.run(journal.__aenter__())

    # --- what looks at it -------------------------------------------------------------------------

    @rule(
        stream=st.sampled_from(STREAMS),
        from_version=VERSIONS,
        to_version=VERSIONS,
        page_size=PAGE_SIZES,
    )
    def read(self, stream: str, from_version: int, to_version: int, page_size: int) -> None:
        pages = self.journal.read(
            stream, from_version=from_version, to_version=to_version, page_size=page_size
        )
        assert self.run(records_of(pages)) == [
            record
            for record in self.streams.get(stream, ModelStream()).records(stream)
            if from_version <= record.version <= to_version
        ]

    @rule(skip=st.integers(0, 20), page_size=PAGE_SIZES)
    def read_all(self, skip: int, page_size: int) -> None:
        expected = self.all_records()
        after = expected[min(skip, len(expected)) - 1].position if expected and skip else 0
        pages = self.journal.read_all(after_position=after, page_size=page_size)
        assert self.run(records_of(pages)) == [r for r in expected if r.position > after]

    @rule(
        prefix=st.sampled_from(["", "a", "a/", "b", "c", "\U0010ffff"]),
        after=st.sampled_from(["", *STREAMS]),
        limit=st.sampled_from([1, 2, 100]),
    )
    def list_streams(self, prefix: str, after: str, limit: int) -> None:
        names = sorted(s for s in self.streams if s.startswith(prefix) and s > after)
        found = self.run(self.journal.list_streams(prefix, after=after, limit=limit))
        assert found == [self.info(name) for name in names[:limit]]

    @rule(stream=st.sampled_from(STREAMS), max_version=VERSIONS)
    def load_snapshot(self, stream: str, max_version: int) -> None:
        versions = [v for s, v in self.snapshots if s == stream and v <= max_version]
        expected = self.snapshots[stream, max(versions)] if versions else None
        found = self.run(self.journal.load_snapshot(stream, max_version=max_version))
        assert found == expected

    @rule(stream=st.sampled_from(STREAMS), max_snapshot=VERSIONS, page_size=PAGE_SIZES)
    def load(self, stream: str, max_snapshot: int, page_size: int) -> None:
        most = min(max_snapshot, self.version(stream))
        version = max((v for s, v in self.snapshots if s == stream and v <= most), default=0)
        loaded = self.run(self.journal.load(stream, max_snapshot=max_snapshot, page_size=page_size))
        assert loaded.info == self.info(stream)
        assert loaded.snapshot == (self.snapshots[stream, version] if version else None)
        records = self.streams.get(stream, ModelStream()).records(stream)
        after = [record for record in records if record.version > version]
        assert list(loaded.page) == after[:page_size]

    @rule(stream=st.sampled_from(STREAMS))
    def list_snapshots(self, stream: str) -> None:
        versions = sorted((v for s, v in self.snapshots if s == stream), reverse=True)
        found = self.run(self.journal.list_snapshots(stream))
        assert found == [self.snapshots[stream, version] for version in versions]

    @rule(stream=st.sampled_from(STREAMS), key=st.sampled_from(KEYS))
    def load_reply(self, stream: str, key: str) -> None:
        found = self.run(self.journal.load_reply(stream, key))
        assert found == self.replies.get((stream, key))

    @rule(limit=PAGE_SIZES, data=st.data())
    def list_all_snapshots(self, limit: int, data: st.DataObject) -> None:
        """All snapshots are listed in order, page by page."""
        after = data.draw(st.sampled_from([("", 0), *sorted(self.snapshots)]))
        places = sorted(at for at in self.snapshots if at > after)
        found = self.run(self.journal.list_all_snapshots(after=after, limit=limit))
        assert found == [self.snapshots[at] for at in places[:limit]]

    @rule(limit=PAGE_SIZES, data=st.data())
    def list_replies(self, limit: int, data: st.DataObject) -> None:
        """All replies are listed in order, page by page."""
        after = data.draw(st.sampled_from([("", ""), *sorted(self.replies)]))
        places = sorted(at for at in self.replies if at > after)
        found = self.run(self.journal.list_replies(after=after, limit=limit))
        assert found == [StoredReply(at[0], self.replies[at]) for at in places[:limit]]

    @rule(page_size=PAGE_SIZES)
    def verify_history(self, page_size: int) -> None:
        """Each event has had its link since the chain began, and keeps it."""

        async def all_links(journal: Journal) -> list[Link]:
            pages = journal.read_chain(page_size=page_size)
            return [link async for page in pages for link in page]

        due = links_of("the model", GENESIS, {}, self.chained or [])
        assert self.run(all_links(self.journal)) == due
        if self.chained is not None:
            there = len(self.all_records())
            verified = self.run(verify(self.journal))
            assert (verified.events, verified.forgotten) == (there, len(due) - there)

    @invariant()
    def every_stream_is_where_the_model_is(self) -> None:
        for journal in self.journals:
            for stream in STREAMS:
                assert self.run(journal.stream_info(stream)) == self.info(stream)
