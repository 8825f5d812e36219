"""What becomes of the snapshots of one actor, beside its way: a failure costs nothing but time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from inspect import iscoroutine
from typing import TYPE_CHECKING

from daicho.journal import Journal, Snapshot
from daicho.persistence.messages import SnapshotFailed
from daicho.persistence.snapshots import LastSnapshot, Retention

if TYPE_CHECKING:
    from daicho.actor.cell import Cell

log = logging.getLogger("daicho.persistence")


class SnapshotKeeper:
    """Sees to one snapshot at a time; of those that come meanwhile only to the newest.

    One that was not stored together with its events is stored; then old ones are pruned.
    """

    __slots__ = (
        "_cell",
        "_journal",
        "_next",
        "_retention",
        "_task",
        "asking",
        "due",
        "failures",
        "last",
        "late_answer",
        "wanted",
    )

    def __init__(
        self,
        cell: Cell,
        journal: Journal,
        retention: Retention | None,
        clock: Callable[[], float],
    ) -> None:
        self._cell = cell
        self._journal = journal
        self._retention = retention
        # The snapshot that is to be seen to, and whether it is stored.
        self._next: tuple[Snapshot, bool] | None = None
        self._task: asyncio.Task[None] | None = None
        self.asking = False
        """Whether the handler is being asked for a snapshot."""
        self.due = False
        """Whether it is to be asked when it is done with the message at hand."""
        self.late_answer: Awaitable[object] | None = None
        """What it answers then, if it was asked in the middle and its answer has to be awaited."""
        self.wanted = False
        """Whether a snapshot is due after an event that was taken with ``record``."""
        self.last = LastSnapshot(clock)
        """The newest snapshot that was taken."""
        self.failures = 0
        """How many could not be written, read or pruned."""

    def forget_message(self) -> None:
        """Nobody is to be asked because of the message at hand."""
        self.due = self.wanted = False
        late, self.late_answer = self.late_answer, None
        if iscoroutine(late):
            late.close()

    def keep(self, snapshot: Snapshot, *, is_stored: bool) -> None:
        """Sees to it when the one before is seen to."""
        if is_stored and self._retention is None:
            return
        self._next = snapshot, is_stored
        # By the task's end, which may come within create_task where tasks begin eagerly.
        if self._task is None or self._task.done():
            task = asyncio.get_running_loop().create_task(self._run())
            self._task = None if task.done() else task

    async def idle(self) -> None:
        """Waits until nothing is left to store."""
        while self._task is not None and not self._task.done():
            await asyncio.wait((self._task,))

    def failed(self, stream: str, version: int, error: BaseException) -> None:
        """Counts, logs and publishes that a snapshot was of no use."""
        self.failures += 1
        log.warning("snapshot of %r at version %d failed: %s", stream, version, error)
        self._cell.system.event_stream.publish(
            SnapshotFailed(self._cell.self, stream, version, error)
        )

    async def _run(self) -> None:
        while self._next is not None:
            (snapshot, is_stored), self._next = self._next, None
            try:
                if not is_stored:
                    await self._journal.save_snapshot(snapshot)
                if self._retention is not None:
                    await self._prune(snapshot, self._retention)
            except Exception as error:  # noqa: BLE001 - promise 8: it is reported, and nothing else
                self.failed(snapshot.stream, snapshot.version, error)
        self._task = None  # it holds more than a small actor should keep

    async def _prune(self, newest: Snapshot, retention: Retention) -> None:
        # One ahead of it is another writer's, or of a stream that is gone: it is not counted.
        stream, journal = newest.stream, self._journal
        versions = [
            snapshot.version
            for snapshot in await journal.list_snapshots(stream)
            if snapshot.version <= newest.version
        ]
        if len(versions) > retention.snapshots:
            await journal.delete_snapshots(stream, max_version=versions[retention.snapshots])
        if retention.truncate_events and len(versions) >= retention.snapshots:
            await journal.truncate(stream, to_version=versions[retention.snapshots - 1])
