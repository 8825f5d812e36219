"""The writer: it commits whatever has gathered, in one transaction after another.

While a transaction waits for the disk, what comes meanwhile gathers in the queue and becomes the
next one. So many small appends cost about as much as one, and an append that is alone waits for
nobody.

Who has the file? The thread does, from when the loop hands it a job until the loop has heard that
all are done. Then the loop itself may use it, and does so for commits that are sooner made than
handed over; see ``_haste``. So there is nothing to lock, and the loop never waits for the thread.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import TypeVar

import apsw

from daicho.errors import ChainBroken
from daicho.journal.port import Outcome, Write
from daicho.journal.sqlite._errors import FAULTS, store_error
from daicho.journal.sqlite._haste import Haste
from daicho.journal.sqlite._place import Place
from daicho.journal.sqlite._thread import Alter, Append, Checkpoint, Job, Report, WriterThread

T = TypeVar("T")

_IDLE_S = 0.02
_IDLE_CHECKPOINT_BYTES = 4 * 1_024 * 1_024
_BUSY_CHECKPOINT_BYTES = 32 * 1_024 * 1_024
"""After so much was written, the write-ahead log is copied into the file, so that it stays short
and its space is used again: from the small number on when nobody writes for a moment, from the
large one on in any case."""


class Writer:
    """Takes writes from the loop and tells it what became of them.

    It tells all of a transaction at once: one wake-up of the loop, never one for each write. For
    the arguments see :class:`WriterThread`; all is called in the loop's thread.
    """

    def __init__(
        self,
        place: Place,
        open_db: Callable[[], apsw.Connection],
        at_end: Callable[[], None],
        busy_timeout_s: float,
    ) -> None:
        self._path = place.path
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._thread = WriterThread(place, open_db, at_end, self._hear, busy_timeout_s)
        self._loop_thread = get_ident()
        self._under_way = 0
        """Jobs of which the loop has not heard yet; while there is one, the file is the
        thread's."""
        self._haste = Haste()
        self._log_bytes = 0
        """Written since the last checkpoint."""
        self._idle: asyncio.TimerHandle | None = None
        self._is_idle = True
        self._is_closing = False

    async def open(self) -> None:
        """Starts the thread, which opens the file.

        Raises:
            StoreError: The file cannot be used; the thread has ended.
        """
        self._thread.start()
        try:
            await self._thread.opened
        except asyncio.CancelledError:
            self._thread.end()
            raise
        except BaseException:
            self._thread.join()
            raise

    def append(self, writes: Sequence[Write]) -> asyncio.Future[list[Outcome]]:
        """Stores the writes; their outcomes are the result."""
        future: asyncio.Future[list[Outcome]] = self._loop.create_future()
        self._hand_over(Append(writes, future))
        return future

    @property
    def is_free(self) -> bool:
        """Whether the caller may use the file now: it is the loop, and nothing is under way."""
        return not self._under_way and get_ident() == self._loop_thread

    def append_now(self, writes: Sequence[Write]) -> list[Outcome] | None:
        """Stores the writes at once, or nothing if the thread is to do it; then it is None.

        The file has to be free.

        Raises:
            StoreError: What SQLite said, or that the file is gone.
        """
        if not self._haste.is_due(writes):
            return None
        since = time.perf_counter()
        try:
            committed, _ = self._thread.ledger.commit([writes])
        except apsw.BusyError:
            # Another process writes. The thread can wait for that, and as often as it happens it
            # takes the ledger what it remembers.
            self._haste.took(math.inf)
            return None
        except FAULTS as error:
            raise store_error(self._path, error) from error
        if isinstance(committed, ChainBroken):
            raise committed
        self._haste.took(time.perf_counter() - since)
        self._note_written(self._thread.take_written_bytes())
        if (problem := self._place.problem()) is not None:
            raise problem
        return committed[0]

    def change(self, apply: Callable[[apsw.Connection], T]) -> asyncio.Future[T]:
        """Applies a change inside a transaction; its result is the result. See ``Change``."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._hand_over(Alter(apply, future))
        return future

    async def close(self) -> None:
        """Commits what was taken, calls ``at_end`` and closes the file; ends the thread."""
        self._is_closing = True
        if self._idle is not None:
            self._idle.cancel()
        self._thread.end()
        # The thread ends in any case; a caller that is cancelled does not wait for it.
        try:
            await asyncio.shield(self._thread.closed)
        finally:
            if self._thread.closed.done():
                self._thread.join()

    def _hand_over(self, job: Job) -> None:
        self._under_way += 1
        self._thread.put(job)

    def _hear(self, report: Report) -> None:
        self._under_way -= report.jobs
        for future, result, error in report.settled:
            # Whoever was cancelled in the meantime does not wait any more.
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        self._note_written(report.written_bytes)

    # --- quiet moments ----------------------------------------------------------------------------

    def _note_written(self, written_bytes: int) -> None:
        if not written_bytes or self._is_closing:
            return
        self._is_idle = False
        self._log_bytes += written_bytes
        if self._log_bytes >= _BUSY_CHECKPOINT_BYTES:
            self._checkpoint()
        if self._idle is None:
            self._look_later()

    def _look_later(self) -> None:
        self._is_idle = True
        self._idle = self._loop.call_later(_IDLE_S, self._look)

    def _look(self) -> None:
        """Copies the log, and frees memory, if nothing was written since ``_look_later``.

        While something is, it looks again and again: a timer for each write would cost more.
        """
        self._idle = None
        if self._under_way or not self._is_idle:
            self._look_later()
            return
        self._thread.ledger.rest()
        if self._log_bytes >= _IDLE_CHECKPOINT_BYTES:
            self._checkpoint()

    def _checkpoint(self) -> None:
        self._log_bytes = 0
        self._hand_over(Checkpoint())
