"""An entity, as the rest of the program sees it."""

# The modules of this package share what they keep to themselves.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar, cast, overload

from daicho.actor import Envelope
from daicho.actor.ask import Ask
from daicho.entity import history
from daicho.entity.entity import AnyEntity, Entity
from daicho.entity.handlers import CommandHandler
from daicho.entity.messages import Request, Token, Versioned
from daicho.entity.stored import decode_reply, digest_of, stream_of
from daicho.errors import KeyReused, Rejected, UnexpectedReply

if TYPE_CHECKING:
    from daicho.entity.directory import Directory
    from daicho.entity.history import Change, Difference
    from daicho.entity.kind import Kind
    from daicho.journal import Reply

E_co = TypeVar("E_co", bound=AnyEntity, covariant=True)
S = TypeVar("S")
C = TypeVar("C")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
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
            AskTimeout: No reply in time; the command may still be decided. So may it after
                ``SystemStopped``, and after ``PersistFailed`` whose cause is
                ``JournalUnavailable``: ask again under the same key.
            ConcurrencyConflict: Another process was faster, again and again.
            PersistFailed: The events could not be stored.
            RecoveryFailed: What is stored could not be applied; the error names the event.
            NoSuchVersion: The journal has not come to ``after``.
            UnexpectedReply: The reply is no ``expect``.
            SystemStopped: The application is closed or closing.

        Whatever else the handler raises is raised here too; the events of the message are forgotten
        then, and the entity is rebuilt from what is stored.
        """
        command = second if isinstance(first, CommandHandler) else first
        if idempotency_key is None and after is None:
            return self._send(command, expect, timeout)
        return self._begin(
            self._ask(command, expect=expect, key=idempotency_key, after=after, timeout=timeout)
        )

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
        command = second if isinstance(first, CommandHandler) else first
        return self._begin(
            self._ask_with_token(command, key=idempotency_key, after=after, timeout=timeout)
        )

    def tell(self, command: object) -> None:
        """Lets the entity decide about a command, and waits for nothing.

        Nobody hears whether it was done: what goes wrong is logged.

        Raises:
            SystemStopped: The application is closed or closing.
        """
        self._directory.system.check_thread()
        self._directory.deliver(self._kind, self.stream, command)

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

    def _begin(self, asking: Coroutine[object, object, R]) -> asyncio.Future[R]:
        system = self._directory.system
        try:
            system.check_thread()
            # Of this application's loop, whichever runs here, if any does.
            return system.loop.create_task(asking)
        except BaseException:
            asking.close()
            raise

    def _send(
        self, message: object, expect: type | None, timeout: float | None
    ) -> asyncio.Future[object]:
        directory = self._directory
        system = directory.system
        system.check_thread()
        ask = Ask(system, self._pid, expect)
        system.deadlines.add(ask, system.ask_timeout if timeout is None else timeout)
        try:
            directory.deliver(self._kind, self.stream, Envelope(message, ask.pid))
        except BaseException:
            ask.cancel()  # nobody has it
            raise
        return ask

    async def _ask(
        self,
        command: object,
        *,
        expect: type | None = None,
        key: str | None = None,
        digest: bytes = b"",
        after: Token | None = None,
        versioned: bool = False,
        timeout: float | None = None,
    ) -> object:
        """Asks with more than a command.

        ``digest`` is the command's, where that has no stored form.
        """
        if key is not None:
            digest = digest or digest_of(*self._directory.schema.encode(command))
            known = await self._directory.journal.load_reply(self.stream, key)
            if known is not None:
                return self._repeated(known, digest, expect, versioned=versioned)
        request = Request(
            command,
            key=key,
            digest=digest,
            after_version=self._version_of(after),
            versioned=versioned,
        )
        return await self._send(request, None if versioned else expect, timeout)

    def _repeated(
        self, known: Reply, digest: bytes, expect: type | None, *, versioned: bool
    ) -> object:
        """What a key's command came to, without asking the entity."""
        if known.command != digest:
            raise KeyReused(self.stream, known.key)
        reply = decode_reply(self._directory.schema, known.type_name, known.payload)
        if isinstance(reply, Rejected):
            raise reply
        if expect is not None and not isinstance(reply, expect):
            raise UnexpectedReply(self._pid, expect, reply)
        return Versioned(reply, known.version) if versioned else reply

    async def _ask_with_token(
        self, command: object, *, key: str | None, after: Token | None, timeout: float | None
    ) -> Answer[object]:
        given = await self._ask(command, key=key, after=after, versioned=True, timeout=timeout)
        assert isinstance(given, Versioned)
        position = await history.position_of(self._directory.journal, self.stream, given.version)
        return Answer(given.reply, Token(self.stream, given.version, position))

    def _version_of(self, after: Token | None) -> int:
        if after is None:
            return 0
        if after.stream != self.stream:
            raise ValueError(f"the token is of {after.stream!r}, not of {self.stream!r}")
        return after.version
