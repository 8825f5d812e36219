"""Recovery: from what is stored back to the state.

The newest snapshot that can be used, the events after it, and nothing else. A snapshot that cannot
be used (its bytes, its type, or the handler says no) gives way to the one before it and at last to
a full replay. An event that cannot be applied ends it: a state without that event would be a wrong
one.
"""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from typing import Protocol

from daicho.errors import JournalUnavailable, RecoveryFailed, UndecodableEvent
from daicho.events import Several
from daicho.journal import Journal, Snapshot, StreamInfo
from daicho.persistence.settings import Settings


class Incarnation(Protocol):
    """The actor that is being recovered."""

    stream: str
    version: int
    """The version of the state so far."""

    def apply(self, message: object) -> Awaitable[object] | None:
        """Lets its handler have a snapshot or an event."""
        ...

    def snapshot_failed(self, snapshot: Snapshot, error: Exception) -> None:
        """A snapshot was of no use."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether it is to stop, so that recovering it is of no use."""
        ...


class SnapshotRefused(Exception):
    """The handler raised on the snapshot of this version; it may have used half of it."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


async def recover(
    settings: Settings, actor: Incarnation, usable: int, remembered: Snapshot | None = None
) -> int:
    """Rebuilds the state from the stream and the snapshots up to version ``usable``.

    ``remembered`` is a state that was recovered before and spares the way to the stored snapshot.

    Returns the version of the snapshot that it began from, 0 if from none.

    Raises:
        SnapshotRefused: The object is spoiled; another one has to do without that snapshot.
        JournalUnavailable: Another object may have more luck.
        RecoveryFailed: It cannot be done.
    """
    try:
        before = await settings.journal.stream_info(actor.stream)
        # Not beyond the stream: a snapshot ahead of it would be a state that nobody can explain.
        usable = min(usable, before.version)
        if remembered is not None and remembered.version <= usable:
            snapshot_version = actor.version = remembered.version
            await done(actor.apply(settings.codec.decode(remembered.type_name, remembered.payload)))
        else:
            snapshot_version = await _from_snapshot(settings, actor, usable)
        if not snapshot_version and settings.initial is not None:
            await done(actor.apply(settings.initial()))
        await _replay(settings, actor, before)
    except (RecoveryFailed, SnapshotRefused, JournalUnavailable):
        raise
    except Exception as error:
        raise RecoveryFailed(actor.stream, None, None, error) from error
    return snapshot_version


async def _from_snapshot(settings: Settings, actor: Incarnation, usable: int) -> int:
    while usable > 0:
        snapshot = await settings.journal.load_snapshot(actor.stream, max_version=usable)
        if snapshot is None:
            return 0
        try:
            state = _state_of(settings, snapshot)
        except Exception as error:  # noqa: BLE001 - promise 8: the one before is tried
            actor.snapshot_failed(snapshot, error)
            usable = snapshot.version - 1
            continue
        actor.version = snapshot.version
        try:
            await done(actor.apply(state))
        except Exception as error:
            actor.snapshot_failed(snapshot, error)
            raise SnapshotRefused(snapshot.version) from error
        return snapshot.version
    return 0


def _state_of(settings: Settings, snapshot: Snapshot) -> object:
    state = settings.codec.decode(snapshot.type_name, snapshot.payload)
    if isinstance(state, Several):
        reason = "upcasters made several of it, and a state is one"
        raise UndecodableEvent(snapshot.type_name, reason)
    return state


async def _replay(settings: Settings, actor: Incarnation, before: StreamInfo) -> None:
    decode, apply = settings.codec.decode, actor.apply
    version = actor.version
    async for page in settings.journal.read(actor.stream, from_version=version + 1):
        for record in page:
            if record.version != version + 1:
                raise await _gap(settings.journal, actor, before, record.version)
            actor.version = version = record.version
            try:
                event = decode(record.type_name, record.payload)
                if isinstance(event, Several):
                    for part in event.events:
                        await done(apply(part))
                    continue
                pending = apply(event)
                if pending is not None and isawaitable(pending):
                    await pending
            except Exception as error:
                raise RecoveryFailed(actor.stream, version, record.type_name, error) from error
        if actor.stopping:
            return
    if version < before.version:
        raise await _gap(settings.journal, actor, before, None)


async def _gap(
    journal: Journal, actor: Incarnation, before: StreamInfo, found: int | None
) -> Exception:
    """What it means that the event after ``actor.version`` is not there, but ``found`` is."""
    now = await journal.stream_info(actor.stream)
    if now.truncated_to > before.truncated_to:
        # Another writer stored a snapshot and pruned: that snapshot is the way now.
        return JournalUnavailable(repr(journal), f"{actor.stream!r} was truncated during a read")
    missing = actor.version + 1
    follows = "nothing follows" if found is None else f"version {found} follows"
    error = LookupError(
        f"the event is missing: {follows}, the stream is at version {now.version}"
        f" and truncated to {now.truncated_to}"
    )
    return RecoveryFailed(actor.stream, missing, "missing", error)


async def done(pending: Awaitable[object] | None) -> None:
    """Waits for what a handler returned, if it can be awaited."""
    if pending is not None and isawaitable(pending):
        await pending
