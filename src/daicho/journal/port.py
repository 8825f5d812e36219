"""The port of the journal: one contract for every engine.

A journal keeps **streams** of events. It knows bytes and names, never what they mean. What holds
for each engine:

- The versions of a stream are 1, 2, 3 … without a gap, and ``(stream, version)`` exists once. A
  stream that does not exist is at version 0.
- A :class:`Write` is stored whole or not at all, and only if its stream is at the version that it
  expects. The writes of one ``append`` are handled in their order inside one transaction; one that
  is refused hurts no other.
- ``append`` returns when all of it is durable. If it raises, nothing of it was stored, unless the
  error is ``JournalUnavailable``: then the streams have to be read to find out. A cancelled
  ``append`` may be stored.
- **Positions** number the events of the whole journal. They rise in commit order and are never used
  twice: a reader that has seen position P never finds something new at or before P. They may have
  gaps.
- Reading comes in pages, so memory is bounded by the page, and a reader that stops half way holds
  nothing open. An engine may read one page ahead: a page is what was stored at some moment since
  the reader asked for the one before it.
- Snapshots are an aid beside the stream. They never change it, and need no stream that exists. One
  that a write carries is stored in its transaction, and not at all if the write is refused.
- The names of streams and types have 1 to 1,024 bytes of UTF-8, ids in metadata at most as many;
  NUL is in none of them. They are compared as they are: two Unicode normal forms are two names. A
  payload has at most 64 MiB, a time is in the years 1 to 9999.
- A write can carry the **replies** of commands, each under an idempotency key. A key of a stream
  holds one reply, so a command that is done twice, also by two processes at once, is stored once:
  the second write is refused whole. Replies are no events: they are at no version, outlive the
  truncation of their stream, and need no stream that exists.
- All of a journal can be read: ``read_all``, ``list_streams``, ``list_all_snapshots`` and
  ``list_replies`` leave nothing out. And what one journal has stored another can take as it is,
  versions and positions too, which is ``restore``.
- On request the events are **chained**: each has a link with hashes, stored in its transaction,
  which shows when somebody changes history; see :mod:`daicho.journal.chain`. Links outlive the
  truncation of their stream.
- A store has an **incarnation**, by which a reader notices that another one has taken its place;
  see :mod:`daicho.journal.lineage`.

An engine that cannot offer some part says so in ``features`` and raises ``Unsupported`` with the
reason.

Room is left for what comes later without a change of what is stored: every stream has a slice (see
:func:`slice_of`) whose owner's epoch a :class:`Write` can name. An engine refuses a write that asks
for what it does not offer.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol, Self

from daicho._frozen import frozen
from daicho.errors import ConcurrencyConflict, SliceLost
from daicho.journal.chain import HistoryRoot, Link
from daicho.journal.lineage import Incarnation

SLICES = 1024
"""Streams are spread over this many slices, the unit of ownership between nodes."""

PAGE_SIZE = 1_000
"""Records in a page of reading, where the caller does not say."""

MAX_VERSION = 2**63 - 1
"""The largest version and position: a signed 64-bit integer."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def slice_of(stream: str) -> int:
    """The slice of a stream, 0 to 1,023: the CRC-32 of its UTF-8 name, modulo ``SLICES``.

    It is stored with the stream and never changes.
    """
    return zlib.crc32(stream.encode()) % SLICES


class Feature(enum.Enum):
    """Parts of the port that an engine may lack."""

    POSITIONS = "positions in the whole journal"
    METADATA = "metadata of events"
    """Without it a write with a correlation, causation or command id is refused, and event ids and
    times are not promised to come back."""
    ANY_TYPE = "events and snapshots of any type"
    SNAPSHOT_HISTORY = "more than one snapshot of a stream"
    """Without it a newer snapshot takes the place of the one before."""
    DELETE_SNAPSHOTS = "deleting snapshots"
    TRUNCATE = "truncating a stream"
    EPOCHS = "owner epochs"
    """An engine with it has a method ``claim``, see :class:`Claiming`."""
    REPLIES = "stored replies of commands"
    RESTORE = "taking what another journal has stored"
    CHAIN = "a chain of hashes over the events"
    INCARNATIONS = "telling which history it holds"


