"""What the classes of a team inherit: it decides about commands, and its events are its memory."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from datetime import datetime, timedelta
from inspect import isawaitable
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from daicho.entity.clock import time_of, us_of
from daicho.entity.handlers import CommandHandler, EventHandler, Handler
from daicho.entity.kind import Kind, kind_of
from daicho.entity.pending import Pending
from daicho.entity.stored import id_of, stream_of
from daicho.entity.v1 import Outgoing, Settled
from daicho.errors import BadEntity, PersistRefused, Rejected, UnhandledEvent, UnknownCommand
from daicho.events import Codec, Several
from daicho.persistence import Retention, SnapshotStrategy
from daicho.persistence.snapshots import KEEP_ALL, NEVER

S = TypeVar("S")


class Turn(Protocol):
    """What carries an entity through one message: an actor, or a test."""

    @property
    def now_us(self) -> int:
        """The application's time, in microseconds since 1970-01-01 UTC."""
        ...

    def record(self, event: object) -> None:
        """Takes an event; it is stored with all others of the message."""
        ...

    def encode(self, message: object) -> tuple[str, bytes]:
        """The stored name of its type, and its bytes."""
        ...


class Entity(Generic[S]):
    """Something with an id and a state that changes by events alone; ``S`` is the state's class.

    Mark what decides with :func:`command` and what applies with :func:`event`. A class can say:

    - ``name``: what its entities are stored under, which must never change; the class's name if it
      does not say;
    - ``commands`` and ``events``: closed lists; then each of them must have a handler;
    - ``snapshot``: when a snapshot is due, for instance ``every(100)``; ``retention``: how many are
      kept.

    Raises:
        BadEntity: The class cannot be an entity, and the text says what to write.
    """

    __daicho_entity__ = True
    # An heir without slots of its own has room for whatever it likes; what all have stays small. A
    # class that is inherited beside this one can have no slots that are not empty.
    __slots__ = ("_pending", "_stream", "_turn", "state", "version")

    snapshot: ClassVar[SnapshotStrategy] = NEVER
    retention: ClassVar[Retention] = KEEP_ALL
    _kind: ClassVar[Kind | None] = None
    _handler_kinds: ClassVar[tuple[type[Handler], ...]] = (CommandHandler, EventHandler)
    """What a class of this sort may mark its methods with."""

    version: int
    """The version of the state at hand: how many events it is made of."""
    state: S
    """What the events so far come to."""

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        commands: Iterable[type] | None = None,
        events: Iterable[type] | None = None,
    ) -> None:
        super().__init_subclass__()
        if "__init__" in vars(cls):
            raise BadEntity(
                cls.__qualname__,
                "entities are made by the application, so it has no __init__ of its own; override"
                " initial() for the first state; what else handlers need belongs to the class",
            )
        cls._kind = cls._find_kind(name, commands, events)

    @classmethod
    def _find_kind(
        cls, name: str | None, commands: Iterable[type] | None, events: Iterable[type] | None
    ) -> Kind | None:
        return kind_of(cls, name, commands, events)

    def __init__(self, id: str) -> None:  # noqa: A002
        self._stream = stream_of(self._kind_of_this().name, id)
        self.version = 0
        self._turn: Turn | None = None
        self._pending: Pending | None = None
        self.state = self.initial()

    @classmethod
    def _kind_of_this(cls) -> Kind:
        if cls._kind is None:
            raise BadEntity(cls.__qualname__, "it leaves its state's class open; inherit it")
        return cls._kind

    def initial(self) -> S:
        """The state before the first event: of the state's class, made without arguments."""
        state: S = self._kind_of_this().state()
        return state

    @property
    def id(self) -> str:
        """What it is addressed by, together with its type."""
        # Its actor has the name of the stream anyway; another text would be 54 bytes or more.
        return id_of(self._stream)

    # --- for handlers -----------------------------------------------------------------------------

    def emit(self, *events: object) -> None:
        """Records events and applies them at once, each before the next.

        They are stored together with all others of the message, and what is returned leaves after
        that. An event must not change afterwards.

        Raises:
            UnhandledEvent: The entity has no handler for one of them.
            UnencodableEvent: One of them cannot be stored.
            PersistRefused: This is not the handler of a command.
        """
        turn = self._turn
        if turn is None:
            raise self._refusal()
        handlers = self._kind.events  # type: ignore[union-attr]
        for event in events:
            apply = handlers.get(type(event))
            if apply is None:
                raise UnhandledEvent(self._kind_of_this().name, type(event))
            turn.record(event)
            self.version += 1
            # Whatever an event's handler emitted would be missing when history is replayed.
            self._turn = None
            try:
                made = apply(self, event)
            finally:
                self._turn = turn
            if made is not None:
                raise TypeError(
                    f"event handler {apply.__name__} returned a {type(made).__qualname__};"
                    " a new state is assigned: self.state = …"
                )

    @property
    def now(self) -> datetime:
        """The time, in UTC, for deciding about a command.

        Raises:
            PersistRefused: This is not the handler of a command. The handler of an event must not
                look at the clock: it runs again for history. Put the time into the event.
        """
        if self._turn is None:
            raise self._refusal()
        return time_of(self._turn.now_us)

    def schedule(
        self,
        command: object,
        *,
        name: str,
        after: timedelta | None = None,
        at: datetime | None = None,
    ) -> None:
        """Sends a command to this entity later: once in effect, across restarts, unless cancelled.

        It is recorded with the message's events. A timer of the same name that has not fired is
        replaced.

        Args:
            command: What the entity has a command handler for.
            name: What :meth:`cancel` and the next ``schedule`` know it by.
            after: How long from now; give this or ``at``.
            at: When, with its zone. What is past is due at once.

        Raises:
            UnknownCommand: The entity has no handler for the command.
            UnencodableEvent: The command cannot be stored.
            PersistRefused: This is not the handler of a command.
            ValueError: There is no name, or not exactly one of ``after`` and ``at``, or ``at`` has
                no zone, or it would be after the year 9999.
        """
        if not name:
            raise ValueError("a timer has a name, by which it can be cancelled")
        if (after is None) == (at is None):
            raise ValueError("a timer is due 'after' some time or 'at' one: give one of them")
        if after is not None and not isinstance(after, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"after is a length of time, not {after!r}: after=timedelta(days=30)")
        try:
            due = self.now + after if at is None and after is not None else at
        except OverflowError as error:
            raise ValueError(
                f"a timer cannot be due after {after}: no calendar goes so far"
            ) from error
        assert due is not None
        if due.tzinfo is None:
            raise ValueError(f"the time {due} has no zone; write datetime(…, tzinfo=UTC)")
        kind = self._kind_of_this()
        if type(command) not in kind.commands:
            raise self._unknown(command)
        if self._turn is not None:
            # One that cannot be stored must not take the place of the one that there is.
            self._turn.encode(command)
        self.cancel(name)
        # At least 1: 0 stands for what was no timer.
        due_us = max(us_of(due), 1)
        self._let_go(kind.name, self.id, command, due_us=due_us, timer=name)

    def cancel(self, name: str) -> bool:
        """Cancels the timer of that name; says whether there was one that had not fired.

        Raises:
            PersistRefused: This is not the handler of a command.
        """
        if self._turn is None:
            raise self._refusal()
        number = None if self._pending is None else self._pending.timer(name)
        if number is None:
            return False
        self._settle(number, Settled.OUTCOME_CANCELLED)
        return True

    # --- for the layers ---------------------------------------------------------------------------

    def _let_go(
        self,
        target_entity: str,
        target_id: str,
        command: object,
        *,
        due_us: int = 0,
        timer: str = "",
    ) -> None:
        """Records that a command is to leave."""
        if self._turn is None:
            raise self._refusal()
        type_name, payload = self._turn.encode(command)
        self._own(
            Outgoing(
                number=(self._pending.last_number if self._pending else 0) + 1,
                target_entity=target_entity,
                target_id=target_id,
                command_type=type_name,
                command=payload,
                due_us=due_us,
                timer=timer,
            )
        )

    def _settle(self, number: int, outcome: Settled.Outcome) -> None:
        """Records what became of a command that left."""
        self._own(Settled(number=number, outcome=outcome))

    def _own(self, event: Outgoing | Settled) -> None:
        if self._turn is None:
            raise self._refusal()
        self._turn.record(event)
        self.version += 1
        self._remember(event)

    def _remember(self, event: Outgoing | Settled) -> None:
        if self._pending is None:
            self._pending = Pending()
        self._pending.apply(event)

    async def _fire(self, number: int, codec: Codec) -> None:
        """Handles the command of a timer that is due, if it still is."""
        item = self._pending.items.get(number) if self._pending else None
        if item is None:
            return
        command = codec.decode(item.command_type, item.command)
        handler = self._kind_of_this().commands.get(type(command))
        if handler is None:
            raise self._unknown(command)
        # First, so that the handler can set a timer of the same name anew.
        self._settle(number, Settled.OUTCOME_FIRED)
        version = self.version
        try:
            await finished(handler(self, command))
        except Rejected:
            if self.version != version:
                raise

    def _unknown(self, command: object) -> UnknownCommand:
        kind = self._kind_of_this()
        known = sorted(handled.__name__ for handled in kind.commands)
        return UnknownCommand(kind.name, type(command), known)

    def _replay(self, event: object) -> None:
        """Applies an event that is stored already; ``version`` is the caller's to keep."""
        apply = self._kind.events.get(type(event))  # type: ignore[union-attr]
        if apply is not None:
            apply(self, event)
        elif isinstance(event, Outgoing | Settled):
            self._remember(event)
        elif isinstance(event, Several):
            for part in event.events:
                self._replay(part)
        else:
            raise UnhandledEvent(self._kind_of_this().name, type(event))

    def _refusal(self) -> PersistRefused:
        return PersistRefused(
            f"{self._kind_of_this().name} {self.id!r} is not handling a command: only a command"
            " handler emits events, sets timers and looks at the clock"
        )


async def finished(pending: object) -> object:
    """The result of a handler, plain or ``async``."""
    if isawaitable(pending):
        waiting: Awaitable[object] = pending
        return await waiting
    return pending


AnyEntity = Entity[Any]
"""Where it does not matter of which class the state is."""
