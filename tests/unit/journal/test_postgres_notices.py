"""A program hears at once that another one has appended; nothing depends on it."""

from __future__ import annotations

import asyncio

from daicho.journal import MemoryJournal, Noticing
from daicho.journal.postgres import PostgresJournal
from tests.support.postgres import Server
from tests.support.postgres_by_hand import connection, write

LISTENING = (
    "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
)


class Told:
    """Counts how often it was told."""

    def __init__(self) -> None:
        self.times = 0
        self._news = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self._news.set()

    async def next(self) -> None:
        """Waits until it is told again."""
        self._news.clear()
        await self._news.wait()


async def test_who_follows_is_told_that_another_program_has_appended(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as writer,
        PostgresJournal(postgres_server.url, schema=postgres_schema) as reader,
    ):
        assert isinstance(reader, Noticing)
        told = Told()
        end = reader.on_append(told)
        await told.next()  # it listens
        for version in range(3):
            await writer.append([write("s", version)])
            await told.next()
        # Its own appends are no news.
        times = told.times
        await reader.append([write("s", 3)])
        await writer.append([write("s", 4)])
        await told.next()
        assert told.times == times + 1
        end()


async def test_who_lost_the_connection_listens_again_and_is_told(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as writer,
        PostgresJournal(postgres_server.url, schema=postgres_schema) as reader,
        connection(postgres_server) as db,
    ):
        told = Told()
        reader.on_append(told)
        await told.next()
        for row in await db.fetch(LISTENING):
            await db.fetchval("SELECT pg_terminate_backend($1)", row["pid"])
        await told.next()
        await writer.append([write("s")])
        await told.next()


async def test_what_cannot_be_announced_is_stored_all_the_same(
    postgres_server: Server, postgres_schema: str
) -> None:
    journal = PostgresJournal(postgres_server.url, schema=postgres_schema, connections=2)
    async with journal, connection(postgres_server) as db:
        for version in range(20):
            await db.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE '%pg_notify%' AND pid <> pg_backend_pid()"
            )
            await journal.append([write("s", version)])
        assert (await journal.stream_info("s")).version == 20


async def test_whoever_wants_no_notices_has_none(
    postgres_server: Server, postgres_schema: str
) -> None:
    journal = PostgresJournal(postgres_server.url, schema=postgres_schema, notices=False)
    async with journal, connection(postgres_server) as db:
        told = Told()
        journal.on_append(told)()
        await journal.append([write("s")])
        assert await db.fetch(LISTENING) == []
        assert not told.times
    assert not isinstance(MemoryJournal(), Noticing)
