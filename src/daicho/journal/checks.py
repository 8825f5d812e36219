"""What every engine asks of its arguments, so that all refuse the same in the same words.

Names and texts are limited here, for all engines alike: what one store takes and another refuses
would make a program that cannot move. NUL ends a string in the shells and C interfaces of both
SQLite and PostgreSQL, so it is in no text. Names are compared as they are: two spellings of one
word in different Unicode normal forms are two streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from daicho.errors import ConcurrencyConflict, PositionTaken, Unsupported
from daicho.journal.port import (
    MAX_VERSION,
    SLICES,
    Feature,
    NewEvent,
    Parcel,
    Reply,
    Snapshot,
    StreamInfo,
    Write,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from daicho.journal.chain import Link
    from daicho.journal.port import Record

MAX_TEXT_BYTES = 1_024
"""The longest name of a stream or type and the longest id, in UTF-8; an index of every store holds
that."""

MAX_PAYLOAD_BYTES = 64 * 1_024 * 1_024
"""The largest event, snapshot or reply: far above a sensible one, far below what makes a store fail
half way."""

MAX_DIGEST_BYTES = 64
"""The longest digest of a command: that of SHA-512."""

_HASH_BYTES = 32
_INCARNATION_BYTES = 16

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MIN_TIME_US = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_MAX_TIME_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def text(value: str, what: str) -> None:
    """Refuses a text that not every store can hold."""
    _type(value, str, what)
    # A lone surrogate has no UTF-8; that error is a ValueError and names the character.
    size = len(value) if value.isascii() else len(value.encode())
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"{what} has {size} bytes, at most {MAX_TEXT_BYTES} are allowed")
    if "\0" in value:
        raise ValueError(f"{what} {value!r} contains NUL, which not every store can hold")


def name(value: str, what: str = "a stream's name") -> None:
    """Refuses a text that cannot name a stream or a type."""
    text(value, what)
    if not value:
        raise ValueError(f"{what} is not empty")


def number(value: int, what: str, *, least: int = 0) -> None:
    """Refuses a version, position or count that no store could hold."""
    if not least <= value <= MAX_VERSION:
        raise ValueError(f"{what} is {value}, allowed is {least} to {MAX_VERSION}")


def reading(stream: str, from_version: int, to_version: int, page_size: int) -> None:
    """Refuses to read what no stream could hold."""
    name(stream)
    number(from_version, "from_version")
    number(to_version, "to_version")
    number(page_size, "page_size", least=1)


def loading(stream: str, max_snapshot: int, page_size: int) -> None:
    """Refuses to load what no stream could hold."""
    name(stream)
    number(max_snapshot, "max_snapshot")
    number(page_size, "page_size", least=1)


def type_names(values: Collection[str] | None) -> None:
    """Refuses names that no event could be stored under."""
    if isinstance(values, str):
        raise TypeError(f"type_names is a collection of names; write [{values!r}]")
    for value in values or ():
        name(value, "a type name")


def listing(prefix: str, after: str, limit: int) -> None:
    """Refuses to list what no stream could be named."""
    text(prefix, "a prefix")
    text(after, "the name to list after")
    number(limit, "limit", least=1)


def key(value: str) -> None:
    """Refuses a text that cannot be an idempotency key."""
    name(value, "an idempotency key")


def pruning(before_us: int, limit: int, keep_prefix: str) -> None:
    """Refuses to prune what could not have been stored."""
    _time(before_us)
    text(keep_prefix, "a prefix")
    number(limit, "limit", least=1)


def snapshot(value: Snapshot) -> None:
    """Refuses a snapshot that could not be stored or read back."""
    name(value.stream)
    number(value.version, "a snapshot's version")
    name(value.type_name, "a type name")
    _payload(value.payload)
    _time(value.time_us)


def writes(journal: str, features: Collection[Feature], values: Iterable[Write]) -> None:
    """Refuses writes that are never right, or that ask for what the journal does not offer.

    All are checked before any is stored, because a value that a store stumbles over half way would
    take the writes of others in the same transaction with it.
    """
    known: set[str] = set()
    for stream, expected_version, events, epoch, replies, taken in values:
        if stream not in known:
            name(stream)
            known.add(stream)
        number(expected_version, "an expected version")
        if epoch is not None:
            if Feature.EPOCHS not in features:
                raise _unsupported(journal, Feature.EPOCHS, "it does not know who owns a slice")
            number(epoch, "an epoch")
        if replies:
            if Feature.REPLIES not in features:
                raise _unsupported(journal, Feature.REPLIES, "it stores no replies of commands")
            _replies(stream, replies)
        elif not events:
            raise ValueError(f"a write to stream {stream!r} has no events and no replies")
        if taken is not None:
            _snapshot_of(stream, expected_version + len(events), taken)
        _events(events, known)


def _snapshot_of(stream: str, version: int, value: Snapshot) -> None:
    snapshot(value)
    if value.stream != stream:
        raise ValueError(f"a write to stream {stream!r} has a snapshot of {value.stream!r}")
    if value.version > version:
        raise ValueError(
            f"a write brings stream {stream!r} to version {version},"
            f" its snapshot is of version {value.version}"
        )


def _events(events: Sequence[NewEvent], known: set[str]) -> None:
    for type_name, payload, event_id, time_us, correlation_id, causation_id, command_id in events:
        if type_name not in known:
            name(type_name, "a type name")
            known.add(type_name)
        # Tested here, without a call for each: an append may hold thousands of events.
        if payload.__class__ is not bytes or len(payload) > MAX_PAYLOAD_BYTES:
            _payload(payload)
        if event_id.__class__ is not bytes or len(event_id) != 16:
            _event_id(event_id)
        if not _MIN_TIME_US <= time_us <= _MAX_TIME_US:
            _time(time_us)
        if correlation_id is not None:
            text(correlation_id, "a correlation id")
        if causation_id is not None:
            text(causation_id, "a causation id")
        if command_id is not None:
            text(command_id, "a command id")


def _replies(stream: str, replies: Sequence[Reply]) -> None:
    keys: set[str] = set()
    for reply in replies:
        key(reply.key)
        _digest(reply.command)
        name(reply.type_name, "a type name")
        _payload(reply.payload)
        _type(reply.version, int, "a reply's version")
        number(reply.version, "a reply's version")
        _type(reply.time_us, int, "a reply's time")
        _time(reply.time_us)
        if reply.key in keys:
            raise ValueError(f"a write to stream {stream!r} has two replies of key {reply.key!r}")
        keys.add(reply.key)


def claim(slices: Collection[int], owner: str) -> None:
    """Refuses to claim what is no slice."""
    name(owner, "the name of an owner")
    for each in slices:
        if not 0 <= each < SLICES:
            raise ValueError(f"there is no slice {each}, only 0 to {SLICES - 1}")


def all_snapshots(after: tuple[str, int], limit: int) -> None:
    """Refuses to list what could not have been stored."""
    stream, version = after
    text(stream, "the stream to list after")
    number(version, "the version to list after")
    number(limit, "limit", least=1)


def all_replies(after: tuple[str, str], limit: int) -> None:
    """Refuses to list what could not have been stored."""
    stream, of_key = after
    text(stream, "the stream to list after")
    text(of_key, "the key to list after")
    number(limit, "limit", least=1)


def chain(after_position: int, page_size: int) -> None:
    """Refuses to read links of what could not have been stored."""
    number(after_position, "after_position")
    number(page_size, "page_size", least=1)


def parcel(value: Parcel) -> None:
    """Refuses what no journal could have stored."""
    for stream, version in value.truncated.items():
        name(stream)
        number(version, "the version that a stream is truncated to", least=1)
    known: set[str] = set()
    _in_order(value.records, known)
    _in_order(value.links, known)
    for link in value.links:
        if len(link.hash) != _HASH_BYTES or len(link.root) != _HASH_BYTES:
            raise ValueError(f"a hash has {_HASH_BYTES} bytes, {link} has others")
    for incarnation in value.incarnations:
        if len(incarnation.id) != _INCARNATION_BYTES:
            raise ValueError(f"{incarnation} needs an id of {_INCARNATION_BYTES} bytes")
        number(incarnation.after_position, "a position")
    _events([NewEvent(*record[3:]) for record in value.records], known)
    for each in value.snapshots:
        snapshot(each)
    for stored in value.replies:
        name(stored.stream)
        _replies(stored.stream, [stored.reply])
    number(value.last_position, "a position")


def _in_order(values: Sequence[Record] | Sequence[Link], known: set[str]) -> None:
    before = 0
    for each in values:
        if each.stream not in known:
            name(each.stream)
            known.add(each.stream)
        number(each.version, "a version", least=1)
        number(each.position, "a position", least=1)
        if each.position <= before:
            raise ValueError(f"position {each.position} comes after position {before}")
        before = each.position


def continuing(value: Parcel, versions: Mapping[str, int], last_position: int) -> None:
    """Refuses a parcel that does not go on where a journal has ended.

    Args:
        value: The parcel.
        versions: The versions of its streams in the journal, as far as they exist there.
        last_position: The position that the journal has come to.

    Raises:
        ConcurrencyConflict: An event is not the next one of its stream.
        PositionTaken: The first event's position is not free.
    """
    firsts: list[Record | Link] = [*value.records[:1], *value.links[:1]]
    for first in firsts:
        if first.position <= last_position:
            raise PositionTaken(first.position, last_position)
    heads = {**versions}
    for stream, version in value.gone().items():
        heads[stream] = max(heads.get(stream, 0), version)
    for record in value.records:
        version = heads.get(record.stream, 0)
        if record.version != version + 1:
            raise ConcurrencyConflict(record.stream, record.version - 1, version)
        heads[record.stream] = record.version


def _digest(value: bytes) -> None:
    _type(value, bytes, "a digest of a command")
    if not 1 <= len(value) <= MAX_DIGEST_BYTES:
        raise ValueError(
            f"a digest of a command has {len(value)} bytes, allowed are 1 to {MAX_DIGEST_BYTES}"
        )


def _payload(value: bytes) -> None:
    _type(value, bytes, "a payload")
    if len(value) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a payload has {len(value)} bytes, allowed are {MAX_PAYLOAD_BYTES}")


def _event_id(value: bytes) -> None:
    _type(value, bytes, "an event id")
    if len(value) != 16:
        raise ValueError(f"an event id has 16 bytes, this one is {value!r}")


def _type(value: object, expected: type, what: str) -> None:
    """Refuses what a caller without a type checker may pass; a store would take it half way."""
    if not isinstance(value, expected):
        raise TypeError(f"{what} is {expected.__name__}, not {type(value).__name__}")


def _time(time_us: int) -> None:
    if not _MIN_TIME_US <= time_us <= _MAX_TIME_US:
        raise ValueError(f"the time {time_us} µs after 1970 is not in the years 1 to 9999")


def _unsupported(journal: str, feature: Feature, reason: str) -> Unsupported:
    return Unsupported(journal, feature.value, reason)


def truncation(info: StreamInfo, to_version: int) -> None:
    """Refuses to truncate what is not there yet."""
    if to_version > info.version:
        raise ValueError(
            f"stream {info.stream!r} is at version {info.version},"
            f" it cannot be truncated to version {to_version}"
        )
