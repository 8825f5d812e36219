"""The codec of a program whose events change over the years."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from threading import RLock

from google.protobuf.message import EncodeError, Message

from daicho.errors import (
    BadSchema,
    EventError,
    UndecodableEvent,
    UnencodableEvent,
    UnknownEventType,
)
from daicho.events.codec import serializer_of
from daicho.events.json_form import NO_MSGSPEC, JsonForm
from daicho.events.links import Link, Links, connect, gaps
from daicho.events.registry import TypeRegistry
from daicho.events.table import TypeTable
from daicho.events.upcasters import Several, Upcaster

__all__ = ["Schema"]


class Schema:
    """Every type that a program stores, its versions, and the way from old ones to new ones.

    It is a ``Codec``. Protobuf messages are stored in the binary form, under their full names
    unless they are registered otherwise; dataclasses and ``msgspec.Struct``s as JSON, under the
    names that ``stored_as`` gives them, which needs the extra ``msgspec``. Such a class can be read
    once it is named in ``types``, by an upcaster or to ``register``, or was stored before.

    A type costs one dictionary lookup to store and one to read, unless an upcaster concerns it.

    Args:
        types: Classes that are stored: messages, and what ``stored_as`` decorates.
        upcasters: What old versions become, made with ``upcast`` and ``upcast_bytes``. They run
            when something is read; what is stored stays as it is. Their classes are registered.

    Raises:
        DuplicateEventType: Two of the types have one name.
        UnencodableEvent: One of the types has no name, or cannot have one.
    """

    def __init__(
        self, types: Iterable[type[object]] = (), upcasters: Iterable[Upcaster] = ()
    ) -> None:
        self._upcasters = tuple(upcasters)
        raw = {each.source for each in self._upcasters if isinstance(each.source, str)}
        self._table = TypeTable(TypeRegistry(), raw)
        self._forms: dict[type[object], JsonForm] = {}
        self._links: Links | None = None
        self._encoders: dict[type[object], tuple[str, Callable[..., bytes]]] = {}
        self._decoders: dict[str, Callable[[bytes], object]] = {}
        # What is learned or registered goes into several tables, from any thread.
        self._lock = RLock()
        for cls in types:
            self.register(cls)
        self._linked()

    def register(
        self,
        cls: type[object],
        *,
        name: str | None = None,
        version: int = 1,
        aliases: Iterable[str] = (),
    ) -> None:
        """Store ``cls`` under a name from now on, and read it under its aliases too.

        Registering the same again changes nothing, and may add aliases. What was stored under the
        full name of a message before is still read.

        Args:
            cls: A message class, a dataclass or a ``msgspec.Struct``.
            name: The name to write, without a version; unless given, that of ``stored_as`` or the
                full name of the message.
            version: Which version of the type this is; a later one than 1 is part of what is
                written: ``name@2``.
            aliases: Names that are only read, as they are stored: what the type was called before.

        Raises:
            DuplicateEventType: The name belongs to another class already, or, for a message, an
                alias does. Aliases of others are left to ``validate``.
            UnencodableEvent: ``cls`` is none of these, or has no name.
            ValueError: It is stored under another name already, or a name cannot be stored.
        """
        with self._lock:
            self._table.register(cls, name=name, version=version, aliases=aliases)
            self._forget()

    def type_name(self, cls: type[object]) -> str:
        """The name, with its version, that instances of exactly this class are stored under.

        Raises:
            DuplicateEventType: The name stands for another class.
            UnencodableEvent: Instances of ``cls`` cannot be stored.
        """
        encoder = self._encoders.get(cls) or self._learn_encoder(cls)
        return encoder[0]

    def encode(self, event: object) -> tuple[str, bytes]:
        """The type name and the payload of ``event``; equal events give equal bytes.

        Raises:
            DuplicateEventType: The name of its class stands for another class.
            UnencodableEvent: Its class has no name, or it holds what its bytes could not give back.
        """
        cls = type(event)
        name, serialize = self._encoders.get(cls) or self._learn_encoder(cls)
        try:
            return name, serialize(event)
        except EncodeError as error:
            raise UnencodableEvent(cls, str(error)) from error

    def decode(self, type_name: str, payload: bytes) -> object:
        """What the stored bytes say to this version of the program, as a new object.

        Returns:
            The event; ``Several`` if upcasters made none or more than one of it.

        Raises:
            BadSchema: Upcasters that it needs, or aliases, contradict each other.
            UnknownEventType: The program knows no class and no upcaster of that name.
            UndecodableEvent: The payload is not of that type, or an upcaster failed; the text says
                which, ``__cause__`` how.
        """
        parse = self.parser(type_name)
        try:
            return parse(payload)
        except EventError:
            raise
        except Exception as error:
            raise UndecodableEvent(type_name, _reason(error)) from error

    def parser(self, type_name: str) -> Callable[[bytes], object]:
        """See ``parser_of``."""
        return self._decoders.get(type_name) or self._learn_decoder(type_name)

    def knows(self, type_name: str) -> bool:
        """Whether there is a class or an upcaster for what is stored under that name."""
        with self._lock:
            by_source = self._linked().by_source
            name = self._table.canonical(type_name)
            return name in by_source or self._table.class_of(name) is not None

    def is_current(self, cls: type[object]) -> bool:
        """Whether what is stored as this class is read as it again, not as a later version."""
        with self._lock:
            return self._table.name_of(cls) not in self._linked().by_source

    def names_leading_to(self, classes: Iterable[type[object]]) -> frozenset[str]:
        """Every stored name whose events may be read as one of these classes.

        Their own names, what they were called before, and older versions that upcasters turn into
        them, whole or in part.
        """
        with self._lock:
            links = self._linked().by_source
            wanted = {self._table.name_of(cls) for cls in classes}
            before = -1
            while before != len(wanted):
                before = len(wanted)
                wanted |= {
                    source
                    for source, link in links.items()
                    if not wanted.isdisjoint(link.targets.values())
                }
            known = self._table.readable() | wanted
            return frozenset(name for name in known if self._table.canonical(name) in wanted)

    def validate(self) -> None:
        """Checks that everything fits together, before anything is read.

        Raises:
            BadSchema: With every problem: a version of which nothing is known below one that is, a
                circle of upcasters, two for one source, one that leads to what nobody knows, a
                class that has no name, an alias that is the name or the alias of another class, a
                class that msgspec has no form for.
        """
        with self._lock:
            links = self._linked()
            problems = [*links.problems, *self._table.conflicts(), *gaps(self._table, links)]
            problems += self._without_form()
        if problems:
            raise BadSchema(problems)

    # --- upcasting --------------------------------------------------------------------------------

    def _upcast(
        self, links: Mapping[str, Link], type_name: str, name: str, payload: bytes
    ) -> object:
        """What upcasters make of a payload, each result followed to its last version."""
        events: list[object] = []
        # The next one is at the end; a result waits until all that came of those before is done.
        waiting: list[tuple[str, object, Upcaster | None]] = [(name, payload, None)]
        while waiting:
            name, content, made_by = waiting.pop()
            step = links.get(name)
            try:
                if step is not None and step.upcaster.reads_bytes:
                    content = self._as_payload(content)
                else:
                    content = self._as_message(name, content)
            except Exception as error:
                by = "" if made_by is None else f"upcaster {made_by.name} made no {name!r}: "
                raise UndecodableEvent(type_name, by + _reason(error)) from error
            if step is None:
                events.append(content)
                continue
            try:
                results = step.upcaster.apply(content)
            except Exception as error:
                reason = f"upcaster {step.upcaster.name} of {name!r} failed: {error!r}"
                raise UndecodableEvent(type_name, reason) from error
            waiting += [
                (step.targets[target], result, step.upcaster) for target, result in results[::-1]
            ]
        return events[0] if len(events) == 1 else Several(tuple(events))

    def _as_payload(self, content: object) -> bytes:
        return content if isinstance(content, bytes) else self.encode(content)[1]

    def _as_message(self, name: str, content: object) -> object:
        return self._parser(name, name)(content) if isinstance(content, bytes) else content

    # --- what is learned on the first use ---------------------------------------------------------

    def _learn_encoder(self, cls: type[object]) -> tuple[str, Callable[..., bytes]]:
        with self._lock:
            name = self._table.name_of(cls)
            if issubclass(cls, Message):
                serialize = serializer_of(cls)
            else:
                serialize = self._form(cls).encode
                self._forget()
            self._encoders[cls] = encoder = name, serialize
            return encoder

    def _learn_decoder(self, type_name: str) -> Callable[[bytes], object]:
        with self._lock:
            links = self._linked()
            conflict = self._table.conflict(type_name)
            if conflict is not None:
                raise BadSchema([conflict])
            name = self._table.canonical(type_name)
            if name not in links.by_source:
                parse = self._parser(name, type_name)
            elif links.problems:
                raise BadSchema(links.problems)
            else:
                parse = partial(self._upcast, links.by_source, type_name, name)
            self._decoders[type_name] = parse
            return parse

    def _parser(self, name: str, type_name: str) -> Callable[[bytes], object]:
        """What makes objects of bytes that need no upcaster."""
        cls = self._table.class_of(name)
        if cls is None:
            raise UnknownEventType(type_name)
        if issubclass(cls, Message):
            return cls.FromString
        try:
            return self._form(cls).decode
        except UnencodableEvent as error:
            raise UndecodableEvent(type_name, error.reason) from error

    def _form(self, cls: type[object]) -> JsonForm:
        form = self._forms.get(cls)
        if form is None:
            self._forms[cls] = form = JsonForm(cls)
        return form

    def _without_form(self) -> list[str]:
        """What keeps classes from becoming JSON; that the extra is missing is said once for all."""
        problems: list[str] = []
        waiting: list[str] = []
        for _, cls in self._table.records():
            try:
                self._form(cls)
            except UnencodableEvent as error:
                if error.reason == NO_MSGSPEC:
                    waiting.append(cls.__qualname__)
                else:
                    problems.append(str(error))
        if waiting:
            problems.append(f"{', '.join(sorted(waiting))} cannot be stored: {NO_MSGSPEC}")
        return problems

    def _linked(self) -> Links:
        if self._links is None:
            self._links = connect(self._table, self._upcasters)
        return self._links

    def _forget(self) -> None:
        """What was found out of the names may be otherwise now."""
        self._links = None
        self._decoders.clear()


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, UndecodableEvent) else str(error) or repr(error)
