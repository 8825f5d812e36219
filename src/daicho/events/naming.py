"""The names that dataclasses and msgspec's Structs are stored under."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from google.protobuf.message import Message

from daicho._frozen import frozen

__all__ = ["stored_as"]

T = TypeVar("T")

MAX_NAME_BYTES = 1_000
"""The longest name in UTF-8; a journal takes a little more, which leaves room for the version."""

MAX_VERSION = 1_000
"""The highest version of a type: far above what a program ever reads."""

_MARK = "__daicho_stored_as__"
_VERSIONED = re.compile(r"(.+)@([1-9][0-9]{0,3})", re.DOTALL)


@frozen
class StoredAs:
    """What ``stored_as`` notes on a class: the name with its version, and what else is read."""

    name: str
    aliases: tuple[str, ...]


def stored_as(
    name: str, *, version: int = 1, aliases: Iterable[str] = ()
) -> Callable[[type[T]], type[T]]:
    """Lets the instances of a dataclass or a ``msgspec.Struct`` be stored, under a lasting name.

    Version 1 is stored as ``name``, a later one as ``name@2``, ``name@3`` and so on. The name is
    that of the class alone: a subclass needs one of its own. A dataclass is decorated outside of
    ``@dataclass``, because ``@dataclass(slots=True)`` makes a new class::

        @stored_as("shop.item-added", version=2)
        @dataclass(frozen=True, slots=True)
        class ItemAdded: ...

    Args:
        name: Without a version and without "@"; at most 1,000 bytes.
        version: From 1 to 1,000.
        aliases: Names that are only read, as they are stored, with their version: what the type
            was called before.

    Raises:
        TypeError: The class is neither, or there is no name; the text says what to do.
        ValueError: A name or the version cannot be stored, or the class has a name already.
    """
    _refuse_what_is_no_name(name)
    mark = StoredAs(versioned(name, version), alias_names(aliases))

    def decorate(cls: type[T]) -> type[T]:
        _refuse_what_is_no_record(cls)
        existing = mark_of(cls)
        if existing is not None:
            raise ValueError(
                f"{cls.__qualname__} is stored as {existing.name!r} already;"
                f" give {mark.name!r} as an alias, or to another class"
            )
        setattr(cls, _MARK, mark)
        return cls

    return decorate


def mark_of(cls: type[object]) -> StoredAs | None:
    """What ``stored_as`` noted on exactly this class, if it was decorated."""
    mark = cls.__dict__.get(_MARK)
    return mark if isinstance(mark, StoredAs) else None


def has_name(cls: type[object]) -> bool:
    """Whether a class brings along the name that its objects are stored under."""
    return issubclass(cls, Message) or mark_of(cls) is not None


def is_record(cls: type[object]) -> bool:
    """Whether a class is a dataclass of its own, or a Struct."""
    # A subclass of a dataclass that is none itself has fields of which the dataclass knows nothing.
    return "__dataclass_fields__" in cls.__dict__ or is_struct(cls)


def is_struct(cls: type[object]) -> bool:
    """Whether a class is a ``msgspec.Struct``, told without importing msgspec."""
    return hasattr(cls, "__struct_fields__")


def versioned(name: str, version: int) -> str:
    """The name that a version of a type is stored under.

    Raises:
        ValueError: The name or the version cannot be stored.
    """
    _refuse_unstorable(name)
    if "@" in name:
        raise ValueError(
            f"the name {name!r} contains '@', which parts it from its version; give version=…"
        )
    if not 1 <= version <= MAX_VERSION:
        raise ValueError(f"version {version} of {name!r} is not from 1 to {MAX_VERSION}")
    return name if version == 1 else f"{name}@{version}"


def name_and_version(stored: str) -> tuple[str, int]:
    """What ``versioned`` made a stored name of; a name that it did not make is a version 1."""
    match = _VERSIONED.fullmatch(stored)
    if match is None or match[2] == "1":
        return stored, 1
    return match[1], int(match[2])


def alias_names(names: Iterable[str]) -> tuple[str, ...]:
    """Stored names, which may have versions, as a tuple.

    Raises:
        TypeError: It is one text, which would be read as a name for each character.
        ValueError: A name cannot be stored.
    """
    if isinstance(names, str):
        raise TypeError(f"{names!r} stands where several names are expected; write [{names!r}]")
    found = tuple(names)
    for name in found:
        _refuse_unstorable(name)
    return found


def _refuse_what_is_no_name(name: object) -> None:
    if isinstance(name, type):
        cls = cast("type[object]", name)
        raise TypeError(
            "stored_as takes the name that lasts:"
            f" write @stored_as('shop.{cls.__name__.lower()}') above {cls.__qualname__}"
        )
    if not isinstance(name, str):
        raise TypeError(f"stored_as takes a name, a str, not {name!r}")


def _refuse_unstorable(name: str) -> None:
    if not name:
        raise ValueError("a stored name is not empty")
    if "\0" in name:
        raise ValueError(f"the name {name!r} contains NUL, which not every journal can hold")
    # A lone surrogate has no UTF-8; that error is a ValueError and names the character.
    size = len(name.encode())
    if size > MAX_NAME_BYTES:
        raise ValueError(f"a stored name has {size} bytes, at most {MAX_NAME_BYTES} are allowed")


def _refuse_what_is_no_record(decorated: object) -> None:
    if not isinstance(decorated, type):
        raise TypeError(f"stored_as decorates a class, not {decorated!r}")
    cls = cast("type[object]", decorated)
    if issubclass(cls, Message):
        raise TypeError(
            f"{cls.__qualname__} is a protobuf message, which has a name already;"
            " for another one use Schema.register(…, name=…)"
        )
    if not is_record(cls):
        raise TypeError(
            f"{cls.__qualname__} is neither a dataclass nor a msgspec.Struct, or not yet:"
            " write @stored_as(…) above @dataclass, and @dataclass on each subclass"
        )
