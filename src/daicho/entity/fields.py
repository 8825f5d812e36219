"""How two states differ, field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from google.protobuf.message import Message


class Difference(NamedTuple):
    """A place where two states differ."""

    path: str
    """Where: ``deposit``, ``owner.name``, ``items[2]``, ``limits['day']``; empty for the whole."""
    before: object
    """What is there in the first; ``MISSING`` if nothing is."""
    after: object
    """What is there in the second; ``MISSING`` if nothing is."""


class _Missing:
    """Nothing is there."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


def differences(before: object, after: object) -> list[Difference]:
    """Where two values differ, in the order of their fields; empty if they do not.

    Protobuf messages, dataclasses, Structs, mappings and sequences are looked into; everything else
    is compared as it is.
    """
    return list(_differences("", before, after))


def _differences(path: str, before: object, after: object) -> Iterator[Difference]:
    if type(before) is not type(after):
        yield Difference(path, before, after)
        return
    old, new = _parts(before), _parts(after)
    if old is None or new is None:
        if before != after:
            yield Difference(path, before, after)
        return
    for key in [*old, *(key for key in new if key not in old)]:
        where = f"{path}{key}" if path or key.startswith("[") else key.removeprefix(".")
        inner_old, inner_new = old.get(key, MISSING), new.get(key, MISSING)
        yield from _differences(where, inner_old, inner_new)


def _parts(value: object) -> dict[str, object] | None:
    """What a value is made of, by how one reaches it; None if it is not looked into."""
    if isinstance(value, Message):
        return {f".{field.name}": _field(value, field.name) for field in value.DESCRIPTOR.fields}
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value)
        return {f"[{key!r}]": item for key, item in items.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return {f"[{i}]": item for i, item in enumerate(cast("Sequence[object]", value))}
    names = _field_names(value)
    if names is None:
        return None
    return {f".{name}": getattr(value, name) for name in names}


def _field_names(value: object) -> Sequence[str] | None:
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    # Of a msgspec.Struct, without asking for that package.
    names: Sequence[str] | None = getattr(type(value), "__struct_fields__", None)
    return names


def _field(message: Message, name: str) -> object:
    descriptor = message.DESCRIPTOR.fields_by_name[name]
    # A message that is not set reads as an empty one, for ever deeper where a type holds itself.
    if descriptor.has_presence and not message.HasField(name):
        return MISSING
    value: object = getattr(message, name)
    if not descriptor.is_repeated:
        return value
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    return list(cast("Sequence[object]", value))
