"""Storing contents in a journal, which may hold the beginning of them already.

What there is already is compared, what is missing is stored, and then what is there is read back
and compared again. So it can stop anywhere, and whoever begins anew goes on where it stopped, with
no mark of how far it came: the journal itself is the mark.
"""

from __future__ import annotations

from collections.abc import Sequence

from daicho.errors import (
    ChainBroken,
    ConcurrencyConflict,
    JournalCorrupt,
    JournalsDiffer,
    SourceTruncated,
    Unsupported,
)
from daicho.journal import Feature, HistoryRoot, Journal, Parcel, Record, Snapshot, StoredReply
from daicho.moving.contents import Contents, records_between
from daicho.moving.tally import Moved, Show, Tally

_PAGE = 1_000
_PAGE_OF_SNAPSHOTS = 100


async def take(contents: Contents, target: Journal, *, show: Show | None = None) -> Moved:
    """Stores contents in an open journal that is empty or holds the beginning of them.

    Raises:
        ChainBroken: An event is not what its link says.
        JournalsDiffer: It holds something else, or did not keep what it was given.
        SourceTruncated: Streams were truncated meanwhile, beyond what has arrived of them.
        JournalCorrupt: Events are missing in the contents.
        Unsupported: The journal cannot store what another one has stored.
        StoreError: What the journal said.
    """
    if Feature.RESTORE not in target.features:
        reason = "so nothing can be moved into it"
        raise Unsupported(repr(target), Feature.RESTORE.value, reason)
    begun = await _begun(contents, target)
    taker = _Taker(contents, target, begun, await _chained(contents, target, begun))
    tally = Tally(contents.last_position, show)
    async for parcel in contents.parcels():
        await taker.take(parcel)
        tally.add(parcel)
    await taker.finish(contents.last_position)
    moved = tally.moved(is_all=contents.is_all)
    if moved.root is not None and Feature.CHAIN in target.features:
        _compare_roots(target, moved.root, await target.root())
    return moved


async def _begun(contents: Contents, target: Journal) -> int:
    """The position that the target has come to, if what it holds can be the beginning.

    Raises:
        JournalsDiffer: It cannot.
    """
    position = await target.last_position()
    if position > contents.last_position:
        there = f"it has come to position {position}, the other to {contents.last_position} only"
        raise JournalsDiffer(repr(target), there)
    if not position:
        # Snapshots and replies come after the events.
        if contents.beginning and (
            await target.list_all_snapshots(limit=1)
            or (Feature.REPLIES in target.features and await target.list_replies(limit=1))
        ):
            raise JournalsDiffer(repr(target), "it has snapshots or replies, and no events")
        return 0
    expected = [record for record in contents.beginning if record.position <= position]
    if not expected:
        raise JournalsDiffer(repr(target), "the other has none of the events that this one has")
    wanted = {record.position for record in expected}
    found = await records_between(target, expected[0].position - 1, expected[-1].position)
    # What lies between may have been truncated since.
    _compare(target, expected, [record for record in found if record.position in wanted])
    return position


async def _chained(contents: Contents, target: Journal, position: int) -> HistoryRoot | None:
    """The root of a target that has to be chained as what is moved is; None if it has not.

    Raises:
        JournalsDiffer: It holds events without a chain: what the other one had forgotten when its
            own began cannot be known here.
    """
    if not contents.is_chained or Feature.CHAIN not in target.features:
        return None
    if position and await target.root() is None:
        raise JournalsDiffer(repr(target), "its events are not chained, those of the other are")
    await target.begin_chain()
    return await target.root()


