"""Which class a stored name stands for, whatever kind of class it is.

Protobuf messages keep their ``TypeRegistry``; here are the dataclasses and Structs beside it, and
the one order in which a name is looked up, so that all who ask get the same answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from google.protobuf.message import Message

from daicho.errors import DuplicateEventType, UnencodableEvent
from daicho.events.naming import alias_names, is_record, mark_of, versioned
from daicho.events.registry import TypeRegistry


class TypeTable:
    """The names of all classes of a schema, and the classes of all names.

    Args:
        registry: The names of protobuf messages.
        raw: Names whose bytes are read by upcasters. Such a name is not that of a message that
            happens to be called so: the message is what the bytes have become since.
    """

    def __init__(self, registry: TypeRegistry, raw: Collection[str]) -> None:
        self._registry = registry
        self._raw = raw
        self._names: dict[type[object], str] = {}
        self._classes: dict[str, type[object]] = {}
        self._aliases: dict[str, list[type[object]]] = {}

    def register(
        self, cls: type[object], *, name: str | None, version: int, aliases: Iterable[str]
    ) -> None:
        """Relates a class and its names; see ``Schema.register``."""
        if issubclass(cls, Message):
            self._register_message(cls, name=name, version=version, aliases=aliases)
        else:
            self._register_record(cls, name=name, version=version, aliases=aliases)

    def name_of(self, cls: type[object]) -> str:
        """The name that instances of exactly this class are stored under.

        Raises:
            DuplicateEventType: The name that the class brings along is that of another one.
            UnencodableEvent: The class has no name.
        """
        name = self._names.get(cls)
        if name is not None:
            return name
        if issubclass(cls, Message):
            name = self._registry.name_of(cls)
            self._refuse_if_taken(name, cls)
            return name
        self._register_record(cls, name=None, version=1, aliases=())
        return self._names[cls]

    def class_of(self, name: str) -> type[object] | None:
        """The class of what is stored under a name or an alias, or None."""
        cls = self._named(name)
        if cls is None and name not in self._raw:
            cls = self._registry.find(name)
        return cls

    def canonical(self, name: str) -> str:
        """The name that the class of ``name`` is stored under now; ``name`` if it has no class."""
        cls = self.class_of(name)
        return name if cls is None else self.name_of(cls)

    def names(self) -> list[str]:
        """The names that are written, as far as classes were registered or used."""
        return [*self._classes, *self._registry.names()]

    def readable(self) -> set[str]:
        """The names and aliases that are read as something registered or used."""
        return {*self._classes, *self._aliases, *self._registry.readable()}

    def records(self) -> list[tuple[str, type[object]]]:
        """The dataclasses and Structs, with the names that they are stored under."""
        return list(self._classes.items())

    def conflict(self, name: str) -> str | None:
        """What is wrong with an alias: that it is the name or the alias of another class too."""
        claims = self._aliases.get(name)
        if claims is None:
            return None
        owners = {cls.__qualname__: None for cls in claims}
        named = self._classes.get(name) or self._registry.find(name)
        if named is not None and named not in claims:
            readers = " and ".join(owners)
            return f"{name!r} is the name of {named.__qualname__}, and an alias of {readers}"
        if len(claims) > 1:
            return f"{name!r} is an alias of several: {', '.join(owners)}"
        return None

    def conflicts(self) -> list[str]:
        """All that ``conflict`` has to say."""
        return [found for name in self._aliases if (found := self.conflict(name)) is not None]

    def _named(self, name: str) -> type[object] | None:
        """The class that was given the name, not one that merely has it."""
        cls = self._classes.get(name)
        if cls is not None:
            return cls
        claims = self._aliases.get(name)
        return claims[0] if claims else self._registry.registered(name)

    def _register_message(
        self, cls: type[Message], *, name: str | None, version: int, aliases: Iterable[str]
    ) -> None:
        stored = None
        if name is not None or version != 1:
            stored = versioned(cls.DESCRIPTOR.full_name if name is None else name, version)
        others = alias_names(aliases)
        for each in others if stored is None else (stored, *others):
            self._refuse_if_taken(each, cls)
        self._registry.register(cls, name=stored, aliases=others)

    def _register_record(
        self, cls: type[object], *, name: str | None, version: int, aliases: Iterable[str]
    ) -> None:
        others = alias_names(aliases)
        stored = self._record_name(cls, name, version)
        self._refuse_if_taken(stored, cls)
        self._names[cls] = stored
        self._classes[stored] = cls
        mark = mark_of(cls)
        for alias in others if mark is None else (*others, *mark.aliases):
            claims = self._aliases.setdefault(alias, [])
            if cls not in claims:
                claims.append(cls)

    def _record_name(self, cls: type[object], name: str | None, version: int) -> str:
        if not is_record(cls):
            raise UnencodableEvent(cls, _NO_RECORD)
        mark = mark_of(cls)
        current = self._names.get(cls) if mark is None else mark.name
        if name is None:
            if version != 1:
                raise ValueError(f"version {version} of {cls.__qualname__} needs name=… too")
            if current is None:
                raise UnencodableEvent(cls, _how_to_name(cls))
            return current
        stored = versioned(name, version)
        if current not in {None, stored}:
            raise ValueError(
                f"{cls.__qualname__} is stored as {current!r} already, so it cannot become"
                f" {stored!r}; register it before its first use, with one name"
            )
        return stored

    def _refuse_if_taken(self, name: str, cls: type[object]) -> None:
        existing = self._classes.get(name)
        # Of two messages the registry knows itself which was there first.
        if existing is None and not issubclass(cls, Message):
            existing = self._registry.find(name)
        if existing is not None and existing is not cls:
            raise DuplicateEventType(name, existing, cls)


_NO_RECORD = (
    "only protobuf messages, dataclasses and msgspec.Structs can be stored;"
    " a subclass of a dataclass needs @dataclass too"
)


def _how_to_name(cls: type[object]) -> str:
    named = [base for base in cls.__mro__[1:] if mark_of(base) is not None]
    if named:
        return (
            f"the name of its base {named[0].__qualname__} is not inherited;"
            " give it a name of its own with stored_as"
        )
    return "it has no lasting name; give it one with stored_as, or register it with name=…"
