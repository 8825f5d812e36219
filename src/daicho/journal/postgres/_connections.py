"""Connections to the server: a bounded number, made when needed, and made anew when lost.

Who wants to connect tries again and again, with longer and longer pauses, for as long as the
journal was told to: a server that is started anew, or another one that takes its place, is there
again after seconds. What has been sent is another matter. Nobody can know what became of that, so
it ends in an error, unless it only reads.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from daicho.errors import JournalClosed
from daicho.journal.postgres._errors import (
    FAULTS,
    did_nothing,
    is_elsewhere,
    is_lost,
    may_pass,
    store_error,
    unreached,
)
from daicho.journal.postgres._place import in_turn, names

T = TypeVar("T")

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

_READ_COMMITTED = """
SELECT set_config('default_transaction_isolation', 'read committed', false)
WHERE current_setting('default_transaction_isolation') <> 'read committed'
"""
"""Whatever the level is by default there: see the migration. What a pooler lends is left as it is,
where nothing has to be changed."""

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0

_READS = 3
"""How often something that only reads is sent, if the connection is lost each time."""

_CHANGES = 5
"""How often something is sent of which nothing has happened each time."""


class Settings(NamedTuple):
    """How a server is reached, and how long one waits for it."""

    dsn: str
    store: str
    """The server, the database and the schema, for errors; without a password."""
    connections: int
    """How many of them read at once."""
    connect_timeout_s: float
    answer_timeout_s: float
    prepared_statements: bool
    read_only: bool


class Connections:
    """Connections to a journal.

    Args:
        settings: How the server is reached.
        statements: The text of every statement.
        prepare: Looks at each new connection before it is used.
    """

    def __init__(
        self,
        settings: Settings,
        statements: MappingProxyType[str, str],
        prepare: Callable[[Connection], Awaitable[None]],
    ) -> None:
        self.settings = settings
        self.statements = statements
        self._prepare = prepare
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        self._free = asyncio.Semaphore(settings.connections)
        self._is_closed = False
        # One that does not answer must not keep the others from being asked.
        self._urls = deque(in_turn(settings.dsn))

    async def connect(self) -> Connection:
        """A connection of the caller's own, to be closed by the caller.

        Raises:
            StoreError: The server could not be reached in time, or lets nobody in.
            JournalClosed: All connections are closed.
        """
        settings = self.settings
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settings.connect_timeout_s
        pause_s = _FIRST_PAUSE_S
        while not self._is_closed:
            url = self._urls[0]
            try:
                return await self._connect_once(url)
            except FAULTS as error:
                if not may_pass(error) or loop.time() + pause_s >= deadline:
                    raise unreached(settings.store, error) from error
                if isinstance(error, TimeoutError) and url is self._urls[0]:
                    self._urls.rotate(-1)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise JournalClosed(settings.store)

    async def _connect_once(self, url: str) -> Connection:
        settings = self.settings
        chooses = (
            settings.read_only
            or names(settings.dsn, "target_session_attrs")
            or "PGTARGETSESSIONATTRS" in os.environ
        )
        db: Connection = await asyncpg.connect(
            url,
            timeout=settings.connect_timeout_s / len(self._urls),
            command_timeout=settings.answer_timeout_s,
            target_session_attrs=None if chooses else SessionAttribute.primary,
            statement_cache_size=100 if settings.prepared_statements else 0,
            # A statement that is used for days is prepared for days.
            max_cached_statement_lifetime=0,
            server_settings=(
                None if names(settings.dsn, "application_name") else {"application_name": "daicho"}
            ),
        )
        try:
            if settings.prepared_statements:
                await db.execute(_READ_COMMITTED)
                await self._prepare(db)
                # The server gives up before anybody here does, so that one knows what became of it.
                limit_ms = max(1, int(settings.answer_timeout_s * 900))
                limit = str(limit_ms), limit_ms, db.get_server_pid()
                await db.fetchval(self.statements["answer_within"], *limit)
            else:
                async with db.transaction(isolation="read_committed"):
                    await self._prepare(db)
        except BaseException:
            db.terminate()
            raise
        return db

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Does what only reads; again on another connection, if one is lost meanwhile.

        Raises:
            StoreError: What the server said.
        """
        for _ in range(_READS - 1):
            try:
                return await self._use(work)
            except FAULTS as error:
                if not (is_lost(error) or did_nothing(error)):
                    raise self._told(error) from error
        return await self.change(work)

    async def change(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Does what may have happened if it fails; again, if it is sure that it has not.

        Raises:
            StoreError: What the server said.
        """
        attempts = 0
        while True:
            try:
                return await self._use(work)
            except FAULTS as error:
                attempts += 1
                if attempts == _CHANGES or not did_nothing(error):
                    raise self._told(error) from error
            await asyncio.sleep(random.uniform(0, 0.01 * attempts))  # noqa: S311 - no secret

    def _told(self, error: BaseException) -> Exception:
        if self._is_closed:
            return JournalClosed(self.settings.store)
        return store_error(self.settings.store, error)

    async def _use(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._connection() as db:
            if self.settings.prepared_statements:
                return await work(db)
            # A pooler gives a transaction one server, and two halves of a statement two.
            async with db.transaction(isolation="read_committed"):
                return await work(db)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        async with self._free:
            db = await self._taken()
            self._used.add(db)
            try:
                yield db
            except FAULTS as error:
                if is_lost(error) or is_elsewhere(error) or isinstance(error, TimeoutError):
                    self._give_up(db)
                raise
            except BaseException as error:
                if not isinstance(error, Exception):
                    # Cancelled in the middle of something, perhaps of a transaction.
                    db.terminate()
                raise
            finally:
                self._used.discard(db)
                if self._is_closed:
                    db.terminate()
                elif not db.is_closed():
                    self._idle.append(db)

    def _give_up(self, db: Connection) -> None:
        """Does without a connection that is of no use, and without the idle ones.

        What became of it has become of them, as a rule, and nobody may learn of that for long: a
        network that is gone does not say so.
        """
        db.terminate()
        idle, self._idle = self._idle, []
        for each in idle:
            each.terminate()

    async def _taken(self) -> Connection:
        while self._idle:
            db = self._idle.pop()
            if not db.is_closed():
                return db
        return await self.connect()

    async def close(self) -> None:
        """Ends all of them. Who reads gets an error."""
        self._is_closed = True
        for db in self._used:
            db.terminate()
        idle, self._idle = self._idle, []
        for db in idle:
            await close(db)


async def close(db: Connection) -> None:
    """Takes leave of the server, if that is possible."""
    try:
        await db.close(timeout=5.0)
    except FAULTS:
        db.terminate()
