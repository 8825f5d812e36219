"""What was: the states and events of an entity, read from the journal without waking it."""

# The modules of this package share what they keep to themselves.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from daicho.entity.clock import us_of
from daicho.entity.entity import AnyEntity
from daicho.entity.fields import Difference, differences
from daicho.entity.memory import restore
from daicho.entity.stored import stream_of
from daicho.errors import NoSuchVersion, RecoveryFailed
from daicho.events import Several
from daicho.journal import MAX_VERSION, Journal, Record, Snapshot, StreamInfo

if TYPE_CHECKING:
    from daicho.entity.directory import Directory
    from daicho.entity.kind import Kind
    from daicho.events import Schema

__all__ = ["Change", "Difference", "Fold", "at", "changes", "diff", "differences", "position_of"]

log = logging.getLogger("daicho.entity")


class Change(NamedTuple):
    """A stored event, decoded."""

    version: int
    position: int
    time: datetime
    event: object
    """A ``Several`` where upcasters make none or several of it."""
    type_name: str
    """The name that it is stored under."""
    correlation_id: str | None
    causation_id: str | None
    command_id: str | None


class Fold:
    """An entity outside of the actor system, taken through its history."""

    __slots__ = ("entity", "schema")

    def __init__(self, entity: AnyEntity, schema: Schema) -> None:
        self.entity = entity
        self.schema = schema

    @staticmethod
    def of(kind: Kind, schema: Schema, id: str) -> Fold:  # noqa: A002
        """The entity before its first event."""
        return Fold(kind.cls(id), schema)

    @property
    def version(self) -> int:
        """The version that it has come to."""
        return self.entity.version

    @property
    def state(self) -> object:
        """What its events come to so far."""
        return self.entity.state

    def begin_at(self, snapshot: Snapshot) -> None:
        """Goes on from a snapshot.

        Raises:
            RecoveryFailed: The snapshot cannot be used; the fold is of no use any more.
        """
        with _naming(snapshot.stream, snapshot.version, snapshot.type_name):
            state = self.schema.decode(snapshot.type_name, snapshot.payload)
            self.entity.version = snapshot.version
            restore(self.entity, state, self.schema)

    def apply(self, record: Record) -> None:
        """Goes one event further.

        Raises:
            RecoveryFailed: It is not the next one, or cannot be decoded or applied.
        """
        if record.version != self.version + 1:
            missing = LookupError(f"the event is missing: version {record.version} follows")
            raise RecoveryFailed(record.stream, self.version + 1, "missing", missing)
        with _naming(record.stream, record.version, record.type_name):
            event = self.schema.decode(record.type_name, record.payload)
            self.entity.version = record.version
            for part in parts_of(event):
                self.entity._replay(part)


@contextmanager
def _naming(stream: str, version: int, type_name: str) -> Generator[None]:
    """What fails here is about that event or snapshot."""
    try:
        yield
    except Exception as error:
        raise RecoveryFailed(stream, version, type_name, error) from error


async def at(
    directory: Directory,
    kind: Kind,
    id: str,  # noqa: A002
    *,
    version: int | None = None,
    time: datetime | None = None,
) -> Fold:
    """The entity as of a version or a time; see ``Ref.at``."""
    if version is not None and time is not None:
        raise ValueError("a state is seen 'at' a version or a time: give one of them")
    if time is not None and time.tzinfo is None:
        raise ValueError(f"the time {time} has no zone; write datetime(…, tzinfo=UTC)")
    if version is not None and version < 0:
        raise ValueError(f"a version is 0 or more, not {version}")
    stream, journal = stream_of(kind.name, id), directory.journal
    info = await journal.stream_info(stream)
    if version is not None and version > info.version:
        raise NoSuchVersion(stream, version, f"it has come to version {info.version}")
    wanted = info.version if version is None else version
    until_us = None if time is None else us_of(time)
    new = partial(Fold.of, kind, directory.schema, id)
    fold = await _begin(new, journal, info, wanted, until_us)
    if info.truncated_to > fold.version and wanted > fold.version:
        raise NoSuchVersion(
            stream, wanted, f"the events up to {info.truncated_to} are deleted, and no snapshot is"
            " as old"
        )  # fmt: skip
    if fold.version < wanted:
        await _go_on(fold, journal, stream, wanted, until_us)
    return fold


async def _begin(
    new: Callable[[], Fold], journal: Journal, info: StreamInfo, wanted: int, until_us: int | None
) -> Fold:
    """The fold at the nearest snapshot that can be used, or at the very beginning."""
    while (snapshot := await _nearest_snapshot(journal, info, wanted, until_us)) is not None:
        fold = new()
        try:
            fold.begin_at(snapshot)
        except RecoveryFailed as error:
            log.warning("%s; an older snapshot is tried, or all events", error)
            wanted = snapshot.version - 1
        else:
            return fold
    return new()


async def _nearest_snapshot(
    journal: Journal, info: StreamInfo, wanted: int, until_us: int | None
) -> Snapshot | None:
    """The newest snapshot that is old enough, or for a time one that is hardly older.

    For a time it steps back through the versions in strides that double, so a long history costs
    few steps, and at most twice the events that the very newest would leave.
    """
    stride = 1
    while wanted > 0:
        snapshot = await journal.load_snapshot(info.stream, max_version=wanted)
        if snapshot is None or until_us is None or snapshot.time_us <= until_us:
            return snapshot
        # Never past the oldest that can be: before it the events are gone.
        wanted = max(snapshot.version - stride, min(info.truncated_to, snapshot.version - 1))
        stride *= 2
    return None


async def _go_on(
    fold: Fold, journal: Journal, stream: str, wanted: int, until_us: int | None
) -> None:
    pages = journal.read(stream, from_version=fold.version + 1, to_version=wanted)
    async for page in pages:
        for record in page:
            if until_us is not None and record.time_us > until_us:
                return
            fold.apply(record)
    if fold.version < wanted:
        missing = LookupError(f"the event is missing: nothing follows, {wanted} was to be seen")
        raise RecoveryFailed(stream, fold.version + 1, "missing", missing)


async def changes(
    directory: Directory, stream: str, from_version: int, to_version: int | None
) -> AsyncIterator[Change]:
    """The events of a stream, decoded; see ``Ref.history``."""
    decode = directory.schema.decode
    last = MAX_VERSION if to_version is None else to_version
    async for page in directory.journal.read(stream, from_version=from_version, to_version=last):
        for record in page:
            yield Change(
                record.version,
                record.position,
                record.time,
                decode(record.type_name, record.payload),
                record.type_name,
                record.correlation_id,
                record.causation_id,
                record.command_id,
            )


async def diff(
    directory: Directory,
    kind: Kind,
    id: str,  # noqa: A002
    before: int,
    after: int,
) -> list[Difference]:
    """What differs between two states of an entity; see ``Ref.diff``."""
    old = await at(directory, kind, id, version=before)
    new = await at(directory, kind, id, version=after)
    return differences(old.state, new.state)


async def position_of(journal: Journal, stream: str, version: int) -> int:
    """The position of an event in the whole journal; 0 if there is none, or none any more."""
    if version:
        async for page in journal.read(stream, from_version=version, to_version=version):
            return page[0].position
    return 0


def parts_of(message: object) -> Sequence[object]:
    """What one stored event has become."""
    return message.events if isinstance(message, Several) else (message,)