class NewEvent(NamedTuple):
    """An event that is to be stored.

    A named tuple, as :class:`Record` is: they are made once for each event on the fast path, where
    a frozen dataclass costs four times as much.
    """

    type_name: str
    payload: bytes
    event_id: bytes
    """16 bytes, unique."""
    time_us: int
    """Microseconds since 1970-01-01 UTC."""
    correlation_id: str | None = None
    causation_id: str | None = None
    command_id: str | None = None

    @property
    def time(self) -> datetime:
        """When it happened, in UTC."""
        return _EPOCH + timedelta(microseconds=self.time_us)


class Record(NamedTuple):
    """A stored event."""

    stream: str
    version: int
    position: int
    """Its number in the whole journal; 0 in an engine without ``Feature.POSITIONS``."""
    type_name: str
    payload: bytes
    event_id: bytes
    time_us: int
    """Microseconds since 1970-01-01 UTC."""
    correlation_id: str | None
    causation_id: str | None
    command_id: str | None

    @property
    def time(self) -> datetime:
        """When it happened, in UTC."""
        return _EPOCH + timedelta(microseconds=self.time_us)


class Reply(NamedTuple):
    """A command's reply, stored with its events under an idempotency key (``Feature.REPLIES``)."""

    key: str
    """Named as a stream is; unique in its stream."""
    command: bytes
    """A digest of the command, 1 to 64 bytes. The journal keeps it and does not look at it."""
    type_name: str
    payload: bytes
    version: int
    """The version of the stream after the command. The writer says it: one write may hold what
    several commands did."""
    time_us: int
    """Microseconds since 1970-01-01 UTC."""

    @property
    def time(self) -> datetime:
        """When the command was answered, in UTC."""
        return _EPOCH + timedelta(microseconds=self.time_us)


class StoredReply(NamedTuple):
    """A reply, and the stream that it is stored with."""

    stream: str
    reply: Reply


@frozen(kw_only=True)
class Snapshot:
    """The state of a stream after the event ``version``."""

    stream: str
    version: int
    type_name: str
    payload: bytes
    time_us: int
    """Microseconds since 1970-01-01 UTC."""

    @property
    def time(self) -> datetime:
        """When it was taken, in UTC."""
        return _EPOCH + timedelta(microseconds=self.time_us)


class Write(NamedTuple):
    """Events, replies and a snapshot of one stream, stored together or not at all."""

    stream: str
    expected_version: int
    """The version that the stream must be at: the new events get the versions after it."""
    events: Sequence[NewEvent]
    """At least one, unless there are replies."""
    epoch: int | None = None
    """The owner's epoch of the stream's slice (``Feature.EPOCHS``): if the slice has another one by
    now, the write is refused. None asks nothing of the slice."""
    replies: Sequence[Reply] = ()
    """Those of the commands that caused the events, or that caused none (``Feature.REPLIES``). No
    two have one key."""
    snapshot: Snapshot | None = None
    """One of this stream, at the version after the events or below it; it takes the place of one of
    the same version. It alone is no write: ``save_snapshot`` stores it."""


class Appended(NamedTuple):
    """A write was stored: the version of its stream and the position of its last event now.

    Of a write without events they are the version that the stream is still at, and the last
    position of the journal.
    """

    version: int
    position: int


Outcome = Appended | ConcurrencyConflict | SliceLost
"""What became of one write of an ``append``. A conflict is returned, not raised: the other writes
were stored. So is the loss of its slice to another owner.

It is a :class:`~daicho.errors.KeyTaken` where the stream is at the version that the write expects,
and a reply is stored already under the key of one of its replies, the first such one.
"""


