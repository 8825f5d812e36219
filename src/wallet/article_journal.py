"""The article's own two tables as a journal: how to write one.

A journal is a class with the methods of :class:`daicho.journal.Journal`. What it must keep is
little: versions without a gap, the expected version compared in the transaction that appends, all
writes of an ``append`` in one transaction with an outcome for each, and an answer only when it is
durable. What it cannot keep it leaves out of ``features``, and says why when it is asked for.

Everything here goes through one thread with one connection, in the order in which it was asked
for. The loop never waits for the disk, and there is nothing to lock. ``daicho.journal.sqlite``
shows what a faster one does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar

from daicho.errors import ConcurrencyConflict, JournalClosed, Unsupported
from daicho.journal import (
    MAX_VERSION,
    PAGE_SIZE,
    Appended,
    Feature,
    HistoryRoot,
    Incarnation,
    Link,
    Loaded,
    Outcome,
    Parcel,
    Record,
    Reply,
    Snapshot,
    StoredReply,
    StreamInfo,
    Write,
    checks,
)
from wallet.article_file import (
    INSERT_EVENT,
    LIST_SNAPSHOTS,
    LIST_STREAMS,
    LOAD_SNAPSHOT,
    READ_EVENTS,
    SAVE_SNAPSHOT,
    STREAM_INFO,
    VERSION,
    at_one_moment,
    one_transaction,
    open_article,
    rows,
    told_of,
)
from wallet.article_rows import EventRow, deposit_of, event_row, record_of, snapshot_of, whole

if TYPE_CHECKING:
    import apsw

T = TypeVar("T")

SnapshotRow = tuple[str, int, int]
"""A row of ``wallet_snapshot``: the user, the version and the deposit."""

_Translated = tuple[Write, list[EventRow], SnapshotRow | None]
"""A write, and the rows that it comes to."""


class ArticleJournal:
    """A journal in the two tables of the article, in a file that the article's program can share.

    A stream is a user: ``wallet_event`` holds its events, ``wallet_snapshot`` its newest snapshot.
    The tables have room for the article's messages and for nothing else, so ``features`` is empty,
    and a :class:`Record` has neither position nor ids. The events are the truth: a snapshot whose
    events somebody deleted counts for nothing.

    Args:
        path: The file; a relative one is taken from the folder that is the current one now.
        busy_timeout_s: How long to wait for another process that writes, in seconds.

    ``async with`` opens and closes it; the file and its tables are made where there is none.
    Opening raises :class:`~daicho.errors.NotAJournal`, :class:`~daicho.errors.JournalReadOnly`,
    :class:`~daicho.errors.JournalLocked` or another :class:`~daicho.errors.StoreError`, and then
    the file is as it was. An acknowledged append survives the death of the process and loss of
    power.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout_s: float = 5.0) -> None:
        # Absolute, and so never one of SQLite's special names such as ":memory:".
        self._path = Path(path).absolute()
        self._busy_timeout_s = busy_timeout_s
        self._thread: ThreadPoolExecutor | None = None
        self._db: apsw.Connection | None = None

    def __repr__(self) -> str:
        return f"ArticleJournal({str(self._path)!r})"

    @property
    def features(self) -> frozenset[Feature]:
        """None: every part that an engine may lack."""
        return frozenset()

    # --- events -----------------------------------------------------------------------------------

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """Stores all writes in one transaction; see :meth:`Journal.append`."""
        self._check_open()
        checks.writes(repr(self), self.features, writes)
        # Translated before anything is stored, so that one that does not fit takes no other along.
        batch = [
            (write, [event_row(repr(self), event) for event in write.events], self._kept(write))
            for write in writes
        ]
        return await self._run(partial(_append, str(self._path), batch)) if batch else []

    def read(
        self,
        stream: str,
        *,
        from_version: int = 1,
        to_version: int = MAX_VERSION,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Sequence[Record]]:
        """Pages of a user's events; see :meth:`Journal.read`."""
        self._check_open()
        checks.reading(stream, from_version, to_version, page_size)
        return self._pages(stream, from_version, to_version, page_size)

    async def _pages(
        self, stream: str, from_version: int, to_version: int, page_size: int
    ) -> AsyncIterator[Sequence[Record]]:
        while from_version <= to_version:
            values = (stream, from_version, to_version, page_size)
            found = await self._run(partial(rows, statement=READ_EVENTS, values=values))
            if not found:
                return
            page = [record_of(str(self._path), stream, row) for row in found]
            from_version = page[-1].version + 1
            yield page

    async def load(
        self, stream: str, *, max_snapshot: int = MAX_VERSION, page_size: int = PAGE_SIZE
    ) -> Loaded:
        """What a recovery begins with; see :meth:`Journal.load`."""
        self._check_open()
        checks.loading(stream, max_snapshot, page_size)
        return await self._run(
            partial(self._load, stream=stream, max_snapshot=max_snapshot, page_size=page_size)
        )

    def _load(self, db: apsw.Connection, stream: str, max_snapshot: int, page_size: int) -> Loaded:
        with at_one_moment(db):
            [ends] = rows(db, STREAM_INFO, (stream,))
            info = self._info(stream, *ends)
            found = rows(db, LOAD_SNAPSHOT, (stream, min(max_snapshot, info.version)))
            snapshot = snapshot_of(str(self._path), stream, found[0]) if found else None
            if snapshot is not None and not snapshot.version:
                snapshot = None
            first = 1 if snapshot is None else snapshot.version + 1
            events = rows(db, READ_EVENTS, (stream, first, MAX_VERSION, page_size))
        page = [record_of(str(self._path), stream, row) for row in events]
        return Loaded(info, snapshot, page)

    async def stream_info(self, stream: str) -> StreamInfo:
        """The version of a user's newest event; see :meth:`Journal.stream_info`."""
        self._check_open()
        checks.name(stream)
        [ends] = await self._run(partial(rows, statement=STREAM_INFO, values=(stream,)))
        return self._info(stream, *ends)

    async def list_streams(
        self, prefix: str = "", *, after: str = "", limit: int = PAGE_SIZE
    ) -> list[StreamInfo]:
        """A page of the users; see :meth:`Journal.list_streams`."""
        self._check_open()
        checks.listing(prefix, after, limit)
        found = await self._run(
            partial(rows, statement=LIST_STREAMS, values=(after, prefix, limit))
        )
        return [self._info(*row) for row in found]

    def _info(self, stream: str, newest: object, oldest: object) -> StreamInfo:
        if newest is None:
            return StreamInfo(stream, 0, 0)
        what = f"wallet_event of {stream!r} has the version"
        version = whole(str(self._path), what, newest)
        # Whoever deleted the oldest events by hand has truncated the stream.
        truncated_to = whole(str(self._path), what, oldest) - 1
        return StreamInfo(stream, version, max(truncated_to, 0))

    # --- snapshots --------------------------------------------------------------------------------

    async def load_snapshot(
        self, stream: str, *, max_version: int = MAX_VERSION
    ) -> Snapshot | None:
        """A user's snapshot, if it is at or below a version; see :meth:`Journal.load_snapshot`."""
        self._check_open()
        checks.name(stream)
        checks.number(max_version, "max_version")
        found = await self._run(
            partial(rows, statement=LOAD_SNAPSHOT, values=(stream, max_version))
        )
        return snapshot_of(str(self._path), stream, found[0]) if found else None

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Stores a snapshot in place of the one before; see :meth:`Journal.save_snapshot`."""
        self._check_open()
        checks.snapshot(snapshot)
        values = self._snapshot_row(snapshot)
        await self._run(partial(rows, statement=SAVE_SNAPSHOT, values=values))

    def _kept(self, write: Write) -> SnapshotRow | None:
        return None if write.snapshot is None else self._snapshot_row(write.snapshot)

    def _snapshot_row(self, snapshot: Snapshot) -> SnapshotRow:
        return (snapshot.stream, snapshot.version, deposit_of(repr(self), snapshot))

    async def list_snapshots(self, stream: str) -> list[Snapshot]:
        """A user's one snapshot, or none; see :meth:`Journal.list_snapshots`."""
        snapshot = await self.load_snapshot(stream)
        return [] if snapshot is None else [snapshot]

    async def list_all_snapshots(
        self, *, after: tuple[str, int] = ("", 0), limit: int = PAGE_SIZE
    ) -> list[Snapshot]:
        """A page of the users' snapshots; see :meth:`Journal.list_all_snapshots`."""
        self._check_open()
        checks.all_snapshots(after, limit)
        found = await self._run(partial(rows, statement=LIST_SNAPSHOTS, values=(*after, limit)))
        return [snapshot_of(str(self._path), stream, tuple(row)) for stream, *row in found]

    # --- what the tables cannot offer -------------------------------------------------------------

    async def read_all(
        self,
        *,
        after_position: int = 0,  # noqa: ARG002
        page_size: int = PAGE_SIZE,  # noqa: ARG002
        type_names: Collection[str] | None = None,  # noqa: ARG002
    ) -> AsyncIterator[Sequence[Record]]:
        """Refuses: the events of different users have no order.

        SQLite numbers the rows of ``wallet_event`` behind the scenes, but it may number them anew
        when the file is compacted, and it gives the number of a deleted row to the next one. A
        reader that trusted these would miss events.

        Raises:
            Unsupported: Always.
        """
        self._refuse(
            Feature.POSITIONS, "wallet_event numbers the events of each user, not those of all"
        )
        yield []

    async def last_position(self) -> int:
        """Refuses, as :meth:`read_all` does.

        Raises:
            Unsupported: Always.
        """
        self._refuse(Feature.POSITIONS, "the events of different users have no order")

    async def delete_snapshots(self, stream: str, *, max_version: int) -> int:  # noqa: ARG002
        """Refuses, as the article's provider leaves it out.

        Raises:
            Unsupported: Always.
        """
        self._refuse(
            Feature.DELETE_SNAPSHOTS,
            "wallet_snapshot holds one row for each user, which the next snapshot replaces",
        )

    async def truncate(self, stream: str, *, to_version: int) -> int:  # noqa: ARG002
        """Refuses: the version of a user without events would begin at 1 again.

        Raises:
            Unsupported: Always.
        """
        self._refuse(
            Feature.TRUNCATE, "wallet_event has no place to remember the version of deleted events"
        )

    async def load_reply(self, stream: str, key: str) -> Reply | None:  # noqa: ARG002
        """Refuses: the tables hold what happened, and not what was answered.

        Raises:
            Unsupported: Always.
        """
        self._refuse_replies()

    async def prune_replies(
        self,
        *,
        before_us: int,  # noqa: ARG002
        limit: int = PAGE_SIZE,  # noqa: ARG002
        keep_prefix: str = "",  # noqa: ARG002
    ) -> int:
        """Refuses, as :meth:`load_reply` does.

        Raises:
            Unsupported: Always.
        """
        self._refuse_replies()

    async def list_replies(
        self,
        *,
        after: tuple[str, str] = ("", ""),  # noqa: ARG002
        limit: int = PAGE_SIZE,  # noqa: ARG002
    ) -> list[StoredReply]:
        """Refuses, as :meth:`load_reply` does.

        Raises:
            Unsupported: Always.
        """
        self._refuse_replies()

    async def restore(self, parcel: Parcel) -> None:  # noqa: ARG002
        """Refuses: there are no positions that events could have had elsewhere.

        Raises:
            Unsupported: Always.
        """
        self._refuse(Feature.RESTORE, "wallet_event has no place for positions and ids")

    async def begin_chain(self, *, anew: bool = False) -> None:  # noqa: ARG002
        """Refuses: the tables have no place for hashes.

        Raises:
            Unsupported: Always.
        """
        self._refuse_chain()

    async def root(self) -> HistoryRoot | None:
        """Refuses, as :meth:`begin_chain` does.

        Raises:
            Unsupported: Always.
        """
        self._refuse_chain()

    def read_chain(
        self,
        *,
        after_position: int = 0,  # noqa: ARG002
        page_size: int = PAGE_SIZE,  # noqa: ARG002
    ) -> AsyncIterator[Sequence[Link]]:
        """Refuses, as :meth:`begin_chain` does.

        Raises:
            Unsupported: Always.
        """
        self._refuse_chain()

    async def incarnations(self) -> list[Incarnation]:
        """Refuses: the tables have no place for who they are.

        Raises:
            Unsupported: Always.
        """
        self._refuse(Feature.INCARNATIONS, "the tables have no place for it")

    def _refuse_chain(self) -> NoReturn:
        self._refuse(Feature.CHAIN, "wallet_event has no place for hashes")

    def _refuse_replies(self) -> NoReturn:
        self._refuse(Feature.REPLIES, "wallet_event has no place for the replies of commands")

    def _refuse(self, feature: Feature, reason: str) -> NoReturn:
        self._check_open()
        raise Unsupported(repr(self), feature.value, reason)

    # --- opening, closing, and the thread ---------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._thread is not None:
            raise RuntimeError(f"{self!r} is open already")
        self._thread = thread = ThreadPoolExecutor(1, f"journal {self._path.name}")
        work = partial(open_article, self._path, busy_timeout_s=self._busy_timeout_s)
        try:
            self._db = await asyncio.wrap_future(thread.submit(work))
        except BaseException:
            self._thread = None
            thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        thread, db = self._thread, self._db
        self._thread = self._db = None
        if thread is not None and db is not None:
            # The last that the thread does, after all that it has accepted.
            closed = thread.submit(db.close)
            thread.shutdown(wait=False)
            await asyncio.shield(asyncio.wrap_future(closed))

    def _check_open(self) -> None:
        if self._db is None:
            raise JournalClosed(repr(self))

    async def _run(self, work: Callable[[apsw.Connection], T]) -> T:
        """The result of ``work``, done in the thread with the connection.

        Raises:
            StoreError: What SQLite said; nothing was stored.
        """
        if self._thread is None or self._db is None:
            raise JournalClosed(repr(self))
        with told_of(self._path):
            return await asyncio.wrap_future(self._thread.submit(work, self._db))


def _append(store: str, batch: Sequence[_Translated], db: apsw.Connection) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with one_transaction(db):
        for write, events, snapshot in batch:
            outcome = _store(store, db, write, events)
            if snapshot is not None and isinstance(outcome, Appended):
                rows(db, SAVE_SNAPSHOT, snapshot)
            outcomes.append(outcome)
    return outcomes


def _store(store: str, db: apsw.Connection, write: Write, events: Sequence[EventRow]) -> Outcome:
    """One write inside the transaction, which nobody else can write in the meantime."""
    [(newest,)] = rows(db, VERSION, (write.stream,))
    version = 0 if newest is None else whole(store, "wallet_event has the version", newest)
    if version != write.expected_version:
        return ConcurrencyConflict(write.stream, write.expected_version, version)
    for row in events:
        version += 1
        rows(db, INSERT_EVENT, (write.stream, version, *row))
    return Appended(version, 0)