class _Taker:
    """Stores parcels in the order in which contents have them."""

    def __init__(
        self, contents: Contents, target: Journal, position: int, root: HistoryRoot | None
    ) -> None:
        self._contents = contents
        self._target = target
        self._position = position
        """What the target had come to, or has."""
        self._root = root
        """What the target's chain came to, if it goes on with that of the other."""
        self._compared = 0
        """Events up to here are there."""
        self._snapshot = ("", 0)
        self._reply = ("", "")
        """Those up to here are there."""

    async def take(self, parcel: Parcel) -> None:
        """Stores a parcel and compares what is there then."""
        if parcel.truncated:
            await self._target.restore(parcel)
        if parcel.records or parcel.links:
            await self._take_events(parcel)
        if parcel.snapshots:
            await self._take_snapshots(parcel.snapshots)
        if parcel.replies:
            await self._take_replies(parcel.replies)

    async def finish(self, last_position: int) -> None:
        """Lets the journal come to the last position, whose event may be gone."""
        if self._contents.was_truncated:
            await self._truncate()
        incarnations = self._contents.incarnations
        if Feature.INCARNATIONS not in self._target.features:
            incarnations = ()
        if self._position < last_position or incarnations:
            await self._target.restore(
                Parcel(last_position=last_position, incarnations=incarnations)
            )
        await self._compare_with([], last_position)

    async def _truncate(self) -> None:
        """Truncates what was truncated meanwhile."""
        async for source, is_within in self._contents.late_truncations():
            stream, _, version = source
            target = await self._target.stream_info(stream)
            if target.version < version and not is_within:
                raise SourceTruncated(self._contents.name)
            if target.truncated_to < version:
                await self._target.restore(Parcel({stream: version}))

    async def _take_events(self, parcel: Parcel) -> None:
        records, links = parcel.records, parcel.links
        last = max([*(r.position for r in records[-1:]), *(link.position for link in links[-1:])])
        for link in links:
            if self._root is not None and link.position == self._root.position:
                _compare_roots(self._target, HistoryRoot(link.position, link.root), self._root)
        old = [record for record in records if record.position <= self._position]
        new = Parcel(
            records=records[len(old) :],
            links=[link for link in links if link.position > self._position],
        )
        if old:
            await self._compare_with(old, min(last, self._position))
        if new.records or new.links:
            await self._restore(new)
            self._position = last
            await self._compare_with(new.records, last)

    async def _restore(self, parcel: Parcel) -> None:
        while conflict := await self._conflict(parcel):
            stream, before = conflict.stream, conflict.expected
            if conflict.actual > before:
                there = f"its stream {stream!r} is at version {conflict.actual}"
                raise JournalsDiffer(repr(self._target), there) from conflict
            if await self._contents.truncated_to(stream) < before:
                first = conflict.actual + 1
                reason = f"the events {first} to {before} of the stream {stream!r} are missing"
                raise JournalCorrupt(self._contents.name, reason) from conflict
            # It was truncated after the truncations were read.
            await self._target.restore(Parcel({stream: before}))

    async def _conflict(self, parcel: Parcel) -> ConcurrencyConflict | None:
        """Stores events, or says why they do not go on where the target has ended."""
        try:
            await self._target.restore(parcel)
        except ConcurrencyConflict as conflict:
            return conflict
        except ChainBroken as broken:
            raise broken.again(self._contents.name) from broken
        return None

    async def _compare_with(self, expected: Sequence[Record], last: int) -> None:
        """Compares the events that follow those that were compared, up to a position."""
        found = await records_between(self._target, self._compared, last)
        wanted = {record.position for record in expected}
        for record in [record for record in found if record.position not in wanted]:
            # As above.
            if await self._contents.truncated_to(record.stream) < record.version:
                break
            await self._target.restore(Parcel({record.stream: record.version}))
            found.remove(record)
        _compare(self._target, expected, found)
        self._compared = last

    async def _take_snapshots(self, snapshots: Sequence[Snapshot]) -> None:
        last = snapshots[-1]
        end = (last.stream, last.version)
        found = await _snapshots(self._target, self._snapshot, end)
        if missing := [each for each in snapshots if each not in found]:
            await self._target.restore(Parcel(snapshots=missing))
            found = await _snapshots(self._target, self._snapshot, end)
        self._snapshot = end
        for each in snapshots:
            if each not in found:
                place = f"the snapshot {each.version} of {each.stream!r} is another one"
                raise JournalsDiffer(repr(self._target), place)

    async def _take_replies(self, replies: Sequence[StoredReply]) -> None:
        last = replies[-1]
        end = (last.stream, last.reply.key)
        found = await _replies(self._target, self._reply, end)
        if missing := [each for each in replies if each not in found]:
            await self._target.restore(Parcel(replies=missing))
            found = await _replies(self._target, self._reply, end)
        self._reply = end
        for each in replies:
            if each not in found:
                place = f"the reply {each.reply.key!r} of {each.stream!r} is another one"
                raise JournalsDiffer(repr(self._target), place)


def _compare(journal: Journal, expected: Sequence[Record], found: Sequence[Record]) -> None:
    """Refuses what is not the same, and names the first event that differs."""
    for one, other in zip(expected, found, strict=False):
        if one != other:
            first = min(one.position, other.position)
            raise JournalsDiffer(repr(journal), f"at position {first} it has another event")
    if len(expected) > len(found):
        missing = expected[len(found)].position
        raise JournalsDiffer(repr(journal), f"the event of position {missing} is not there")
    if len(found) > len(expected):
        more = found[len(expected)].position
        raise JournalsDiffer(repr(journal), f"it has an event of position {more}, the other none")


def _compare_roots(journal: Journal, expected: HistoryRoot, found: HistoryRoot | None) -> None:
    """Refuses a chain that comes to something else, though the events are the same."""
    if found != expected:
        raise JournalsDiffer(repr(journal), f"its chain comes to the root {found}, not {expected}")


async def _snapshots(
    journal: Journal, after: tuple[str, int], end: tuple[str, int]
) -> set[Snapshot]:
    found: set[Snapshot] = set()
    while page := await journal.list_all_snapshots(after=after, limit=_PAGE_OF_SNAPSHOTS):
        after = (page[-1].stream, page[-1].version)
        found.update(page)
        if after >= end:
            break
    return found


async def _replies(
    journal: Journal, after: tuple[str, str], end: tuple[str, str]
) -> set[StoredReply]:
    found: set[StoredReply] = set()
    while page := await journal.list_replies(after=after, limit=_PAGE):
        after = (page[-1].stream, page[-1].reply.key)
        found.update(page)
        if after >= end:
            break
    return found
