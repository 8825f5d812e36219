"""A journal in memory, for tests and for programs that keep nothing.

It keeps the contract of :mod:`daicho.journal.port` to the letter, except that what it calls durable
ends with the object. Its content outlives closing, so a test can close it, open it again and see
what a restart sees.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from os import urandom
from typing import Self

from daicho.errors import ConcurrencyConflict, JournalClosed, KeyTaken
from daicho.journal import checks
from daicho.journal.chain import GENESIS, HistoryRoot, Link, links_of
from daicho.journal.lineage import Incarnation, descended
from daicho.journal.port import (
    MAX_VERSION,
    PAGE_SIZE,
    Appended,
    Feature,
    Loaded,
    Outcome,
    Parcel,
    Record,
    Reply,
    Snapshot,
    StoredReply,
    StreamInfo,
    Write,
)

_FEATURES = frozenset(Feature) - {Feature.EPOCHS}


class _Stream:
    """The records of one stream; the first of them has the version ``truncated_to`` + 1."""

    __slots__ = ("records", "truncated_to")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.truncated_to = 0

    @property
    def version(self) -> int:
        return self.truncated_to + len(self.records)


class _Chain:
    """The links of all events, and the newest hash of each stream."""

    __slots__ = ("hashes", "links")

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.hashes: dict[str, bytes] = {}

    @property
    def root(self) -> HistoryRoot:
        if not self.links:
            return HistoryRoot(0, GENESIS)
        last = self.links[-1]
        return HistoryRoot(last.position, last.root)

    def next(self, records: Sequence[Record], given: Sequence[Link] = ()) -> list[Link]:
        """The links of what comes next."""
        return links_of("MemoryJournal()", self.root.digest, self.hashes, records, given)

    def add(self, links: Sequence[Link]) -> None:
        self.links += links
        self.hashes |= {link.stream: link.hash for link in links}


class MemoryJournal:
    """A journal whose content lives as long as the object.

    Args:
        chained: Whether its events are chained by hashes from the first one on.
    """

    def __init__(self, *, chained: bool = False) -> None:
        self._chain = _Chain() if chained else None
        self._incarnations = [Incarnation(urandom(16), 0)]
        self._is_open = False
        self._streams: dict[str, _Stream] = {}
        self._log: list[Record] = []
        self._last_position = 0
        self._snapshots: dict[str, dict[int, Snapshot]] = {}
        self._replies: dict[tuple[str, str], Reply] = {}

    def __repr__(self) -> str:
        return "MemoryJournal()"

    @property
    def features(self) -> frozenset[Feature]:
        """All but epochs."""
        return _FEATURES

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """Stores all writes and returns the outcome of each; see :meth:`Journal.append`."""
        self._check_open()
        checks.writes(repr(self), _FEATURES, writes)
        return [self._store(write) for write in writes]

    def read(
        self,
        stream: str,
        *,
        from_version: int = 1,
        to_version: int = MAX_VERSION,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Sequence[Record]]:
        """Pages of a stream's events; see :meth:`Journal.read`."""
        self._check_open()
        checks.reading(stream, from_version, to_version, page_size)
        return self._pages(stream, from_version, to_version, page_size)

    def read_all(
        self,
        *,
        after_position: int = 0,
        page_size: int = PAGE_SIZE,
        type_names: Collection[str] | None = None,
    ) -> AsyncIterator[Sequence[Record]]:
        """Pages of all events after a position; see :meth:`Journal.read_all`."""
        self._check_open()
        checks.number(after_position, "after_position")
        checks.number(page_size, "page_size", least=1)
        checks.type_names(type_names)
        return self._all_pages(after_position, page_size, type_names)

    async def load(
        self, stream: str, *, max_snapshot: int = MAX_VERSION, page_size: int = PAGE_SIZE
    ) -> Loaded:
        """What a recovery begins with; see :meth:`Journal.load`."""
        self._check_open()
        checks.loading(stream, max_snapshot, page_size)
        info = self._info(stream)
        snapshot = self._newest(stream, 1, min(max_snapshot, info.version))
        version = 0 if snapshot is None else snapshot.version
        return Loaded(info, snapshot, self._page(stream, version + 1, MAX_VERSION, page_size))

    async def last_position(self) -> int:
        """The position of the newest event; see :meth:`Journal.last_position`."""
        self._check_open()
        return self._last_position

    async def stream_info(self, stream: str) -> StreamInfo:
        """The stream's version and where it begins; see :meth:`Journal.stream_info`."""
        self._check_open()
        checks.name(stream)
        return self._info(stream)

    async def list_streams(
        self, prefix: str = "", *, after: str = "", limit: int = PAGE_SIZE
    ) -> list[StreamInfo]:
        """A page of the streams' names; see :meth:`Journal.list_streams`."""
        self._check_open()
        checks.listing(prefix, after, limit)
        found = (s for s in sorted(self._streams) if s > after and s.startswith(prefix))
        return [self._info(stream) for stream in islice(found, limit)]

    async def load_snapshot(
        self, stream: str, *, max_version: int = MAX_VERSION
    ) -> Snapshot | None:
        """The newest snapshot at or below a version; see :meth:`Journal.load_snapshot`."""
        self._check_open()
        checks.name(stream)
        checks.number(max_version, "max_version")
        return self._newest(stream, 0, max_version)

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Stores a snapshot; see :meth:`Journal.save_snapshot`."""
        self._check_open()
        checks.snapshot(snapshot)
        self._keep(snapshot)

    async def list_snapshots(self, stream: str) -> list[Snapshot]:
        """The stream's snapshots, newest first; see :meth:`Journal.list_snapshots`."""
        self._check_open()
        checks.name(stream)
        snapshots = self._snapshots.get(stream, {}).values()
        return sorted(snapshots, key=attrgetter("version"), reverse=True)

    async def delete_snapshots(self, stream: str, *, max_version: int) -> int:
        """Deletes old snapshots and returns how many; see :meth:`Journal.delete_snapshots`."""
        self._check_open()
        checks.name(stream)
        checks.number(max_version, "max_version")
        snapshots = self._snapshots.get(stream, {})
        doomed = [version for version in snapshots if version <= max_version]
        for version in doomed:
            del snapshots[version]
        return len(doomed)

    async def truncate(self, stream: str, *, to_version: int) -> int:
        """Deletes a stream's oldest events and returns how many; see :meth:`Journal.truncate`."""
        self._check_open()
        checks.name(stream)
        checks.number(to_version, "to_version")
        checks.truncation(self._info(stream), to_version)
        return self._forget({stream: to_version}) if stream in self._streams else 0

    async def load_reply(self, stream: str, key: str) -> Reply | None:
        """The reply under a key of the stream; see :meth:`Journal.load_reply`."""
        self._check_open()
        checks.name(stream)
        checks.key(key)
        return self._replies.get((stream, key))

    async def prune_replies(
        self, *, before_us: int, limit: int = PAGE_SIZE, keep_prefix: str = ""
    ) -> int:
        """Deletes old replies and returns how many; see :meth:`Journal.prune_replies`."""
        self._check_open()
        checks.pruning(before_us, limit, keep_prefix)
        old = [
            (reply.time_us, at)
            for at, reply in self._replies.items()
            if reply.time_us < before_us and not (keep_prefix and reply.key.startswith(keep_prefix))
        ]
        doomed = sorted(old)[:limit]
        for _, at in doomed:
            del self._replies[at]
        return len(doomed)

    async def list_all_snapshots(
        self, *, after: tuple[str, int] = ("", 0), limit: int = PAGE_SIZE
    ) -> list[Snapshot]:
        """A page of all snapshots; see :meth:`Journal.list_all_snapshots`."""
        self._check_open()
        checks.all_snapshots(after, limit)
        found = {
            (stream, version): snapshot
            for stream, snapshots in self._snapshots.items()
            for version, snapshot in snapshots.items()
            if (stream, version) > after
        }
        return [found[at] for at in sorted(found)[:limit]]

    async def list_replies(
        self, *, after: tuple[str, str] = ("", ""), limit: int = PAGE_SIZE
    ) -> list[StoredReply]:
        """A page of all replies; see :meth:`Journal.list_replies`."""
        self._check_open()
        checks.all_replies(after, limit)
        found = sorted(at for at in self._replies if at > after)[:limit]
        return [StoredReply(at[0], self._replies[at]) for at in found]

    async def restore(self, parcel: Parcel) -> None:
        """Stores what another journal has stored; see :meth:`Journal.restore`."""
        self._check_open()
        checks.parcel(parcel)
        versions = {name: stream.version for name, stream in self._streams.items()}
        checks.continuing(parcel, versions, self._last_position)
        if self._chain is not None:
            self._chain.add(self._chain.next(parcel.records, parcel.links))
        self._forget(parcel.gone())
        for record in parcel.records:
            self._streams.setdefault(record.stream, _Stream()).records.append(record)
            self._log.append(record)
            self._last_position = record.position
        for snapshot in parcel.snapshots:
            self._keep(snapshot)
        self._replies |= {(stream, reply.key): reply for stream, reply in parcel.replies}
        reached = [parcel.last_position, *(link.position for link in parcel.links[-1:])]
        self._last_position = max(self._last_position, *reached)
        if parcel.incarnations:
            self._incarnations = descended(
                parcel.incarnations, self._incarnations[-1].id, parcel.last_position
            )

    async def begin_chain(self, *, anew: bool = False) -> None:
        """Every event gets a link; see :meth:`Journal.begin_chain`."""
        self._check_open()
        if self._chain is None or anew:
            self._chain = _Chain()
            self._chain.add(self._chain.next(self._log))

    async def root(self) -> HistoryRoot | None:
        """What all of history has come to; see :meth:`Journal.root`."""
        self._check_open()
        return None if self._chain is None else self._chain.root

    def read_chain(
        self, *, after_position: int = 0, page_size: int = PAGE_SIZE
    ) -> AsyncIterator[Sequence[Link]]:
        """Pages of the links after a position; see :meth:`Journal.read_chain`."""
        self._check_open()
        checks.chain(after_position, page_size)
        return self._chain_pages(after_position, page_size)

    async def incarnations(self) -> list[Incarnation]:
        """The stores of its history; see :meth:`Journal.incarnations`."""
        self._check_open()
        return [*self._incarnations]

    async def __aenter__(self) -> Self:
        if self._is_open:
            raise RuntimeError(f"{self!r} is open already")
        self._is_open = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._is_open = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise JournalClosed(repr(self))

    def _store(self, write: Write) -> Outcome:
        stored = self._streams.get(write.stream)
        version = stored.version if stored else 0
        if version != write.expected_version:
            return ConcurrencyConflict(write.stream, write.expected_version, version)
        for reply in write.replies:
            if (write.stream, reply.key) in self._replies:
                return KeyTaken(write.stream, write.expected_version, version, reply.key)
        if write.events:
            stored = self._streams.setdefault(write.stream, _Stream())
            records: list[Record] = []
            for event in write.events:
                version += 1
                self._last_position += 1
                records.append(Record(write.stream, version, self._last_position, *event))
            if self._chain is not None:
                self._chain.add(self._chain.next(records))
            stored.records += records
            self._log += records
        self._replies |= {(write.stream, reply.key): reply for reply in write.replies}
        if write.snapshot is not None:
            self._keep(write.snapshot)
        return Appended(version, self._last_position)

    def _keep(self, snapshot: Snapshot) -> None:
        self._snapshots.setdefault(snapshot.stream, {})[snapshot.version] = snapshot

    def _forget(self, truncated: Mapping[str, int]) -> int:
        """Truncates streams, also beyond their versions; returns how many events there were."""
        gone: set[int] = set()
        for stream, to_version in truncated.items():
            stored = self._streams.setdefault(stream, _Stream())
            count = max(to_version - stored.truncated_to, 0)
            gone.update(record.position for record in stored.records[:count])
            del stored.records[:count]
            stored.truncated_to += count
        if gone:
            self._log = [record for record in self._log if record.position not in gone]
        return len(gone)

    def _newest(self, stream: str, from_version: int, to_version: int) -> Snapshot | None:
        snapshots = self._snapshots.get(stream, {})
        versions = (v for v in snapshots if from_version <= v <= to_version)
        return snapshots.get(max(versions, default=-1))

    def _info(self, stream: str) -> StreamInfo:
        stored = self._streams.get(stream)
        if stored is None:
            return StreamInfo(stream, 0, 0)
        return StreamInfo(stream, stored.version, stored.truncated_to)

    def _page(
        self, stream: str, from_version: int, to_version: int, page_size: int
    ) -> list[Record]:
        stored = self._streams.get(stream, _Stream())
        first = max(from_version - stored.truncated_to - 1, 0)
        end = min(first + page_size, max(to_version - stored.truncated_to, 0))
        return stored.records[first:end]

    async def _pages(
        self, stream: str, from_version: int, to_version: int, page_size: int
    ) -> AsyncIterator[Sequence[Record]]:
        while True:
            self._check_open()
            page = self._page(stream, from_version, to_version, page_size)
            if not page:
                return
            from_version = page[-1].version + 1
            yield page

    async def _all_pages(
        self, after_position: int, page_size: int, type_names: Collection[str] | None
    ) -> AsyncIterator[Sequence[Record]]:
        last = self._last_position
        wanted = None if type_names is None else frozenset(type_names)
        while True:
            self._check_open()
            first = bisect_right(self._log, after_position, key=attrgetter("position"))
            end = bisect_right(self._log, last, key=attrgetter("position"))
            found: Iterator[Record] = islice(self._log, first, end)
            if wanted is not None:
                found = (record for record in found if record.type_name in wanted)
            page = list(islice(found, page_size))
            if not page:
                return
            after_position = page[-1].position
            yield page

    async def _chain_pages(
        self, after_position: int, page_size: int
    ) -> AsyncIterator[Sequence[Link]]:
        last = self._last_position
        while True:
            self._check_open()
            links = [] if self._chain is None else self._chain.links
            first = bisect_right(links, after_position, key=attrgetter("position"))
            end = bisect_right(links, last, key=attrgetter("position"))
            page = links[first : min(first + page_size, end)]
            if not page:
                return
            after_position = page[-1].position
            yield page
