"""A cell whose mailbox has a limit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import cast

from daicho.actor.cell import Cell
from daicho.actor.envelope import message_of, sender_of
from daicho.actor.lifecycle import State
from daicho.actor.mailbox import Bounded, Overflow
from daicho.actor.messages import PoisonPill
from daicho.errors import MailboxFull


class BoundedCell(Cell):
    """A cell whose mailbox has a limit, and a line of those who wait for room.

    Nobody overtakes the line: while somebody waits there is no room for others.
    """

    __slots__ = ()

    def deliver(self, item: object) -> None:
        """Takes a message of a user, or does what the mailbox's policy says."""
        if self._has_room():
            super().deliver(item)
            return
        bounds = self._bounds()
        queue = cast("deque[object]", self.queue)
        if type(message_of(item)) is PoisonPill:
            # The end of an actor always has room; it comes behind all that came before.
            line = self._more().waiting
            if line:
                line.append((None, item))
            else:
                queue.append(item)
            return
        match bounds.overflow:
            case Overflow.DROP_NEWEST:
                self._drop(item)
            case Overflow.DROP_OLDEST if type(message_of(queue[0])) is PoisonPill:
                self._drop(item)  # behind the pill nothing is handled, and the pill must stay
            case Overflow.DROP_OLDEST:
                oldest = queue.popleft()
                queue.append(item)
                self._drop(oldest)
            case Overflow.FAIL:
                raise MailboxFull(self.self, bounds.capacity, "send less, or later")
            case Overflow.WAIT:
                sender = sender_of(item)
                if sender is None or not self._system.is_ask(sender):
                    raise MailboxFull(
                        self.self, bounds.capacity, "'await send_wait' waits for room, send cannot"
                    )
                self._more().waiting.append((None, item))

    def offer(self, item: object) -> asyncio.Future[None] | None:
        """Takes a message of a user, or a place in the line of those who wait for room."""
        if self._has_room() or self._bounds().overflow is not Overflow.WAIT:
            self.deliver(item)
            return None
        room: asyncio.Future[None] = self._system.loop.create_future()
        self._more().waiting.append((room, item))
        return room

    def _bounds(self) -> Bounded:
        return cast("Bounded", self._props.mailbox)

    def _has_room(self) -> bool:
        queue = self.queue
        if queue is None:
            return True
        if self._extras is not None and self._extras.waiting:
            return False
        return len(queue) < self._bounds().capacity

    def _drop(self, item: object) -> None:
        error = MailboxFull(
            self.self, self._bounds().capacity, "it drops what it has no room for; send less"
        )
        self._system.dead_letters.letter(self.self, item, "the mailbox is full", error)

    def _drain(self, limit: int) -> Awaitable[object] | None:
        pending = super()._drain(limit)
        if self._extras is not None and self._extras.waiting and self.state is not State.STOPPED:
            self._admit(self._extras.waiting)
        return pending

    def _admit(self, waiting: deque[tuple[asyncio.Future[None] | None, object]]) -> None:
        queue = cast("deque[object]", self.queue)  # while somebody waits it is not given up
        capacity = self._bounds().capacity
        while waiting and len(queue) < capacity:
            room, item = waiting.popleft()
            if room is not None:
                if room.done():  # whoever waited was cancelled
                    continue
                room.set_result(None)
            queue.append(item)
