"""The door to persistence: a receiver middleware."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from daicho.actor import Context, ExponentialBackoff, Receiver, ReceiverMiddleware
from daicho.errors import Unsupported
from daicho.events import Codec, ProtobufCodec
from daicho.journal import Feature, Journal
from daicho.persistence.event_sourced import EventSourced
from daicho.persistence.settings import (
    MAX_UNCOMMITTED,
    RECOVERY_ATTEMPTS,
    Settings,
    next_event_id,
    now_us,
)
from daicho.persistence.snapshots import Retention, SnapshotStrategy


def using(
    journal: Journal,
    *,
    stream: str | Callable[[Context], str] | None = None,
    snapshot: SnapshotStrategy | None = None,
    retention: Retention | None = None,
    initial: Callable[[], object] | None = None,
    codec: Codec | None = None,
    backoff: ExponentialBackoff | None = None,
    clock: Callable[[], float] = time.monotonic,
    clock_us: Callable[[], int] = now_us,
    event_ids: Callable[[], bytes] = next_event_id,
    max_uncommitted: int = MAX_UNCOMMITTED,
    recovery_attempts: int = RECOVERY_ATTEMPTS,
    conflict_attempts: int = 0,
    recoveries: asyncio.Semaphore | None = None,
) -> ReceiverMiddleware:
    """Makes the actors of a ``Props`` event-sourced; their class inherits ``persistence.Mixin``.

    Args:
        journal: Where events and snapshots are stored. It is open as long as the actors live.
        stream: The name of the stream, or what names it. If None it is the id under which the actor
            was spawned, which then has to be named: the events of an anonymous actor would be found
            by nobody.
        snapshot: When a snapshot is due; never if None.
        retention: How many snapshots are kept; all if None.
        initial: Makes the state that the actor gets in place of a snapshot where none is stored; it
            gets nothing if None.
        codec: How events become bytes; protobuf if None.
        backoff: The delays before a recovery that follows failed commits or an unavailable journal.
        clock: Seconds since any moment, for the time between snapshots.
        clock_us: Microseconds since 1970-01-01 UTC.
        event_ids: Makes event ids, 16 bytes each.
        max_uncommitted: Messages of one actor that may wait for the disk before the actor does.
        recovery_attempts: How often a recovery is tried while the journal is unavailable, before
            the actor is stopped.
        conflict_attempts: How often in a row messages are handled again, with what is stored then,
            after another writer was faster; when they are used up, and by default, who asked gets
            ``ConcurrencyConflict``. For handlers that may run more than once.
        recoveries: Bounds how many actors recover at once; they share the semaphore.

    Raises:
        Unsupported: The journal cannot do what ``retention`` needs.
        ValueError: ``max_uncommitted`` or ``recovery_attempts`` is below 1, or
            ``conflict_attempts`` below 0.
        TypeError: What is given is no journal, or no snapshot strategy.
    """
    if not hasattr(journal, "append"):
        raise TypeError(f"using takes a journal such as SqliteJournal(path), not {journal!r}")
    if snapshot is not None and not hasattr(snapshot, "due"):
        raise TypeError(f"snapshot is a strategy such as every(100), not {snapshot!r}")
    if max_uncommitted < 1:
        raise ValueError(f"max_uncommitted is {max_uncommitted}, at least 1 is needed")
    if recovery_attempts < 1:
        raise ValueError(f"recovery_attempts is {recovery_attempts}, at least 1 is needed")
    if conflict_attempts < 0:
        raise ValueError(f"conflict_attempts is {conflict_attempts}, at least 0 is needed")
    if retention is not None:
        _require(journal, Feature.DELETE_SNAPSHOTS)
        if retention.truncate_events:
            _require(journal, Feature.TRUNCATE)
    settings = Settings(
        journal=journal,
        codec=codec or ProtobufCodec(),
        stream=stream,
        snapshot=snapshot,
        retention=retention,
        initial=initial,
        backoff=backoff or ExponentialBackoff(initial=0.05, maximum=10.0),
        clock=clock,
        clock_us=clock_us,
        event_ids=event_ids,
        max_uncommitted=max_uncommitted,
        recovery_attempts=recovery_attempts,
        conflict_attempts=conflict_attempts,
        recoveries=recoveries,
    )

    def middleware(receiver: Receiver) -> Receiver:
        return EventSourced(settings, receiver)

    return middleware


def _require(journal: Journal, feature: Feature) -> None:
    if feature not in journal.features:
        raise Unsupported(type(journal).__name__, feature.value, "the retention needs it")
