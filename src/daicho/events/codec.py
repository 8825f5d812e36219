"""How a fact becomes a type name and bytes, and a fact again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from google.protobuf.message import DecodeError, EncodeError, Message

from daicho.errors import UndecodableEvent, UnencodableEvent
from daicho.events.registry import TypeRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Codec", "ProtobufCodec", "parser_of"]


class Codec(Protocol):
    """What turns events and snapshots into what a journal stores, and back.

    Implementations are pure and may be called from any thread.
    """

    def type_name(self, cls: type[object]) -> str:
        """The stable name that instances of exactly this class are stored under.

        Raises:
            EventError: Instances of ``cls`` cannot be stored.
        """
        ...

    def encode(self, event: object) -> tuple[str, bytes]:
        """The type name and the payload of ``event``; equal events give equal bytes.

        Raises:
            EventError: It cannot be stored; ``UnencodableEvent`` says why.
        """
        ...

    def decode(self, type_name: str, payload: bytes) -> object:
        """The event that was encoded, as a new object.

        A codec with upcasters gives what has become of it, a ``Several`` where that is no event or
        more than one. A snapshot is worth something only where it becomes one.

        Raises:
            UnknownEventType: The program knows no class of that name.
            UndecodableEvent: The payload is not of that type.
        """
        ...


def parser_of(codec: Codec, type_name: str) -> Callable[[bytes], object]:
    """What makes events of the payloads of one stored name, for who has many of them.

    A codec that has a method ``parser(type_name)`` is asked for it. What such a parser raises may
    be rawer than what ``decode`` does with the same payload.

    Raises:
        UnknownEventType: The program knows no class of that name.
    """
    parser: Callable[[str], Callable[[bytes], object]] | None = getattr(codec, "parser", None)
    return partial(codec.decode, type_name) if parser is None else parser(type_name)


class ProtobufCodec:
    """The codec for protobuf messages, in the binary form.

    Unknown fields are kept: an event that a later version of the program wrote passes unharmed.

    What is asked of the registry once is remembered, so a message costs one dictionary lookup
    beside protobuf's own work. That is safe because a registry never changes a name that it has
    given out.
    """

    def __init__(self, registry: TypeRegistry | None = None) -> None:
        self._registry = TypeRegistry() if registry is None else registry
        self._encoders: dict[type[object], tuple[str, Callable[..., bytes]]] = {}
        self._decoders: dict[str, Callable[[bytes], Message]] = {}

    @property
    def registry(self) -> TypeRegistry:
        """The registry that names the types."""
        return self._registry

    def type_name(self, cls: type[object]) -> str:
        """The name of a message class, as ``TypeRegistry.name_of`` has it."""
        return self._registry.name_of(cls)

    def encode(self, event: object) -> tuple[str, bytes]:
        """The type name and the binary form of a message; equal messages give equal bytes.

        Raises:
            DuplicateEventType: Its protobuf full name stands for another class.
            UnencodableEvent: It is no protobuf message, is not registered where it must be, or
                lacks a required field.
        """
        cls = type(event)
        name, serialize = self._encoders.get(cls) or self._learn_encoder(cls)
        try:
            return name, serialize(event)
        except EncodeError as error:
            raise UnencodableEvent(cls, str(error)) from error

    def decode(self, type_name: str, payload: bytes) -> Message:
        """The message that was encoded, as a new object.

        Raises:
            UnknownEventType: Nothing is registered under the name, and no imported module
                defines it.
            UndecodableEvent: The payload is not of that type.
        """
        parse = self.parser(type_name)
        try:
            return parse(payload)
        except DecodeError as error:
            raise UndecodableEvent(type_name, str(error)) from error

    def parser(self, type_name: str) -> Callable[[bytes], Message]:
        """See ``parser_of``."""
        return self._decoders.get(type_name) or self._learn_decoder(type_name)

    def _learn_encoder(self, cls: type[object]) -> tuple[str, Callable[..., bytes]]:
        name = self._registry.name_of(cls)
        encoder = name, serializer_of(self._registry.class_of(name))
        self._encoders[cls] = encoder
        return encoder

    def _learn_decoder(self, type_name: str) -> Callable[[bytes], Message]:
        parse = self._registry.class_of(type_name).FromString
        self._decoders[type_name] = parse
        return parse


def serializer_of(cls: type[Message]) -> Callable[..., bytes]:
    """The cheapest way to give equal messages of this class equal bytes.

    Only the entries of maps, and extensions, have no order of their own. Asking protobuf to sort
    them costs more than serializing a small message does, so it is asked only where it matters.
    """
    if _may_be_unordered(cls):
        return partial(cls.SerializeToString, deterministic=True)
    return cls.SerializeToString


def _may_be_unordered(cls: type[Message]) -> bool:
    """Whether a message of this class can hold, at any depth, a map or extensions."""
    seen = {cls.DESCRIPTOR.full_name}
    unvisited = [cls.DESCRIPTOR]
    while unvisited:
        descriptor = unvisited.pop()
        if descriptor.is_extendable:
            return True
        for field in descriptor.fields:
            inner = field.message_type
            if inner is None:
                continue
            if inner.GetOptions().map_entry:
                return True
            if inner.full_name not in seen:
                seen.add(inner.full_name)
                unvisited.append(inner)
    return False
