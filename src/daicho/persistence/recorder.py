"""The way of a message through an event-sourced actor.

The handler runs, and what it persists is recorded; when it is done that goes to the journal, and
the actor takes its next message at once. ``pipeline`` holds back what the handler says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from inspect import isawaitable, iscoroutine

from daicho.actor import (
    ActorFailed,
    Context,
    Directive,
    Envelope,
    ExponentialBackoff,
    Receiver,
    RequestFailed,
)
from daicho.actor.cell import Cell
from daicho.actor.lifecycle import State
from daicho.errors import ConcurrencyConflict, HandlerFailed, PersistRefused
from daicho.journal import NewEvent, Reply, Snapshot
from daicho.persistence.commit import committer_of
from daicho.persistence.messages import RequestSnapshot
from daicho.persistence.pipeline import Batch, Pipeline
from daicho.persistence.settings import Settings
from daicho.persistence.snapshot_keeper import SnapshotKeeper
from daicho.persistence.snapshots import LastSnapshot, SnapshotStrategy

log = logging.getLogger("daicho.persistence")

CORRELATION_ID = "correlation-id"
CAUSATION_ID = "causation-id"
COMMAND_ID = "command-id"
"""Headers of a message that go into the metadata of its events."""

_AFTER_CONFLICT = ExponentialBackoff(initial=0.001, maximum=0.1, jitter=0.8)
"""The other writer has just written and may do so again; who waits a different time each time finds
its moment."""


class Recorder:
    """Lets a handler have messages, and records what it persists."""

    __slots__ = (
        "_asking",
        "_base",
        "_cell",
        "_conflict",
        "_conflicts",
        "_ctx",
        "_envelope",
        "_failures",
        "_handling",
        "_keeper",
        "_last_snapshot",
        "_late_answer",
        "_missing",
        "_open",
        "_pipeline",
        "_receiver",
        "_retries",
        "_settings",
        "_snapshot_due",
        "ready",
        "recovering",
        "snapshot_wanted",
        "stream",
        "version",
    )

    def __init__(self, settings: Settings, receiver: Receiver, ctx: Context, stream: str) -> None:
        self.stream = stream
        self.version = 0
        """The version of the state in memory, stored or on its way."""
        self.recovering = True
        self.ready = False
        """Whether this incarnation's memory is that of the journal and of what is on its way."""
        self._settings = settings
        self._receiver = receiver
        self._ctx = ctx
        self._cell: Cell = ctx.system.cell(ctx.self)
        committer = committer_of(settings.journal)
        self._pipeline = Pipeline(
            self._cell,
            stream,
            committer,
            on_durable=self._durable,
            on_failure=self._failed,
            again=self._again,
        )
        self._keeper = SnapshotKeeper(self._cell, settings.journal, settings.retention)
        self._last_snapshot = LastSnapshot(settings.clock)
        self._failures = 0
        # How often in a row another writer was faster; its newest conflict while messages are to be
        # handled again, and these.
        self._conflicts = 0
        self._conflict: ConcurrencyConflict | None = None
        self._retries: list[Envelope] = []
        # About the message that is being handled: whether there is one; the version before those
        # of its events that are not durable, if it has any; whether these may still get company.
        self._envelope: Envelope | None = None
        self._handling = False
        self._base: int | None = None
        self._open = False
        self.snapshot_wanted = False
        """Whether a snapshot is due after an event that was taken with ``record``."""
        # Whether a wait for durability was cancelled: what it waited for may be missing in memory.
        self._missing = False
        # Whether the handler is being asked for a snapshot, in the middle of a message or after it.
        self._asking = False
        self._snapshot_due = False
        self._late_answer: Awaitable[object] | None = None

    # --- a message --------------------------------------------------------------------------------

    def handle(self, envelope: Envelope) -> Awaitable[object] | None:
        """Lets the handler have a message, and sees to what it persists."""
        self._handling = True
        self._envelope = envelope
        try:
            pending = self._receiver(self._ctx, envelope)
        except BaseException as error:
            if self._abandon(error):
                raise
            return None
        if pending is not None and isawaitable(pending):
            return self._finish(pending)
        return self._end()

    async def _finish(self, pending: Awaitable[object]) -> None:
        try:
            await pending
        except GeneratorExit:
            raise  # the loop is gone, and whoever waited with it
        except BaseException as error:
            if self._abandon(error):
                raise
            return
        rest = self._end()
        if rest is not None:
            await rest

    def _end(self) -> Awaitable[object] | None:
        """The handler is done: its events go to the journal; what it says follows them."""
        self._handling = False
        if not self.ready:
            if self._pipeline.broken is None:
                self._forget_message()
            else:
                self._doom()
            return None
        pipeline = self._pipeline
        batch = pipeline.last
        if batch is not None:
            # A message without events too: it was decided on some that are not stored yet.
            pipeline.messages += 1
            batch.messages += 1
            wanted = self._cell.sender is not None or self._settings.conflict_attempts
            if wanted and not self._stashed():
                batch.askers.append((self._item(), self._first_version))
            if self._open:
                self._open = False
                pipeline.close()
        self._base = None
        if self._missing:
            self._begin_without_memory()
            return None
        if self._snapshot_due:
            self._asking = True
            return self._answer_late()
        if pipeline.messages >= self._settings.max_uncommitted:
            return pipeline.room(self._settings.max_uncommitted)
        return None

    def _begin_without_memory(self) -> None:
        """What is on its way is right and goes on; only this memory may lack some of it."""
        cell = self._cell
        log.warning("%s begins anew: a wait for durability was cancelled", cell.self)
        self.ready = False
        self._forget_message()
        cell.restart_after(0.0)

    def _abandon(self, error: BaseException) -> bool:
        """The handler raised: its events are forgotten. Says whether a supervisor has to know."""
        self._handling = False
        if not self.ready:
            # The actor is on its way back to what is stored already; this is what its handler
            # made of that. But whoever cancelled it has to see that it ends.
            if not isinstance(error, Exception):
                self._forget_message()
                return True
            log.warning("%s raised after a failed commit: %r", self._cell.self, error)
            self._doom()
            return False
        # Whatever a supervisor says, the memory that is left must not be trusted.
        self.ready = False
        if self._open:
            self.version = self._pipeline.roll_back(HandlerFailed(self._cell.self, error))
        self._forget_message()
        return True

    def _doom(self) -> None:
        """Lets nothing leave of a message that was being handled when a commit failed."""
        cell = self._cell
        if self._conflict is not None:
            if not self._stashed():
                self._retries.append(self._item())
            if cell.outbox is not None:
                cell.outbox.forget()
            self._forget_message()
            return
        error = self._pipeline.error_for(self._first_version)
        if cell.sender is not None and not self._stashed():
            cell.system.deliver_or_bury(cell.sender, RequestFailed(error, cell.message))
        if cell.outbox is not None:
            cell.outbox.refuse(cell.system, error)
        self._forget_message()

    def _item(self) -> Envelope:
        """The message that is being handled, as it came."""
        envelope = self._envelope
        if envelope is not None and envelope.message is self._cell.message:
            return envelope
        return self._cell.envelope()

    def _forget_message(self) -> None:
        self._base = None
        self._open = self._snapshot_due = self._missing = self.snapshot_wanted = False
        late, self._late_answer = self._late_answer, None
        if iscoroutine(late):
            late.close()

    @property
    def _first_version(self) -> int:
        """The version of this message's first event that is not durable, or what it would be."""
        return (self.version if self._base is None else self._base) + 1

    def _stashed(self) -> bool:
        """Whether the handler put this message aside: then its end is yet to come."""
        extras = self._cell._extras  # pyright: ignore[reportPrivateUsage]
        if extras is None or not extras.stash:
            return False
        last = extras.stash[-1]
        cell = self._cell
        return (
            isinstance(last, Envelope)
            and last.message is cell.message
            and last.sender is cell.sender
        )

    # --- persisting -------------------------------------------------------------------------------

    def persist_receive(self, events: Sequence[object]) -> None:
        """See ``Mixin.persist_receive``."""
        if self._record(events) and not self._snapshot_due:
            pending = self._ask_for_snapshot()
            if pending is not None and isawaitable(pending):
                # An async handler cannot run inside another; its turn is when this one is done.
                self._late_answer = pending
                self._snapshot_due = True

    async def persist(self, events: Sequence[object]) -> None:
        """See ``Mixin.persist``."""
        if self._record(events):
            # The handler may apply the events after this, so a snapshot has to wait for its end.
            self._snapshot_due = True
        if self._open:
            self._open = False
            self._pipeline.close()
        version = self.version
        try:
            await self._pipeline.durable(self._first_version)
        except asyncio.CancelledError:
            self._miss()
            raise
        # What others recorded during this wait is not durable yet.
        if self._base is not None:
            self._base = None if self.version == version else max(self._base, version)

    def _miss(self) -> None:
        """A wait was cancelled, so the handler may never apply what it waited for."""
        if self._handling:
            self._missing = True
        elif self.ready:
            # It was a task of a handler that is done.
            self._begin_without_memory()

    def _record(self, events: Sequence[object]) -> bool:
        """Puts events into the open message; says whether a snapshot is due."""
        if not (self.ready and self._handling):
            raise self._refusal()
        # All are encoded before one is recorded, so that a bad one changes nothing.
        encoded = [self._new_event(event) for event in events]
        if not encoded:
            return False
        version = self.version
        self._open_message().events += encoded
        self.version += len(encoded)
        strategy = self._settings.snapshot
        return strategy is not None and self._is_due(strategy, events, version)

    def _is_due(self, strategy: SnapshotStrategy, events: Sequence[object], version: int) -> bool:
        """Whether a snapshot is due after any of the events that follow ``version``."""
        due = False
        for after, event in enumerate(events, version + 1):
            try:
                due = strategy.due(event, after, self._last_snapshot) or due
            except Exception as error:  # noqa: BLE001 - promise 8: it is reported, and nothing else
                self._keeper.failed(self.stream, after, error)
        return due

    def _new_event(self, event: object) -> NewEvent:
        settings = self._settings
        type_name, payload = settings.codec.encode(event)
        event_id, time_us = settings.event_ids(), settings.clock_us()
        headers = self._cell.headers
        if headers is None:
            return NewEvent(type_name, payload, event_id, time_us)
        return NewEvent(
            type_name,
            payload,
            event_id,
            time_us,
            headers.get(CORRELATION_ID),
            headers.get(CAUSATION_ID),
            headers.get(COMMAND_ID),
        )

    def _refusal(self) -> Exception:
        """Why nothing can be persisted now."""
        if self._pipeline.broken is not None:
            return self._pipeline.error_for(self._first_version)
        if self.recovering:
            return PersistRefused(
                f"{self.stream!r} is recovering: what the handler gets is stored already;"
                " guard with 'if not self.recovering'"
            )
        if self._asking:
            return PersistRefused(
                f"{self.stream!r}: whoever is asked for a snapshot changes nothing;"
                " answer with persist_snapshot"
            )
        if self._missing:
            return PersistRefused(
                f"{self.stream!r}: after a wait for durability that was cancelled the state may"
                " lack its events; the actor begins anew when the handler is done"
            )
        return PersistRefused(
            f"{self.stream!r}: events are persisted by the handler of a message;"
            " send the actor one, or use reenter_after"
        )

    # --- for what decides on messages by itself, such as entities ---------------------------------

    @property
    def persisted(self) -> bool:
        """Whether the message at hand has persisted something since it last waited."""
        return self._open

    def record(self, event: object) -> None:
        """Persists one event as ``Mixin.persist_receive`` does, but asks nobody for a snapshot.

        Where one is due it says so in ``snapshot_wanted``, for the end of the handler.
        """
        if not (self.ready and self._handling):
            raise self._refusal()
        encoded = self._new_event(event)
        self._open_message().events.append(encoded)
        version = self.version
        self.version = version + 1
        strategy = self._settings.snapshot
        if strategy is not None and self._is_due(strategy, (event,), version):
            self.snapshot_wanted = True

    def record_reply(self, reply: Reply) -> None:
        """Stores what a keyed command came to, with the events of the message at hand."""
        if not (self.ready and self._handling):
            raise self._refusal()
        self._open_message().replies.append(reply)

    def discard(self, error: Exception) -> None:
        """Forgets what the message at hand persisted; the actor begins anew with what is stored.

        Who waits for what the message said gets the error; who asked is the caller's to tell.
        """
        if self._open:
            self.version = self._pipeline.roll_back(error)
        self.ready = False
        self._forget_message()
        self._cell.restart_after(0.0)

    def handle_again(self) -> None:
        """Begins anew with what is stored by then, and handles the message at hand after that.

        It must not have persisted anything.
        """
        self._retries.append(self._item())
        self.ready = False
        self._forget_message()
        self._cell.restart_after(0.0)

    def report_snapshot(self, error: Exception) -> None:
        """A snapshot that was wanted could not be taken; only time is lost by that."""
        self.snapshot_wanted = False
        self._keeper.failed(self.stream, self.version, error)

    def _open_message(self) -> Batch:
        if not self._open:
            self._open = True
            if self._base is None:
                self._base = self.version
            self._pipeline.open(self.version)
        return self._pipeline.gathering  # type: ignore[return-value]

    # --- snapshots --------------------------------------------------------------------------------

    def persist_snapshot(self, state: object) -> None:
        """See ``Mixin.persist_snapshot``."""
        if self._missing or not (self.ready and (self._handling or self._asking)):
            raise self._refusal()
        if not self.version:
            raise PersistRefused(f"{self.stream!r} has no events yet that a snapshot could hold")
        type_name, payload = self._settings.codec.encode(state)
        snapshot = Snapshot(
            stream=self.stream,
            version=self.version,
            type_name=type_name,
            payload=payload,
            time_us=self._settings.clock_us(),
        )
        self._last_snapshot.taken(self.version)
        self.snapshot_wanted = False
        holder = self._pipeline.last
        if holder is None:
            self._keeper.keep(snapshot)
        else:
            holder.snapshot = snapshot

    def _ask_for_snapshot(self) -> Awaitable[object] | None:
        """Asks in the middle of a handler; message and sender are the same afterwards."""
        ctx = self._ctx
        message, sender, headers = ctx.message, ctx.sender, ctx.headers
        self._asking, self._handling = True, False
        try:
            return self._receiver(ctx, Envelope(RequestSnapshot()))
        except Exception as error:  # noqa: BLE001 - promise 8: it is reported, and nothing else
            self._keeper.failed(self.stream, self.version, error)
            return None
        finally:
            self._asking, self._handling = False, True
            ctx.message, ctx.sender, ctx.headers = message, sender, headers

    async def _answer_late(self) -> None:
        """Asks when the handler is done, or lets it answer now that was asked in the middle."""
        self._snapshot_due = False
        pending, self._late_answer = self._late_answer, None
        ctx = self._ctx
        message, sender, headers = ctx.message, ctx.sender, ctx.headers
        envelope = Envelope(RequestSnapshot())
        ctx.message, ctx.sender, ctx.headers = envelope.message, None, None
        try:
            if pending is None:
                pending = self._receiver(ctx, envelope)
            if pending is not None and isawaitable(pending):
                await pending
        except Exception as error:  # noqa: BLE001 - promise 8: it is reported, and nothing else
            if self.ready:
                self._keeper.failed(self.stream, self.version, error)
        finally:
            self._asking = False
            ctx.message, ctx.sender, ctx.headers = message, sender, headers
        await self._pipeline.room(self._settings.max_uncommitted)

    # --- the journal's answer ---------------------------------------------------------------------

    def _durable(self, batch: Batch) -> None:
        self._failures = self._conflicts = 0
        if batch.snapshot is not None:
            self._keeper.keep(batch.snapshot)

    def _again(self, error: Exception, items: list[Envelope]) -> bool:
        """Keeps the messages of a failed commit to be handled again, or says no."""
        if (
            not isinstance(error, ConcurrencyConflict)
            or self._conflicts >= self._settings.conflict_attempts
            or self._cell.state is not State.ALIVE
        ):
            self._conflict = None
            # Whatever comes next has had no attempt yet.
            self._conflicts = 0
            return False
        self._conflict = error
        # What waits there already is a later message, which wanted to be handled again by itself.
        self._retries = items + self._retries
        return True

    def _failed(self, error: Exception) -> None:
        """A commit failed: this incarnation is over. The next one begins with what is stored."""
        cell = self._cell
        if self._conflict is not None:
            log.debug("%s decides again: %s", cell.self, error)
            self._conflicts += 1
            if self.ready:
                self.ready = False
                cell.restart_after(_AFTER_CONFLICT.delay(self._conflicts))
            return
        log.warning("%s goes back to what is stored of %r: %s", cell.self, self.stream, error)
        cell.system.event_stream.publish(ActorFailed(cell.self, error, None, Directive.RESTART))
        self._failures += 1
        # One that is not ready any more is beginning or ending, or its supervisor decides.
        if self.ready:
            self.ready = False
            failures = self._failures - 1
            cell.restart_after(self._settings.backoff.delay(failures) if failures else 0.0)
