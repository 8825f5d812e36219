"""From what was stored to what the program knows now, one version at a time.

An upcaster turns what is stored under one name into what the next version says, either on the
decoded message (``upcast``) or on the bytes (``upcast_bytes``, where no class of the old version is
kept). A ``Schema`` chains them. They are pure functions: what is stored stays as it is, and they
run each time that it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast, final, overload

from daicho._frozen import frozen
from daicho.events.naming import alias_names, versioned

__all__ = ["Several", "Upcaster", "upcast", "upcast_bytes"]

Old = TypeVar("Old")
New = TypeVar("New")


@final
@frozen
class Several:
    """What one stored event has become: no event, or several in their order.

    Attributes:
        events: What to apply in place of it, all at its version.
    """

    events: tuple[object, ...]


@frozen
class Upcaster:
    """A step from one stored type to the next; made by ``upcast`` and ``upcast_bytes``.

    Attributes:
        source: What it reads: a class, or, for bytes, a stored name.
        targets: What it may give, in the same way.
        function: What was decorated.
        named: Whether the function, which is one for bytes, names the type of each result.
    """

    source: type[object] | str
    targets: tuple[type[object] | str, ...]
    function: Callable[..., object]
    named: bool = False

    @property
    def name(self) -> str:
        """What the function is called, for whoever has to find it."""
        return str(getattr(self.function, "__qualname__", self.function))

    @property
    def reads_bytes(self) -> bool:
        """Whether it reads the stored bytes, not the decoded message."""
        return isinstance(self.source, str)

    def apply(self, content: object) -> list[tuple[type[object] | str, object]]:
        """What ``content`` becomes: each result after its target.

        Raises:
            TypeError: The function gave what is not among its targets.
            Exception: Whatever the function raised.
        """
        result = self.function(content)
        if not self.reads_bytes:
            return self._messages(result)
        if self.named:
            return [self._named_payload(each) for each in _several(result)]
        if not isinstance(result, bytes):
            raise TypeError(f"it gave {type(result).__qualname__}, not bytes")
        return [(self.targets[0], result)]

    def _messages(self, result: object) -> list[tuple[type[object] | str, object]]:
        if type(result) in self.targets:
            return [(type(result), result)]
        messages = _several(result)
        for each in messages:
            if type(each) not in self.targets:
                raise TypeError(f"it gave {type(each).__qualname__}, which it does not name")
        return [(type(each), each) for each in messages]

    def _named_payload(self, result: object) -> tuple[str, bytes]:
        match result:
            case (str(name), bytes(payload)) if name in self.targets:
                return name, payload
            case (str(name), bytes()):
                raise TypeError(f"it gave {name!r}, which it does not name")
            case _:
                raise TypeError(f"it gave {result!r}, not a type name and bytes")


def upcast(
    old: type[Old], /, *new: type[New]
) -> Callable[[Callable[[Old], New | Iterable[New]]], Upcaster]:
    """Makes an upcaster of a function of the decoded message.

    ::

        @upcast(ItemAdded1, ItemAdded)
        def with_currency(old: ItemAdded1) -> ItemAdded:
            return ItemAdded(sku=old.sku, price=old.price, currency="EUR")

    Args:
        old: The class of what is read. It must not be changed any more.
        new: The classes of what may come of it. The function returns one, or an iterable of any
            number of them; none if the event no longer says anything.
    """

    def decorate(function: Callable[[Old], New | Iterable[New]]) -> Upcaster:
        return Upcaster(old, new, function)

    return decorate


@overload
def upcast_bytes(
    name: str, *, version: int = 1
) -> Callable[[Callable[[bytes], bytes]], Upcaster]: ...


@overload
def upcast_bytes(
    name: str, *, version: int = 1, to: Iterable[str]
) -> Callable[[Callable[[bytes], Iterable[tuple[str, bytes]]]], Upcaster]: ...


def upcast_bytes(
    name: str, *, version: int = 1, to: Iterable[str] | None = None
) -> Callable[[Callable[..., Any]], Upcaster]:
    """Makes an upcaster of a function of the stored bytes: no class of the old version is needed.

    ::

        @upcast_bytes("shop.item-added", version=1)
        def with_currency(payload: bytes) -> bytes:
            return payload.replace(b"}", b',"currency":"EUR"}')

    Args:
        name: The name of the type that is read, without its version.
        version: The version that is read.
        to: The stored names of what may come of it, with their versions ("shop.item-added@3"). The
            function then returns an iterable of any number of pairs: such a name, and the bytes.
            Unless given, the function returns the bytes of the next version.

    Raises:
        TypeError: ``to`` is one text.
        ValueError: A name or the version cannot be stored.
    """
    source = versioned(name, version)
    targets = (versioned(name, version + 1),) if to is None else alias_names(to)

    def decorate(function: Callable[[bytes], object]) -> Upcaster:
        return Upcaster(source, targets, function, named=to is not None)

    return decorate


def _several(result: object) -> list[object]:
    if not isinstance(result, Iterable):
        raise TypeError(f"it gave {type(result).__qualname__}, which it does not name")
    return list(cast("Iterable[object]", result))
