"""Transactions of the journal on PostgreSQL, made by hand: begun, left open, ended at will."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import asyncpg

from daicho.journal import Appended, NewEvent, Outcome, Write
from daicho.journal.postgres import _writer
from daicho.journal.postgres._plan import Answer, Plan
from daicho.journal.postgres._sql import quoted, statements
from tests.support.postgres import Server

if TYPE_CHECKING:
    import pytest


def event(payload: bytes = b"") -> NewEvent:
    return NewEvent("t", payload, uuid.uuid4().bytes, 0)


def write(stream: str, version: int = 0, count: int = 1, epoch: int | None = None) -> Write:
    """A write of events that say where they are."""
    events = [event(b"%s %d" % (stream.encode(), version + n + 1)) for n in range(count)]
    return Write(stream, version, events, epoch)


def appended(outcome: Outcome) -> Appended:
    assert isinstance(outcome, Appended), outcome
    return outcome


class ByHand:
    """A transaction that has appended, and is neither committed nor rolled back."""

    def __init__(self, db: asyncpg.Connection[Any], schema: str) -> None:
        self.db = db
        self._statements = statements(schema)
        self._transaction = db.transaction()

    async def append(self, *writes: Write) -> list[Outcome]:
        self._transaction = self.db.transaction()
        await self._transaction.start()
        return await self.append_more(*writes)

    async def append_more(self, *writes: Write) -> list[Outcome]:
        plan = Plan([writes])
        while (laid_out := plan.lay_out()) is not None:
            name, values = laid_out
            answer = Answer(*cast("Any", await self.db.fetchrow(self._statements[name], *values)))
            if answer.stored:
                [outcomes] = plan.outcomes(answer)
                return outcomes
            plan.learn(answer)
        raise AssertionError("there is nothing to store")

    async def claim(self, slices: list[int], owner: str) -> None:
        """Claims inside a transaction that the caller has begun."""
        await self.db.fetch(self._statements["claim"], slices, owner)

    async def commit(self) -> None:
        await self._transaction.commit()

    async def roll_back(self) -> None:
        await self._transaction.rollback()


@asynccontextmanager
async def connection(
    server: Server, name: str = "somebody else"
) -> AsyncGenerator[asyncpg.Connection[Any]]:
    db = await asyncpg.connect(server.url, server_settings={"application_name": name})
    try:
        yield db
    finally:
        db.terminate()


@asynccontextmanager
async def by_hand(server: Server, schema: str) -> AsyncGenerator[ByHand]:
    async with connection(server) as db:
        yield ByHand(db, schema)


def noted_statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the statements that writers send from now on; it grows."""
    sent: list[str] = []
    send = _writer.Writer._send

    async def noting(self: _writer.Writer, name: str, values: tuple[object, ...]) -> Answer:
        sent.append(name)
        return await send(self, name, values)

    monkeypatch.setattr(_writer.Writer, "_send", noting)
    return sent


def is_brought_elsewhere(server: Server, schema: str) -> None:
    """As a dump is on another server, or a standby that has taken the place of this one."""
    server.run(f"UPDATE {quoted(schema)}.journal SET server = 'another', started = 'epoch'")


async def waits_for_a_lock(server: Server, count: int = 1) -> None:
    """Returns when so many backends wait for another one's lock."""
    async with connection(server) as db:
        text = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"

        async def so_many() -> bool:
            return cast("int", await db.fetchval(text)) >= count

        await until(so_many)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Returns when something holds; a test in which it never does is ended from outside."""
    while not await holds():
        await asyncio.sleep(0.005)
