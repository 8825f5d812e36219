"""What few actors have: made when it is first needed, so that an idle actor stays small."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from daicho.actor.messages import NotInfluenceReceiveTimeout
from daicho.actor.supervision import RestartStatistics

if TYPE_CHECKING:
    from daicho.actor.cell import Cell
    from daicho.actor.context import Context
    from daicho.actor.pid import PID
    from daicho.actor.signals import ChildEnded, Ended, Failure, Watch
    from daicho.actor.timers import Timer


class IdleWatch:
    """Calls something when nothing has touched it for so many seconds.

    Being touched costs one look at the clock; the timer that is under way notices when it fires.
    """

    __slots__ = ("_action", "_handle", "_loop", "_touched", "seconds")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        action: Callable[[], None],
    ) -> None:
        if not seconds > 0:
            raise ValueError(f"an idle time is a positive number of seconds, not {seconds!r}")
        self.seconds = seconds
        self._loop = loop
        self._action = action
        self._touched = loop.time()
        self._handle = loop.call_later(seconds, self._look)

    def touch(self) -> None:
        """Something happened."""
        self._touched = self._loop.time()

    def cancel(self) -> None:
        """Ends the watch."""
        self._handle.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        if now < self._touched + self.seconds:
            self._handle = self._loop.call_at(self._touched + self.seconds, self._look)
            return
        self._touched = now
        self._handle = self._loop.call_later(self.seconds, self._look)
        self._action()


class Extras:
    """The rarer belongings of a cell."""

    __slots__ = (
        "children",
        "draining",
        "escalated",
        "incarnation",
        "owed_replies",
        "passivation",
        "postponed",
        "receive_timeout",
        "reentering",
        "restart_timer",
        "stash",
        "statistics",
        "stop_reason",
        "timers",
        "view",
        "waiting",
        "watchers",
        "watching",
    )

    def __init__(self) -> None:
        self.view: Context | None = None
        """What context decorators made of the cell; None without any."""
        # Dictionaries rather than sets keep the order in which they came.
        self.children: dict[PID, Cell] = {}
        self.watchers: dict[PID, Watch] = {}
        """Who wants to know of this actor's end."""
        self.watching: dict[PID, Watch] = {}
        """Of whose end this actor wants to know."""
        self.timers: dict[Timer, None] = {}
        self.stash: deque[object] = deque()
        self.statistics = RestartStatistics()
        self.waiting: deque[tuple[asyncio.Future[None] | None, object]] = deque()
        """The line before a full mailbox: an item, and a future for who waits for its room."""
        self.receive_timeout: IdleWatch | None = None
        self.passivation: IdleWatch | None = None
        self.restart_timer: asyncio.TimerHandle | None = None
        """Set while the actor will restart by itself, whatever its supervisor says."""
        self.stop_reason: BaseException | None = None
        self.incarnation = 0
        """How many objects handled messages before the present one."""
        self.draining: dict[PID, Cell] | None = None
        """In a shutdown, the children that may still handle what they have; None before."""
        self.owed_replies = 0
        """Continuations that have not come back yet and that somebody waits for."""
        self.reentering = 0
        """Continuations that have not come back yet."""
        self.postponed: list[Ended | ChildEnded] = []
        """Ends of others, to be told when the actor goes on."""
        self.escalated: list[Failure] = []
        """Failures of children that this actor's supervisor decides about."""

    def touch(self, message: object) -> None:
        """A message was handled."""
        if self.passivation is not None:
            self.passivation.touch()
        if self.receive_timeout is not None and not isinstance(message, NotInfluenceReceiveTimeout):
            self.receive_timeout.touch()

    def cancel_time(self) -> None:
        """Ends everything of an incarnation that would come later."""
        for timer in tuple(self.timers):
            timer.cancel()
        if self.receive_timeout is not None:
            self.receive_timeout.cancel()
            self.receive_timeout = None
        if self.restart_timer is not None:
            self.restart_timer.cancel()
            self.restart_timer = None
