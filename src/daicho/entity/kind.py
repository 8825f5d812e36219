"""What there is to know of an entity class, found out once, when the class is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from daicho._frozen import frozen
from daicho.entity.handlers import CommandHandler, EventHandler, Handler
from daicho.errors import BadEntity
from daicho.events.naming import has_name

if TYPE_CHECKING:
    from daicho.entity.entity import Entity

H = TypeVar("H", bound=Handler)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")

Functions = Mapping[type, Callable[..., object]]
"""What handles a message, by the message's exact class; called with the entity and the message."""


@frozen(eq=False)
class Kind:
    """An entity class as the rest of the layer knows it."""

    name: str
    cls: type[Entity[Any]]
    state: type
    commands: Functions
    events: Functions
    answers: tuple[type, ...]
    """Classes of its replies that can be stored, as far as the handlers' annotations name them."""

    @property
    def types(self) -> tuple[type, ...]:
        """What is stored for it: its state, its events, and what it replies under a key."""
        return tuple(dict.fromkeys((self.state, *self.events, *self.answers)))


def kind_of(
    cls: type[Entity[Any]],
    name: str | None,
    commands: Iterable[type] | None,
    events: Iterable[type] | None,
) -> Kind | None:
    """Finds out about a class; None for one that leaves its state's type open, as a base does.

    Raises:
        BadEntity: It cannot be an entity.
    """
    known_as = cls.__name__ if name is None else name
    if known_as.startswith("daicho."):
        raise BadEntity(cls.__qualname__, f"names such as {known_as!r} are kept for the library")
    if not _NAME.fullmatch(known_as):
        raise BadEntity(
            cls.__qualname__,
            f"its name {known_as!r} is not a letter and up to 99 letters, digits, '_', '-' or '.';"
            " events are stored under it: class …(Entity[…], name='wallet')",
        )
    _check_kinds(cls, known_as)
    state = _state_type(cls)
    if state is None:
        return None
    found = Kind(
        known_as,
        cls,
        state,
        handlers(cls, known_as, CommandHandler),
        handlers(cls, known_as, EventHandler),
        _answers(cls, known_as),
    )
    if state in found.events:
        raise BadEntity(
            known_as,
            f"{state.__qualname__} is its state and one of its events; make a class for each",
        )
    _check_options(cls, known_as, state)
    _check_closed(known_as, "command", found.commands, commands)
    _check_closed(known_as, "event", found.events, events)
    return found


def handlers(cls: type, entity: str, kind: type[Handler]) -> dict[type, Callable[..., object]]:
    """The functions of a class's handlers of one kind, by what they handle.

    Raises:
        BadEntity: Two handle the same.
    """
    owners: dict[type, Handler] = {}
    for handler in marked(cls, kind):
        for handled in handler.handled(entity):
            if handled in owners:
                raise BadEntity(
                    entity,
                    f"{owners[handled].name} and {handler.name} both handle the {handler.kind}"
                    f" {handled.__qualname__}; let one of them do both",
                )
            owners[handled] = handler
    return {handled: handler.function for handled, handler in owners.items()}


def marked(cls: type, kind: type[H]) -> list[H]:
    """A class's handlers of one kind; what a heir calls by the same name takes their place."""
    members: dict[str, object] = {}
    for each in reversed(cls.__mro__):
        members.update(vars(each))
    return [member for member in members.values() if isinstance(member, kind)]


def _answers(cls: type, entity: str) -> tuple[type, ...]:
    """What command handlers return, as far as it brings along a stored name.

    So a reply that an earlier run of the program has stored under a key can be read by this one.
    """
    deciding: list[CommandHandler[Any, Any, Any, Any]] = marked(cls, CommandHandler)
    found = [each for one in deciding for each in one.returned(entity)]
    return tuple(dict.fromkeys(each for each in found if has_name(each)))


def _state_type(cls: type) -> type | None:
    """``S`` of the ``Entity[S]`` that the class, or one above it, inherits."""
    for each in cls.__mro__:
        for base in getattr(each, "__orig_bases__", ()):
            origin = get_origin(base)
            if not (isinstance(origin, type) and hasattr(origin, "__daicho_entity__")):
                continue
            (state, *_) = get_args(base)
            if isinstance(state, TypeVar):
                return None
            if isinstance(state, type):
                return state
            raise BadEntity(
                cls.__qualname__, f"its state is given as {state!r}; name a class: Entity[Balance]"
            )
    raise BadEntity(
        cls.__qualname__, "it does not say of which class its state is; inherit Entity[Balance]"
    )


def _check_kinds(cls: type[Entity[Any]], entity: str) -> None:
    allowed = cls._handler_kinds  # pyright: ignore[reportPrivateUsage]
    for handler in marked(cls, Handler):
        if not isinstance(handler, allowed):
            raise BadEntity(
                entity,
                f"{handler.name} is a handler of the kind {handler.kind!r}, which a plain Entity"
                " would never call; inherit daicho.Process",
            )


def _check_options(cls: type[Entity[Any]], entity: str, state: type) -> None:
    if not hasattr(cls.snapshot, "due"):
        raise BadEntity(
            entity, f"its snapshot is a strategy such as every(100), not {cls.snapshot!r}"
        )
    if not hasattr(cls.retention, "truncate_events"):
        raise BadEntity(entity, f"its retention is a Retention(…), not {cls.retention!r}")
    if "initial" in {name for each in cls.__mro__[:-1] for name in vars(each) if _is_of_user(each)}:
        return
    try:
        state()
    except TypeError as error:
        raise BadEntity(
            entity,
            f"its state cannot be made without arguments ({error}); give its fields defaults, or"
            " override initial(self)",
        ) from error


def _is_of_user(cls: type) -> bool:
    return "__daicho_entity__" not in vars(cls) and not cls.__module__.startswith("daicho.")


def _check_closed(
    entity: str, kind: str, handled: Functions, declared: Iterable[type] | None
) -> None:
    if declared is None:
        return
    wanted = set(declared)
    if missing := wanted - handled.keys():
        each = min(cls.__qualname__ for cls in missing)
        raise BadEntity(
            entity,
            f"its {kind} {each} has no handler; write one: @{kind} def …(self, {kind}: {each})",
        )
    if extra := handled.keys() - wanted:
        each = min(cls.__qualname__ for cls in extra)
        raise BadEntity(
            entity,
            f"it handles the {kind} {each}, which is not among its {kind}s=…; add it there",
        )
