"""Copies of replies: what waits for the disk must not change while it does."""

from __future__ import annotations

import copy
import datetime as dt
import enum
import types
from collections.abc import Callable
from functools import cache
from typing import ClassVar, Literal, Union, cast, get_args, get_origin, get_type_hints

from google.protobuf.message import Message

Copier = Callable[[object], object]


@cache
def _constant() -> tuple[type, ...]:
    """Classes whose instances never change."""
    # A program whose replies are messages has no use for these, and waits for them at its start.
    from decimal import Decimal  # noqa: PLC0415
    from uuid import UUID  # noqa: PLC0415

    return (
        bool,
        bytes,
        complex,
        dt.date,
        dt.time,
        dt.timedelta,
        dt.tzinfo,
        Decimal,
        enum.Enum,
        float,
        int,
        str,
        types.NoneType,
        UUID,
    )


class Copiers(dict[type, "Copier | None"]):
    """How to copy a reply, by its class; None for what does not change anyway.

    For what is no reply but has to be awaited for one, it is ``awaited``: one look-up tells all
    there is to know. To ask a protobuf message for an attribute that it lacks takes longer than to
    copy it.

    That is what is constant by itself, and a frozen dataclass or Struct whose fields are such, as
    far as their annotations say. Protobuf copies its messages itself; everything else goes through
    ``copy.deepcopy``.
    """

    def __missing__(self, cls: type) -> Copier | None:
        found = self[cls] = _copier(cls)
        return found


def awaited(reply: object) -> object:
    """In place of a copier: this has to be awaited first."""
    raise TypeError(f"a reply is given when it is there; this is a {type(reply).__qualname__}")


def _copier(cls: type[object]) -> Copier | None:
    if hasattr(cls, "__await__"):
        return awaited
    if issubclass(cls, Message):
        # Protobuf's own, in one call: two thirds of the time of a new message and CopyFrom.
        return cast("Copier", cls.__deepcopy__)
    if issubclass(cls, BaseException) or is_constant(cls):
        return None
    return copy.deepcopy


def is_constant(annotation: object, within: frozenset[type] = frozenset()) -> bool:
    """Whether what has this type never changes.

    Args:
        annotation: A class, or what annotates a field.
        within: Classes that are being looked into: one that holds itself is as constant as what it
            holds beside that.
    """
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, tuple, frozenset):
        parts = [part for part in get_args(annotation) if part is not Ellipsis]
        return bool(parts) and all(is_constant(part, within) for part in parts)
    if origin is Literal:
        return True
    if not isinstance(annotation, type):
        return False
    cls: type[object] = annotation
    if issubclass(cls, _constant()) or cls in within:
        return True
    return _is_frozen(cls) and _has_constant_fields(cls, within | {cls})


def _has_constant_fields(cls: type[object], within: frozenset[type]) -> bool:
    try:
        fields = get_type_hints(cls)
    except Exception:  # noqa: BLE001 - what cannot be looked into is taken to change
        return False
    return all(
        is_constant(each, within) for each in fields.values() if get_origin(each) is not ClassVar
    )


def _is_frozen(cls: type[object]) -> bool:
    # Of a dataclass, and of a msgspec.Struct, without asking for that package.
    parameters: object = getattr(cls, "__dataclass_params__", None)
    config: object = getattr(cls, "__struct_config__", None)
    return bool(getattr(parameters or config, "frozen", False))


COPIERS = Copiers()
"""For all entities: it depends on nothing but the class."""
