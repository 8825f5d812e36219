"""The journal's face: it checks what it is given, and asks the server."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Self, cast

from daicho.errors import JournalUnavailable
from daicho.journal import checks
from daicho.journal.chain import HistoryRoot, Link
from daicho.journal.lineage import Incarnation
from daicho.journal.offers import Migration, Tell
from daicho.journal.port import (
    MAX_VERSION,
    PAGE_SIZE,
    Feature,
    Loaded,
    Outcome,
    Parcel,
    Record,
    StreamInfo,
    Write,
)
from daicho.journal.postgres import _pages, _schema
from daicho.journal.postgres._aids import Aids
from daicho.journal.postgres._connections import Connection, Connections, Settings
from daicho.journal.postgres._health import Health, OldestTransaction
from daicho.journal.postgres._notices import Notices
from daicho.journal.postgres._place import store_name
from daicho.journal.postgres._plan import MAX_BYTES, MAX_EVENTS
from daicho.journal.postgres._restoring import restore
from daicho.journal.postgres._schema import bring_up_to_date
from daicho.journal.postgres._sql import statements
from daicho.journal.postgres._writer import Writer

_FEATURES = frozenset(Feature)

_MAX_SCHEMA_BYTES = 63
"""PostgreSQL cuts off the rest of a longer name."""

_AS_LONG_AS_IT_TAKES_S = 7 * 86_400.0
"""For what must not be given up like an answer."""

_TRUNCATED_AT_ONCE = 20_000
"""How many events one transaction deletes, so that none holds up those who read."""

_ENDED = "the program ended during the append"


class PostgresJournal(Aids):
    """A journal in a schema of a PostgreSQL database, for the processes of many machines.

    Args:
        dsn: ``postgresql://user:password@host:port/database``, with whatever asyncpg takes behind a
            question mark. Unless ``target_session_attrs`` says otherwise, one who writes takes no
            standby. Connections are called ``daicho`` there, if no ``application_name`` says
            otherwise.
        schema: Its tables are in this schema. It is made where it does not exist.
        connections: How many connections there are at most, 2 or more: one writes, the others read.
        connect_timeout_s: How long to try to reach the server, again and again, in seconds.
        answer_timeout_s: How long to wait for an answer, in seconds. The server gives up a moment
            earlier.
        patience_s: How long ``read_all`` and ``last_position`` wait for transactions that began
            before that of the newest event and are not over, in seconds. After that they give what
            is before all of these.
        prepared_statements: With ``False`` no statement stays prepared, for a pooler in transaction
            mode that does not know them, such as PgBouncer before 1.21. Each call is a
            transaction of several messages then.
        notices: Whether who follows the journal, such as the processes of an application, is woken
            at once when another program has appended (``LISTEN`` and ``NOTIFY``), and need not wait
            for its next look, a second later at most. One connection more listens then.
        read_only: Nothing is made, brought up to date or written, and what would change something
            raises :class:`~daicho.errors.JournalReadOnly`.
        chained: Opening it begins a chain of hashes if there is none; see :meth:`begin_chain`.

    Raises:
        ValueError: An option has a value that it cannot have.

    What was acknowledged survives the loss of power, whatever ``synchronous_commit`` is by default
    there. ``async with`` opens and closes it. Opening raises
    :class:`~daicho.errors.JournalUnavailable`, :class:`~daicho.errors.NotAJournal`,
    :class:`~daicho.errors.JournalTooNew` or :class:`~daicho.errors.JournalReadOnly`. Closing stores
    what was accepted. A connection that is lost is made anew; what was under way ends in
    ``JournalUnavailable``.
    """

    def __init__(
        self,
        dsn: str,
        *,
        schema: str = "daicho",
        connections: int = 5,
        connect_timeout_s: float = 10.0,
        answer_timeout_s: float = 60.0,
        patience_s: float = 1.0,
        prepared_statements: bool = True,
        notices: bool = True,
        read_only: bool = False,
        chained: bool = False,
    ) -> None:
        is_sized = 1 <= len(schema.encode()) <= _MAX_SCHEMA_BYTES
        if not is_sized or "$" in schema or not schema.isprintable():
            raise ValueError(
                f"a schema's name has 1 to {_MAX_SCHEMA_BYTES} bytes, and in it is neither '$' nor"
                f" what cannot be printed, not {schema!r}"
            )
        if connections < 2:
            raise ValueError(f"connections is {connections}, at least 2 are needed")
        for name, value in (
            ("connect_timeout_s", connect_timeout_s),
            ("answer_timeout_s", answer_timeout_s),
        ):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}, allowed is more than 0")
        if not 0 <= patience_s < math.inf:
            raise ValueError(f"patience_s is {patience_s}, allowed is 0 or more")
        self._schema = schema
        self._read_only = read_only
        self._chained = chained
        settings = Settings(
            dsn,
            store_name(dsn, schema),
            connections - 1,
            connect_timeout_s,
            answer_timeout_s,
            prepared_statements,
            read_only,
        )
        super().__init__(settings, statements(schema), patience_s)
        self._wants_notices = notices
        self._notices: Notices | None = None
        self._is_opening = False

    @property
    def features(self) -> frozenset[Feature]:
        """All of them."""
        return _FEATURES

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """Stores all writes in one transaction; see :meth:`Journal.append`.

        Raises:
            ValueError: There are more than 1,048,576 events, or payloads of more than 512 MiB, in
                one append; or what the port says.
        """
        writer = self._writer()
        size_bytes = self._checked(writes)
        if not writes:
            return []
        # A copy, because the caller may change its list after it was cancelled.
        outcomes = await writer.append(tuple(writes), size_bytes)
        if self._notices is not None:
            self._notices.announce()
        return outcomes

    def append_soon(self, writes: Sequence[Write], tell: Tell) -> None:
        """Stores all writes in one transaction; see ``offers.AppendSoon``.

        Raises:
            ValueError: As for ``append``.
        """
        writer = self._writer()
        size_bytes = self._checked(writes)

        def told(said: list[Outcome] | Exception | None) -> None:
            if isinstance(said, list) and self._notices is not None:
                self._notices.announce()
            tell(JournalUnavailable(self._settings.store, _ENDED) if said is None else said)

        writer.append_soon(tuple(writes), size_bytes, told)

    def _checked(self, writes: Sequence[Write]) -> int:
        """The bytes of writes that can be stored."""
        checks.writes(repr(self), _FEATURES, writes)
        return _size(writes)

    def on_append(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Hears of other processes' appends; see ``offers.Noticing``."""
        self._connections()
        if self._notices is None:
            return lambda: None
        return self._notices.on_append(tell)

    async def claim(self, slices: Collection[int], owner: str) -> dict[int, int]:
        """Takes slices from whoever owns them; see ``offers.Claiming``."""
        self._writer()
        checks.claim(slices, owner)
        rows = await self._change("claim", sorted(set(slices)), owner)
        return {cast("int", row[0]): cast("int", row[1]) for row in rows}

    def read(
        self,
        stream: str,
        *,
        from_version: int = 1,
        to_version: int = MAX_VERSION,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Sequence[Record]]:
        """Pages of a stream's events; see :meth:`Journal.read`."""
        self._connections()
        checks.reading(stream, from_version, to_version, page_size)
        return _pages.stream_pages(self._row, stream, from_version, to_version, page_size)

    def read_all(
        self,
        *,
        after_position: int = 0,
        page_size: int = PAGE_SIZE,
        type_names: Collection[str] | None = None,
    ) -> AsyncIterator[Sequence[Record]]:
        """Pages of all events after a position; see :meth:`Journal.read_all`."""
        self._connections()
        checks.number(after_position, "after_position")
        checks.number(page_size, "page_size", least=1)
        checks.type_names(type_names)
        names = None if type_names is None else list(type_names)
        return self._read_all(after_position, page_size, names)

    async def _read_all(
        self, after_position: int, page_size: int, type_names: Sequence[str] | None
    ) -> AsyncIterator[Sequence[Record]]:
        last = await self.last_position()
        pages = _pages.pages_of_all(self._row, after_position, last, page_size, type_names)
        async for page in pages:
            yield page

    async def load(
        self, stream: str, *, max_snapshot: int = MAX_VERSION, page_size: int = PAGE_SIZE
    ) -> Loaded:
        """What a recovery begins with; see :meth:`Journal.load`."""
        self._connections()
        checks.loading(stream, max_snapshot, page_size)
        return await _pages.loaded(self._first, self._row, stream, max_snapshot, page_size)

    async def health(self) -> Health:
        """How far readers may see, and which transaction holds them back, if one does.

        A transaction that writes holds back what was committed by those that began after it, in
        any database of the server. One that only reads does not.

        Raises:
            StoreError: The server does not answer.
        """
        bounds = await self._bounds()
        held_back_by: OldestTransaction | None = None
        if bounds.top < bounds.newest:
            row = await self._first("oldest_transaction")
            if row is not None:
                pid, application, user, age_s, prepared = row
                held_back_by = OldestTransaction(
                    pid=pid,
                    application_name=application,
                    user=user,
                    age_s=age_s,
                    prepared=prepared,
                )
        return Health(
            last_position=bounds.settled,
            newest_position=bounds.newest,
            held_back_by=held_back_by,
        )

    async def stream_info(self, stream: str) -> StreamInfo:
        """The stream's version and where it begins; see :meth:`Journal.stream_info`."""
        self._connections()
        checks.name(stream)
        row = await self._first("stream_info", stream)
        return StreamInfo(stream, 0, 0) if row is None else StreamInfo(*row)

    async def list_streams(
        self, prefix: str = "", *, after: str = "", limit: int = PAGE_SIZE
    ) -> list[StreamInfo]:
        """A page of the streams' names; see :meth:`Journal.list_streams`."""
        self._connections()
        checks.listing(prefix, after, limit)
        end = _end_of(prefix)
        if end is None:
            rows = await self._rows("list_last_streams", after, prefix, limit)
        else:
            rows = await self._rows("list_streams", after, prefix, end, limit)
        return [StreamInfo(*row) for row in rows]

    async def truncate(self, stream: str, *, to_version: int) -> int:
        """Deletes a stream's oldest events and returns how many; see :meth:`Journal.truncate`.

        Of many events it is several transactions; if one fails, what was deleted before is gone.
        """
        self._writer()
        checks.name(stream)
        checks.number(to_version, "to_version")
        info = await self.stream_info(stream)
        checks.truncation(info, to_version)
        gone = 0
        for end in range(info.truncated_to, to_version, _TRUNCATED_AT_ONCE):
            at_once = min(end + _TRUNCATED_AT_ONCE, to_version)
            found: int | None = await self._changed("truncate", stream, at_once)
            if found is None:
                # Another server took over meanwhile, to which the end of the stream has not come.
                return gone + await self.truncate(stream, to_version=to_version)
            gone += found
        return gone

    async def restore(self, parcel: Parcel) -> None:
        """Stores what another journal has stored; see :meth:`Journal.restore`."""
        self._writer()
        checks.parcel(parcel)
        store = self._settings.store
        await self._connections().change(lambda db: restore(db, self._sql, store, parcel))

    async def begin_chain(self, *, anew: bool = False) -> None:
        """Every event gets a link; see :meth:`Journal.begin_chain`.

        It is one transaction, and those that append wait for it. From then on they commit one after
        another, whichever process they are of.
        """
        self._writer()
        text = self._sql["begin_chain"]

        async def begin(db: Connection) -> None:
            async with db.transaction():
                await db.execute(self._sql["bounded"])
                # It takes as long as there are events.
                await db.execute("SET LOCAL statement_timeout TO 0")
                await db.fetchval(text, anew, timeout=_AS_LONG_AS_IT_TAKES_S)

        await self._connections().change(begin)

    async def root(self) -> HistoryRoot | None:
        """What history has come to, as far as ``last_position``; see :meth:`Journal.root`."""
        row = await self._first("root", await self.last_position())
        return None if row is None else HistoryRoot(*row)

    def read_chain(
        self, *, after_position: int = 0, page_size: int = PAGE_SIZE
    ) -> AsyncIterator[Sequence[Link]]:
        """Pages of the links after a position; see :meth:`Journal.read_chain`."""
        self._connections()
        checks.chain(after_position, page_size)
        return self._chain_pages(after_position, page_size)

    async def _chain_pages(
        self, after_position: int, page_size: int
    ) -> AsyncIterator[Sequence[Link]]:
        last = await self.last_position()
        while rows := await self._rows("read_chain", after_position, last, page_size):
            page = [Link(*row) for row in rows]
            after_position = page[-1].position
            yield page

    async def incarnations(self) -> list[Incarnation]:
        """The stores of its history; see :meth:`Journal.incarnations`.

        A database that is restored from a dump, is copied, or goes on on a server that took another
        one's place is another store from when it is first opened there.
        """
        return [Incarnation(*row) for row in await self._rows("incarnations")]

    async def pending_migrations(self) -> list[Migration]:
        """What has to be done to the schema; see ``offers.Migrating``. It need not be open."""
        return await _schema.pending_migrations(self._settings, schema=self._schema)

    async def apply_migrations(self) -> list[Migration]:
        """Does that, under an advisory lock; see ``offers.Migrating``. It need not be open.

        The schema is made if it is not there. While others use it, they wait for as long as it
        takes.
        """
        return await _schema.apply_migrations(self._settings, schema=self._schema)

    async def __aenter__(self) -> Self:
        if self._open or self._is_opening:
            raise RuntimeError(f"{self!r} is open already")
        self._is_opening = True
        try:
            self._open = await self._start()
        finally:
            self._is_opening = False
        if self._wants_notices:
            hears = self._settings.prepared_statements
            self._notices = Notices(self._connections(), self._schema, hears=hears)
        if self._chained and not self._read_only:
            try:
                # Asked first, because who appends waits for who begins one.
                if await self.root() is None:
                    await self.begin_chain()
            except BaseException:
                await self.__aexit__()
                raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        opened, self._open = self._open, None
        if opened is None:
            return
        writer, connections = opened
        notices, self._notices = self._notices, None
        try:
            if writer is not None:
                await writer.close()
        finally:
            try:
                if notices is not None:
                    await notices.close()
            finally:
                await connections.close()

    async def _start(self) -> tuple[Writer | None, Connections]:
        connections = Connections(self._settings, self._sql, self._prepare)
        if self._read_only:
            await connections.read(lambda db: db.fetchval("SELECT 1"))
            return None, connections
        writer = Writer(connections)
        await writer.open()
        return writer, connections

    async def _prepare(self, db: Connection) -> None:
        """Looks at what is there, each time that a server is reached: it may be another one."""
        store = self._settings.store
        await bring_up_to_date(db, store, self._schema, may_write=not self._read_only)
        if self._read_only:
            return
        if await db.fetchval(self._sql["may_be_elsewhere"]):
            await db.execute(self._sql["arrive"])


def _size(writes: Sequence[Write]) -> int:
    """The bytes of all payloads.

    Raises:
        ValueError: They are more than a transaction takes, or the events are.
    """
    events = size_bytes = 0
    for write in writes:
        events += len(write.events)
        size_bytes += sum([len(event.payload) for event in write.events])
        if write.replies:
            size_bytes += sum([len(reply.payload) for reply in write.replies])
        if write.snapshot is not None:
            size_bytes += len(write.snapshot.payload)
    if events > MAX_EVENTS:
        raise ValueError(f"an append has {events:,} events, at most {MAX_EVENTS:,} are allowed")
    if size_bytes > MAX_BYTES:
        raise ValueError(
            f"an append has payloads of {size_bytes:,} bytes, at most {MAX_BYTES:,} are allowed"
        )
    return size_bytes


def _end_of(prefix: str) -> str | None:
    """The first text that comes after all that begin with a prefix; None if all that follow do."""
    while prefix:
        point = ord(prefix[-1]) + 1
        if point == 0xD800:  # no text has what is from here to DFFF
            point = 0xE000
        if point <= 0x10FFFF:
            return prefix[:-1] + chr(point)
        prefix = prefix[:-1]
    return None
