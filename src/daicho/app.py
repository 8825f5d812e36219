"""The composition root: an application is its entities on a journal."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self, TypeVar, cast, get_args
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from daicho.actor import ActorSystem
from daicho.entity.clock import Clock, SystemClock
from daicho.entity.directory import Directory
from daicho.entity.entity import AnyEntity, Entity
from daicho.entity.limits import Limits
from daicho.entity.ref import Ref
from daicho.entity.stored import LAYER_PREFIX, address_of, escaped
from daicho.errors import ActorError, BadEntity, BadSchema, BadUrl
from daicho.events import Schema
from daicho.journal import PAGE_SIZE, Journal, MemoryJournal, SqliteJournal
from daicho.journal.sqlite import Synchronous
from daicho.process import Courier

E = TypeVar("E", bound=AnyEntity)

_MICROSECOND = timedelta(microseconds=1)


class App:
    """An application: entities, the journal that remembers them, and the system in which they live.

    Made by :func:`open`, used as ``async with``. It belongs to the loop's thread.
    """

    def __init__(
        self,
        journal: Journal,
        entities: Iterable[type[AnyEntity]],
        *,
        schema: Schema,
        clock: Clock,
        limits: Limits,
        ask_timeout_s: float,
        shutdown_timeout_s: float,
        courier: str,
    ) -> None:
        self.journal = journal
        """What remembers; open as long as the application is."""
        self.schema = schema
        """The stored names of all types, and their upcasters."""
        self.clock = clock
        """What time it is for the entities and their timers."""
        self.system = ActorSystem(ask_timeout=ask_timeout_s, shutdown_timeout=shutdown_timeout_s)
        """The actor system, for actors beside the entities."""
        for cls in (classes := _classes(entities)):
            for stored in cls._kind_of_this().types:  # pyright: ignore[reportPrivateUsage]
                schema.register(stored)
        schema.validate()
        _refuse_old_events(schema, classes)
        self.directory = Directory(self.system, journal, schema, clock, classes, limits=limits)
        """Which entities live."""
        self.courier = Courier(self.directory, name=courier)
        """What delivers the commands that entities let go, and their timers."""
        self._stack = AsyncExitStack()
        self._opened = False

    async def __aenter__(self) -> Self:
        if self._opened:
            raise ActorError("an application is opened once; make another with daicho.open(…)")
        self._opened = True
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.journal)
            await stack.enter_async_context(self.system)
            stack.callback(self.directory.close)
            await stack.enter_async_context(self.courier)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    def entity(self, entity: type[E], id: str) -> Ref[E]:  # noqa: A002
        """Reaches the entity of a class and an id; it need not exist.

        Raises:
            UnknownEntity: The application was not opened with the class.
            BadId: The id is empty, too long, or no text.
        """
        return Ref(self.directory, self.directory.kind_of(entity), id)

    def entity_named(self, entity: str, id: str) -> Ref[AnyEntity]:  # noqa: A002
        """The same, for a program that knows the entity type by its stored name alone.

        Raises:
            UnknownEntity: The application was not opened with an entity type of that name.
            BadId: The id is empty, too long, or no text.
        """
        return Ref(self.directory, self.directory.kind_of(entity), id)

    async def entities(
        self,
        entity: type[AnyEntity],
        *,
        prefix: str = "",
        after: str = "",
        limit: int = PAGE_SIZE,
    ) -> list[str]:
        """Up to ``limit`` ids of entities that exist, sorted, beginning with ``prefix``.

        For the next page pass the last id as ``after``; a page with fewer is the last one.

        Raises:
            UnknownEntity: The application was not opened with the class.
        """
        name = self.directory.kind_of(entity).name
        streams = await self.journal.list_streams(
            f"{name}:{escaped(prefix)}",
            after=f"{name}:{escaped(after)}" if after else "",
            limit=limit,
        )
        addresses = (address_of(info.stream) for info in streams)
        return [address[1] for address in addresses if address is not None]

    async def prune_keys(self, *, older_than: timedelta) -> int:
        """Forgets idempotency keys that were stored longer ago than that; returns how many.

        A command that is asked again under a key that is forgotten is done again. The keys under
        which commands of entities were delivered, and processes reacted, stay: they are what these
        remember.
        """
        before_us = self.clock.now_us() - older_than // _MICROSECOND
        prune = partial(self.journal.prune_replies, before_us=before_us, keep_prefix=LAYER_PREFIX)
        count = 0
        while pruned := await prune():
            count += pruned
        return count

    async def settled(self) -> None:
        """Waits until all that is stored by now has had its consequences.

        Every reaction of a process has happened, every command that is due has been delivered, and
        its outcome is known to whoever let it go. Timers that are not due are left alone. What
        fails is tried again for ever, so a limit is wise: ``asyncio.timeout``.

        Raises:
            SystemStopped: The application is closed.
        """
        await self.courier.settled()


def open(  # noqa: A001 - as daicho.open it reads as it should
    journal: str | Journal,
    *,
    entities: Iterable[type[AnyEntity]],
    schema: Schema | None = None,
    clock: Clock | None = None,
    max_live: int = 100_000,
    passivate_after_s: float = 300.0,
    max_recoveries: int = 64,
    max_waiting: int = 100_000,
    max_mailbox: int = 10_000,
    conflict_attempts: int = 100,
    ask_timeout_s: float = 5.0,
    shutdown_timeout_s: float = 10.0,
    courier: str = "main",
) -> App:
    """An application of these entities; it begins with ``async with``.

    Args:
        journal: A URL, or a journal that is not open yet. ``sqlite:///wallet.db`` is a file in the
            current folder, ``sqlite:////var/lib/wallet.db`` one anywhere,
            ``postgresql://user:password@host/database`` a schema on a server, ``memory:`` keeps
            nothing. Options follow a question mark, of SQLite
            ``?synchronous=NORMAL&busy_timeout_s=10&commits_in_loop=no``, of PostgreSQL
            ``?schema=wallet&connections=10`` and others, see
            :class:`~daicho.journal.postgres.PostgresJournal`. With ``?chained=yes`` any of them
            begins a chain of hashes where there is none, which shows when somebody changes history.
        entities: The classes of entities and processes that live here.
        schema: Stored names, versions and upcasters, where there is more to say than the classes
            do.
        clock: What time it is; the machine's if None.
        max_live: How many entities live at once in this process; beyond it those used longest ago
            leave, as soon as they have nothing to do.
        passivate_after_s: An entity that was not used for so many seconds leaves.
        max_recoveries: How many entities are recovered at once.
        max_waiting: How many messages may wait for all entities. Who asks or tells more gets
            ``Overloaded`` at once.
        max_mailbox: How many may wait for one entity; as many again may be decided and wait for the
            journal. Who asks or tells more gets ``MailboxFull``, an ``Overloaded``, at once.
        conflict_attempts: How often in a row a command is decided again because another process was
            faster, before who asked gets ``ConcurrencyConflict``.
        ask_timeout_s: Seconds that an ``ask`` waits which does not say.
        shutdown_timeout_s: Seconds that leaving gives the entities to handle what they have.
        courier: What the position is stored under up to which outgoing commands and reactions were
            delivered. Processes of one application share it.

    Raises:
        BadUrl: The URL names no journal.
        BadEntity: Two classes are stored under one name, or one leaves its state's class open.
        BadSchema: Versions and upcasters do not fit together.
        DuplicateEventType: Two classes want one stored name.
        UnencodableEvent: A state or an event has no stored name.
        MissingExtra: A URL of PostgreSQL without the extra ``postgres``.
        ValueError: A limit is out of its range.

    What opening the journal raises is raised by ``async with``.
    """
    return App(
        _journal(journal),
        entities,
        schema=schema or Schema(),
        clock=clock or SystemClock(),
        limits=Limits(
            max_live=max_live,
            passivate_after_s=passivate_after_s,
            max_recoveries=max_recoveries,
            max_waiting=max_waiting,
            max_mailbox=max_mailbox,
            conflict_attempts=conflict_attempts,
        ),
        ask_timeout_s=ask_timeout_s,
        shutdown_timeout_s=shutdown_timeout_s,
        courier=courier,
    )


def _journal(given: str | Journal) -> Journal:
    if isinstance(given, str):
        return journal_of(given)
    if not hasattr(given, "append"):
        raise TypeError(
            f"open takes a URL such as sqlite:///wallet.db, or a journal, not {given!r}"
        )
    return given


def _classes(entities: object) -> list[type[AnyEntity]]:
    """The entity classes, or a text about what was given in their place."""
    if not isinstance(entities, Iterable):
        name = getattr(entities, "__name__", "…")
        raise TypeError(f"the classes of entities are given in a list: entities=[{name}]")
    given = list(cast("Iterable[object]", entities))
    for each in given:
        if not (isinstance(each, type) and issubclass(cast("type[object]", each), Entity)):
            name = getattr(each, "__qualname__", repr(each))
            raise BadEntity(name, "it is no Entity class; write entities=[Wallet, …]")
    return cast("list[type[AnyEntity]]", given)


def _refuse_old_events(schema: Schema, classes: Iterable[type[AnyEntity]]) -> None:
    """Refuses handlers of events that upcasters turn into others: history would not reach them."""
    problems = [
        f"{kind.name} handles {event.__qualname__}, of which upcasters make something else when it"
        " is read; let it handle and emit what they make"
        for kind in (cls._kind_of_this() for cls in classes)  # pyright: ignore[reportPrivateUsage]
        for event in kind.events
        if not schema.is_current(event)
    ]
    if problems:
        raise BadSchema(problems)


def journal_of(url: str, *, read_only: bool = False) -> Journal:
    """The journal of a URL, not open yet; see :func:`open`.

    Args:
        url: ``sqlite:///…``, ``postgresql://…`` or ``memory:``.
        read_only: It will not be written to, made, or brought to a newer schema.

    Raises:
        BadUrl: It names no journal.
        MissingExtra: PostgreSQL needs the extra ``postgres``.
    """
    parts = _parts(url)
    if parts.fragment:
        raise BadUrl(url, "nothing follows a '#'; in the name of a file it is written %23")
    match parts.scheme:
        case "sqlite":
            return _sqlite(url, parts.netloc, parts.path, parts.query, read_only=read_only)
        case "postgresql" | "postgres":
            # What belongs to an extra is imported by who uses it.
            from daicho.journal.postgres import from_url  # noqa: PLC0415

            return from_url(url, read_only=read_only)
        case "memory" if not (parts.netloc or parts.path.strip("/")):
            return _memory(url, parts.query)
        case _:
            raise BadUrl(
                url,
                "write sqlite:///FILE, sqlite:////FOLDER/FILE, postgresql://USER@HOST/DATABASE, or"
                " memory:",
            )


def _parts(url: str) -> SplitResult:
    if any(character in url for character in "\t\r\n"):
        # It would be left out, and the URL would name another file.
        raise BadUrl(url, "a tab or the end of a line is written %09, %0D or %0A")
    try:
        return urlsplit(url)
    except ValueError as error:
        raise BadUrl(url, str(error)) from error


def _unquoted(url: str, text: str) -> str:
    """A text of a URL as it was before it was quoted; what is no text has no name of its own."""
    try:
        return unquote(text, errors="strict").encode().decode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise BadUrl(url, f"it is not UTF-8: {error.reason}") from error


def _memory(url: str, query: str) -> Journal:
    chained = False
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != "chained":
            raise BadUrl(url, f"there is no option {name!r}, only chained")
        chained = _yes(url, name, value)
    return MemoryJournal(chained=chained)


def _sqlite(url: str, host: str, path: str, query: str, *, read_only: bool) -> Journal:
    file = _unquoted(url, path.removeprefix("/"))
    if host or not path.startswith("/") or not file:
        raise BadUrl(
            url, "a file in the current folder has three slashes, sqlite:///wallet.db, and one"
            " elsewhere four, sqlite:////var/lib/wallet.db"
        )  # fmt: skip
    if file == ":memory:":
        raise BadUrl(url, "it would be a file of that name; for what keeps nothing write memory:")
    synchronous: Synchronous = "FULL"
    busy_timeout_s = 5.0
    commits_in_loop = True
    chained = False
    for name, value in parse_qsl(query, keep_blank_values=True):
        match name:
            case "synchronous" if value in get_args(Synchronous):
                synchronous = "NORMAL" if value == "NORMAL" else "FULL"
            case "synchronous":
                raise BadUrl(url, f"synchronous is FULL or NORMAL, not {value!r}")
            case "busy_timeout_s":
                busy_timeout_s = _seconds(url, value)
            case "commits_in_loop":
                commits_in_loop = _yes(url, name, value)
            case "chained":
                chained = _yes(url, name, value)
            case _:
                raise BadUrl(
                    url, f"there is no option {name!r}, only synchronous, busy_timeout_s,"
                    " commits_in_loop and chained"
                )  # fmt: skip
    try:
        return SqliteJournal(
            file,
            synchronous=synchronous,
            busy_timeout_s=busy_timeout_s,
            read_only=read_only,
            commits_in_loop=commits_in_loop,
            chained=chained,
        )
    except ValueError as error:
        raise BadUrl(url, str(error)) from error


def _yes(url: str, name: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise BadUrl(url, f"{name} is yes or no, not {value!r}")
    return value == "yes"


def _seconds(url: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadUrl(url, f"busy_timeout_s is a number of seconds, not {text!r}") from None
