"""A request whose reply is awaited: a future that has a PID."""

# The modules of this package share what it keeps to itself.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from daicho.actor.envelope import Envelope
from daicho.actor.messages import RequestFailed
from daicho.actor.pid import PID, Process
from daicho.actor.signals import Ended, Unwatch, Watch
from daicho.errors import AskTimeout, HandlerFailed, UnexpectedReply

if TYPE_CHECKING:
    from daicho.actor.signals import Signal
    from daicho.actor.system import ActorSystem
    from daicho.actor.turn import Callback


ASK_PREFIX = "$ask"
"""What an ask's id begins with: spawned actors have a hexadecimal number behind the dollar."""


class _AskPID(PID):
    """The PID of an ask. Almost nobody looks at its id, so it is made when somebody does."""

    __slots__ = ("_number",)

    def __init__(self, address: str, number: int, process: Process | None) -> None:
        self.address = address
        self._number = number
        self._process = process

    @property
    def id(self) -> str:  # type: ignore[override]
        """Unique in the system."""
        return f"{ASK_PREFIX}{self._number:x}"


_set_result = asyncio.Future[object].set_result
"""Without ``super()``, which is a fiftieth of an ask."""


class Ask(asyncio.Future[object]):
    """Waits for one reply: a process for who replies, a future for who asked.

    Once it is done its PID leads nowhere, so nothing that remembers the PID keeps it alive.

    Its first callback, that of the task which awaits it, is called at the end of the turn in which
    the reply was given; see ``turn``.
    """

    # Deadlines.new_ask sets them: __init__, and super().__init__ in it, are a 25th of an ask.
    __slots__ = ("_callback", "_context", "_expected", "_lane", "_pid", "_system", "target")

    target: PID
    _system: ActorSystem
    _expected: type | None
    _lane: _Lane | None
    """Where it waits; None once it is done."""
    _pid: PID | None
    _callback: Callback | None
    _context: contextvars.Context | None

    @property
    def pid(self) -> PID:
        """Where the reply is to go; most who reply have no need to know."""
        pid = self._pid
        if pid is None:
            system, process = self._system, None if self._lane is None else self
            pid = self._pid = _AskPID(system.address, next(system.numbers), process)
        return pid

    # --- for who replies --------------------------------------------------------------------------

    def deliver(self, item: object) -> None:
        """The reply. What comes after the first, or too late, is a dead letter."""
        message = item.message if type(item) is Envelope else item
        if self._lane is None:
            self._system.deliver(self.pid, item)
        elif type(message) is RequestFailed:
            self.fail(message.error)
        elif self._expected is not None and not isinstance(message, self._expected):
            self.fail(UnexpectedReply(self.target, self._expected, message))
        else:
            self._end()
            _set_result(self, message)

    def signal(self, signal: Signal) -> None:
        """Nothing of the actor model is for one who asks."""

    def fail(self, error: BaseException) -> None:
        """Ends the wait with an error, unless it has ended."""
        if not self.done():
            if isinstance(error, StopIteration) or not isinstance(error, Exception):
                # A future takes no StopIteration, and who asks must not end with who failed.
                error = HandlerFailed(self.target, error)
            self.set_exception(error)

    # --- for who waits ----------------------------------------------------------------------------

    def cancel(self, msg: object = None) -> bool:
        """Ends the wait because nobody is interested any more."""
        if self._lane is not None:
            self._system.deadlines.given_up += 1
        self._end()
        return super().cancel(msg)

    def set_result(self, result: object, /) -> None:
        """Ends the wait, as of every future, for who does not wait for the actor."""
        self._end()
        super().set_result(result)

    def set_exception(self, exception: type | BaseException, /) -> None:
        """Ends the wait with an error, likewise.

        Raises:
            TypeError: It is a ``StopIteration``, which no future takes; nothing has ended.
        """
        if isinstance(exception, StopIteration) or exception is StopIteration:
            raise TypeError("a StopIteration cannot be raised out of a future; wrap it in another")
        self._end()
        super().set_exception(exception)

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: contextvars.Context | None = None
    ) -> None:
        """Calls something when the wait has ended."""
        if context is None:
            context = contextvars.copy_context()
        # The context tells that there was a first one, though it may have been removed.
        if self._context is None and self._lane is not None:
            self._callback = fn
            self._context = context
        else:
            super().add_done_callback(fn, context=context)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Calls it no more; returns how often it would have been called."""
        removed = super().remove_done_callback(fn)
        if self._callback is not None and self._callback == fn:
            self._callback = None
            removed += 1
        return removed

    def _end(self) -> None:
        # Before the future is done, which is when it schedules its other callbacks.
        lane = self._lane
        if lane is None:
            return
        self._lane = None
        del lane.pending[self]
        if self._pid is not None:
            self._pid._process = None
        callback, context = self._callback, self._context
        if callback is not None and context is not None:
            self._callback = self._context = None
            turn = self._system.turn
            if turn.under_way:
                turn.told += (callback, self, context)
            else:
                self._loop.call_soon(callback, self, context=context)


def is_awaited(asker: object) -> bool:
    """Whether somebody waits for a reply still: who asks, and has not given up."""
    return isinstance(asker, Ask) and not asker.done()


class EndOfActor(asyncio.Future[None]):
    """Waits for the end of an actor."""

    __slots__ = ("_pid", "_system", "_target")

    def __init__(self, system: ActorSystem, target: PID) -> None:
        super().__init__(loop=system.loop)
        self._system = system
        self._target = target
        self._pid = _AskPID(system.address, next(system.numbers), self)
        system.process(target).signal(Watch(self._pid))

    def deliver(self, item: object) -> None:
        """Nobody has reason to reply."""
        self._system.dead_letters.letter(self._pid, item, "nobody asked")

    def signal(self, signal: Signal) -> None:
        """The only signal that comes is the end."""
        if isinstance(signal, Ended):
            self._pid._process = None
            if not self.done():
                self.set_result(None)

    def cancel(self, msg: object = None) -> bool:
        """Ends the wait because nobody is interested any more."""
        if not self.done():
            self._pid._process = None
            self._system.process(self._target).signal(Unwatch(self._pid))
        return super().cancel(msg)


class _Lane:
    """Asks of one timeout, which are also in the order of their deadlines: one timer serves all."""

    __slots__ = ("_deadlines", "_loop", "_timer", "pending", "timeout")

    def __init__(
        self, deadlines: Deadlines, loop: asyncio.AbstractEventLoop, timeout: float
    ) -> None:
        self.pending: dict[Ask, float] = {}
        self.timeout = timeout
        self._deadlines = deadlines
        self._loop = loop
        self._timer = loop.call_later(timeout, self._expire)

    def _expire(self) -> None:
        now = self._loop.time()
        # In one pass: the first of a dictionary is behind the holes of all that were before it.
        due = [ask for ask, _ in takewhile(lambda item: item[1] <= now, self.pending.items())]
        self._deadlines.given_up += len(due)
        for ask in due:
            ask.fail(AskTimeout(ask.target, self.timeout))
        following = next(iter(self.pending.values()), None)
        if following is None:
            self._deadlines.close_lane(self)
        else:
            self._timer = self._loop.call_at(following, self._expire)

    def close(self, error: BaseException) -> None:
        """Ends every wait."""
        self._timer.cancel()
        for ask in tuple(self.pending):
            ask.fail(error)


class Deadlines:
    """The timeouts of all asks of a system.

    A timer per ask costs more than the ask itself, and almost every ask of a program has the same
    timeout. So asks of one timeout share a lane, a dictionary in the order of their deadlines, with
    one timer.
    """

    __slots__ = ("_lanes", "_system", "given_up")

    def __init__(self, system: ActorSystem) -> None:
        self.given_up = 0
        """Asks that ended before their message did: nobody waits for its reply any more."""
        self._system = system
        self._lanes: dict[float, _Lane] = {}

    @property
    def waiting(self) -> int:
        """Asks that wait."""
        return sum(len(lane.pending) for lane in self._lanes.values())

    def new_ask(self, target: PID, expected: type | None, timeout: float, now: float) -> Ask:
        """Waits for a reply; ``AskTimeout`` if there is none ``timeout`` seconds from now.

        ``now`` is the loop's time, which whoever asks may need for more than this.
        """
        lane = self._lanes.get(timeout)
        if lane is None:
            lane = self._open_lane(timeout)
        system = self._system
        ask = Ask(loop=system._loop)
        ask.target = target
        ask._system = system
        ask._expected = expected
        ask._pid = ask._callback = ask._context = None
        ask._lane = lane
        lane.pending[ask] = now + timeout
        return ask

    def _open_lane(self, timeout: float) -> _Lane:
        if not timeout > 0:
            raise ValueError(f"a timeout is a positive number of seconds, not {timeout!r}")
        lane = self._lanes[timeout] = _Lane(self, self._system.loop, timeout)
        return lane

    def close_lane(self, lane: _Lane) -> None:
        """Forgets a lane in which nobody waits."""
        self._lanes.pop(lane.timeout, None)

    def close(self, error: BaseException) -> None:
        """Ends every wait."""
        while self._lanes:
            _, lane = self._lanes.popitem()
            lane.close(error)
