"""Group commit: the writes of all actors of a journal, gathered into one append after another.

While one append is under way, what the actors write gathers; when it ends, all of that is the next.
So the busier the journal, the larger its transactions, and an idle one waits for nobody. The first
append after a quiet moment needs no task if the journal can make it at once, or tells its end by
itself; else a task makes it, and all that gather until none does.

An append has at most one write of an actor. The journal handles each write by itself: of two of one
actor it could refuse the first, because another writer was faster, and find the second at the right
version by accident, although that was decided on the first.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol
from weakref import WeakValueDictionary

from daicho.actor.turn import turn_of
from daicho.errors import JournalUnavailable, Unsupported
from daicho.journal import Appended, Journal, Outcome, Write
from daicho.journal.offers import AppendSoon, append_now_of, append_soon_of

log = logging.getLogger("daicho.persistence")

MAX_EVENTS = 10_000
"""An append takes no further write when it has so many events; the rest waits for the next."""

FEW_WRITES = 32
"""With more of them, no journal is asked to append at once while the last append is being told."""

PARTS = 4
LEAST_WRITES = 250
"""A journal that tells its end works elsewhere. It gets a quarter of the writes that have gathered,
or so many if that is more, so that the actors go on with one part while it stores another. If it
got all, one would rest while the other works."""

_NEVER_RIGHT = (TypeError, ValueError, Unsupported)
"""What a journal says of writes that cannot be stored as they are. Nothing was."""

_committers: WeakValueDictionary[int, Committer] = WeakValueDictionary()
"""By the identity of the journal, which a committer keeps alive as long as it lives itself."""


class Submitted(Protocol):
    """What waits for its turn to be written, and for the outcome."""

    def take(self) -> Write | None:
        """Its turn has come: what to write, or None if that was given up meanwhile."""
        ...

    def leave_snapshot(self) -> None:
        """The journal refuses the write with its snapshot: it is appended without."""
        ...

    def settle(self, outcome: Outcome | Exception) -> None:
        """Takes the outcome, or why there is none."""
        ...


_OutcomesOf = Callable[[list[Submitted], list[Write]], Awaitable[Sequence[Outcome | Exception]]]


def committer_of(journal: Journal) -> Committer:
    """The committer of a journal: one for all its actors, or their writes would not meet.

    Another loop gets another one: what a loop left behind that ended early is lost with it.
    """
    loop = asyncio.get_running_loop()
    committer = _committers.get(id(journal))
    if committer is None or committer.loop is not loop:
        committer = _committers[id(journal)] = Committer(journal, loop)
    return committer


class Committer:
    """Appends what has gathered, one append at a time, in the order in which it came."""

    __slots__ = (
        "__weakref__",
        "_append_now",
        "_append_soon",
        "_busy",
        "_context",
        "_gathered",
        "_journal",
        "_stored",
        "_task",
        "_turn",
        "loop",
    )

    def __init__(self, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._turn = turn_of(loop)
        self._context = contextvars.copy_context()
        self._journal = journal
        self._append_now = append_now_of(journal)
        self._append_soon = append_soon_of(journal)
        self._gathered: list[Submitted] = []
        self._stored: list[tuple[Submitted, Appended]] = []
        # True while an append is under way or about to be.
        self._busy = False
        self._task: asyncio.Task[None] | None = None

    def submit(self, batch: Submitted) -> None:
        """Appends the batch's write in its turn, and settles the batch when that is done."""
        self._gathered.append(batch)
        if not self._busy:
            self._busy = True
            # In the next turn of the loop, so that actors that run in this one are in the first
            # append.
            if self._append_now is None and self._append_soon is None:
                self._append_by_task([], [])
            else:
                self._call_soon(self._begin)

    def _begin(self) -> None:
        """Appends without a task, if the journal can; what it could do now is told in this turn."""
        batches: list[Submitted] = []
        try:
            batches, writes = self._take()
            outcomes = self._at_once(writes)
        except BaseException:
            self._abandon(batches)
            self._busy = False
            raise
        if outcomes is None:
            if self._append_soon is None:
                self._append_by_task(batches, writes)
            else:
                self._append_untended(self._append_soon, batches, writes)
            return
        self._sort(batches, outcomes)
        self._go_on()
        self._tell_stored()

    def _go_on(self) -> None:
        self._busy = bool(self._gathered)
        if self._busy:
            self._call_soon(self._begin)

    def _append_untended(
        self, append_soon: AppendSoon, batches: list[Submitted], writes: list[Write]
    ) -> None:
        """Begins an append whose end the journal tells."""

        def tell(said: list[Outcome] | Exception) -> None:
            answered = partial(self._answered, batches, writes, said)
            self._context.copy().run(self._turn.run, answered)

        try:
            append_soon(writes, tell)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            self.loop.call_soon(tell, error)
        except BaseException:
            self._abandon(batches)
            self._busy = False
            raise

    def _answered(
        self, batches: list[Submitted], writes: list[Write], said: list[Outcome] | Exception
    ) -> None:
        """An append has ended for which no task waits."""
        if isinstance(said, _NEVER_RIGHT):
            self._append_by_task(batches, writes)  # what is done about it needs a wait
            return
        if isinstance(said, Exception):
            outcomes: Sequence[Outcome | Exception] = [said] * len(writes)
        else:
            outcomes = self._one_for_each(writes, said)
        self._busy = False
        self._sort(batches, outcomes)
        if self._gathered and not self._busy:
            self._busy = True
            self._begin()
        if self._busy:
            # The next append is on its way before those are told: the disk need not wait for them.
            self._tell_soon()
        else:
            self._tell_stored()

    def _append_by_task(self, batches: list[Submitted], writes: list[Write]) -> None:
        # Whoever woke it must not lend it, and all for whom it works meanwhile, the context
        # variables of its message.
        work = self._append_all(batches, writes)
        task = self.loop.create_task(work, context=self._context.copy())
        # Where tasks begin eagerly it may have ended here.
        if not task.done():
            self._task = task
            task.add_done_callback(partial(self._ended, batches))

    def _ended(self, batches: list[Submitted], task: asyncio.Task[None]) -> None:
        """Goes on if the task was cancelled before it began: then nothing of it has run."""
        if task.cancelled() and self._task is task:
            self._abandon(batches)
            self._busy = False
            self._task = None

    async def _append_all(self, batches: list[Submitted], writes: list[Write]) -> None:
        """One task for as long as something gathers: a task for each append would cost a turn."""
        try:
            if writes:
                await self._append(batches, writes, self._outcomes)
            while self._gathered:
                batches, writes = self._take()
                if writes:
                    await self._append(batches, writes, self._soonest)
        finally:
            self._busy = False
            self._task = None

    def _take(self) -> tuple[list[Submitted], list[Write]]:
        batches: list[Submitted] = []
        writes: list[Write] = []
        events = looked_at = 0
        most = len(self._gathered)
        if self._append_soon is not None:
            most = max(LEAST_WRITES, most // PARTS)
        for batch in self._gathered:
            if events >= MAX_EVENTS or looked_at >= most:
                break
            looked_at += 1
            write = batch.take()
            if write is not None:
                batches.append(batch)
                writes.append(write)
                events += len(write.events)
        del self._gathered[:looked_at]
        return batches, writes

    def _at_once(self, writes: list[Write]) -> Sequence[Outcome | Exception] | None:
        """The outcomes, if the journal can append now, without a wait; else None."""
        if not writes:
            return []
        if self._append_now is None:
            return None
        try:
            outcomes = self._append_now(writes)
        except _NEVER_RIGHT:
            return None  # nothing was stored, and what is done about it needs a wait
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            return [error] * len(writes)
        return None if outcomes is None else self._one_for_each(writes, outcomes)

    async def _soonest(
        self, batches: list[Submitted], writes: list[Write]
    ) -> Sequence[Outcome | Exception]:
        """The outcomes of an append that follows another one."""
        if self._append_now is not None and len(writes) <= FEW_WRITES:
            # Those before are told first: what is appended now keeps the loop until it is done.
            await asyncio.sleep(0)
            outcomes = self._at_once(writes)
            if outcomes is not None:
                return outcomes
        return await self._outcomes(batches, writes)

    async def _append(
        self, batches: list[Submitted], writes: list[Write], outcomes_of: _OutcomesOf
    ) -> None:
        try:
            outcomes = await outcomes_of(batches, writes)
        except GeneratorExit:
            raise  # the loop is gone, and whoever waited with it
        except BaseException:
            self._abandon(batches)
            raise
        self._sort(batches, outcomes)
        if self._stored:
            # Later, so that the next append is on its way before: the disk need not wait for them.
            self._tell_soon()

    def _sort(self, batches: list[Submitted], outcomes: Sequence[Outcome | Exception]) -> None:
        """Keeps what is stored, to be told, and tells what was refused."""
        refused: list[tuple[Submitted, Outcome | Exception]] = []
        for batch, outcome in zip(batches, outcomes, strict=True):
            if type(outcome) is Appended:
                self._stored.append((batch, outcome))
            else:
                refused.append((batch, outcome))
        if refused:
            # At once, because what these actors have gathered meanwhile must not be appended; and
            # in order, so that nobody hears of a failure that came after what is stored.
            self._tell_stored()
            for batch, outcome in refused:
                _settle(batch, outcome)

    async def _outcomes(
        self, batches: list[Submitted], writes: list[Write]
    ) -> Sequence[Outcome | Exception]:
        try:
            outcomes = await self._journal.append(writes)
        except _NEVER_RIGHT as error:
            # A write that is never right, and nothing was stored. It must not harm the others.
            if len(writes) == 1:
                return await self._without_snapshot(batches, writes, error)
            half = len(writes) // 2
            return [
                *await self._outcomes(batches[:half], writes[:half]),
                *await self._outcomes(batches[half:], writes[half:]),
            ]
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            return [error] * len(writes)
        return self._one_for_each(writes, outcomes)

    def _one_for_each(
        self, writes: list[Write], outcomes: Sequence[Outcome | Exception]
    ) -> Sequence[Outcome | Exception]:
        if len(outcomes) != len(writes):
            reason = f"it gave {len(outcomes)} outcomes for {len(writes)} writes"
            return [JournalUnavailable(repr(self._journal), reason)] * len(writes)
        return outcomes

    async def _without_snapshot(
        self, batches: list[Submitted], writes: list[Write], error: Exception
    ) -> Sequence[Outcome | Exception]:
        """Appends a refused write without its snapshot: an aid must not keep events from it."""
        if writes[0].snapshot is None:
            return [error]
        batches[0].leave_snapshot()
        return await self._outcomes(batches, [writes[0]._replace(snapshot=None)])

    def _abandon(self, batches: list[Submitted]) -> None:
        """The program is ending; what gathered must not wait for an append that never comes."""
        self._tell_stored()
        abandoned, self._gathered = batches + self._gathered, []
        ending = JournalUnavailable(repr(self._journal), "the program ended during the append")
        for batch in abandoned:
            _settle(batch, ending)

    def _tell_stored(self) -> None:
        stored, self._stored = self._stored, []
        waiting = iter(stored)
        try:
            for batch, outcome in waiting:
                _settle(batch, outcome)
        except BaseException:
            # KeyboardInterrupt and SystemExit end the program, not what others wait for.
            self._stored[:0] = waiting
            self._tell_soon()
            raise

    def _tell_soon(self) -> None:
        self._call_soon(self._tell_stored)

    def _call_soon(self, work: Callable[[], object]) -> None:
        self.loop.call_soon(self._turn.run, work, context=self._context.copy())


def _settle(batch: Submitted, outcome: Outcome | Exception) -> None:
    try:
        batch.settle(outcome)
    except Exception:
        # The others of the append wait for their outcome too.
        log.exception("what followed a commit failed")
