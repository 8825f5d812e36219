"""What the processes of a team inherit: an entity that reacts to others and sends them commands."""

# The modules of these packages share what they keep to themselves.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Generic, TypeVar

from daicho.entity.entity import AnyEntity, Entity
from daicho.entity.handlers import CommandHandler, EventHandler, Handler
from daicho.entity.kind import Kind
from daicho.entity.stored import stream_of
from daicho.errors import UnknownCommand
from daicho.process.handlers import ReactionHandler, RejectionHandler, ReplyHandler
from daicho.process.kind import process_kind

S = TypeVar("S")


class Process(Entity[S], Generic[S]):
    """A process manager, or saga: it sees to something that several entities take part in.

    It is an entity, with an id, a state, events, commands and timers. Beside these

    - :func:`reaction` marks what reacts to events of other entities;
    - ``send`` lets a command go to another entity;
    - :func:`on_reply` and :func:`on_rejection` mark what hears of its outcome.

    Each of them happens once in effect, whatever dies when: what a process does is stored in one
    write with the fact that it was done, and each command carries an idempotency key.

    Raises:
        BadEntity: The class cannot be a process, and the text says what to write.
    """

    _handler_kinds: ClassVar[tuple[type[Handler], ...]] = (
        CommandHandler,
        EventHandler,
        ReactionHandler,
        ReplyHandler,
        RejectionHandler,
    )

    @classmethod
    def _find_kind(
        cls, name: str | None, commands: Iterable[type] | None, events: Iterable[type] | None
    ) -> Kind | None:
        found = super()._find_kind(name, commands, events)
        return None if found is None else process_kind(cls, found)

    def send(self, entity: type[AnyEntity] | str, id: str, command: object) -> None:  # noqa: A002
        """Lets a command go to an entity; it arrives there once in effect.

        It is recorded with the events of the message at hand and delivered when these are stored;
        commands to one entity in the order in which they were sent, each after the outcome of the
        one before. The outcome comes back to what :func:`on_reply` or :func:`on_rejection` marks.

        Args:
            entity: The class of the entity, or the name that it is stored under, for one whose
                class is not known here.
            id: Its id.
            command: What it has a command handler for. The handler's reply has to be something that
                can be stored.

        Raises:
            BadId: The id is empty, too long, or no text.
            UnknownCommand: The class has no handler for the command.
            UnencodableEvent: The command cannot be stored.
            PersistRefused: This is no handler of a command, a reaction or an outcome.
        """
        if isinstance(entity, str):
            name = entity
        else:
            kind = entity._kind_of_this()
            name = kind.name
            if type(command) not in kind.commands:
                known = sorted(handled.__name__ for handled in kind.commands)
                raise UnknownCommand(name, type(command), known)
        stream_of(name, id)
        self._let_go(name, id, command)
