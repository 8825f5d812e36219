"""The writer's thread: it takes the jobs that have gathered and does them in one transaction."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

import apsw

from daicho.errors import ChainBroken
from daicho.journal.port import Outcome, Write
from daicho.journal.sqlite._errors import FAULTS, reason, store_error
from daicho.journal.sqlite._ledger import Change, Ledger, Refusal
from daicho.journal.sqlite._place import Place
from daicho.journal.sqlite._sql import page_size_bytes

_LOG = logging.getLogger(__name__)

_BATCH_WRITES = 10_000
"""A transaction takes no further append when it has so many writes, so that nobody waits for
ever."""

_LONGEST_PAUSE_S = 0.02
"""Between two looks whether another process still writes."""


class Append:
    """Writes to store."""

    __slots__ = ("future", "writes")

    def __init__(self, writes: Sequence[Write], future: asyncio.Future[list[Outcome]]) -> None:
        self.writes = writes
        self.future = future


class Alter:
    """A change to make."""

    __slots__ = ("change", "future")

    def __init__(self, change: Change, future: asyncio.Future[Any]) -> None:
        self.change = change
        self.future = future


class Checkpoint:
    """The write-ahead log is to be copied into the file."""

    __slots__ = ()


Job = Append | Alter | Checkpoint
Settled = tuple["asyncio.Future[Any]", object, BaseException | None]


class Report(NamedTuple):
    """What the thread has done."""

    jobs: int
    settled: Sequence[Settled]
    written_bytes: int
    """What the write-ahead log has got."""


class WriterThread:
    """Opens the file, writes, and closes it.

    Args:
        place: The file, and whether it is there.
        open_db: Opens it.
        at_end: Is called before it is closed.
        report: Is called in the loop with what was done, once for each transaction.
        busy_timeout_s: How long to wait for another process that writes, in seconds.
    """

    ledger: Ledger
    """There when the file is open."""

    def __init__(
        self,
        place: Place,
        open_db: Callable[[], apsw.Connection],
        at_end: Callable[[], None],
        report: Callable[[Report], None],
        busy_timeout_s: float,
    ) -> None:
        self._path = path = place.path
        self._place = place
        self._open_db = open_db
        self._at_end = at_end
        self._report = report
        self._busy_timeout_s = busy_timeout_s
        self._busy_until = 0.0
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._is_ending = False
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        # A daemon, so that a program whose loop died without closing the journal can still end.
        self._thread = threading.Thread(target=self._run, name=f"journal {path.name}", daemon=True)

    def start(self) -> None:
        """Begins; ``opened`` tells when the file is open, or why it is not."""
        self._thread.start()

    def put(self, job: Job) -> None:
        """Does a job, after those before it."""
        self._queue.put(job)

    def end(self) -> None:
        """Does what it has got, closes the file and ends, which ``closed`` tells."""
        self._queue.put(None)

    def join(self) -> None:
        """Waits until it has ended."""
        self._thread.join()

    # From here on all runs in the thread; what follows, in whichever has the file.

    def _run(self) -> None:
        try:
            self._db = db = self._open_db()
            try:
                self._begin(db)
            except BaseException:
                db.close()
                raise
        except apsw.Error as error:
            self._tell([(self.opened, None, store_error(self._path, error))])
            return
        except Exception as error:  # noqa: BLE001 - whoever opens gets it
            self._tell([(self.opened, None, error)])
            return
        self._tell([(self.opened, None, None)])
        while not self._is_ending:
            batch, checkpoint = self._gather()
            if batch:
                self._tell(self._commit(batch), len(batch))
            if checkpoint is not None:
                self._checkpoint()
                self._tell([], 1)
        self._tell([(self.closed, None, self._close())])

    def _begin(self, db: apsw.Connection) -> None:
        self._place.problem()  # the first look
        db.set_busy_handler(self._waits)
        self._page_bytes = page_size_bytes(db)
        self.ledger = Ledger(str(self._path), db)

    def _gather(self) -> tuple[list[Append | Alter], Checkpoint | None]:
        """What is in the queue, up to a checkpoint; waits if there is nothing."""
        batch: list[Append | Alter] = []
        writes = 0
        while (job := self._queue.get()) is not None:
            if isinstance(job, Checkpoint):
                return batch, job
            batch.append(job)
            writes += len(job.writes) if isinstance(job, Append) else 1
            if writes >= _BATCH_WRITES or self._queue.empty():
                return batch, None
        self._is_ending = True
        return batch, None

    def _commit(self, batch: Sequence[Append | Alter]) -> list[Settled]:
        appends = [job for job in batch if isinstance(job, Append)]
        changes = [job for job in batch if isinstance(job, Alter)]
        try:
            outcomes, results = self.ledger.commit(
                [job.writes for job in appends], [job.change for job in changes]
            )
        except FAULTS as error:
            return [(job.future, None, store_error(self._path, error)) for job in batch]
        except BaseException as bug:  # noqa: BLE001 - whoever waits gets it
            return [(job.future, None, bug) for job in batch]
        if self._place.problem() is not None:
            # Each gets one of its own, because raising it adds to its traceback.
            return [(job.future, None, self._place.problem()) for job in batch]
        settled: list[Settled]
        if isinstance(outcomes, ChainBroken):
            settled = [(job.future, None, outcomes.again()) for job in appends]
        else:
            settled = [
                (job.future, outcome, None) for job, outcome in zip(appends, outcomes, strict=True)
            ]
        for job, result in zip(changes, results, strict=True):
            refusal = result if isinstance(result, Refusal) else None
            settled.append((job.future, result, refusal))
        return settled

    def _checkpoint(self) -> None:
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            # What is in the write-ahead log is durable there, and the next checkpoint tries again.
            _LOG.warning("%s: the checkpoint failed: %s", self._path, reason(error))

    def _close(self) -> Exception | None:
        try:
            try:
                self._at_end()
            finally:
                self._db.close()
        except apsw.Error as error:
            return store_error(self._path, error)
        return None

    def _tell(self, settled: Sequence[Settled], jobs: int = 0) -> None:
        report = Report(jobs, settled, self.take_written_bytes() if jobs else 0)
        try:
            self._loop.call_soon_threadsafe(self._report, report)
        except RuntimeError:
            # The loop is closed, so nobody waits any more: finish what is in the queue, and end.
            self._queue.put(None)

    def take_written_bytes(self) -> int:
        """How much the write-ahead log has got since this was asked before."""
        # Asking keeps the interpreter lock.
        pages, _ = self._db.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE, reset=True)
        return pages * self._page_bytes

    def _waits(self, looks: int) -> bool:
        """Whether SQLite looks once more if another process still writes.

        The thread waits before that, up to the timeout. The loop never does: where it has the file
        and gets no lock, the thread gets the job.
        """
        if threading.current_thread() is not self._thread:
            return False
        now = time.monotonic()
        if not looks:
            self._busy_until = now + self._busy_timeout_s
        if now >= self._busy_until:
            return False
        time.sleep(min(0.001 * (looks + 1), _LONGEST_PAUSE_S, self._busy_until - now))
        return True
