"""The writer: it commits whatever has gathered, in one transaction after another.

While a transaction is under way, what comes meanwhile gathers and becomes the next one. So many
small appends cost about as much as one, an append that is alone waits for nobody, and what a stream
gets cannot be committed out of its order: this process has one transaction at a time, on one
connection.

A transaction is one statement. A process that is stopped in the middle of several would hold what
it has locked until somebody noticed; one that is stopped here has sent all of it, or nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from contextvars import Context
from typing import TYPE_CHECKING, NamedTuple, cast

from daicho.errors import JournalBusy
from daicho.journal.port import Outcome, Write
from daicho.journal.postgres._connections import Connection, Connections, close
from daicho.journal.postgres._errors import (
    FAULTS,
    RACES,
    is_elsewhere,
    is_lost,
    store_error,
    was_not_sent,
)
from daicho.journal.postgres._plan import Answer, Plan

if TYPE_CHECKING:
    import asyncpg

log = logging.getLogger("daicho.journal")

_BATCH_EVENTS = 1_000
_BATCH_BYTES = 32 * 1_024 * 1_024
"""A transaction takes no further append when it has as much; the rest waits for the next."""

_ATTEMPTS = 50
"""How often a batch is sent that other transactions get in the way of."""


class _Append(NamedTuple):
    writes: Sequence[Write]
    size_bytes: int
    future: asyncio.Future[list[Outcome]]


class Writer:
    """Takes appends and tells what became of them.

    Args:
        connections: Where it gets its connection from.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._store = connections.settings.store
        self._loop = asyncio.get_running_loop()
        self._gathered: list[_Append] = []
        self._task: asyncio.Task[None] | None = None
        self._db: Connection | None = None
        self._may_be_short = True

    async def open(self) -> None:
        """Connects.

        Raises:
            StoreError: The server cannot be reached, or cannot be used.
        """
        self._db = await self._connections.connect()

    def append(self, writes: Sequence[Write], size_bytes: int) -> asyncio.Future[list[Outcome]]:
        """Stores the writes; their outcomes are the result."""
        future: asyncio.Future[list[Outcome]] = self._loop.create_future()
        self._gathered.append(_Append(writes, size_bytes, future))
        if self._task is None:
            # In the next turn of the loop, so that who appends in this one is in it too; and with
            # nothing of the caller's context.
            self._task = self._loop.create_task(self._commit_all(), context=Context())
        return future

    async def close(self) -> None:
        """Commits what was taken, and takes leave of the server."""
        try:
            if (task := self._task) is not None:
                # It ends in any case; a caller that is cancelled does not wait for it.
                await asyncio.shield(task)
            if self._db is not None:
                await close(self._db)
        except asyncio.CancelledError:
            if self._task is not None:
                self._task.add_done_callback(self._hang_up)
            else:
                self._hang_up()
            raise

    def _hang_up(self, _: object = None) -> None:
        if self._db is not None:
            self._db.terminate()

    async def _commit_all(self) -> None:
        batch: list[_Append] = []
        try:
            while self._gathered:
                batch = self._take()
                await self._commit(batch)
        finally:
            self._task = None
            # Nobody is left to wait for, if the loop ends in the middle.
            for append in (*batch, *self._gathered):
                append.future.cancel()

    def _take(self) -> list[_Append]:
        batch: list[_Append] = []
        events = size_bytes = 0
        for append in self._gathered:
            events += sum([len(write.events) for write in append.writes])
            size_bytes += append.size_bytes
            if batch and (events > _BATCH_EVENTS or size_bytes > _BATCH_BYTES):
                break
            batch.append(append)
        del self._gathered[: len(batch)]
        return batch

    async def _commit(self, batch: list[_Append]) -> None:
        try:
            outcomes = await self._store_all([append.writes for append in batch])
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            for append in batch:
                if not append.future.done():
                    append.future.set_exception(error)
            return
        for append, found in zip(batch, outcomes, strict=True):
            # Whoever was cancelled in the meantime does not wait any more.
            if not append.future.done():
                append.future.set_result(found)

    async def _store_all(self, appends: list[Sequence[Write]]) -> list[list[Outcome]]:
        """Stores them in one transaction; returns the outcomes of each.

        Raises:
            StoreError: What happened; if the connection was lost, they may be stored.
        """
        plan = Plan(appends, may_be_short=self._may_be_short)
        for attempt in range(_ATTEMPTS):
            laid_out = plan.lay_out()
            if laid_out is None:
                return plan.outcomes(None)
            try:
                answer = await self._send(*laid_out)
            except RACES as error:
                # What the other has done is seen by the next statement.
                log.debug("another transaction was in the way of a commit: %s", error)
                await self._give_way(attempt, error)
                continue
            except FAULTS as error:
                await self._forget(error)
                if was_not_sent(error) or is_elsewhere(error):
                    continue
                raise store_error(self._store, error) from error
            if answer.stored:
                return plan.outcomes(answer)
            plan.learn(answer)
            if answer.stored is None:
                # It is chained, and stays so.
                self._may_be_short = False
        raise JournalBusy(self._store, f"other transactions were in the way {_ATTEMPTS} times")

    async def _send(self, name: str, values: tuple[object, ...]) -> Answer:
        if self._db is None or self._db.is_closed():
            self._db = await self._connections.connect()
        db, text = self._db, self._connections.statements[name]
        if self._connections.settings.prepared_statements:
            row = await db.fetchrow(text, *values)
        else:
            async with db.transaction(isolation="read_committed"):
                row = await db.fetchrow(text, *values)
        return Answer(*cast("asyncpg.Record", row))

    async def _give_way(self, attempt: int, error: Exception) -> None:
        if getattr(error, "constraint_name", None) == "event_pkey":
            # A new connection looks where positions go on.
            await self._forget(error)
        if attempt:
            await asyncio.sleep(random.uniform(0, 0.002 * attempt))  # noqa: S311 - no secret

    async def _forget(self, error: BaseException) -> None:
        """Lets go of a connection that may be of no use any more."""
        db, self._db = self._db, None
        if db is None:
            return
        if is_lost(error) or isinstance(error, TimeoutError):
            db.terminate()
        else:
            await close(db)
