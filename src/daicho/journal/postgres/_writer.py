"""The writer: it commits whatever has gathered, in one transaction after another.

While a transaction is under way, what comes meanwhile gathers and becomes the next one. So many
small appends cost about as much as one, an append that is alone waits for nobody, and what a stream
gets cannot be committed out of its order: this process has one transaction at a time, on one
connection.

A transaction is one statement. A process that is stopped in the middle of several would hold what
it has locked until somebody noticed; one that is stopped here has sent all of it, or nothing.

The transactions are made by a coroutine without a task, so that the first statement is sent where
``append_soon`` is called, and its outcome told where the answer has come.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from daicho.errors import JournalRefused
from daicho.journal.port import Outcome, Write
from daicho.journal.postgres._connections import Connection, Connections, close
from daicho.journal.postgres._driven import Driven
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

T = TypeVar("T")

log = logging.getLogger("daicho.journal")

_BATCH_EVENTS = 1_000
_BATCH_BYTES = 32 * 1_024 * 1_024
"""A transaction takes no further append when it has as much; the rest waits for the next."""

_ATTEMPTS = 50
"""How often a batch is sent that other transactions get in the way of."""


Tell = Callable[[list[Outcome] | Exception | None], object]
"""Takes the outcomes, or why there are none, or None: the program ends in the middle, and nobody
knows."""


class _Append(NamedTuple):
    writes: Sequence[Write]
    size_bytes: int
    tell: Tell


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
        self._work: Driven | None = None
        # True while it is called that begins the work; nobody is told within.
        self._is_beginning = False
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
        if not self._gathered:
            # In the next turn of the loop, so that who appends in this one is in it too.
            self._loop.call_soon(self._begin)
        self._gathered.append(_Append(writes, size_bytes, partial(_settle, future)))
        return future

    def append_soon(self, writes: Sequence[Write], size_bytes: int, tell: Tell) -> None:
        """Stores the writes, beginning at once if nothing is under way, and tells the outcomes.

        That is done in a callback of the loop, never before this has returned.
        """
        self._gathered.append(_Append(writes, size_bytes, tell))
        self._begin()

    def _begin(self) -> None:
        if self._work is None and self._gathered:
            self._work = Driven(self._commit_all(), self._loop)
            self._is_beginning = True
            try:
                self._work.begin()
            finally:
                self._is_beginning = False

    async def close(self) -> None:
        """Commits what was taken, and takes leave of the server."""
        try:
            self._begin()
            if self._work is not None:
                # It ends in any case; a caller that is cancelled does not wait for it.
                await asyncio.shield(self._work.ended)
            if self._db is not None:
                await close(self._db)
        except asyncio.CancelledError:
            if self._work is not None:
                self._work.ended.add_done_callback(self._hang_up)
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
                said = await self._commit(batch)
                if self._is_beginning:
                    await asyncio.sleep(0)
                # What they append while they are told is in the next transaction.
                batch.reverse()
                while batch:
                    self._tell(batch.pop(), said.pop())
        except GeneratorExit:
            raise  # the loop is gone, and whoever waited with it
        except BaseException:
            abandoned, self._gathered = [*batch, *self._gathered], []
            for append in abandoned:
                append.tell(None)
            raise
        finally:
            self._work = None

    def _tell(self, append: _Append, said: list[Outcome] | Exception) -> None:
        try:
            append.tell(said)
        except Exception as error:  # noqa: BLE001 - the others are told all the same
            what = "whoever was told of an append has raised"
            self._loop.call_exception_handler({"message": what, "exception": error})

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

    async def _commit(self, batch: list[_Append]) -> list[list[Outcome] | Exception]:
        """What is to be told of each, the last one first."""
        try:
            found = await self._store_all([append.writes for append in batch])
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            return [error] * len(batch)
        return [*reversed(found)]

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
        raise JournalRefused(self._store, f"other transactions were in the way {_ATTEMPTS} times")

    async def _send(self, name: str, values: tuple[object, ...]) -> Answer:
        if self._db is None or self._db.is_closed():
            self._db = await self._apart(self._connections.connect())
        db, text = self._db, self._connections.statements[name]
        if self._connections.settings.prepared_statements:
            row = await db.fetchrow(text, *values)
        else:
            row = await self._apart(_in_transaction(db, text, values))
        return Answer(*cast("asyncpg.Record", row))

    async def _apart(self, work: Coroutine[Any, Any, T]) -> T:
        """Does what may ask for its task."""
        return await self._loop.create_task(work)

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
            await self._apart(close(db))


async def _in_transaction(
    db: Connection, text: str, values: tuple[object, ...]
) -> asyncpg.Record | None:
    async with db.transaction(isolation="read_committed"):
        return await db.fetchrow(text, *values)


def _settle(future: asyncio.Future[list[Outcome]], said: list[Outcome] | Exception | None) -> None:
    if future.done():
        return  # whoever was cancelled in the meantime does not wait any more
    if said is None:
        future.cancel()
    elif isinstance(said, Exception):
        future.set_exception(said)
    else:
        future.set_result(said)
