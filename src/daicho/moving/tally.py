"""What was moved, counted, and as a digest that two machines can compare.

The digest is the SHA-256 over the content of everything in its order, with every name, number and
byte. How it was divided into parcels makes no difference. Each value has its kind or its length
before it, so no two contents have the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from daicho.journal import HistoryRoot, Parcel, Record, Snapshot, StoredReply
from daicho.journal.chain import content_of

_TRUNCATION = Struct("<cqI")
_POSITION = Struct("<cq")
_SNAPSHOT = Struct("<cqqIII")
_REPLY = Struct("<cqqIIIII")


class Counts(NamedTuple):
    """How much was moved."""

    events: int = 0
    snapshots: int = 0
    replies: int = 0
    truncated: int = 0
    """Streams whose first events are gone."""


class Progress(NamedTuple):
    """How far it has come."""

    counts: Counts
    position: int
    """Events up to here are there."""
    last_position: int
    """Up to here they will be."""


Show = Callable[[Progress], None]
"""Is told from time to time how far it has come."""


class Moved(NamedTuple):
    """What has arrived, and was compared with what has left."""

    counts: Counts
    last_position: int
    """The journal is there as it was when it had come to this position."""
    digest: str
    """The SHA-256 over all of it, in hexadecimal digits."""
    root: HistoryRoot | None
    """What its chain of hashes comes to, if it is chained and this is not empty."""
    is_all: bool
    """Whether the journal was at that position still when all had been read. Else it has gone on
    meanwhile, and what came later is not there."""


class Tally:
    """Counts parcels, and makes a digest of them.

    Args:
        last_position: Where all of it will have come to.
        show: Is told of every parcel.
    """

    def __init__(self, last_position: int, show: Show | None = None) -> None:
        self.counts = Counts()
        self._last_position = last_position
        self._position = 0
        self.root: HistoryRoot | None = None
        """That of the last link."""
        self._show = show
        self._hash = hashlib.sha256()

    def add(self, parcel: Parcel) -> None:
        """Adds what comes next."""
        update = self._hash.update
        for stream, version in parcel.truncated.items():
            name = stream.encode()
            update(_TRUNCATION.pack(b"t", version, len(name)) + name)
        for record in parcel.records:
            update(_of_record(record))
        for snapshot in parcel.snapshots:
            update(_of_snapshot(snapshot))
        for reply in parcel.replies:
            update(_of_reply(reply))
        if parcel.links:
            self.root = HistoryRoot(parcel.links[-1].position, parcel.links[-1].root)
        before = self.counts
        self.counts = Counts(
            before.events + len(parcel.records),
            before.snapshots + len(parcel.snapshots),
            before.replies + len(parcel.replies),
            before.truncated + len(parcel.truncated),
        )
        if parcel.records:
            self._position = parcel.records[-1].position
        if self._show is not None:
            self._show(Progress(self.counts, self._position, self._last_position))

    def digest(self) -> bytes:
        """The SHA-256 over everything that was added, and the last position."""
        whole = self._hash.copy()
        whole.update(b"p%d" % self._last_position)
        return whole.digest()

    def moved(self, *, is_all: bool) -> Moved:
        """What it has come to."""
        return Moved(self.counts, self._last_position, self.digest().hex(), self.root, is_all)


def _of_record(record: Record) -> bytes:
    stream, version, position, *_ = record
    return _POSITION.pack(b"e", position) + content_of(stream, version, record[3:])


def _of_snapshot(snapshot: Snapshot) -> bytes:
    name, kind, payload = snapshot.stream.encode(), snapshot.type_name.encode(), snapshot.payload
    sizes = (len(name), len(kind), len(payload))
    head = _SNAPSHOT.pack(b"s", snapshot.version, snapshot.time_us, *sizes)
    return b"".join([head, name, kind, payload])


def _of_reply(stored: StoredReply) -> bytes:
    stream, (key, command, type_name, payload, version, time_us) = stored
    parts = [stream.encode(), key.encode(), command, type_name.encode(), payload]
    head = _REPLY.pack(b"r", version, time_us, *map(len, parts))
    return b"".join([head, *parts])
