"""Which history a journal tells, so that a reader notices when it went back.

A reader notes how far it has come, and goes on from there. If meanwhile a backup took the journal's
place, its positions are given anew: the reader would pass over what came under numbers that it has
seen. So every store has an **incarnation**, and a copy is another one that knows what it was copied
from, and up to where. A reader that notes the incarnation, too, learns how much of what it has read
is still true.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import urandom
from typing import TYPE_CHECKING, NamedTuple, Self

from daicho.errors import HistoryWentBack, Unsupported

if TYPE_CHECKING:
    from daicho.journal.port import Journal, Record


class Incarnation(NamedTuple):
    """A store that a journal is, or that its history comes from."""

    id: bytes
    """16 bytes, drawn by chance when it began."""
    after_position: int
    """Events up to here come from the incarnation before it; 0 for the first."""


class Bookmark(NamedTuple):
    """How far a reader has come, and in which history."""

    history: tuple[Incarnation, ...]
    """The journal's incarnations at that time."""
    position: int
    """All events up to here were read."""
    event_id: bytes = b""
    """That of the event at the position; empty if the reader does not know it."""

    def __str__(self) -> str:
        history = ",".join(f"{each.id.hex()}@{each.after_position}" for each in self.history)
        return f"{self.position}:{self.event_id.hex()}:{history}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The bookmark of a text, which is what ``str`` makes of one.

        Raises:
            ValueError: It is none.
        """
        try:
            position, event_id, history = text.split(":")
            stores = [each.split("@") for each in history.split(",")]
            incarnations = [Incarnation(bytes.fromhex(id_), int(after)) for id_, after in stores]
            return cls(tuple(incarnations), int(position), bytes.fromhex(event_id))
        except ValueError as error:
            raise ValueError(f"{text!r} is no bookmark") from error


async def bookmark(journal: Journal, last: Record | None = None) -> Bookmark:
    """Where a reader is that has read everything up to an event.

    Args:
        journal: It is open.
        last: The event, or None for a reader that begins.

    Raises:
        Unsupported: The journal has no incarnations, or is of an earlier schema and was opened to
            be read alone.
        StoreError: What the journal said.
    """
    history = tuple(await journal.incarnations())
    if not history:
        reason = "its schema is of an earlier version; open it once to write to it"
        raise Unsupported(repr(journal), "telling which history it holds", reason)
    if last is None:
        return Bookmark(history, 0)
    return Bookmark(history, last.position, last.event_id)


async def position_after(journal: Journal, noted: Bookmark) -> int:
    """The position after which a reader goes on that has noted a bookmark.

    The journal may have been copied, restored from a backup that ``daicho backup`` has made, or
    imported, as long as what was read is still there. A file that was put back as it was, without
    Daicho, keeps its incarnation; that is noticed as long as the journal is behind the bookmark, or
    has another event at its position.

    Raises:
        HistoryWentBack: What the reader has read is not this journal's history. ``common`` is the
            position up to which it is known to be.
        Unsupported: The journal has no incarnations.
        StoreError: What the journal said.
    """
    common = common_position(await journal.incarnations(), noted)
    if common < noted.position:
        raise HistoryWentBack(repr(journal), noted.position, common)
    last = await journal.last_position()
    if last < noted.position:
        raise HistoryWentBack(repr(journal), noted.position, 0)
    if noted.event_id:
        async for page in journal.read_all(after_position=noted.position - 1, page_size=1):
            # Its event may have been forgotten; then the next one says nothing.
            if page[0].position == noted.position and page[0].event_id != noted.event_id:
                raise HistoryWentBack(repr(journal), noted.position, 0)
            break
    return noted.position


def descended(parents: Sequence[Incarnation], own: bytes, after_position: int) -> list[Incarnation]:
    """The incarnations of a journal that was made from another one.

    Args:
        parents: Those of the other one.
        own: The journal's own id. If it is among those of the other one, it gets a new one: what it
            told before is over.
        after_position: Up to where it holds what the other one holds.
    """
    if own in {each.id for each in parents}:
        own = urandom(16)
    return [*parents, Incarnation(own, after_position)]


def common_position(incarnations: Sequence[Incarnation], noted: Bookmark) -> int:
    """Up to which position a journal's history is that of a bookmark.

    A store never goes back under its own id. So it is where the two have parted from the newest
    store that both of them were; 0 if there is none.
    """
    ids = [each.id for each in incarnations]
    for place in range(len(noted.history) - 1, -1, -1):
        if (shared := noted.history[place].id) in ids:
            parting = (*noted.history[place + 1 :], *incarnations[ids.index(shared) + 1 :])
            return min([noted.position, *(each.after_position for each in parting)])
    return 0
