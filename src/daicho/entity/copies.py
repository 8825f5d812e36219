"""Copies of replies: what waits for the disk must not change while it does."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import enum
import types
import uuid
from collections.abc import Callable
from typing import cast

from google.protobuf.message import Message

Copier = Callable[[object], object]

_CONSTANT = (
    bool,
    bytes,
    complex,
    dt.date,
    dt.time,
    dt.timedelta,
    dt.tzinfo,
    decimal.Decimal,
    enum.Enum,
    float,
    int,
    str,
    types.NoneType,
    uuid.UUID,
)


class Copiers(dict[type, "Copier | None"]):
    """How to copy a reply, by its class; None for what does not change anyway.

    Frozen dataclasses and frozen Structs count as what does not change: that is what frozen means.
    Protobuf copies its messages itself; everything else goes through ``copy.deepcopy``.
    """

    def __missing__(self, cls: type) -> Copier | None:
        found = self[cls] = _copier(cls)
        return found


def _copier(cls: type[object]) -> Copier | None:
    if issubclass(cls, (*_CONSTANT, BaseException)) or _is_frozen(cls):
        return None
    if issubclass(cls, Message):
        return _copy_message
    return copy.deepcopy


def _copy_message(reply: object) -> object:
    message = cast("Message", reply)
    fresh = message.__class__()
    fresh.CopyFrom(message)
    return fresh


def _is_frozen(cls: type[object]) -> bool:
    # Of a dataclass, and of a msgspec.Struct, without asking for that package.
    parameters: object = getattr(cls, "__dataclass_params__", None)
    config: object = getattr(cls, "__struct_config__", None)
    return bool(getattr(parameters or config, "frozen", False))


COPIERS = Copiers()
"""For all entities: it depends on nothing but the class."""
