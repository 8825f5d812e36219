"""The way through a journal: each stream is read once, and folded with the program's own code.

One stream is in memory at a time, and of that one state and one page of events.
"""

# What an entity remembers, and how it is folded, is the entity package's own business.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf import text_format
from google.protobuf.message import Message

from daicho.check.problems import (
    FailingHandler,
    FieldDifference,
    Gap,
    NoBeginning,
    SnapshotAhead,
    StateDiffers,
    UndecodableType,
    Undeliverable,
    UnhandledType,
    UnknownEntityType,
    UnreadableSnapshot,
)
from daicho.check.report import Findings, Progress
from daicho.entity.fields import Difference, differences
from daicho.entity.history import Fold, parts_of
from daicho.entity.kind import Kind
from daicho.entity.stored import address_of
from daicho.entity.v1 import Outgoing, Settled
from daicho.errors import EventError, RecoveryFailed, UndecodableEvent, UnknownEventType
from daicho.journal import MAX_VERSION, Journal, Record, Snapshot, StreamInfo

if TYPE_CHECKING:
    from daicho.entity.directory import Directory

_LONGEST_TEXT = 1_000
"""Characters of a state or a field in a report."""

_MOST_FIELDS = 20
"""Differing fields of one state in a report."""


@dataclass(slots=True)
class Counts:
    """What was looked at."""

    streams: int = 0
    events: int = 0
    snapshots: int = 0
    compared: int = 0


@dataclass(slots=True)
class _Stream:
    """The stream at hand."""

    info: StreamInfo
    kind: Kind | None
    """None where the program knows nothing of it."""
    id: str
    snapshots: set[int]
    """The versions of the snapshots that can be used."""
    fold: Fold | None = None
    """Its state as far as it was read; None once it cannot be folded any further."""


