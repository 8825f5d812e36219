"""What there is to know of a process class, found out once, when the class is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from daicho._frozen import frozen
from daicho.entity.entity import AnyEntity
from daicho.entity.kind import Functions, Kind, handlers, marked
from daicho.events.naming import has_name
from daicho.process.handlers import ReactionHandler, RejectionHandler, ReplyHandler


@frozen
class Reactor:
    """How a process reacts to events of one class."""

    function: Callable[..., object]
    which: Callable[..., str | None]
    """Says which instance an event is for."""


@frozen(eq=False)
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
        return (self.state, *self.events, *self.answers, *self.reactions, *self.heard)


def process_kind(cls: type[AnyEntity], found: Kind) -> ProcessKind:
    """Adds what a process has beyond an entity.

    Raises:
        BadEntity: It cannot be a process.
    """
    functions = handlers(cls, found.name, ReactionHandler)
    reacting: list[ReactionHandler[Any, Any]] = marked(cls, ReactionHandler)
    which = {each.function: each.which for each in reacting if each.which is not None}
    hearing: list[ReplyHandler[Any, Any, Any]] = marked(cls, ReplyHandler)
    heard = [reply for each in hearing for reply in each.replies(found.name)]
    return ProcessKind(
        found.name,
        found.cls,
        found.state,
        found.commands,
        found.events,
        found.answers,
        {event: Reactor(function, which[function]) for event, function in functions.items()},
        handlers(cls, found.name, ReplyHandler),
        handlers(cls, found.name, RejectionHandler),
        tuple(reply for reply in heard if has_name(reply)),
    )
