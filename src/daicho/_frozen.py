"""Classes that cannot change, with slots, made from their annotations.

They behave as ``@dataclass(frozen=True, slots=True)`` would have them, which writes the source of
six methods for each class and compiles it. That takes half a millisecond, for seventy classes at
every start of every program: more than half of what Daicho added to the start. Here all classes
share five of the methods. The sixth, ``__init__``, has to be as fast as one written by hand; so it
is compiled too, but not before something asks for it, and a class without fields needs none. What
:mod:`dataclasses` knows its own by is made when it is asked for, too.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import get_annotations
from reprlib import recursive_repr
from typing import Any, TypeVar, cast, dataclass_transform, overload

T = TypeVar("T")

_REQUIRED = object()
"""In place of a default."""

_State = tuple[dict[str, object] | None, dict[str, object] | None]


@overload
def frozen(cls: type[T], /) -> type[T]: ...
@overload
def frozen(*, eq: bool = True, kw_only: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True)
def frozen(
    cls: type[T] | None = None, /, *, eq: bool = True, kw_only: bool = False
) -> type[T] | Callable[[type[T]], type[T]]:
    """Makes another class of this one, whose fields are its annotations after the inherited ones.

    A method that the class has itself stays, and ``__post_init__`` is called as in a dataclass.

    Args:
        cls: The class.
        eq: Whether instances of equal fields are equal, and have a hash if the fields have one.
        kw_only: Whether all fields are given by name.
    """
    if cls is None:
        return lambda cls: _frozen(cls, eq=eq, kw_only=kw_only)
    return _frozen(cls, eq=eq, kw_only=kw_only)


def _frozen(cls: type[T], *, eq: bool, kw_only: bool) -> type[T]:
    names = tuple(get_annotations(cls))
    content = {**_SHARED, **(_COMPARED if eq else {}), **vars(cls)}
    defaults = _fields(cls) | {name: content.pop(name, _REQUIRED) for name in names}
    content |= {
        "__qualname__": cls.__qualname__,
        "__slots__": names,
        "__match_args__": () if kw_only else tuple(defaults),
        "__fields__": defaults,
        "__dataclass_fields__": _OfDataclass(kw_only=kw_only),
        "__dataclass_params__": _OfDataclass(kw_only=kw_only),
    }
    if defaults:
        content.setdefault("__init__", _Init(defaults, kw_only=kw_only))
    # Only a class without slots has these.
    content.pop("__dict__", None)
    content.pop("__weakref__", None)
    make = cast("Callable[..., type[T]]", type(cls))
    return make(cls.__name__, cls.__bases__, content)


def _fields(cls: type[object]) -> dict[str, object]:
    """The fields of a class in their order, each with its default."""
    found: dict[str, object] = getattr(cls, "__fields__", {})
    return found


class _Init:
    """Stands for an ``__init__`` until something asks for it."""

    def __init__(self, defaults: dict[str, object], *, kw_only: bool) -> None:
        self._defaults = defaults
        self._kw_only = kw_only

    def __set_name__(self, owner: type[object], name: str) -> None:
        self._owner = owner

    def __get__(self, instance: object, _: type[object]) -> object:
        init = self._compiled()
        self._owner.__init__ = init  # type: ignore[method-assign]
        return init.__get__(instance, self._owner)

    def _compiled(self) -> Callable[..., None]:
        parameters = ["self", "*"] if self._kw_only else ["self"]
        for name, default in self._defaults.items():
            parameters.append(name if default is _REQUIRED else f"{name}=defaults[{name!r}]")
        lines = [f"set_field(self, {name!r}, {name})" for name in self._defaults]
        if hasattr(self._owner, "__post_init__"):
            lines.append("self.__post_init__()")
        source = "\n ".join([f"def __init__({', '.join(parameters)}):", *lines])
        made = {"defaults": self._defaults, "set_field": object.__setattr__}
        exec(source, made)  # noqa: S102 - the names in it are those that a class here gave its fields
        init = cast("Callable[..., None]", made["__init__"])
        init.__annotations__ = {
            name: note
            for cls in reversed(self._owner.__mro__)
            for name, note in get_annotations(cls).items()
            if name in self._defaults
        } | {"return": None}
        init.__module__ = self._owner.__module__
        init.__qualname__ = f"{self._owner.__qualname__}.__init__"
        return init


class _OfDataclass:
    """What ``dataclasses.replace``, ``fields``, and a dataclass that is an heir look for."""

    def __init__(self, *, kw_only: bool) -> None:
        self._kw_only = kw_only

    def __set_name__(self, _: type[object], name: str) -> None:
        self._name = name

    def __get__(self, _: object, owner: type[object]) -> object:
        import dataclasses  # noqa: PLC0415 - few ask for this

        types = {name: each for cls in owner.__mro__ for name, each in get_annotations(cls).items()}
        fields = [
            (name, types[name]) if default is _REQUIRED else (name, types[name], default)
            for name, default in _fields(owner).items()
        ]
        like = dataclasses.make_dataclass(
            owner.__name__, fields, frozen=True, kw_only=self._kw_only
        )
        return vars(like)[self._name]


# --- what all of them share -----------------------------------------------------------------------


def _values(self: object) -> tuple[object, ...]:
    return tuple([getattr(self, name) for name in _fields(type(self))])


@recursive_repr()
def _repr(self: object) -> str:
    cls = type(self)
    fields = [f"{name}={getattr(self, name)!r}" for name in _fields(cls)]
    return f"{cls.__qualname__}({', '.join(fields)})"


def _setattr(self: object, name: str, value: object) -> None:  # noqa: ARG001
    from dataclasses import FrozenInstanceError  # noqa: PLC0415 - nobody does this on purpose

    raise FrozenInstanceError(f"{type(self).__qualname__} cannot change: {name!r} is not set again")


def _delattr(self: object, name: str) -> None:
    from dataclasses import FrozenInstanceError  # noqa: PLC0415 - as above

    raise FrozenInstanceError(f"{type(self).__qualname__} cannot change: {name!r} stays")


def _setstate(self: object, state: dict[str, object] | _State) -> None:
    # What copies and pickles do without it is to set the attributes: those of an heir without slots
    # are in the first of two, or there is nothing else.
    for part in state if isinstance(state, tuple) else (state,):
        for name, value in (part or {}).items():
            object.__setattr__(self, name, value)


def _replace(self: object, **changes: object) -> object:
    from dataclasses import replace  # noqa: PLC0415 - few ask for this

    return replace(cast("Any", self), **changes)


def _eq(self: object, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: object) -> int:
    return hash(_values(self))


_SHARED: dict[str, object] = {
    "__replace__": _replace,
    "__repr__": _repr,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__setstate__": _setstate,
}
_COMPARED: dict[str, object] = {"__eq__": _eq, "__hash__": _hash}