class Walk:
    """Reads streams and says what is wrong with them.

    Args:
        directory: The entity types of the program, its schema, and the journal.
        findings: Takes what is found.
        compare: Whether snapshots are compared with what the events come to.
        progress: Called after each page of events and each stream.
    """

    def __init__(
        self,
        directory: Directory,
        findings: Findings,
        *,
        compare: bool,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._kinds = directory.kinds
        self._schema = directory.schema
        self._journal: Journal = directory.journal
        self._findings = findings
        self._compares = compare
        self._progress = progress
        self.counts = Counts()

    async def stream(self, info: StreamInfo) -> None:
        """Looks at one stream: its snapshots, then its events."""
        self.counts.streams += 1
        at = self._known(info)
        await self._look_at_snapshots(at)
        await self._begin(at)
        await self._look_at_events(at)
        if at.fold is not None:
            self._look_at_pending(at.fold, info)
        self._tell()

    def _known(self, info: StreamInfo) -> _Stream:
        entity, id_ = address_of(info.stream) or ("", "")
        kind = self._kinds.get(entity)
        if kind is None:
            # Where the program would stop: at the first event that is still there.
            first = min(info.truncated_to + 1, info.version)
            self._findings.add(UnknownEntityType(stream=info.stream, version=first, entity=entity))
        return _Stream(info, kind, id_, set())

    def _tell(self) -> None:
        if self._progress is not None:
            counts = self.counts
            self._progress(Progress(counts.streams, counts.events, len(self._findings)))

    # --- snapshots --------------------------------------------------------------------------------

    async def _look_at_snapshots(self, at: _Stream) -> None:
        """One after the other from the newest on, as a stream may have many of any size."""
        wanted = MAX_VERSION
        while wanted > 0:
            snapshot = await self._journal.load_snapshot(at.info.stream, max_version=wanted)
            if snapshot is None:
                return
            self.counts.snapshots += 1
            wanted = snapshot.version - 1
            if await self._is_ahead(at, snapshot):
                continue
            if at.kind is not None and self._fold_at(at, at.kind, snapshot) is not None:
                at.snapshots.add(snapshot.version)

    async def _is_ahead(self, at: _Stream, snapshot: Snapshot) -> bool:
        if snapshot.version <= at.info.version:
            return False
        # The stream may have grown since it was listed.
        now = await self._journal.stream_info(at.info.stream)
        if snapshot.version > now.version:
            self._findings.add(
                SnapshotAhead(
                    stream=snapshot.stream, version=snapshot.version, stream_version=now.version
                )
            )
        return True

    def _fold_at(self, at: _Stream, kind: Kind, snapshot: Snapshot) -> Fold | None:
        """The entity as the snapshot says; None if it cannot be used."""
        try:
            fold = Fold.of(kind, self._schema, at.id)
            fold.begin_at(snapshot)
        except Exception as error:  # noqa: BLE001 - whatever a class makes of it is reported
            self._findings.add(
                UnreadableSnapshot(
                    stream=snapshot.stream,
                    version=snapshot.version,
                    entity=kind.name,
                    type_name=snapshot.type_name,
                    reason=_reason(error),
                )
            )
            return None
        return fold

    # --- events -----------------------------------------------------------------------------------

    async def _begin(self, at: _Stream) -> None:
        """Where the fold can begin: before the first event, or at a snapshot where that is gone."""
        info, kind = at.info, at.kind
        if kind is None:
            return
        if not info.truncated_to:
            try:
                at.fold = Fold.of(kind, self._schema, at.id)
            except Exception as error:  # noqa: BLE001 - whatever a class makes of it is reported
                self._no_beginning(info, f"the initial state cannot be made: {error!r}")
            return
        oldest = min((each for each in at.snapshots if each >= info.truncated_to), default=None)
        if oldest is None:
            reason = f"the events up to version {info.truncated_to} are deleted, and no snapshot"
            self._no_beginning(info, f"{reason} from then on can be read")
            return
        snapshot = await self._journal.load_snapshot(info.stream, max_version=oldest)
        if snapshot is not None and snapshot.version == oldest:
            at.fold = self._fold_at(at, kind, snapshot)

    def _no_beginning(self, info: StreamInfo, reason: str) -> None:
        self._findings.add(
            NoBeginning(stream=info.stream, version=info.truncated_to, reason=reason)
        )

    async def _look_at_events(self, at: _Stream) -> None:
        info = at.info
        expected = info.truncated_to + 1
        # Not beyond the version that it had when it was listed: others may be writing.
        pages = self._journal.read(info.stream, from_version=expected, to_version=info.version)
        async for page in pages:
            for record in page:
                if record.version != expected:
                    await self._missing(at, expected, record.version - 1)
                expected = record.version + 1
                await self._look_at_event(at, record)
            self._tell()
        if expected <= info.version:
            await self._missing(at, expected, info.version)

    async def _missing(self, at: _Stream, first: int, last: int) -> None:
        at.fold = None
        # Another process may have truncated the stream since it was listed.
        now = await self._journal.stream_info(at.info.stream)
        if now.truncated_to < last:
            self._findings.add(Gap(stream=at.info.stream, version=first, to_version=last))

    async def _look_at_event(self, at: _Stream, record: Record) -> None:
        self.counts.events += 1
        fold, kind = at.fold, at.kind
        if kind is None:
            return  # one cause is one problem: its module may be all that the types are missing
        if fold is None or record.version <= fold.version:
            self._decode(kind, record)
            return
        try:
            fold.apply(record)
        except RecoveryFailed as error:
            at.fold = None
            if self._decode(kind, record):
                self._findings.add(
                    FailingHandler(
                        stream=record.stream,
                        version=record.version,
                        entity=kind.name,
                        type_name=record.type_name,
                        error=_short(repr(error.__cause__)),
                    )
                )
            return
        if self._compares and fold.version in at.snapshots:
            await self._compare(at, fold)

    def _decode(self, kind: Kind, record: Record) -> bool:
        """Looks at an event without applying it; whether there is a handler that could."""
        try:
            message = self._schema.decode(record.type_name, record.payload)
        except EventError as error:
            self._findings.add(
                UndecodableType(
                    stream=record.stream,
                    version=record.version,
                    type_name=record.type_name,
                    reason=_reason(error),
                )
            )
            return False
        unhandled = [each for each in parts_of(message) if not _is_handled(kind, each)]
        if unhandled:
            self._findings.add(
                UnhandledType(
                    stream=record.stream,
                    version=record.version,
                    entity=kind.name,
                    type_name=record.type_name,
                    event=type(unhandled[0]).__qualname__,
                )
            )
        return not unhandled

    def _look_at_pending(self, fold: Fold, info: StreamInfo) -> None:
        """Whether what is still to leave would be understood where it goes."""
        pending = fold.entity._pending
        for item in pending.items.values() if pending else ():
            reason = self._why_undeliverable(item)
            if reason:
                self._findings.add(
                    Undeliverable(
                        stream=info.stream,
                        version=info.version,
                        target=item.target_entity,
                        type_name=item.command_type,
                        reason=reason,
                    )
                )

    def _why_undeliverable(self, item: Outgoing) -> str:
        kind = self._kinds.get(item.target_entity)
        if kind is None:
            return "no class is known for that entity type"
        try:
            command = self._schema.decode(item.command_type, item.command)
        except EventError as error:
            return _reason(error)
        if type(command) not in kind.commands:
            return f"it has no command handler for {type(command).__qualname__}"
        return ""

    # --- comparing --------------------------------------------------------------------------------

    async def _compare(self, at: _Stream, fold: Fold) -> None:
        snapshot = await self._journal.load_snapshot(at.info.stream, max_version=fold.version)
        if snapshot is None or snapshot.version != fold.version or at.kind is None:
            return  # deleted since it was looked at
        stored = self._fold_at(at, at.kind, snapshot)
        if stored is None:
            return
        self.counts.compared += 1
        found = [*differences(stored.state, fold.state), *_pending_differences(stored, fold)]
        # NaN differs from itself, but not because anything has changed.
        found = [each for each in found if _is_equal_to_itself(each)]
        if found:
            self._findings.add(
                StateDiffers(
                    stream=snapshot.stream,
                    version=snapshot.version,
                    stored=_as_text(stored.state),
                    replayed=_as_text(fold.state),
                    fields=tuple(
                        FieldDifference(each.path, _as_text(each.before), _as_text(each.after))
                        for each in found[:_MOST_FIELDS]
                    ),
                )
            )


def _is_handled(kind: Kind, event: object) -> bool:
    return type(event) in kind.events or isinstance(event, Outgoing | Settled)


def _pending_differences(stored: Fold, fold: Fold) -> list[Difference]:
    """What differs in the commands under way and in the timers, under the path ``pending``."""
    before, after = (each.entity._pending for each in (stored, fold))
    found = differences(before.items if before else {}, after.items if after else {})
    return [Difference(f"pending{each.path}", each.before, each.after) for each in found]


def _is_equal_to_itself(each: Difference) -> bool:
    return bool(each.before == each.before or each.after == each.after)


def _reason(error: Exception) -> str:
    match error.__cause__ if isinstance(error, RecoveryFailed) else error:
        case UnknownEventType():
            return "the program has no class of that name"
        case UndecodableEvent(reason=reason):
            return _short(reason)
        case EventError() as cause:
            return _short(str(cause))
        case cause:
            return _short(repr(cause))


def _as_text(value: object) -> str:
    if not isinstance(value, Message):
        return _short(repr(value))
    fields = text_format.MessageToString(value, as_one_line=True).rstrip()
    return _short(f"{type(value).__qualname__}({fields})")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
