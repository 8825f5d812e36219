"""A journal that goes wrong: by chance, which a seed brings back, and when a test says so.

Everything that can go wrong with a call is decided when it begins, from one source of chance. So
the same calls in the same order go wrong in the same way, whatever they take.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from daicho._frozen import frozen
from daicho.errors import JournalFull, JournalUnavailable, StoreError
from daicho.journal import Journal, MemoryJournal, Outcome, Write, checks
from daicho.testing.around import JournalAround
from daicho.testing.faults import Fault, Faults, Happened

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[object]]
"""Returns after so many seconds."""

CHANGES = frozenset(
    {"append", "save_snapshot", "delete_snapshots", "truncate", "prune_replies", "restore"}
)
"""The methods that change what is stored."""

SHOWN = 100
"""How much of what happened an error is told."""

_HELD_WITHIN_S = 20


@frozen
class Planned:
    """An error that the next calls of a method end in, because a test says so."""

    error: BaseException
    times: int
    after: bool


@frozen
class _Course:
    """What becomes of a call that goes wrong."""

    fault: Fault
    pause_s: float
    is_done: bool
    first_writes: int


class FaultJournal(JournalAround):
    """Keeps what the journal inside keeps, and fails on the way there.

    What it returns is as the port promises: a write that it says is stored is, and no error but
    ``JournalUnavailable`` comes of an append of which something is stored. It has no
    ``append_now``.

    If ``async with`` ends in an error, that error has a note with the seed and what happened.

    Args:
        inner: The journal that keeps everything; one in memory if None.
        seed: What goes wrong with which call; of the same seed the same, as long as the calls are.
        faults: How often each kind of fault comes; none does if it is left out. It can be set anew
            at any time.
        sleep: How to wait while something is slow: the loop's own way, or that of a test's clock.
    """

    def __init__(
        self,
        inner: Journal | None = None,
        *,
        seed: int = 0,
        faults: Faults | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(MemoryJournal() if inner is None else inner)
        self.seed = seed
        self.faults = faults or Faults()
        self.happened: list[Happened] = []
        """The calls that went wrong by chance, in the order in which they began."""
        self.planned: dict[str, Planned] = {}
        """What the next calls of a method end in; see :meth:`fail`."""
        self._sleep = sleep
        self._chance = random.Random(seed)  # noqa: S311 - it has to come back
        self._calls = 0
        self._lost_calls = 0
        self._is_open = True
        # Appends that are held, the oldest first, and whether there is one.
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held = asyncio.Event()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r}, seed={self.seed})"

    # --- what a test says -------------------------------------------------------------------------

    def fail(self, what: str, error: BaseException, *, times: int = 1, after: bool = False) -> None:
        """Lets the next calls of the method ``what`` raise, before or after they have worked."""
        self.planned[what] = Planned(error, times, after)

    def calm(self) -> None:
        """Nothing goes wrong from now on, and what is held goes on."""
        self.faults = Faults()
        self.planned.clear()
        self._lost_calls = 0
        self.release()

    def hold(self) -> None:
        """Lets no append begin from now on."""
        self._is_open = False

    async def held(self) -> None:
        """Waits until an append is held.

        Raises:
            TimeoutError: None was for 20 seconds.
        """
        await asyncio.wait_for(self._held.wait(), _HELD_WITHIN_S)

    def release(self) -> None:
        """Lets appends go on."""
        self._is_open = True
        while self._waiting:
            self._let_pass()

    async def let_one_pass(self) -> None:
        """Lets the append go on that is held, and waits until the next one is."""
        self._let_pass()
        await self.held()

    def _let_pass(self) -> None:
        passing = self._waiting.popleft()
        if not self._waiting:
            self._held.clear()
        # Whoever waited may have been cancelled, or its loop may have ended.
        if not (passing.done() or passing.get_loop().is_closed()):
            passing.set_result(None)

    def story(self) -> str:
        """What went wrong, and the seed that brings it back."""
        left_out = len(self.happened) - SHOWN
        lines = [f"{self!r} went wrong {len(self.happened)} times in {self._calls} calls:"]
        lines += [str(each) for each in self.happened[:SHOWN]]
        return "\n  ".join(lines + ([f"and {left_out} more"] if left_out > 0 else []))

    # --- the port ---------------------------------------------------------------------------------

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """See :meth:`Journal.append`."""
        if not self._is_open:
            held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(held)
            self._held.set()
            await held
        return await self._go("append", lambda: self.inner.append(writes), writes)

    async def _pass(self, method: str, work: Callable[[], Awaitable[T]]) -> T:
        return await self._go(method, work, ())

    async def _go(
        self, method: str, work: Callable[[], Awaitable[T]], writes: Sequence[Write]
    ) -> T:
        course = self._course(method, writes)
        self._end_as_planned(method, after=False)
        if course is not None:
            return await self._go_wrong(method, course, work, writes)
        found = await work()
        self._end_as_planned(method, after=True)
        return found

    async def __aexit__(self, *exc_info: object) -> None:
        self._lost_calls = 0
        error = exc_info[1] if len(exc_info) > 1 else None
        if isinstance(error, Exception) and self.happened:
            error.add_note(self.story())
        await self.inner.__aexit__(*exc_info)

    # --- chance -----------------------------------------------------------------------------------

    def _course(self, method: str, writes: Sequence[Write]) -> _Course | None:
        """What goes wrong with a call that begins now; all of it is drawn here."""
        self._calls += 1
        if self._lost_calls:
            self._lost_calls -= 1
            self._note(method, Fault.LOST, "it is not back yet")
            return _Course(Fault.LOST, 0.0, is_done=False, first_writes=0)
        fault = self.faults.drawn(self._chance)
        if fault is None or (fault is Fault.MIDDLE and not writes):
            return None
        is_done = fault in (Fault.AFTER, Fault.SLOW, Fault.LATE) or (
            fault in (Fault.LOST, Fault.SILENT) and self._chance.random() < 0.5
        )
        pause_s, first = 0.0, 0
        detail = ("done" if is_done else "not done") if method in CHANGES else ""
        match fault:
            case Fault.SLOW | Fault.LATE:
                pause_s = self._chance.uniform(0, self.faults.longest_pause_s)
                detail = f"{pause_s:.3f} s"
            case Fault.MIDDLE:
                first = self._chance.randint(0, len(writes))
                detail = f"after {first} of {len(writes)} writes"
            case Fault.LOST:
                self._lost_calls = self._chance.randint(0, self.faults.most_lost_calls)
            case _:
                pass
        self._note(method, fault, detail)
        return _Course(fault, pause_s, is_done=is_done, first_writes=first)

    def _note(self, method: str, fault: Fault, detail: str) -> None:
        self.happened.append(Happened(call=self._calls, method=method, fault=fault, detail=detail))

    async def _go_wrong(
        self,
        method: str,
        course: _Course,
        work: Callable[[], Awaitable[T]],
        writes: Sequence[Write],
    ) -> T:
        if course.fault is Fault.SLOW:
            await self._sleep(course.pause_s)
        if course.fault is Fault.MIDDLE:
            # What is never right is refused as a whole, as ever.
            checks.writes(repr(self.inner), self.features, writes)
            for write in writes[: course.first_writes]:
                await self.inner.append([write])
        if not course.is_done:
            raise await self._end(method, course.fault)
        found = await work()
        self._end_as_planned(method, after=True)
        match course.fault:
            case Fault.SLOW:
                return found
            case Fault.LATE:
                await self._sleep(course.pause_s)
                return found
            case _:
                raise await self._end(method, course.fault)

    async def _end(self, method: str, fault: Fault) -> StoreError:
        """The error that a fault ends in; there is none if it is silence."""
        if fault is Fault.SILENT:
            await asyncio.get_running_loop().create_future()
        if fault is Fault.BEFORE and method in CHANGES:
            return JournalFull(repr(self), f"{method} {fault.value}")
        return JournalUnavailable(repr(self), f"{method} {fault.value}")

    def _end_as_planned(self, method: str, *, after: bool) -> None:
        planned = self.planned.get(method)
        if planned is None or planned.after is not after:
            return
        if planned.times == 1:
            del self.planned[method]
        else:
            self.planned[method] = Planned(planned.error, planned.times - 1, after)
        raise planned.error
