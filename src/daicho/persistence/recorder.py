"""The way of a message through an event-sourced actor.

The handler runs, and what it persists is recorded; when it is done that goes to the journal, and
the actor takes its next message at once. ``pipeline`` holds back what the handler says.

This is the way of every durable command, so what it usually does stands in few functions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from inspect import isawaitable
from typing import Any, cast

from daicho.actor import ActorFailed, Directive, Envelope, Receiver, RequestFailed
from daicho.actor.lifecycle import State
from daicho.errors import HandlerFailed, PersistRefused
from daicho.journal import NewEvent, Reply
from daicho.persistence.pipeline import Batch
from daicho.persistence.settings import Settings
from daicho.persistence.snapshotting import Snapshotting
from daicho.persistence.trouble import Trouble

log = logging.getLogger("daicho.persistence")

CORRELATION_ID = "correlation-id"
CAUSATION_ID = "causation-id"
COMMAND_ID = "command-id"
"""Headers of a message that go into the metadata of its events."""

# A named tuple's own constructor is a Python function, and takes three times as long.
_new_event: Callable[[tuple[object, ...]], NewEvent] = partial(cast("Any", tuple).__new__, NewEvent)


class Recorder(Snapshotting):
    """Lets a handler have messages, and records what it persists."""

    __slots__ = ("_base", "_envelope", "_open", "_trouble", "recovering")

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        super().__init__(settings, receiver)
        self.recovering = True
        self._trouble: Trouble | None = None
        # About the message that is being handled: how it came; the version before those of its
        # events that are not durable, if it has any; whether these may still get company.
        self._envelope: Envelope | None = None
        self._base: int | None = None
        self._open = False

    @property
    def trouble(self) -> Trouble:
        """What it remembers of failures, made when there is one."""
        if self._trouble is None:
            self._trouble = Trouble()
        return self._trouble

    # --- a message --------------------------------------------------------------------------------

    def handle(self, envelope: Envelope) -> Awaitable[object] | None:
        """Lets the handler have a message, and sees to what it persists."""
        self._handling = True
        self._envelope = envelope
        try:
            pending = self._receiver(self.ctx, envelope)
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
            if self.broken is None:
                self._forget_message()
            else:
                self._doom()
            return None
        batch = self.gathering or self.last
        if batch is not None:
            # A message without events too: it was decided on some that are not stored yet.
            self.messages += 1
            batch.messages += 1
            cell = self._cell
            wanted = cell.asker is not None or self._settings.conflict_attempts
            if wanted and not self._stashed():
                base = self._base
                batch.askers.append(self._item())
                batch.asked.append(1 + (self.version if base is None else base))
            if self._open:
                self._open = False
                self.end_message()
        self._base = self._envelope = None
        if self._missing:
            self._begin_without_memory()
            return None
        keeper = self._keeper
        if keeper is not None and keeper.due:
            keeper.asking = True
            return self._answer_late()
        if self.messages >= self._settings.max_uncommitted:
            return self.room(self._settings.max_uncommitted)
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
            self.roll_back(HandlerFailed(self._cell.self, error))
        self._forget_message()
        return True

    def _doom(self) -> None:
        """Lets nothing leave of a message that was being handled when a commit failed."""
        cell = self._cell
        trouble = self._trouble
        if trouble is not None and trouble.conflict is not None:
            if not self._stashed():
                trouble.retries.append(self._item())
            if cell.outbox is not None:
                cell.outbox.forget()
            self._forget_message()
            return
        error = self.error_for(self._first_version)
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
        self._base = self._envelope = None
        self._open = self._missing = False
        if self._keeper is not None:
            self._keeper.forget_message()

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
        if self._record(events) and not self.keeper.due:
            self._ask_for_snapshot()

    async def persist(self, events: Sequence[object]) -> None:
        """See ``Mixin.persist``."""
        if self._record(events):
            # The handler may apply the events after this, so a snapshot has to wait for its end.
            self.keeper.due = True
        if self._open:
            self._open = False
            self.end_message()
        version = self.version
        try:
            await self.durable(self._first_version)
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
        encoded = [self._encoded(event) for event in events]
        if not encoded:
            return False
        version = self.version
        self._open_message().events += encoded
        self.version += len(encoded)
        strategy = self._settings.snapshot
        return strategy is not None and self._is_due(strategy, events, version)

    def _encoded(self, event: object) -> NewEvent:
        settings = self._settings
        type_name, payload = settings.codec.encode(event)
        event_id, time_us = settings.event_ids(), settings.clock_us()
        headers = self._cell.headers
        if headers is None:
            return _new_event((type_name, payload, event_id, time_us, None, None, None))
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
        if self.broken is not None:
            return self.error_for(self._first_version)
        if self.recovering:
            return PersistRefused(
                f"{self.stream!r} is recovering: what the handler gets is stored already;"
                " guard with 'if not self.recovering'"
            )
        if self.asking:
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
        encoded = self._encoded(event)
        self._open_message().events.append(encoded)
        version = self.version
        self.version = version + 1
        strategy = self._settings.snapshot
        if strategy is not None and self._is_due(strategy, (event,), version):
            self.keeper.wanted = True

    def record_reply(self, reply: Reply) -> None:
        """Stores what a keyed command came to, with the events of the message at hand."""
        if not (self.ready and self._handling):
            raise self._refusal()
        batch = self._open_message()
        if batch.replies is None:
            batch.replies = []
        batch.replies.append(reply)

    def discard(self, error: Exception) -> None:
        """Forgets what the message at hand persisted; the actor begins anew with what is stored.

        Who waits for what the message said gets the error; who asked is the caller's to tell.
        """
        if self._open:
            self.roll_back(error)
        self.ready = False
        self._forget_message()
        self._cell.restart_after(0.0)

    def handle_again(self) -> None:
        """Begins anew with what is stored by then, and handles the message at hand after that.

        It must not have persisted anything.
        """
        self.trouble.retries.append(self._item())
        self.ready = False
        self._forget_message()
        self._cell.restart_after(0.0)

    def _open_message(self) -> Batch:
        batch = self.gathering
        if batch is None or not self._open:
            self._open = True
            if self._base is None:
                self._base = self.version
            batch = self.begin_message()
        return batch

    # --- the journal's answer ---------------------------------------------------------------------

    def _durable(self, batch: Batch) -> None:
        if self._trouble is not None:
            self._trouble.failures = self._trouble.conflicts = 0
        snapshot = batch.snapshot
        if snapshot is not None:
            self.keeper.keep(snapshot, is_stored=snapshot is batch.travelled)

    def _again(self, error: Exception, items: list[Envelope]) -> bool:
        most = self._settings.conflict_attempts if self._cell.state is State.ALIVE else 0
        return self.trouble.again(error, items, most)

    def _failed(self, error: Exception) -> None:
        """This incarnation is over. The next one begins with what is stored."""
        cell, trouble = self._cell, self.trouble
        if trouble.conflict is not None:
            log.debug("%s decides again: %s", cell.self, error)
            trouble.conflicts += 1
            if self.ready:
                self.ready = False
                cell.restart_after(trouble.pause_s)
            return
        log.warning("%s goes back to what is stored of %r: %s", cell.self, self.stream, error)
        cell.system.event_stream.publish(ActorFailed(cell.self, error, None, Directive.RESTART))
        trouble.failures += 1
        # One that is not ready any more is beginning or ending, or its supervisor decides.
        if self.ready:
            self.ready = False
            failures = trouble.failures - 1
            cell.restart_after(self._settings.backoff.delay(failures) if failures else 0.0)
