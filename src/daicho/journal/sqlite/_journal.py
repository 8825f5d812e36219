"""The journal's face towards the loop: it checks what it is given and hands it to the threads."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Self, get_args

from daicho.errors import JournalClosed, JournalReadOnly
from daicho.journal import checks
from daicho.journal.chain import HistoryRoot, Link
from daicho.journal.lineage import Incarnation
from daicho.journal.offers import Migration
from daicho.journal.port import (
    MAX_VERSION,
    PAGE_SIZE,
    Feature,
    Loaded,
    Outcome,
    Parcel,
    Record,
    Reply,
    Snapshot,
    StoredReply,
    StreamInfo,
    Write,
)
from daicho.journal.sqlite import _chain, _changes, _loading, _pages, _readers
from daicho.journal.sqlite._ahead import pages
from daicho.journal.sqlite._file import (
    Synchronous,
    open_read_only,
    open_reader,
    open_writer,
    pending_migrations,
)
from daicho.journal.sqlite._place import Place
from daicho.journal.sqlite._readers import Readers
from daicho.journal.sqlite._restoring import Restore
from daicho.journal.sqlite._writer import Writer

_FEATURES = frozenset(Feature) - {Feature.EPOCHS}

_MAX_BUSY_TIMEOUT_S = 86_400


class SqliteJournal:
    """A journal in one SQLite file, for the processes of one machine.

    The file is made where there is none; its folder has to exist. It belongs to SQLite together
    with the files ``-wal`` and ``-shm`` beside it, and whoever opens it with a SQLite shell finds
    the views ``events`` and ``streams``. Several processes may have it open; they write one after
    another.

    Args:
        path: The file; a relative one is taken from the folder that is the current one now.
        synchronous: With ``"FULL"`` an acknowledged append survives the death of the process and
            loss of power. ``"NORMAL"`` does not wait for the disk at each transaction: the file
            stays whole and acknowledged appends survive the death of the process, but loss of power
            or a crash of the operating system takes back the newest of them, possibly all since the
            last checkpoint.
        busy_timeout_s: How long to wait for another process that writes, in seconds.
        reader_threads: How many reads can run at once.
        read_only: The file is not made, brought up to date or written, and what would change it
            raises :class:`~daicho.errors.JournalReadOnly`. A file of an earlier schema is read as
            it is. SQLite may make the files ``-wal`` and ``-shm`` and leave them there.
        commits_in_loop: While the disk takes less than half a millisecond for them, small commits
            of actors are made in the loop's own thread, which takes half of the time. A slow one
            holds up the loop once, and the next ones are left to the writer's thread. With
            ``False`` all of them are, and the disk never holds up the loop.
        chained: Opening it begins a chain of hashes if there is none, over the events that are
            there, too; see :meth:`begin_chain`. A chain stays, whoever opens the file.

    Raises:
        ValueError: An option has a value that it cannot have.

    ``async with`` opens and closes it. Opening raises :class:`~daicho.errors.NotAJournal`,
    :class:`~daicho.errors.JournalTooNew`, :class:`~daicho.errors.JournalReadOnly`,
    :class:`~daicho.errors.JournalLocked`, :class:`~daicho.errors.JournalCorrupt`,
    :class:`~daicho.errors.JournalFull` or :class:`~daicho.errors.JournalUnavailable`, and then the
    file is as it was, but where a chain could not be begun. Closing stores what was accepted. After
    a full disk or an I/O error it goes on as soon as there is room. When the file is deleted, moved
    or replaced while it is open, what is asked from then on raises
    :class:`~daicho.errors.JournalGone`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "FULL",
        busy_timeout_s: float = 5.0,
        reader_threads: int = 2,
        read_only: bool = False,
        commits_in_loop: bool = True,
        chained: bool = False,
    ) -> None:
        if synchronous not in get_args(Synchronous):
            raise ValueError(f"synchronous is {synchronous!r}, allowed is 'FULL' or 'NORMAL'")
        if not 0 <= busy_timeout_s <= _MAX_BUSY_TIMEOUT_S:
            raise ValueError(
                f"busy_timeout_s is {busy_timeout_s}, allowed is 0 to {_MAX_BUSY_TIMEOUT_S}"
            )
        if reader_threads < 1:
            raise ValueError(f"reader_threads is {reader_threads}, at least 1 is needed")
        # Absolute, and so never one of SQLite's special names such as ":memory:".
        self._path = Path(path).absolute()
        self._synchronous: Synchronous = synchronous
        self._busy_timeout_s = busy_timeout_s
        self._reader_threads = reader_threads
        self._read_only = read_only
        self._commits_in_loop = commits_in_loop
        self._chained = chained
        self._threads: tuple[Writer | None, Readers] | None = None
        self._is_opening = False

    def __repr__(self) -> str:
        return f"SqliteJournal({str(self._path)!r})"

    @property
    def path(self) -> Path:
        """The file, absolute."""
        return self._path

    @property
    def features(self) -> frozenset[Feature]:
        """All but epochs."""
        return _FEATURES

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """Stores all writes in one transaction; see :meth:`Journal.append`."""
        writer = self._writer()
        checks.writes(repr(self), _FEATURES, writes)
        # A copy, because the caller may change its list after it was cancelled.
        return await writer.append(tuple(writes)) if writes else []

    def append_now(self, writes: Sequence[Write]) -> list[Outcome] | None:
        """Stores a few writes without a thread, on a quick disk; see ``offers.AppendNow``."""
        writer = self._writer()
        if not (self._commits_in_loop and writer.is_free):
            return None
        checks.writes(repr(self), _FEATURES, writes)
        return writer.append_now(writes)

    def read(
        self,
        stream: str,
        *,
        from_version: int = 1,
        to_version: int = MAX_VERSION,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Sequence[Record]]:
        """Pages of a stream's events; see :meth:`Journal.read`."""
        self._readers()
        checks.reading(stream, from_version, to_version, page_size)
        read = partial(_pages.stream_page, to_version=to_version, page_size=page_size)
        return pages(self._readers, partial(read, stream=stream, from_version=from_version))

    def read_all(
        self,
        *,
        after_position: int = 0,
        page_size: int = PAGE_SIZE,
        type_names: Collection[str] | None = None,
    ) -> AsyncIterator[Sequence[Record]]:
        """Pages of all events after a position; see :meth:`Journal.read_all`."""
        self._readers()
        checks.number(after_position, "after_position")
        checks.number(page_size, "page_size", least=1)
        checks.type_names(type_names)
        names = None if type_names is None else json.dumps(list(type_names))
        read = partial(_pages.page_of_all, page_size=page_size, type_names=names)
        return pages(self._readers, partial(read, after_position=after_position))

    async def load(
        self, stream: str, *, max_snapshot: int = MAX_VERSION, page_size: int = PAGE_SIZE
    ) -> Loaded:
        """What a recovery begins with; see :meth:`Journal.load`."""
        readers = self._readers()
        checks.loading(stream, max_snapshot, page_size)
        return await readers.run(
            partial(_loading.loaded, stream=stream, max_snapshot=max_snapshot, page_size=page_size)
        )

    async def last_position(self) -> int:
        """The position of the newest event; see :meth:`Journal.last_position`."""
        return await self._readers().run(_readers.last_position)

    async def stream_info(self, stream: str) -> StreamInfo:
        """The stream's version and where it begins; see :meth:`Journal.stream_info`."""
        readers = self._readers()
        checks.name(stream)
        return await readers.run(partial(_readers.stream_info, stream=stream))

    async def list_streams(
        self, prefix: str = "", *, after: str = "", limit: int = PAGE_SIZE
    ) -> list[StreamInfo]:
        """A page of the streams' names; see :meth:`Journal.list_streams`."""
        readers = self._readers()
        checks.listing(prefix, after, limit)
        return await readers.run(
            partial(_readers.stream_list, prefix=prefix, after=after, limit=limit)
        )

    async def load_snapshot(
        self, stream: str, *, max_version: int = MAX_VERSION
    ) -> Snapshot | None:
        """The newest snapshot at or below a version; see :meth:`Journal.load_snapshot`."""
        readers = self._readers()
        checks.name(stream)
        checks.number(max_version, "max_version")
        return await readers.run(
            partial(_readers.newest_snapshot, stream=stream, max_version=max_version)
        )

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Stores a snapshot; see :meth:`Journal.save_snapshot`."""
        writer = self._writer()
        checks.snapshot(snapshot)
        await writer.change(partial(_changes.save_snapshot, snapshot=snapshot))

    async def list_snapshots(self, stream: str) -> list[Snapshot]:
        """The stream's snapshots, newest first; see :meth:`Journal.list_snapshots`."""
        readers = self._readers()
        checks.name(stream)
        return await readers.run(partial(_readers.snapshots, stream=stream))

    async def delete_snapshots(self, stream: str, *, max_version: int) -> int:
        """Deletes old snapshots and returns how many; see :meth:`Journal.delete_snapshots`."""
        writer = self._writer()
        checks.name(stream)
        checks.number(max_version, "max_version")
        return await writer.change(
            partial(_changes.delete_snapshots, stream=stream, max_version=max_version)
        )

    async def truncate(self, stream: str, *, to_version: int) -> int:
        """Deletes a stream's oldest events and returns how many; see :meth:`Journal.truncate`."""
        writer = self._writer()
        checks.name(stream)
        checks.number(to_version, "to_version")
        truncate = partial(_changes.truncate, journal=str(self._path), stream=stream)
        return await writer.change(partial(truncate, to_version=to_version))

    async def load_reply(self, stream: str, key: str) -> Reply | None:
        """The reply under a key of the stream; see :meth:`Journal.load_reply`."""
        readers = self._readers()
        checks.name(stream)
        checks.key(key)
        read = _readers.reply_of_any_schema if self._read_only else _readers.reply
        return await readers.run(partial(read, stream=stream, key=key))

    async def prune_replies(
        self, *, before_us: int, limit: int = PAGE_SIZE, keep_prefix: str = ""
    ) -> int:
        """Deletes old replies and returns how many; see :meth:`Journal.prune_replies`."""
        writer = self._writer()
        checks.pruning(before_us, limit, keep_prefix)
        return await writer.change(
            partial(
                _changes.prune_replies,
                before_us=before_us,
                limit=limit,
                keep_prefix=keep_prefix,
            )
        )

    async def list_all_snapshots(
        self, *, after: tuple[str, int] = ("", 0), limit: int = PAGE_SIZE
    ) -> list[Snapshot]:
        """A page of all snapshots; see :meth:`Journal.list_all_snapshots`."""
        readers = self._readers()
        checks.all_snapshots(after, limit)
        return await readers.run(partial(_readers.all_snapshots, after=after, limit=limit))

    async def list_replies(
        self, *, after: tuple[str, str] = ("", ""), limit: int = PAGE_SIZE
    ) -> list[StoredReply]:
        """A page of all replies; see :meth:`Journal.list_replies`."""
        readers = self._readers()
        checks.all_replies(after, limit)
        read = _readers.all_replies_of_any_schema if self._read_only else _readers.all_replies
        return await readers.run(partial(read, after=after, limit=limit))

    async def restore(self, parcel: Parcel) -> None:
        """Stores what another journal has stored; see :meth:`Journal.restore`."""
        writer = self._writer()
        checks.parcel(parcel)
        await writer.change(Restore(str(self._path), parcel))

    async def begin_chain(self, *, anew: bool = False) -> None:
        """Every event gets a link; see :meth:`Journal.begin_chain`.

        It is one transaction: others can read meanwhile, and who writes waits, or gets
        ``JournalLocked`` after ``busy_timeout_s``.
        """
        await self._writer().change(_chain.BeginChain(str(self._path), anew=anew))

    async def root(self) -> HistoryRoot | None:
        """What all of history has come to; see :meth:`Journal.root`."""
        return await self._readers().run(_chain.root_of_any_schema)

    def read_chain(
        self, *, after_position: int = 0, page_size: int = PAGE_SIZE
    ) -> AsyncIterator[Sequence[Link]]:
        """Pages of the links after a position; see :meth:`Journal.read_chain`."""
        self._readers()
        checks.chain(after_position, page_size)
        return self._chain_pages(after_position, page_size)

    async def incarnations(self) -> list[Incarnation]:
        """The stores of its history; see :meth:`Journal.incarnations`.

        There is none in a file of an earlier schema that was opened to be read alone, nor one of
        its own in a backup that nobody has opened to write to it.
        """
        return await self._readers().run(_chain.incarnations)

    async def pending_migrations(self) -> list[Migration]:
        """What has to be done to the tables; see ``offers.Migrating``. It need not be open."""
        return await asyncio.to_thread(
            pending_migrations, self._path, busy_timeout_s=self._busy_timeout_s
        )

    async def apply_migrations(self) -> list[Migration]:
        """Does that, as opening does; see ``offers.Migrating``.

        The file is made if it is not there.
        """
        pending = await self.pending_migrations()
        if pending:
            journal = SqliteJournal(self._path, busy_timeout_s=self._busy_timeout_s)
            async with journal:
                pass
        return pending

    async def __aenter__(self) -> Self:
        if self._threads or self._is_opening:
            raise RuntimeError(f"{self!r} is open already")
        self._is_opening = True
        try:
            self._threads = await self._start()
        finally:
            self._is_opening = False
        if self._chained and not self._read_only:
            try:
                # Asked first, because who writes waits for who begins one.
                if await self.root() is None:
                    await self.begin_chain()
            except BaseException:
                await self.__aexit__()
                raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        threads, self._threads = self._threads, None
        if threads is None:
            return
        writer, readers = threads
        if writer is None:
            await readers.aclose()
        else:
            await writer.close()

    async def _start(self) -> tuple[Writer | None, Readers]:
        open_to_read = open_read_only if self._read_only else open_reader
        place = Place(self._path)
        readers = Readers(
            place,
            partial(open_to_read, self._path, busy_timeout_s=self._busy_timeout_s),
            self._reader_threads,
        )
        if self._read_only:
            await readers.open()
            return None, readers
        open_db = partial(
            open_writer,
            self._path,
            synchronous=self._synchronous,
            busy_timeout_s=self._busy_timeout_s,
        )
        writer = Writer(place, open_db, readers.close, self._busy_timeout_s)
        await writer.open()
        return writer, readers

    async def _chain_pages(
        self, after_position: int, page_size: int
    ) -> AsyncIterator[Sequence[Link]]:
        last = await self.last_position()
        while True:
            read = partial(
                _chain.links, after_position=after_position, last_position=last, size=page_size
            )
            page = await self._readers().run(read)
            if not page:
                return
            after_position = page[-1].position
            yield page

    def _writer(self) -> Writer:
        writer, _ = self._open_threads()
        if writer is None:
            raise JournalReadOnly(str(self._path), "it was opened with read_only=True")
        return writer

    def _readers(self) -> Readers:
        _, readers = self._open_threads()
        return readers

    def _open_threads(self) -> tuple[Writer | None, Readers]:
        if self._threads is None:
            raise JournalClosed(repr(self))
        return self._threads
