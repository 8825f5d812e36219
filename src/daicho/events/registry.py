"""Which class a stored type name stands for, and the other way round.

A stored name outlives the program that wrote it, so it is a promise: it never comes to mean another
class. By default a protobuf message goes by its full name, and every message whose generated module
has been imported is found without a word, through protobuf's default descriptor pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from daicho.errors import DuplicateEventType, UnencodableEvent, UnknownEventType

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["TypeRegistry"]


class TypeRegistry:
    """A lasting one-to-one relation between message classes and the names they are stored under.

    Nothing needs registering as long as types keep their protobuf names. Register a class to store
    it under another name, or to read what was written under a name that it had before.
    """

    def __init__(self) -> None:
        self._names: dict[type[object], str] = {}
        self._classes: dict[str, type[Message]] = {}

    def register(
        self, cls: type[Message], *, name: str | None = None, aliases: Iterable[str] = ()
    ) -> None:
        """Store ``cls`` as ``name`` from now on, and read it under its aliases too.

        What was stored under its protobuf full name before is still read. Registering the same
        again changes nothing, and where a name is refused, nothing is registered.

        Args:
            cls: A generated message class, or one made from a descriptor at run time.
            name: The name to write; unless given, the one it has, at first its protobuf full name.
            aliases: Names that are only read: what the type was called before.

        Raises:
            DuplicateEventType: A name belongs to another class already.
            UnencodableEvent: ``cls`` is no protobuf message class.
            ValueError: A name is empty, or ``cls`` is stored under another name already: bytes
                under both would be out there, so register before the first use, with one name.
        """
        full_name = _message_class(cls).DESCRIPTOR.full_name
        current = self._names.get(cls)
        stored_name = (current or full_name) if name is None else name
        if current is not None and current != stored_name:
            raise ValueError(
                f"{cls.__qualname__} is stored as {current!r} already, so it cannot become"
                f" {stored_name!r}; register it before its first use, with one name"
            )
        names = [stored_name, *aliases]
        if "" in names:
            raise ValueError(f"an empty type name cannot stand for {cls.__qualname__}")
        for each in names:
            self._refuse_if_taken(each, cls)
        self._names[cls] = stored_name
        self._classes.update(dict.fromkeys(names, cls))

    def name_of(self, cls: type[object]) -> str:
        """The name that messages of exactly this class are stored under.

        Raises:
            DuplicateEventType: Its protobuf full name stands for another class.
            UnencodableEvent: ``cls`` is no protobuf message class, or it is neither registered nor
                in protobuf's default descriptor pool, so that its bytes could not be read back.
        """
        name = self._names.get(cls)
        return self._learn(cls) if name is None else name

    def class_of(self, name: str) -> type[Message]:
        """The class whose bytes are stored under ``name``.

        Raises:
            UnknownEventType: Nothing is registered under it, and no imported module defines it.
        """
        cls = self.find(name)
        if cls is None:
            raise UnknownEventType(name)
        return cls

    def find(self, name: str) -> type[Message] | None:
        """The class whose bytes are stored under ``name``, or None."""
        return self._classes.get(name) or _class_in_pool(name)

    def registered(self, name: str) -> type[Message] | None:
        """The class that was registered or stored under ``name``, however others are found."""
        return self._classes.get(name)

    def names(self) -> list[str]:
        """The names that classes are stored under, as far as they were registered or used."""
        return list(self._names.values())

    def readable(self) -> list[str]:
        """The names and aliases that are read as something registered or used, in any order."""
        own = [cls.DESCRIPTOR.full_name for cls in self._classes.values()]
        return [*self._classes, *own]

    def _learn(self, cls: type[object]) -> str:
        message = _message_class(cls)
        name = message.DESCRIPTOR.full_name
        if self.find(name) is None:
            raise UnencodableEvent(
                cls, "it is not in protobuf's default descriptor pool; register it"
            )
        self._refuse_if_taken(name, message)
        self._names[message] = name
        self._classes[name] = message
        return name

    def _refuse_if_taken(self, name: str, cls: type[Message]) -> None:
        existing = self.find(name)
        if existing is not None and existing is not cls:
            raise DuplicateEventType(name, existing, cls)


def _message_class(cls: type[object]) -> type[Message]:
    if issubclass(cls, Message) and cls is not Message:
        return cls
    raise UnencodableEvent(cls, "only protobuf messages can be stored; define it in a .proto file")


def _class_in_pool(name: str) -> type[Message] | None:
    """The class of a message that some imported module defines, or None."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except (KeyError, TypeError):
        # TypeError is what protobuf says of a name that is no UTF-8.
        return None
    return message_factory.GetMessageClass(descriptor)
