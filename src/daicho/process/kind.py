"""What there is to know of a process class, found out once, when the class is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from daicho.entity.entity import AnyEntity
from daicho.entity.kind import Functions, Kind, handlers
from daicho.events.naming import mark_of
from daicho.process.handlers import ReactionHandler, RejectionHandler, ReplyHandler

H = TypeVar("H", ReactionHandler[Any, Any], ReplyHandler[Any, Any, Any])


@dataclass(frozen=True, slots=True)
class Reactor:
    """How a process reacts to events of one class."""

    function: Callable[..., object]
    which: Callable[..., str | None]
    """Says which instance an event is for."""


@dataclass(frozen=True, slots=True, eq=False)
class ProcessKind(Kind):
    """A process class as the rest of the layer knows it."""

    reactions: Mapping[type, Reactor]
    replies: Functions
    """What hears of the reply to a command, by the command's exact class."""
    rejections: Functions
    """What hears of the rejection of a command, by the command's exact class."""
    heard: tuple[type, ...]
    """Classes of replies that can be stored."""

    @property
    def types(self) -> tuple[type, ...]:
        """What is read for it: also what it reacts to, and the replies that it hears of."""
        return (self.state, *self.events, *self.reactions, *self.heard)


def process_kind(cls: type[AnyEntity], found: Kind) -> ProcessKind:
    """Adds what a process has beyond an entity.

    Raises:
        BadEntity: It cannot be a process.
    """
    functions = handlers(cls, found.name, ReactionHandler)
    which = {
        each.function: each.which
        for each in _marked(cls, ReactionHandler)
        if each.which is not None
    }
    heard = [reply for each in _marked(cls, ReplyHandler) for reply in each.replies(found.name)]
    return ProcessKind(
        found.name,
        found.cls,
        found.state,
        found.commands,
        found.events,
        {event: Reactor(function, which[function]) for event, function in functions.items()},
        handlers(cls, found.name, ReplyHandler),
        handlers(cls, found.name, RejectionHandler),
        tuple(reply for reply in heard if _has_name(reply)),
    )


def _marked(cls: type[AnyEntity], kind: type[H]) -> list[H]:
    members = [member for each in cls.__mro__ for member in vars(each).values()]
    return [member for member in members if isinstance(member, kind)]


def _has_name(cls: type[object]) -> bool:
    """Whether a class brings along the name that its objects are stored under."""
    return issubclass(cls, Message) or mark_of(cls) is not None
