"""Verifying a chained journal: finds the first record that is not what it was.

The events and the links are read side by side, in the order of their positions, up to the position
that the chain had come to at the beginning; others may write meanwhile. Of each event the hash is
made anew from what is there, and of each link the root.

What it keeps in memory is one hash for each stream, about 250 bytes, and a page of events.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from daicho.errors import ChainBroken, NotChained
from daicho.journal.chain import GENESIS, HistoryRoot, Link, hash_of, root_of
from daicho.journal.port import Journal, Record

T = TypeVar("T", bound=Record | Link)

_PAGE = 100
"""Small, because a page may be of large events."""

_SHOWN = 1_000
"""Positions between two reports."""


class Verified(NamedTuple):
    """What was found to be what it was."""

    events: int
    forgotten: int
    """Links whose events were forgotten, as ``truncate`` does it. That these were what they were
    cannot be seen any more; that there were no others, can."""
    root: HistoryRoot
    """Note it in another place: with it, what comes before it can be proved."""


Show = Callable[[int, int], None]
"""Is told from time to time which position it has come to, and of how many."""


async def verify(
    journal: Journal, *, noted: Sequence[HistoryRoot] = (), show: Show | None = None
) -> Verified:
    """Looks whether every event is what it was when it was appended.

    Snapshots and replies are not chained, and not looked at.

    Args:
        journal: A chained journal that is open.
        noted: Roots that were noted before, in another place. They are what makes it a proof: who
            can write the file can make a new chain, but not one with these roots.
        show: Is told how far it has come.

    Raises:
        ChainBroken: The first record that was changed, removed, moved or inserted; or a noted root
            is not that of the history.
        NotChained: There is no chain.
        Unsupported: The journal cannot be chained.
        StoreError: What the journal said.
    """
    # An event and its link are stored together, so whatever event was there before the last link
    # was looked for has one.
    last = await journal.last_position()
    end = await journal.root()
    if end is None:
        raise NotChained(repr(journal))
    verifier = _Verifier(journal, end, noted)
    last = max(last, end.position)
    events: _Ahead[Record] = _Ahead(journal.read_all(page_size=_PAGE), last)
    links: _Ahead[Link] = _Ahead(journal.read_chain(page_size=_PAGE), end.position)
    while True:
        record, link = await events.peek(), await links.peek()
        if link is None and record is None:
            break
        if link is None or (record is not None and record.position < link.position):
            assert record is not None, "one of the two is there"
            raise verifier.broken(record, "it has no link: it was inserted")
        links.skip()
        if record is not None and record.position == link.position:
            events.skip()
            await verifier.take(record, link)
        else:
            await verifier.take_forgotten(link)
        if show is not None and not link.position % _SHOWN:
            show(link.position, end.position)
    return verifier.finish()


class _Ahead(Generic[T]):
    """Goes through pages one by one, up to a position, and knows what comes next."""

    def __init__(self, pages: AsyncIterator[Sequence[T]], last: int) -> None:
        self._pages = pages
        self._last = last
        self._page: Sequence[T] = ()
        self._at = 0

    async def peek(self) -> T | None:
        """What comes next; None at the end."""
        if self._at == len(self._page):
            page = await anext(self._pages, None)
            self._page, self._at = page or (), 0
        if not self._page or self._page[self._at].position > self._last:
            return None
        return self._page[self._at]

    def skip(self) -> None:
        """Goes on."""
        self._at += 1


class _Verifier:
    """Has seen all links up to some position, and found them right."""

    def __init__(self, journal: Journal, end: HistoryRoot, noted: Sequence[HistoryRoot]) -> None:
        self._journal = journal
        self._end = end
        self._noted = sorted(noted)
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._truncated_to: dict[str, int] = {}
        self._events = 0
        self._forgotten = 0
        self._position = 0
        self._root = GENESIS
        self._compare_noted(0)

    async def take(self, record: Record, link: Link) -> None:
        """An event and its link."""
        if record[:2] != link[:2]:
            there = f"the link there is of version {link.version} of stream {link.stream!r}"
            raise self.broken(record, f"{there}: it was moved")
        await self._explain_gap(record)
        _, previous = self._newest.get(record.stream, (0, GENESIS))
        found = hash_of(previous, record.stream, record.version, record[3:])
        if found != link.hash:
            raise self.broken(record, "it is not what its link says: one of the two was changed")
        self._go_on(link)
        self._events += 1

    async def take_forgotten(self, link: Link) -> None:
        """A link whose event is not there."""
        if link.version > await self._first_there(link.stream, link.version):
            raise self.broken(link, "there is its link, and no event: it was removed")
        await self._explain_gap(link)
        self._go_on(link)
        self._forgotten += 1

    def finish(self) -> Verified:
        """What was found."""
        if (self._position, self._root) != self._end:
            reason = f"the chain went on to position {self._end.position}: its end was removed"
            raise ChainBroken(repr(self._journal), self._position, reason)
        self._compare_noted(None)
        return Verified(self._events, self._forgotten, self._end)

    def broken(self, at: Record | Link, reason: str) -> ChainBroken:
        """The error that names a record."""
        return ChainBroken(
            repr(self._journal), at.position, reason, stream=at.stream, version=at.version
        )

    def _go_on(self, link: Link) -> None:
        self._compare_noted(link.position - 1)
        root = root_of(self._root, link.stream, link.version, link.position, link.hash)
        if root != link.root:
            before = f"after position {self._position} something was removed"
            raise self.broken(link, f"its root does not follow: {before}, or this was inserted")
        self._newest[link.stream] = (link.version, link.hash)
        self._position, self._root = link.position, root

    async def _explain_gap(self, at: Record | Link) -> None:
        """Refuses a version that does not follow, if what lies between was not forgotten."""
        version, _ = self._newest.get(at.stream, (0, GENESIS))
        before = at.version - 1
        if before == version:
            return
        if before < version or before > await self._first_there(at.stream, before):
            reason = (
                f"before it the stream was at version {version}: something was removed or moved"
            )
            raise self.broken(at, reason)

    async def _first_there(self, stream: str, version: int) -> int:
        """What a stream is truncated to; asked again where that would not explain a version."""
        known = self._truncated_to.get(stream, 0)
        if known < version:
            known = (await self._journal.stream_info(stream)).truncated_to
            self._truncated_to[stream] = known
        return known

    def _compare_noted(self, before: int | None) -> None:
        """Compares the roots that were noted up to a position; all of them if it is None."""
        while self._noted and (before is None or self._noted[0].position <= before):
            position, digest = self._noted.pop(0)
            if (position, digest) == (self._position, self._root):
                continue
            if before is None and position > self._position:
                reason = f"history ends before the root that was noted, at {self._position}"
            else:
                reason = "the root that was noted is another one: something was changed before"
            raise ChainBroken(repr(self._journal), position, reason)