class StreamInfo(NamedTuple):
    """A stream that exists."""

    stream: str
    version: int
    """The version of its newest event, also if that was truncated."""
    truncated_to: int
    """Events up to this version are gone; 0 if none is."""


class Loaded(NamedTuple):
    """What a recovery begins with, as it was at one moment."""

    info: StreamInfo
    snapshot: Snapshot | None
    page: Sequence[Record]
    """The first events after the snapshot, or of the stream if there is none. If they are as many
    as the page may hold, ``read`` has those after them."""


class Parcel(NamedTuple):
    """What one journal has stored, for another to store as it is (``Feature.RESTORE``)."""

    truncated: Mapping[str, int] = {}
    """Streams whose events up to a version are gone. They are made where they do not exist."""
    records: Sequence[Record] = ()
    """Events in the order of their positions, with all that they have."""
    snapshots: Sequence[Snapshot] = ()
    replies: Sequence[StoredReply] = ()
    last_position: int = 0
    """Where the other journal has come to; its last events may be gone."""
    links: Sequence[Link] = ()
    """Of a chained journal those of the records, and of events that are gone, in the order of their
    positions. A journal that is chained stores them; in another the streams are truncated."""
    incarnations: Sequence[Incarnation] = ()
    """Those of the other journal, when all of it is there; this one's history is theirs then, up to
    ``last_position``."""

    def gone(self) -> dict[str, int]:
        """Streams whose events up to a version are gone, by ``truncated`` or by a link alone."""
        gone = {**self.truncated}
        here = {record.position for record in self.records} if self.links else ()
        for stream, version, position, *_ in self.links:
            if position not in here:
                gone[stream] = max(gone.get(stream, 0), version)
        return gone


