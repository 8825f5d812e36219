"""What an entity has let go and not heard of yet: commands under way, and timers."""

from __future__ import annotations

from collections.abc import Iterable

from daicho.entity.v1 import Outgoing, Settled


class Pending:
    """The outgoing commands of one entity, folded from its own stream."""

    __slots__ = ("_timers", "items", "last_number")

    def __init__(self, last_number: int = 0, items: Iterable[Outgoing] = ()) -> None:
        self.last_number = last_number
        """The number of the last one that there was."""
        self.items = {item.number: item for item in items}
        """Those that are not settled, by number, in their order."""
        self._timers = {item.timer: item.number for item in self.items.values() if item.timer}

    def apply(self, event: Outgoing | Settled) -> None:
        """One was let go, or has come to its end."""
        if isinstance(event, Outgoing):
            self.last_number = event.number
            self.items[event.number] = event
            if event.timer:
                self._timers[event.timer] = event.number
            return
        item = self.items.pop(event.number, None)
        if item is not None and self._timers.get(item.timer) == event.number:
            del self._timers[item.timer]

    def timer(self, name: str) -> int | None:
        """The number of the timer that has this name and is not settled."""
        return self._timers.get(name)
