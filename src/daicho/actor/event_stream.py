"""What happens in a system, told to whoever wants to know."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, overload

if TYPE_CHECKING:
    from daicho.actor.pid import PID
    from daicho.actor.system import ActorSystem

T = TypeVar("T")
log = logging.getLogger("daicho.actor")


class Subscription:
    """A handler that hears of events until ``unsubscribe`` is called."""

    __slots__ = ("_handler", "_predicate", "_stream", "_type")

    def __init__(
        self,
        stream: EventStream,
        handler: Callable[[object], None],
        event_type: type | None,
        predicate: Callable[[object], bool] | None,
    ) -> None:
        self._stream = stream
        self._handler = handler
        self._type = event_type
        self._predicate = predicate

    def unsubscribe(self) -> None:
        """Ends it; a second time does nothing."""
        self._stream.discard(self)

    def hear(self, event: object) -> None:
        """Calls the handler if the event is of the type and the predicate holds."""
        if self._type is not None and not isinstance(event, self._type):
            return
        if self._predicate is None or self._predicate(event):
            self._handler(event)


class EventStream:
    """Publishes events to handlers at once, in the order of their subscriptions.

    It belongs to the loop's thread. A handler or a predicate that raises is logged and harms
    neither the publisher nor the other handlers.
    """

    def __init__(self, system: ActorSystem) -> None:
        self._system = system
        # A dictionary for its order; the values say nothing.
        self._subscriptions: dict[Subscription, None] = {}

    @overload
    def subscribe(
        self,
        handler: Callable[[object], None],
        *,
        predicate: Callable[[object], bool] | None = None,
    ) -> Subscription: ...

    @overload
    def subscribe(
        self,
        handler: Callable[[T], None],
        *,
        event_type: type[T],
        predicate: Callable[[T], bool] | None = None,
    ) -> Subscription: ...

    def subscribe(
        self,
        handler: Callable[..., None],
        *,
        event_type: type | None = None,
        predicate: Callable[..., bool] | None = None,
    ) -> Subscription:
        """Calls ``handler`` for each event of the type for which the predicate holds."""
        subscription = Subscription(self, handler, event_type, predicate)
        self._subscriptions[subscription] = None
        return subscription

    def subscribe_pid(
        self,
        pid: PID,
        *,
        event_type: type | None = None,
        predicate: Callable[[object], bool] | None = None,
    ) -> Subscription:
        """Sends each event to an actor, until that has stopped.

        An event that finds the actor's mailbox full is a dead letter.
        """

        def send(event: object) -> None:
            # A letter to a dead subscriber would be an event for it again.
            if self._system.is_alive(pid):
                self._system.deliver_or_bury(pid, event)
            else:
                subscription.unsubscribe()

        subscription = Subscription(self, send, event_type, predicate)
        self._subscriptions[subscription] = None
        return subscription

    def discard(self, subscription: Subscription) -> None:
        """Ends a subscription."""
        self._subscriptions.pop(subscription, None)

    def publish(self, event: object) -> None:
        """Calls every handler whose type and predicate fit."""
        for subscription in tuple(self._subscriptions):
            if subscription not in self._subscriptions:
                continue  # an earlier handler has ended it
            try:
                subscription.hear(event)
            except Exception:
                log.exception("a subscriber of the event stream failed on %r", event)
