"""The writer: one thread that commits whatever has gathered, in one transaction after another.

While a transaction waits for the disk, what comes meanwhile gathers in the queue and becomes the
next one. So many small appends cost about as much as one, and an append that is alone waits for
nobody.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import apsw

from daicho.journal.port import Outcome, Write
from daicho.journal.sqlite._errors import reason, store_error
from daicho.journal.sqlite._ledger import Change, Ledger
from daicho.journal.sqlite._sql import page_size_bytes

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

_BATCH_WRITES = 10_000
"""A transaction takes no further append when it has so many writes, so that nobody waits for
ever."""

_IDLE_S = 0.02
_IDLE_CHECKPOINT_BYTES = 4 * 1_024 * 1_024
_BUSY_CHECKPOINT_BYTES = 32 * 1_024 * 1_024
"""After so much was written, the write-ahead log is copied into the file, so that it stays short
and its space is used again: from the small number on when nobody writes for a moment, from the
large one on in any case."""


@dataclass(slots=True, eq=False)
class _Append:
    writes: Sequence[Write]
    future: asyncio.Future[list[Outcome]]


@dataclass(slots=True, eq=False)
class _Change:
    apply: Change
    future: asyncio.Future[Any]


_Job = _Append | _Change
_Settled = tuple["asyncio.Future[Any]", object, BaseException | None]


class Writer:
    """Takes writes from the loop's thread and tells it what became of them.

    It tells all of a transaction at once: one wake-up of the loop, never one for each write.
    """

    def __init__(
        self, path: Path, open_db: Callable[[], apsw.Connection], at_end: Callable[[], None]
    ) -> None:
        self._path = path
        self._open_db = open_db
        self._at_end = at_end
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._is_ending = False
        self._page_bytes = 0
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        # A daemon, so that a program whose loop died without closing the journal can still end.
        self._thread = threading.Thread(target=self._run, name=f"journal {path.name}", daemon=True)

    async def open(self) -> None:
        """Starts the thread, which opens the file.

        Raises:
            StoreError: The file cannot be used; the thread has ended.
        """
        self._thread.start()
        try:
            await self._opened
        except asyncio.CancelledError:
            self._queue.put(None)
            raise
        except BaseException:
            self._thread.join()
            raise

    def append(self, writes: Sequence[Write]) -> asyncio.Future[list[Outcome]]:
        """Stores the writes; their outcomes are the result."""
        future: asyncio.Future[list[Outcome]] = self._loop.create_future()
        self._queue.put(_Append(writes, future))
        return future

    def change(self, apply: Callable[[apsw.Connection], T]) -> asyncio.Future[T]:
        """Applies a change inside a transaction; its result is the result. See ``Change``."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Change(apply, future))
        return future

    async def close(self) -> None:
        """Commits what was taken, calls ``at_end`` and closes the file; ends the thread."""
        self._queue.put(None)
        # The thread ends in any case; a caller that is cancelled does not wait for it.
        try:
            await asyncio.shield(self._closed)
        finally:
            if self._closed.done():
                self._thread.join()

    # From here on all runs in the thread.

    def _run(self) -> None:
        try:
            db = self._open_db()
        except Exception as error:  # noqa: BLE001 - whoever opens gets it
            self._tell([(self._opened, None, error)])
            return
        self._page_bytes = page_size_bytes(db)
        self._tell([(self._opened, None, None)])
        ledger = Ledger(db)
        while not self._is_ending:
            if batch := self._gather(db):
                self._tell(self._commit(ledger, batch))
            # After whoever waited was told. Asking how much was written keeps the interpreter lock.
            self._checkpoint_after(db, _BUSY_CHECKPOINT_BYTES)
        self._tell([(self._closed, None, self._close(db))])

    def _gather(self, db: apsw.Connection) -> list[_Job]:
        """What is in the queue; waits if there is nothing."""
        batch: list[_Job] = []
        writes = 0
        job = self._next(db)
        while job is not None:
            batch.append(job)
            writes += len(job.writes) if isinstance(job, _Append) else 1
            if writes >= _BATCH_WRITES or self._queue.empty():
                return batch
            job = self._queue.get()
        self._is_ending = True
        return batch

    def _next(self, db: apsw.Connection) -> _Job | None:
        try:
            return self._queue.get(timeout=_IDLE_S)
        except Empty:
            self._checkpoint_after(db, _IDLE_CHECKPOINT_BYTES)
        return self._queue.get()

    def _commit(self, ledger: Ledger, batch: list[_Job]) -> list[_Settled]:
        appends = [job for job in batch if isinstance(job, _Append)]
        changes = [job for job in batch if isinstance(job, _Change)]
        try:
            outcomes, results = ledger.commit(
                [job.writes for job in appends], [job.apply for job in changes]
            )
        except apsw.Error as error:
            return [(job.future, None, store_error(self._path, error)) for job in batch]
        except BaseException as bug:  # noqa: BLE001 - whoever waits gets it
            return [(job.future, None, bug) for job in batch]
        settled: list[_Settled] = [
            (job.future, outcome, None) for job, outcome in zip(appends, outcomes, strict=True)
        ]
        for job, result in zip(changes, results, strict=True):
            refusal = result if isinstance(result, ValueError) else None
            settled.append((job.future, result, refusal))
        return settled

    def _checkpoint_after(self, db: apsw.Connection, limit_bytes: int) -> None:
        pages, _ = db.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE)
        if pages * self._page_bytes < limit_bytes:
            return
        db.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE, reset=True)
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            # What is in the write-ahead log is durable there, and the next checkpoint tries again.
            _LOG.warning("%s: the checkpoint failed: %s", self._path, reason(error))

    def _close(self, db: apsw.Connection) -> Exception | None:
        try:
            self._at_end()
            db.close()
        except apsw.Error as error:
            return store_error(self._path, error)
        return None

    def _tell(self, settled: list[_Settled]) -> None:
        try:
            self._loop.call_soon_threadsafe(_settle, settled)
        except RuntimeError:
            # The loop is closed, so nobody waits any more: finish what is in the queue, and end.
            self._queue.put(None)


def _settle(settled: list[_Settled]) -> None:
    for future, result, error in settled:
        # Whoever was cancelled in the meantime does not wait any more.
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
