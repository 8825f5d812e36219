"""An entity, as the rest of the program sees it."""

# The modules of this package share what they keep to themselves.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from threading import get_ident
from types import FunctionType
from typing import TYPE_CHECKING, Generic, TypeVar, cast, overload

from daicho._frozen import frozen
from daicho.actor import Envelope
from daicho.entity import history
from daicho.entity.entity import AnyEntity, Entity
from daicho.entity.handlers import CommandHandler, Handler
from daicho.entity.messages import Request, Token, Versioned
from daicho.entity.stored import check_key, digest_of, stream_of
from daicho.errors import StoreError

if TYPE_CHECKING:
    from daicho.entity.directory import Directory
    from daicho.entity.history import Change, Difference
    from daicho.entity.kind import Kind

log = logging.getLogger("daicho.entity")

E_co = TypeVar("E_co", bound=AnyEntity, covariant=True)
S = TypeVar("S")
C = TypeVar("C")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Out = TypeVar("Out")


@frozen
class Answer(Generic[R_co]):
    """A reply, and the moment at which it was given."""

    reply: R_co
    token: Token


class Ref(Generic[E_co]):
    """Reaches the entity of a type and an id, wherever it is in its life.

    It can be made for an entity that does not exist yet, costs next to nothing, and does not keep
    the entity alive. It belongs to the thread of the application's loop.
    """

    __slots__ = ("_directory", "_kind", "_pid", "id", "stream")

    def __init__(self, directory: Directory, kind: Kind, id: str) -> None:  # noqa: A002
        self.stream = stream_of(kind.name, id)
        """The name of its stream in the journal."""
        self.id = id
        self._directory = directory
        self._kind = kind
        self._pid = directory.pid(self.stream)

    def __repr__(self) -> str:
        return f"Ref({self._kind.name}, {self.id!r})"

    # --- commands ---------------------------------------------------------------------------------

    @overload
    def ask(
        self,
        handler: CommandHandler[E_co, C, R, Out],
        command: C,
        /,
        *,
        idempotency_key: str | None = None,
        after: Token | None = None,
        timeout: float | None = None,
    ) -> asyncio.Future[R]: ...

    @overload
    def ask(
        self,
        command: object,
        /,
        *,
        expect: type[R],
        idempotency_key: str | None = None,
        after: Token | None = None,
        timeout: float | None = None,
    ) -> asyncio.Future[R]: ...

    @overload
    def ask(
        self,
        command: object,
        /,
        *,
        idempotency_key: str | None = None,
        after: Token | None = None,
        timeout: float | None = None,
    ) -> asyncio.Future[object]: ...

    def ask(
        self,
        first: object,
        second: object = None,
        /,
        *,
        expect: type[object] | None = None,
        idempotency_key: str | None = None,
        after: Token | None = None,
        timeout: float | None = None,
    ) -> object:
        """Lets the entity decide about a command; await the result for its reply.

        The reply leaves when all events that it rests on are durable. With the handler before the
        command (``alice.ask(Wallet.deposit, command)``) its type is known to a type checker; with
        ``expect`` it is known, and looked at.

        Args:
            first: The handler, or the command alone.
            second: The command, after a handler.
            expect: Of which class the reply is to be.
            idempotency_key: Names this one command of this entity. Its outcome, reply or
                ``Rejected``, is stored with its events; asked again under the key, here, after a
                crash or in another process, the same outcome comes again and nothing is done.
            after: What ``ask_with_token`` gave, here or in another process: the entity decides on a
                state no older than that.
            timeout: Seconds to wait; the application's ``ask_timeout`` if None.

        Raises:
            Rejected: The entity says no, and nothing has changed.
            UnknownCommand: It has no handler for the command.
            KeyReused: The key belongs to another command.
            Overloaded: Too much waits, for this entity or for all. Nothing of it was done and
                nothing stored; it is raised at once, before there is anything to await.
            AskTimeout: No reply in time; the command may still be decided. So may it after
                ``SystemStopped``, and after ``PersistFailed`` whose cause is
                ``JournalUnavailable``: ask again under the same key.
            ConcurrencyConflict: Another process was faster, again and again.
            PersistFailed: The events could not be stored.
            StoreError: What is stored under the key could not be read; nothing was done this time.
            RecoveryFailed: What is stored could not be applied; the error names the event.
            NoSuchVersion: The journal has not come to ``after``.
            UnexpectedReply: The reply is no ``expect``.
            SystemStopped: The application is closed or closing; ``NoSuchActor`` if it was decided
                on just then, and may or may not be stored.
            UnencodableEvent: Under a key, the command or the reply cannot be stored.
            ValueError: The key is empty, too long, or begins with ``daicho:``; or the token is of
                another entity.
            TypeError: What stands before the command does not handle it.

        Whatever else the handler raises is raised here too; the events of the message are forgotten
        then, and the entity is rebuilt from what is stored.
        """
        command = self._command(first, second)
        admission = self._directory.admission
        if admission.credit > 0:
            admission.credit -= 1
        else:
            admission.look()
        if idempotency_key is None and after is None:
            return self._send(command, expect, timeout)
        request = self._request(command, idempotency_key, after)
        return self._send(request, expect, timeout)

    @overload
    def ask_with_token(
        self,
        handler: CommandHandler[E_co, C, R, Out],
        command: C,
        /,
        *,
        idempotency_key: str | None = None,
        after: Token | None = None,
        timeout: float | None = None,
    ) -> asyncio.Future[Answer[R]]: ...

    @overload
    def ask_with_token(
        self,
        command: object,
        /,
        *,
        idempotency_key: str | None = None,
        after: Token | None = None,
        timeout: float | None = None,
    ) -> asyncio.Future[Answer[object]]: ...

    def ask_with_token(
        self,
        first: object,
        second: object = None,
        /,
        *,
        idempotency_key: str | None = None,
        after: Token | None = None,
        timeout: float | None = None,
    ) -> object:
        """As :meth:`ask`; the reply comes with a token of the moment at which it was given.

        Who has the token can wait for that moment elsewhere: ``ask(…, after=token)``.
        """
        command = self._command(first, second)
        self._directory.admission.ask()
        request = self._request(command, idempotency_key, after)
        request.versioned = True
        # Sent at once, so that it is decided in its order; the token comes with the reply.
        given = self._send(request, None, timeout)
        task = self._directory.system.loop.create_task(self._with_token(given))
        self._directory.keep(task)
        return task

    def tell(self, command: object) -> None:
        """Lets the entity decide about a command, and waits for nothing.

        Nobody hears whether it was done: what goes wrong is logged.

        Raises:
            Overloaded: Too much waits, for this entity or for all; the command is not delivered.
            SystemStopped: The application is closed or closing.
        """
        system = self._directory.system
        system.check_thread()
        self._directory.admission.tell()
        self._directory.deliver(self._kind, self.stream, command, system.now())

    # --- what is stored of it ---------------------------------------------------------------------

    async def version(self) -> int:
        """How many events are stored of it; 0 if it does not exist."""
        return (await self._directory.journal.stream_info(self.stream)).version

    async def at(
        self: Ref[Entity[S]], *, version: int | None = None, time: datetime | None = None
    ) -> S:
        """The state as of a version or a time, or as of now; read from the journal, not asked.

        It is made from the nearest snapshot. It is a copy: changing it changes nothing.

        Args:
            version: After that many events; 0 is the initial state.
            time: As it was then: after an event that is not later, and before one that is. Where
                the clock was set back there are several such moments, and this is one of them.

        Raises:
            NoSuchVersion: The entity has not come to that version, or its events are deleted.
            RecoveryFailed: What is stored cannot be applied; the error names the event.
            ValueError: Both are given, or the time has no zone.
        """
        seen = await history.at(self._directory, self._kind, self.id, version=version, time=time)
        return cast("S", seen.state)

    def history(
        self, *, from_version: int = 1, to_version: int | None = None
    ) -> AsyncIterator[Change]:
        """Its events in order, decoded, each with its version and time.

        Among them are those of the layer itself, for timers and for commands that leave:
        ``Outgoing`` and ``Settled`` of ``daicho.entity.v1``.

        Raises:
            EventError: One of them cannot be decoded.
        """
        return history.changes(self._directory, self.stream, from_version, to_version)

    async def diff(self, before: int, after: int) -> list[Difference]:
        """What differs between the states at two versions, field by field.

        Raises:
            NoSuchVersion: As with :meth:`at`.
            RecoveryFailed: As with :meth:`at`.
        """
        return await history.diff(self._directory, self._kind, self.id, before, after)

    # --- for the layers ---------------------------------------------------------------------------

    def _command(self, first: object, second: object) -> object:
        """The command of an ``ask``, alone or behind its handler.

        Raises:
            TypeError: What comes first is no handler of the command.
        """
        if isinstance(first, CommandHandler):
            own = self._kind.commands.get(type(second))
            # An heir's handler of the same name takes the place of the one that is named.
            if own is first.function or (own is not None and own.__name__ == first.name):
                return second
            raise TypeError(_no_command_of(first.function.__qualname__, second))
        if isinstance(first, Handler):
            raise TypeError(
                f"{first.function.__qualname__} is a handler of the kind {first.kind!r};"
                " ask takes a command handler and its command"
            )
        if isinstance(first, FunctionType):
            raise TypeError(
                f"{first.__qualname__} is no command handler; write @daicho.command above it"
            )
        if second is not None:
            raise TypeError(
                f"{first!r} is no handler; ask takes a handler such as Account.deposit and its"
                " command, or the command alone"
            )
        if isinstance(first, type):
            raise TypeError(
                f"{first.__qualname__} is a class; a command is an object: {first.__name__}(…)"
            )
        return first

    def _request(self, command: object, key: str | None, after: Token | None) -> Request:
        if key is None:
            return Request(command, after_version=self._version_of(after))
        check_key(key)
        digest = digest_of(*self._directory.schema.encode(command))
        return self._keyed(command, key, digest, after)

    def _keyed(self, command: object, key: str, digest: bytes, after: Token | None) -> Request:
        request = Request(command, key=key, digest=digest, after_version=self._version_of(after))
        directory = self._directory
        directory.system.check_thread()
        directory.check_mailbox(self.stream)
        # Many are looked up at once, and each is decided about in its turn.
        looking = directory.journal.load_reply(self.stream, key)
        request.lookup = directory.system.loop.create_task(looking)
        directory.keep(request.lookup)
        return request

    def _send(
        self, message: object, expect: type | None, timeout: float | None
    ) -> asyncio.Future[object]:
        directory = self._directory
        system = directory.system
        if get_ident() != system.thread_id:
            system.check_thread()
        now = system.now()
        ask = system.new_ask(self._pid, expect, timeout, now)
        try:
            directory.deliver(self._kind, self.stream, Envelope(message, ask), now)
        except BaseException:
            ask.cancel()  # nobody has it
            raise
        return ask

    def _ask(
        self,
        message: object,
        *,
        key: str | None = None,
        digest: bytes = b"",
        after: Token | None = None,
        timeout: float | None = None,
    ) -> asyncio.Future[object]:
        """Asks for a layer, under a key of its own; ``digest`` is that of what it asks."""
        if key is None:
            request = Request(message, after_version=self._version_of(after))
        else:
            request = self._keyed(message, key, digest, after)
        return self._send(request, None, timeout)

    async def _with_token(self, given: asyncio.Future[object]) -> Answer[object]:
        answer = await given
        assert isinstance(answer, Versioned)
        journal, version = self._directory.journal, answer.version
        try:
            position = await history.position_of(journal, self.stream, version)
        except StoreError as error:
            # It is done, and an error would say that it is not.
            log.warning("no position for version %d of %r: %s", version, self.stream, error)
            position = 0
        return Answer(answer.reply, Token(self.stream, version, position))

    def _version_of(self, after: Token | None) -> int:
        if after is None:
            return 0
        if after.stream != self.stream:
            raise ValueError(f"the token is of {after.stream!r}, not of {self.stream!r}")
        return after.version


def _no_command_of(handler: str, command: object) -> str:
    if command is None:
        return f"give the command behind its handler: ask({handler}, …)"
    return (
        f"{handler} does not handle {type(command).__qualname__}; name the handler of this command"
    )
