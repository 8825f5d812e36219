"""What a command line names in a program: ``package.module:NAME``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TypeGuard, cast

from daicho.cli.values import BadName
from daicho.entity.entity import AnyEntity, Entity
from daicho.events import Schema

_NEEDED = "name a class that inherits daicho.Entity, several, or a function that gives one of these"


def entities_named(names: Iterable[str]) -> list[type[AnyEntity]]:
    """The entity classes that the names stand for, each once.

    A name stands for a class, for several of them, or for a function that gives one of these.

    Raises:
        BadName: There is no such name, or it stands for something else.
    """
    found: dict[type[AnyEntity], None] = {}
    for name in names:
        found.update(dict.fromkeys(_classes(name, _called(name, named(name)))))
    return list(found)


def schema_named(name: str) -> Schema:
    """The schema that a name stands for, or the function that gives it.

    Raises:
        BadName: There is no such name, or it stands for something else.
    """
    found = _called(name, named(name))
    if not isinstance(found, Schema):
        raise BadName(
            f"{name} is {_what(found)}; name a daicho.Schema, or a function that gives one"
        )
    return found


def named(name: str) -> object:
    """What a name stands for.

    Raises:
        BadName: There is nothing of that name.
    """
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise BadName(f"{name!r} is no name; write it like shop.app:ENTITIES")
    here = str(Path.cwd())
    # As with "python -m", what lies in the current folder can be imported.
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = import_module(module)
    except (Exception, SystemExit) as error:
        # A script that ends when it is imported must not end this one, with a code of its own.
        raise BadName(f"{module} cannot be imported: {_said(error)}") from error
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise BadName(f"{module} has no {path!r}; write it like shop.app:ENTITIES") from None
    return found


def _called(name: str, found: object) -> object:
    if isinstance(found, type) or not callable(found):
        return found
    try:
        result: object = found()
    except (Exception, SystemExit) as error:
        raise BadName(f"{name} was called without arguments and raised {_said(error)}") from error
    return result


def _classes(name: str, found: object) -> list[type[AnyEntity]]:
    several = list(cast("Iterable[object]", found)) if isinstance(found, Iterable) else [found]
    classes: list[type[AnyEntity]] = []
    for each in several:
        if not _is_entity(each):
            raise BadName(f"{name} is {_what(each)}; {_NEEDED}")
        classes.append(each)
    if not classes:
        raise BadName(f"{name} is empty; {_NEEDED}")
    return classes


def _is_entity(found: object) -> TypeGuard[type[AnyEntity]]:
    return isinstance(found, type) and issubclass(found, Entity)


def _what(found: object) -> str:
    if isinstance(found, type):
        return f"the class {found.__qualname__}"
    return f"an object of class {type(found).__qualname__}"


def _said(error: BaseException) -> str:
    return f"{type(error).__qualname__}: {error}"
