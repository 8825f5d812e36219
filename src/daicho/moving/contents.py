"""All that a journal holds, as it was when it had come to some position.

A journal may go on while it is read. Its events up to a position are what they are; but a snapshot
or a reply may come of an event after it. Where that event is not taken along, a snapshot would be
the state of another history, and a reply would say of a command that it was done. So what rests on
later events is left out: the events that have come meanwhile say which streams have gone on, and
from which version. A reply is stored in the transaction of its events, so once it is seen they can
be seen, too.

Nothing that belongs to the events up to there is missing: it was stored with them, before the
reading began. What somebody deletes meanwhile may be gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from daicho.errors import ChainBroken, Unsupported
from daicho.journal import (
    Feature,
    Incarnation,
    Journal,
    Link,
    Parcel,
    Record,
    Snapshot,
    StoredReply,
    StreamInfo,
)

T = TypeVar("T")

_PAGE = 1_000
_PAGE_OF_SNAPSHOTS = 100
_PARCEL_BYTES = 8 * 1_024 * 1_024
"""Of payloads in a parcel, if they are more than one."""
_BEGINNING = 16


class Contents(Protocol):
    """What is moved."""

    name: str
    """Of where it comes from, for messages."""
    last_position: int
    """All events up to here are among it."""
    beginning: Sequence[Record]
    """Its first events, to tell it from another journal."""
    is_chained: bool
    """Whether its events have links."""
    incarnations: Sequence[Incarnation]
    """The stores that its history comes from, as far as they are known."""

    def parcels(self) -> AsyncIterator[Parcel]:
        """All of it: truncations, events, snapshots, and replies.

        They are sorted by stream, by position, by stream and version, and by stream and key. No
        parcel is of two kinds, but for events and their links.
        """
        ...

    async def truncated_to(self, stream: str) -> int:
        """What a stream is truncated to, in case that has changed."""
        ...

    def late_truncations(self) -> AsyncIterator[tuple[StreamInfo, bool]]:
        """Streams that are truncated by now, and whether only events of these contents are gone."""
        ...

    @property
    def was_truncated(self) -> bool:
        """Whether streams were truncated while all parcels were read."""
        ...

    @property
    def is_all(self) -> bool:
        """Whether the journal had come no further when all parcels were read."""
        ...


class JournalContents:
    """The contents of an open journal. See :func:`contents_of`."""

    def __init__(
        self,
        journal: Journal,
        last_position: int,
        beginning: Sequence[Record],
        *,
        is_chained: bool,
        incarnations: Sequence[Incarnation],
    ) -> None:
        self.name = repr(journal)
        self.is_chained = is_chained
        self.incarnations = incarnations
        self.last_position = last_position
        self.beginning = beginning
        self.was_truncated = False
        """Whether streams were truncated while it was read, so that the events may have gaps."""
        self._journal = journal
        self._seen = last_position
        self._went_on: dict[str, int] = {}
        """The first later version of each stream that has gone on."""

    @property
    def is_all(self) -> bool:
        """See :class:`Contents`."""
        return self._seen == self.last_position

    async def parcels(self) -> AsyncIterator[Parcel]:
        """See :class:`Contents`."""
        truncated = 0
        async for page in self._truncations():
            truncated = _mixed(truncated, page)
            yield Parcel(truncated=page)
        events = self._chained_events() if self.is_chained else self._events()
        async for parcel in events:
            yield parcel
        async for snapshots in self._snapshots():
            yield Parcel(snapshots=snapshots)
        if Feature.REPLIES in self._journal.features:
            async for replies in self._replies():
                yield Parcel(replies=replies)
        await self._look_what_follows()
        again = 0
        async for page in self._truncations():
            again = _mixed(again, page)
        self.was_truncated = again != truncated

    async def truncated_to(self, stream: str) -> int:
        """See :class:`Contents`."""
        return (await self._journal.stream_info(stream)).truncated_to

    async def late_truncations(self) -> AsyncIterator[tuple[StreamInfo, bool]]:
        """See :class:`Contents`."""
        after = ""
        while page := await self._journal.list_streams(after=after, limit=_PAGE):
            after = page[-1].stream
            await self._look_what_follows()
            went_on = await self._journal.last_position() > self.last_position
            for info in page:
                first = self._went_on.get(info.stream)
                if first is None:
                    # All of its events may be gone, also some that were not among these.
                    is_within = info.truncated_to < info.version or not went_on
                else:
                    is_within = info.truncated_to < first
                if info.truncated_to:
                    yield info, is_within

    async def _truncations(self) -> AsyncIterator[dict[str, int]]:
        after = ""
        while page := await self._journal.list_streams(after=after, limit=_PAGE):
            after = page[-1].stream
            if found := dict(_truncated(page)):
                yield found

    async def _events(self) -> AsyncIterator[Parcel]:
        async for page in self._journal.read_all(page_size=_PAGE):
            records = [record for record in page if record.position <= self.last_position]
            for portion in _portions(records, lambda record: record.payload):
                yield Parcel(records=portion)
            if len(records) < len(page):
                return

    async def _chained_events(self) -> AsyncIterator[Parcel]:
        before = 0
        async for page in self._journal.read_chain(page_size=_PAGE):
            links = [link for link in page if link.position <= self.last_position]
            if links:
                records = await records_between(self._journal, before, links[-1].position)
                before = links[-1].position
                for parcel in _linked(links, records):
                    yield parcel
            if len(links) < len(page):
                break
        for stream, version, position, *_ in await records_between(
            self._journal, before, self.last_position, page_size=1
        ):
            what = "it has no link: it was inserted"
            raise ChainBroken(self.name, position, what, stream=stream, version=version)

    async def _snapshots(self) -> AsyncIterator[Sequence[Snapshot]]:
        after = ("", 0)
        while page := await self._journal.list_all_snapshots(after=after, limit=_PAGE_OF_SNAPSHOTS):
            after = (page[-1].stream, page[-1].version)
            await self._look_what_follows()
            kept = [each for each in page if not self._is_later(each.stream, each.version)]
            for portion in _portions(kept, lambda snapshot: snapshot.payload):
                yield portion

    async def _replies(self) -> AsyncIterator[Sequence[StoredReply]]:
        after = ("", "")
        while page := await self._journal.list_replies(after=after, limit=_PAGE):
            after = (page[-1].stream, page[-1].reply.key)
            await self._look_what_follows()
            kept = [each for each in page if not self._is_later(each.stream, each.reply.version)]
            for portion in _portions(kept, lambda stored: stored.reply.payload):
                yield portion

    async def _look_what_follows(self) -> None:
        async for page in self._journal.read_all(after_position=self._seen, page_size=_PAGE):
            for record in page:
                self._went_on.setdefault(record.stream, record.version)
            self._seen = page[-1].position

    def _is_later(self, stream: str, version: int) -> bool:
        first = self._went_on.get(stream)
        if first is not None:
            return version >= first
        # A stream that does not exist: what a courier has stored there is of a position. No version
        # of one that exists is as large.
        return version > self.last_position and not self.is_all


async def contents_of(journal: Journal) -> JournalContents:
    """The contents of an open journal, up to the position that it has come to now.

    Raises:
        Unsupported: Its events have no positions.
        StoreError: What the journal said.
    """
    if Feature.POSITIONS not in journal.features:
        reason = "its events have no order in which another journal could take them"
        raise Unsupported(repr(journal), Feature.POSITIONS.value, reason)
    last_position = await journal.last_position()
    beginning: Sequence[Record] = ()
    async for page in journal.read_all(page_size=_BEGINNING):
        beginning = [record for record in page if record.position <= last_position]
        break
    is_chained = Feature.CHAIN in journal.features and await journal.root() is not None
    has_incarnations = Feature.INCARNATIONS in journal.features
    return JournalContents(
        journal,
        last_position,
        beginning,
        is_chained=is_chained,
        incarnations=await journal.incarnations() if has_incarnations else (),
    )


async def records_between(
    journal: Journal, after: int, last: int, *, page_size: int = _PAGE
) -> list[Record]:
    """The events after a position, up to another one."""
    found: list[Record] = []
    if after >= last:
        return found
    async for page in journal.read_all(after_position=after, page_size=page_size):
        found += (record for record in page if record.position <= last)
        if page[-1].position >= last:
            break
    return found


def _linked(links: Sequence[Link], records: Sequence[Record]) -> Iterator[Parcel]:
    """Links with their events, in portions; each link goes with the next event.

    Of what was truncated while it was read some may be there; it goes, too.
    """
    gone = Parcel(records=records, links=links).gone()
    here = [record for record in records if record.version > gone.get(record.stream, 0)]
    rest = list(links)
    for portion in _portions(here, lambda record: record.payload):
        last = portion[-1].position
        count = sum(1 for link in rest if link.position <= last)
        yield Parcel(records=portion, links=rest[:count])
        del rest[:count]
    if rest:
        yield Parcel(links=rest)


def _truncated(page: Sequence[StreamInfo]) -> Iterator[tuple[str, int]]:
    return ((info.stream, info.truncated_to) for info in page if info.truncated_to)


def _mixed(before: int, page: dict[str, int]) -> int:
    """What tells some truncations from others, without keeping them."""
    return hash((before, *page.items()))


def _portions(items: Sequence[T], payload_of: Callable[[T], bytes]) -> Iterator[Sequence[T]]:
    """The items in portions that fit into memory and into a message."""
    portion: list[T] = []
    size = 0
    for item in items:
        size += len(payload_of(item))
        if portion and size > _PARCEL_BYTES:
            yield portion
            portion, size = [], len(payload_of(item))
        portion.append(item)
    if portion:
        yield portion
