"""A coroutine without a task: it begins at once, and goes on in the callbacks of what it awaits.

A task begins in the next turn of the loop, and whoever awaits it goes on one turn after its end. A
server answers in a fifth of a millisecond, and beside that the turns and the task can be felt
(decision 40).

Nobody can cancel it. There is no current task in it, so whatever asks for one, as
``asyncio.timeout`` does, has to be awaited in a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any


class Driven:
    """Drives a coroutine to its end, with nothing of the context of whoever begins it.

    What the coroutine raises is raised where it was driven: out of ``begin``, or for the loop.
    """

    __slots__ = ("_context", "_loop", "_work", "ended")

    def __init__(self, work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self._context = Context()
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done when the coroutine has ended, whatever it ended in."""

    def begin(self) -> None:
        """Lets the coroutine run until it waits for the first time."""
        self._context.run(self._go_on)

    def _go_on(self, _: object = None) -> None:
        try:
            awaited: asyncio.Future[object] | None = self._work.send(None)
        except BaseException as error:
            self.ended.set_result(None)
            if not isinstance(error, StopIteration | asyncio.CancelledError):
                raise
        else:
            if awaited is None:  # a bare yield: in the next turn
                self._loop.call_soon(self._go_on, context=self._context)
            else:
                awaited.add_done_callback(self._go_on, context=self._context)
