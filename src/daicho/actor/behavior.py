"""An actor that changes how it handles messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daicho.actor.context import Context

Handler = Callable[["Context"], object]


class Behavior:
    """A stack of handlers, of which the topmost handles.

    An actor keeps one and lets it receive::

        class Door:
            def __init__(self) -> None:
                self.behavior = Behavior(self.closed)

            def receive(self, ctx: Context) -> object:
                return self.behavior.receive(ctx)
    """

    __slots__ = ("_handlers",)

    def __init__(self, handler: Handler) -> None:
        self._handlers = [handler]

    def receive(self, ctx: Context) -> object:
        """Handles the message with the topmost handler, and returns what that returns."""
        return self._handlers[-1](ctx)

    def become(self, handler: Handler) -> None:
        """Forgets all handlers for this one."""
        self._handlers = [handler]

    def become_stacked(self, handler: Handler) -> None:
        """Puts a handler on top."""
        self._handlers.append(handler)

    def unbecome_stacked(self) -> None:
        """Goes back to the handler below.

        Raises:
            IndexError: There is none below.
        """
        if len(self._handlers) == 1:
            raise IndexError("there is no handler below; become_stacked puts one on top")
        self._handlers.pop()
