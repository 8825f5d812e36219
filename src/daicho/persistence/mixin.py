"""What an event-sourced actor inherits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from daicho.errors import NotPersistent

if TYPE_CHECKING:
    from daicho.persistence.event_sourced import EventSourced


class Mixin:
    """Makes an actor's events durable; needs ``persistence.using`` among its props' middleware.

    The handler gets the newest snapshot, then the events after it, each as a message, with
    ``recovering`` true; then ``ReplayComplete``; then what others sent. Of a message that persists,
    every reply, send, spawn and publication waits until its events are durable, while the actor
    goes on with its next message.

    What waits is the object itself: reply with a copy, not with the state that goes on changing, or
    who asked sees what is not durable yet.

    What the handler of ``RequestSnapshot`` raises is reported as ``SnapshotFailed``, and nothing
    else changes. After anything else that it raises, the actor begins anew with what is stored.
    """

    # Set by the middleware before the first message. Not in __init__, which heirs need not call.
    _event_sourced: EventSourced | None = None

    @property
    def recovering(self) -> bool:
        """Whether what the handler gets is history: apply it, persist nothing."""
        return self._persistence.recovering

    @property
    def stream(self) -> str:
        """The name of the stream of this actor's events."""
        return self._persistence.stream

    @property
    def version(self) -> int:
        """The version of the last event that was applied or persisted, 0 if there is none."""
        return self._persistence.version

    def persist_receive(self, *events: object) -> None:
        """Persists events, all or none, together with all others of the message at hand.

        It returns at once; the events are sent to the journal when the handler is done. It applies
        nothing: change the state before, event by event if there are several calls, because a
        snapshot that is due is asked for here, in the middle of the handler; if that is ``async``,
        when it is done.

        If the events cannot be stored, who asked gets the error, nothing that the handler says
        leaves, and the actor goes back to what is stored.

        Raises:
            PersistRefused: While recovering, outside of a handler, or in that of a snapshot
                request.
            PersistFailed: The actor goes back to what is stored already.
            ConcurrencyConflict: Likewise.
            UnencodableEvent: One of them is no event; nothing was recorded.
        """
        self._persistence.persist_receive(events)

    async def persist(self, *events: object) -> None:
        """Persists events, all or none, and waits until they and all before them are durable.

        Events that the handler persisted before are stored together with these, what it persists
        afterwards is not: a handler that awaits in its middle has two parts. Without events, it
        waits for those before.

        If the wait is cancelled, by ``asyncio.timeout`` for instance, the events are stored all the
        same. The state may lack them then, so the actor begins anew with what is stored when the
        handler is done.

        Raises:
            PersistFailed: They could not be stored; the actor goes back to what is stored.
            ConcurrencyConflict: Likewise, because another writer was there first.
            PersistRefused: While recovering, outside of a handler, or in that of a snapshot
                request.
            UnencodableEvent: One of them is no event; nothing was recorded.
        """
        await self._persistence.persist(events)

    def persist_snapshot(self, state: object) -> None:
        """Stores the state, as it is now, as the snapshot of the current version.

        It is stored together with the events that it holds; if it is large, once they are durable.
        If that fails, it is reported as ``SnapshotFailed`` on the event stream, and nothing else
        changes.

        Raises:
            PersistRefused: While recovering, outside of a handler, before the first event, or after
                a wait for durability that was cancelled.
            UnencodableEvent: The state cannot be stored.
        """
        self._persistence.persist_snapshot(state)

    @property
    def _persistence(self) -> EventSourced:
        if self._event_sourced is None:
            raise NotPersistent(
                f"this {type(self).__qualname__} was not spawned with persistence; use"
                " Props(…, receiver_middleware=[persistence.using(journal)])"
            )
        return self._event_sourced


class Replayed(ABC):
    """What takes its history apart from its messages, so that no middleware sees it.

    It stands in for a Mixin in what decides about messages by itself, such as an entity's actor.
    """

    __slots__ = ("_event_sourced",)

    _event_sourced: EventSourced
    """Set before the first message."""

    @abstractmethod
    def replay(self, message: object) -> None:
        """Takes the newest snapshot, or the initial state."""

    @abstractmethod
    def replay_events(self, events: Sequence[object]) -> None:
        """Takes the next events, a page of them; each moves the stream's version by one.

        If one raises, the version is that event's. A ``Several`` is what became of one event.
        """

    @abstractmethod
    def memory(self) -> object:
        """All that there is to remember, as a snapshot that can be stored."""