class Journal(Protocol):
    """What every engine does; the module's text has the promises.

    Every method raises ``JournalClosed`` outside the journal's ``async with``, ``ValueError`` for
    arguments that are never right (a negative version, a write of nothing, a limit below 1, an
    empty stream name), ``TypeError`` for text or bytes that are something else, ``Unsupported`` for
    what is not among ``features``, and a ``StoreError`` for what the store answers. All writes of
    an ``append`` are checked before any is stored.
    """

    @property
    def features(self) -> frozenset[Feature]:
        """What this engine offers of the parts that an engine may lack."""
        ...

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """Stores all writes in one transaction; returns the outcome of each once it is durable.

        Of two writes that store a reply under one key of a stream, the second is refused, also
        where both are in one ``append``.
        """
        ...

    def read(
        self,
        stream: str,
        *,
        from_version: int = 1,
        to_version: int = MAX_VERSION,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Sequence[Record]]:
        """Pages of a stream's events in order, both ends included; no page is empty."""
        ...

    def read_all(
        self,
        *,
        after_position: int = 0,
        page_size: int = PAGE_SIZE,
        type_names: Collection[str] | None = None,
    ) -> AsyncIterator[Sequence[Record]]:
        """Pages of all events after a position, in their order, up to what is stored now.

        With ``type_names`` only those that are stored under one of these names.
        """
        ...

    async def load(
        self, stream: str, *, max_snapshot: int = MAX_VERSION, page_size: int = PAGE_SIZE
    ) -> Loaded:
        """What a recovery begins with, in one reading: all of it is of one moment.

        The snapshot is the newest that is neither above ``max_snapshot`` nor ahead of the stream;
        one of version 0 is none. So with a ``max_snapshot`` of 0 the page is the stream's first.
        """
        ...

    async def last_position(self) -> int:
        """The position of the newest event that there ever was, 0 if there was none.

        Who has read everything after some position, up to then, has passed this one.
        """
        ...

    async def stream_info(self, stream: str) -> StreamInfo:
        """The stream's version and where it begins; version 0 for a stream that does not exist."""
        ...

    async def list_streams(
        self, prefix: str = "", *, after: str = "", limit: int = PAGE_SIZE
    ) -> list[StreamInfo]:
        """Up to ``limit`` streams whose names begin with ``prefix`` and come after ``after``.

        They are sorted by code point.
        """
        ...

    async def load_snapshot(
        self, stream: str, *, max_version: int = MAX_VERSION
    ) -> Snapshot | None:
        """The newest snapshot at or below ``max_version``."""
        ...

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Stores a snapshot; one of the same stream and version is replaced."""
        ...

    async def list_snapshots(self, stream: str) -> list[Snapshot]:
        """The stream's snapshots, newest first."""
        ...

    async def delete_snapshots(self, stream: str, *, max_version: int) -> int:
        """Deletes the snapshots at or below ``max_version`` and returns how many there were."""
        ...

    async def truncate(self, stream: str, *, to_version: int) -> int:
        """Deletes the events up to and with ``to_version`` and returns how many there were.

        The stream keeps its version: the next event gets the number after the last one, also if all
        are gone. Of many events an engine may make several transactions, the oldest first; if one
        fails, those before it are done.

        Raises:
            ValueError: ``to_version`` is beyond the stream's version.
        """
        ...

    async def load_reply(self, stream: str, key: str) -> Reply | None:
        """The reply that is stored under a key of the stream."""
        ...

    async def prune_replies(
        self, *, before_us: int, limit: int = PAGE_SIZE, keep_prefix: str = ""
    ) -> int:
        """Deletes up to ``limit`` replies of any stream and returns how many there were.

        They are the oldest of those whose time is before ``before_us``, in microseconds since
        1970-01-01 UTC. Those whose key begins with ``keep_prefix`` stay; if that is empty, none
        does. A command whose reply is gone would be done again.
        """
        ...

    async def list_all_snapshots(
        self, *, after: tuple[str, int] = ("", 0), limit: int = PAGE_SIZE
    ) -> list[Snapshot]:
        """Up to ``limit`` snapshots of any stream, also of streams that do not exist.

        They are sorted by stream and version, and come after the stream and version of ``after``.
        """
        ...

    async def list_replies(
        self, *, after: tuple[str, str] = ("", ""), limit: int = PAGE_SIZE
    ) -> list[StoredReply]:
        """Up to ``limit`` replies of any stream.

        They are sorted by stream and key, and come after the stream and key of ``after``.
        """
        ...

    async def restore(self, parcel: Parcel) -> None:
        """Stores in one transaction what another journal has stored, as it is.

        First the streams are truncated as they were there, also beyond the version that they have
        here. Then come the events, with their versions and positions; snapshots and replies take
        the place of those that are here under the same version or key. At last the journal is at
        ``last_position``, if that is beyond the position that it has come to.

        It returns when all of it is durable. Meanwhile nobody else may write here.

        Raises:
            ChainBroken: A record is not what its link says; nothing was stored.
            ConcurrencyConflict: An event is not the next one of its stream; nothing was stored.
            PositionTaken: The journal has come to the first event's position or beyond; nothing was
                stored.
            ValueError: Its records are not in order.
        """
        ...

    async def begin_chain(self, *, anew: bool = False) -> None:
        """From now on every event gets a link, whoever appends; those that are there get one first.

        Nothing changes if it is chained already. With ``anew`` the links are made of what is there
        now, also of what is not right; then the roots that were noted are not true any more.
        """
        ...

    async def root(self) -> HistoryRoot | None:
        """What all of history has come to; None if it is not chained.

        Of a chain without an event the position is 0.
        """
        ...

    def read_chain(
        self, *, after_position: int = 0, page_size: int = PAGE_SIZE
    ) -> AsyncIterator[Sequence[Link]]:
        """Pages of the links after a position, in their order; none if it is not chained.

        A link is stored in the transaction of its event.
        """
        ...

    async def incarnations(self) -> list[Incarnation]:
        """The stores that this journal's history comes from, oldest first; the last is its own."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...
