"""A minimal actor: what a Python actor cannot do without, and nothing else.

It has a mailbox that keeps the order, a context that knows the message and who asked, a look at the
thread, a deadline and a type for each reply, and who asked is told at the end of the turn. It has
no name, no life, no supervisor, no signals, no middleware and no limit, and its deadlines are
written down but not kept. So it is no rival: it shows how much of a figure Python itself takes.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any, NamedTuple

from daicho.actor.cell import BATCH

TIMEOUT_S = 5.0


class Envelope(NamedTuple):
    """A message, and who wants a reply."""

    message: object
    sender: Reply


class Reply(asyncio.Future[Any]):
    """What an ask waits for."""

    __slots__ = ("actor", "callback", "context", "expected")

    actor: MinimalActor
    callback: Callable[[Any], object] | None
    context: contextvars.Context | None
    expected: type[object]

    def deliver(self, message: object) -> None:
        """Takes the reply; who waits is told at the end of the turn."""
        if self.done():
            return
        if not isinstance(message, self.expected):
            raise TypeError(f"{message!r} is no {self.expected.__name__}")
        self.actor.forget(self)
        if self.callback is not None:
            self.actor.told.append(self)
        self.set_result(message)

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: contextvars.Context | None = None
    ) -> None:
        """Keeps the first callback for the end of the turn."""
        if self.done() or self.callback is not None:
            super().add_done_callback(fn, context=context)
            return
        self.callback = fn
        self.context = context or contextvars.copy_context()


class MinimalActor:
    """An actor, its context and its mailbox in one.

    Args:
        loop: The loop that it runs on, in the caller's thread.
        receive: Handles the message of the context.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, receive: Callable[[MinimalActor], object]
    ) -> None:
        self.message: object = None
        self.told: list[Reply] = []
        self._loop = loop
        self._thread = get_ident()
        self._receive = receive
        self._context = contextvars.copy_context()
        self._mailbox: deque[object] = deque()
        self._is_scheduled = False
        self._sender: Reply | None = None
        self._deadlines: dict[Reply, float] = {}

    def send(self, message: object) -> None:
        """Tells it a message."""
        if get_ident() != self._thread:
            raise RuntimeError("it is told by its own thread")
        self._mailbox.append(message)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._schedule()

    def ask(self, message: object, expected: type[object]) -> Reply:
        """Asks it; the reply is of the expected type."""
        reply = Reply(loop=self._loop)
        reply.actor = self
        reply.expected = expected
        reply.callback = None
        self._deadlines[reply] = time.monotonic() + TIMEOUT_S
        self.send(Envelope(message, reply))
        return reply

    def respond(self, message: object) -> None:
        """Replies to who asked, if somebody did."""
        if self._sender is not None:
            self._sender.deliver(message)

    def forget(self, reply: Reply) -> None:
        """It has come in time."""
        del self._deadlines[reply]

    def _schedule(self) -> None:
        self._loop.call_soon(self._run, context=self._context.copy())

    def _run(self) -> None:
        mailbox, receive = self._mailbox, self._receive
        try:
            for _ in range(min(BATCH, len(mailbox))):
                item = mailbox.popleft()
                if type(item) is Envelope:
                    self.message, self._sender = item
                else:
                    self.message, self._sender = item, None
                receive(self)
        finally:
            self.message = self._sender = None
            self._is_scheduled = bool(mailbox)
            if mailbox:
                self._schedule()
            self._tell()

    def _tell(self) -> None:
        if not self.told:
            return
        told, self.told = self.told, []
        for reply in told:
            assert reply.callback is not None
            assert reply.context is not None
            reply.context.run(reply.callback, reply)
