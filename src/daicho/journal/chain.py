"""The chain: what makes it visible that somebody has changed history.

A chained journal keeps a **link** for each event. It holds a hash over the event and over the hash
of the event before it in its stream, and a running root, a hash over the root of the link before it
in the journal and over this one. So whoever knows the root of a position knows whether all up to
there is what it was; the event itself may be forgotten since, its link stays.

The hashes are SHA-256 and need no key: who can write the file can make a new chain of whatever he
likes. What he cannot do is to make one with the same root. A root that was noted where he has no
hand is what proves something; without one a chain finds what happened to the file without its
knowledge.

Each value that is hashed has its length before it, so no two events have the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple, Self

from daicho.errors import ChainBroken

if TYPE_CHECKING:
    from daicho.journal.port import Record

GENESIS = bytes(32)
"""The hash before the first event of a stream, and the root before the first of the journal."""

_PACK = Struct(">qqIIIiii").pack
_NONE = -1
_PLACE = Struct(">qq")
_TEXT = re.compile(r"(0|[1-9][0-9]{0,18}):([0-9a-f]{64})")

Content = tuple[str, bytes, bytes, int, str | None, str | None, str | None]
"""What a :class:`~daicho.journal.NewEvent` is, and what a ``Record`` ends with."""


class Link(NamedTuple):
    """The link of one event, which may be gone."""

    stream: str
    version: int
    position: int
    hash: bytes
    """The SHA-256 over the hash before it in its stream, and the event; 32 bytes."""
    root: bytes
    """The SHA-256 over the root before it in the journal, and all of this link."""


class HistoryRoot(NamedTuple):
    """What all events up to a position come to; as a text it is ``POSITION:HEXADECIMAL``."""

    position: int
    digest: bytes
    """32 bytes."""

    def __str__(self) -> str:
        return f"{self.position}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The root of a text.

        Raises:
            ValueError: It is none.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                f"{text!r} is no root; one is a position, a colon and 64 hexadecimal digits, as"
                " 'daicho root' prints it"
            )
        return cls(int(found[1]), bytes.fromhex(found[2]))


def hash_of(previous: bytes, stream: str, version: int, content: Content) -> bytes:
    """The hash of an event that follows another one in its stream."""
    return sha256(previous + content_of(stream, version, content)).digest()


def root_of(before: bytes, stream: str, version: int, position: int, link_hash: bytes) -> bytes:
    """The root of the journal when an event has come to the one before it.

    It says whose event that was, for when the event itself is gone.
    """
    head = before + _PLACE.pack(position, version) + link_hash
    return sha256(head + stream.encode()).digest()


def links_of(
    journal: str,
    root: bytes,
    hashes: Mapping[str, bytes],
    records: Sequence[Record],
    given: Sequence[Link] = (),
) -> list[Link]:
    """The links of events that a journal gets, in the order of their positions.

    Args:
        journal: Its name, for messages.
        root: The root of its last link.
        hashes: The hash of each stream's last link, as far as there is one.
        records: The events.
        given: If they come from a chained journal, their links there, with roots or without; and
            those of events that are gone, which become links here.

    Raises:
        ChainBroken: A record is not what its link says.
    """
    newest: dict[str, bytes] = {}
    links: list[Link] = []
    for stream, version, position, known, record in _in_order(journal, records, given):
        link_hash = known
        if record is not None:
            previous = newest.get(stream) or hashes.get(stream, GENESIS)
            link_hash = hash_of(previous, stream, version, record[3:])
            if known not in (link_hash, b""):
                reason = "it is not what its link says"
                raise ChainBroken(journal, position, reason, stream=stream, version=version)
        root = root_of(root, stream, version, position, link_hash)
        newest[stream] = link_hash
        links.append(Link(stream, version, position, link_hash, root))
    if given and given[-1].root not in (root, b""):
        reason = "what comes before it is not the same in the other journal"
        raise ChainBroken(journal, given[0].position, reason)
    return links


_Due = tuple[str, int, int, bytes, "Record | None"]


def _in_order(journal: str, records: Sequence[Record], given: Sequence[Link]) -> Iterator[_Due]:
    """Stream, version, position, the hash if it is known, and the event if it is there."""
    if not given:
        for record in records:
            yield *record[:3], b"", record
        return
    at = {record.position: record for record in records}
    for stream, version, position, link_hash, _ in given:
        found = at.pop(position, None)
        if found is not None and found[:2] != (stream, version):
            reason = f"its link is that of version {version} of stream {stream!r}"
            raise ChainBroken(journal, position, reason, stream=found[0], version=found[1])
        yield stream, version, position, link_hash, found
    for record in at.values():
        stream, version, position, *_ = record
        raise ChainBroken(journal, position, "it has no link", stream=stream, version=version)


def content_of(stream: str, version: int, content: Content) -> bytes:
    """All that an event is, except for its place in the journal."""
    type_name, payload, event_id, time_us, correlation, causation, command = content
    name, kind = stream.encode(), type_name.encode()
    sizes = (len(name), len(kind), len(payload))
    if correlation is None and causation is None and command is None:
        return (
            _PACK(version, time_us, *sizes, _NONE, _NONE, _NONE) + event_id + name + kind + payload
        )
    ids = [None if each is None else each.encode() for each in (correlation, causation, command)]
    head = _PACK(version, time_us, *sizes, *(_NONE if each is None else len(each) for each in ids))
    return b"".join((head, event_id, name, kind, payload, *(each or b"" for each in ids)))
