"""A turn of the loop: one callback, at whose end those are told who wait for what it did.

A future tells who waits for it through the loop, in a callback of its own for each. Where an actor
has answered a thousand asks in one batch that is a thousand callbacks more, and even a single one
costs another round of the loop, which is a third of an ask. So the callbacks of what is answered
during a turn are kept, and called one after another at its end: not in the middle of a handler, and
never inside of a task, for a turn is a plain callback of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

Callback = Callable[[Any], object]

_turns: WeakValueDictionary[int, LoopTurn] = WeakValueDictionary()
"""By the identity of the loop, which a turn keeps alive as long as it lives itself."""


def turn_of(loop: asyncio.AbstractEventLoop) -> LoopTurn:
    """The turn of a loop: one for all that runs on it."""
    turn = _turns.get(id(loop))
    if turn is None:
        turn = _turns[id(loop)] = LoopTurn(loop)
    return turn


class LoopTurn:
    """What is told at the end of the callback that is under way.

    Whoever begins one is called by the loop itself, ends it, and begins no second one within.
    """

    __slots__ = ("__weakref__", "_loop", "told", "under_way")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # Without a tuple for each that the garbage collector would look at.
        self.told: list[Any] = []
        """What will be called, while a turn is under way: callback, future, context, and again."""
        self.under_way = False
        """Whether a callback runs that will call ``end``."""

    def run(self, work: Callable[[], object]) -> None:
        """Does something in a turn of its own; for ``call_soon``."""
        try:
            self.under_way = True
            work()
        except BaseException:
            self.interrupt()
            raise
        self.end()

    def end(self) -> None:
        """Tells everybody. What that causes is no part of this turn any more."""
        self.under_way = False
        if not self.told:
            return
        told, self.told = iter(self.told), []
        waiting = zip(told, told, told, strict=True)
        try:
            for callback, future, context in waiting:
                try:
                    context.run(callback, future)
                except Exception as error:  # noqa: BLE001 - as the loop does with its callbacks
                    self._report(error, callback, future)
        except BaseException:
            for rest in waiting:
                self.told += rest
            self.interrupt()
            raise

    def interrupt(self) -> None:
        """Leaves it to the loop to tell everybody.

        For KeyboardInterrupt and SystemExit, which end the program: nobody goes on before they have
        reached it, and nobody waits in vain where it goes on all the same.
        """
        self.under_way = False
        told, self.told = iter(self.told), []
        for callback, future, context in zip(told, told, told, strict=True):
            self._loop.call_soon(callback, future, context=context)

    def _report(self, error: Exception, callback: Callback, future: asyncio.Future[Any]) -> None:
        message = f"Exception in callback {callback!r}"
        self._loop.call_exception_handler(
            {"message": message, "exception": error, "future": future}
        )
