"""The readers: a few threads, each with a connection of its own, beside the writer.

Each statement is read to its end, so between two pages nothing is open: no cursor, no transaction,
nothing that would keep the write-ahead log from being used again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from daicho.journal.port import Reply, Snapshot, StoredReply, StreamInfo
from daicho.journal.sqlite._errors import FAULTS, MISREAD, store_error
from daicho.journal.sqlite._place import Place
from daicho.journal.sqlite._sql import Values, fetch, number

if TYPE_CHECKING:
    import apsw

T = TypeVar("T")

_REPLIES_SINCE = 2
"""The first version of the schema that stores replies."""


class Readers:
    """Runs functions that read, each in one of the threads."""

    def __init__(self, place: Place, open_db: Callable[[], apsw.Connection], threads: int) -> None:
        self._path = path = place.path
        self._place = place
        self._open_db = open_db
        self._executor = ThreadPoolExecutor(threads, f"journal {path.name} reader")
        self._mine = threading.local()
        self._connections: list[apsw.Connection] = []

    async def open(self) -> None:
        """Opens the file in one of the threads, where nobody else has opened it before.

        Raises:
            StoreError: The file cannot be used; the threads have ended.
        """
        try:
            await self.run(lambda _: None)
        except BaseException:
            await self.aclose()
            raise

    async def run(self, read: Callable[[apsw.Connection], T]) -> T:
        """The result of ``read``, which gets the thread's connection.

        Raises:
            StoreError: What SQLite said, or that the file is gone.
        """
        return await asyncio.wrap_future(self._executor.submit(self._run, read))

    def begin_two(
        self,
        read: Callable[[apsw.Connection], T],
        follow: Callable[[apsw.Connection, T], T],
    ) -> tuple[asyncio.Future[T], asyncio.Future[T]]:
        """The result of ``read``, and what follows it, which the thread goes on to at once."""
        first: Future[T] = Future()
        second = self._executor.submit(self._run_two, read, follow, first)
        return asyncio.wrap_future(first), asyncio.wrap_future(second)

    def close(self) -> None:
        """Waits for the reads that have begun, ends the threads and closes their connections."""
        self._executor.shutdown()
        with ExitStack() as stack:  # which closes all, also after one that raises
            for db in self._connections:
                stack.callback(db.close)

    async def aclose(self) -> None:
        """The same without holding up the loop; done also if the caller is cancelled."""
        await asyncio.shield(asyncio.to_thread(self.close))

    def _run(self, read: Callable[[apsw.Connection], T]) -> T:
        try:
            found = self._read(read)
        except FAULTS as error:
            raise store_error(self._path, error) from error
        self._look()
        return found

    def _read(self, read: Callable[[apsw.Connection], T]) -> T:
        try:
            return read(self._connection())
        except MISREAD:
            self._begin_anew()
            raise

    def _run_two(
        self,
        read: Callable[[apsw.Connection], T],
        follow: Callable[[apsw.Connection, T], T],
        first: Future[T],
    ) -> T:
        if not first.set_running_or_notify_cancel():
            raise CancelledError
        try:
            found = self._run(read)
        except BaseException as error:
            first.set_exception(error)
            raise
        first.set_result(found)
        return self._run(lambda db: follow(db, found))

    def _connection(self) -> apsw.Connection:
        db: apsw.Connection | None = getattr(self._mine, "db", None)
        if db is None:
            self._look()
            db = self._mine.db = self._open_db()
            self._connections.append(db)
        return db

    def _begin_anew(self) -> None:
        """Closes the thread's connection, with the pages that it keeps."""
        db: apsw.Connection | None = getattr(self._mine, "db", None)
        if db is not None:
            self._mine.db = None
            self._connections.remove(db)
            db.close()

    def _look(self) -> None:
        if (problem := self._place.problem()) is not None:
            raise problem


def last_position(db: apsw.Connection) -> int:
    """The position of the newest event that there ever was."""
    return number(db, "last_position")


def stream_info(db: apsw.Connection, stream: str) -> StreamInfo:
    """A stream's version and where it begins."""
    rows = fetch(db, "stream_info", (stream,))
    return StreamInfo._make(rows[0]) if rows else StreamInfo(stream, 0, 0)


def stream_list(db: apsw.Connection, prefix: str, after: str, limit: int) -> list[StreamInfo]:
    """A page of the streams."""
    values: Values = {"prefix": prefix, "after": after, "limit": limit}
    return list(map(StreamInfo._make, fetch(db, "list_streams", values)))


def newest_snapshot(db: apsw.Connection, stream: str, max_version: int) -> Snapshot | None:
    """The newest snapshot of a stream at or below a version."""
    values: Values = {"stream": stream, "max_version": max_version}
    rows = fetch(db, "load_snapshot", values)
    return snapshot_of(*rows[0]) if rows else None


def snapshots(db: apsw.Connection, stream: str) -> list[Snapshot]:
    """All snapshots of a stream, newest first."""
    rows = fetch(db, "list_snapshots", (stream,))
    return [snapshot_of(*row) for row in rows]


def reply(db: apsw.Connection, stream: str, key: str) -> Reply | None:
    """The reply under a key of a stream."""
    rows = fetch(db, "load_reply", {"stream": stream, "key": key})
    return Reply._make(rows[0]) if rows else None


def reply_of_any_schema(db: apsw.Connection, stream: str, key: str) -> Reply | None:
    """The same in a file whose schema this program may not have brought up to date.

    It asks each time, because another program may do that in the meantime.
    """
    if number(db, "schema_version") < _REPLIES_SINCE:
        return None
    return reply(db, stream, key)


def all_snapshots(db: apsw.Connection, after: tuple[str, int], limit: int) -> list[Snapshot]:
    """A page of all snapshots."""
    values: Values = {"stream": after[0], "version": after[1], "limit": limit}
    return [snapshot_of(*row) for row in fetch(db, "list_all_snapshots", values)]


def all_replies(db: apsw.Connection, after: tuple[str, str], limit: int) -> list[StoredReply]:
    """A page of all replies."""
    values: Values = {"stream": after[0], "key": after[1], "limit": limit}
    rows = fetch(db, "list_replies", values)
    return [StoredReply(stream, Reply(*row)) for stream, *row in rows]


def all_replies_of_any_schema(
    db: apsw.Connection, after: tuple[str, str], limit: int
) -> list[StoredReply]:
    """The same as with :func:`reply_of_any_schema`."""
    if number(db, "schema_version") < _REPLIES_SINCE:
        return []
    return all_replies(db, after, limit)


def snapshot_of(
    stream: str, version: int, type_name: str, payload: bytes, time_us: int
) -> Snapshot:
    """The snapshot of a row."""
    return Snapshot(
        stream=stream, version=version, type_name=type_name, payload=payload, time_us=time_us
    )
