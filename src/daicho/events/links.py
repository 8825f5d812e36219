"""How the upcasters of a schema hang together, and what is wrong with that.

Everything here speaks of stored names: classes and aliases stand for the name that the class is
stored under now, so that a circle is found whatever it goes through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from daicho._frozen import frozen
from daicho.errors import EventError
from daicho.events.naming import name_and_version, versioned
from daicho.events.table import TypeTable
from daicho.events.upcasters import Upcaster


@frozen
class Link:
    """An upcaster among stored names.

    Attributes:
        source: The name of what it reads.
        targets: For each of its targets the name that is stored.
        upcaster: The step itself.
    """

    source: str
    targets: Mapping[type[object] | str, str]
    upcaster: Upcaster


@frozen
class Links:
    """The upcasters of a schema by what they read.

    Attributes:
        by_source: For each name that is upcasted its upcaster.
        problems: Why they cannot be used; empty if they can.
    """

    by_source: Mapping[str, Link]
    problems: tuple[str, ...]


def connect(table: TypeTable, upcasters: Iterable[Upcaster]) -> Links:
    """Finds the names that upcasters lead from and to, and all that is wrong with the way."""
    problems: list[str] = []
    usable: list[Upcaster] = []
    # All classes come first: an alias that one of them brings may be the name of a target.
    for upcaster in upcasters:
        try:
            for each in (upcaster.source, *upcaster.targets):
                _name_of(table, each)
            usable.append(upcaster)
        except EventError as error:
            problems.append(f"upcaster {upcaster.name}: {error}")
    links = [_link(table, upcaster) for upcaster in usable]
    by_source: dict[str, Link] = {}
    for link in links:
        first = by_source.setdefault(link.source, link)
        if first is not link:
            problems.append(
                f"{link.source!r} has two upcasters, {first.upcaster.name} and"
                f" {link.upcaster.name}; keep one"
            )
    problems += _unknown_targets(table, links, by_source)
    problems += _circles(links)
    return Links(by_source, tuple(problems))


def gaps(table: TypeTable, links: Links) -> Iterator[str]:
    """The types of which an older version could not be read, and which versions those are."""
    highest: dict[str, int] = {}
    for stored in table.names():
        name, version = name_and_version(stored)
        highest[name] = max(version, highest.get(name, 1))
    for name, version in highest.items():
        missing = [
            str(older)
            for older in range(1, version)
            if not _is_known(table, links.by_source, versioned(name, older))
        ]
        if missing:
            yield (
                f"{name!r} is at version {version}, but nothing reads version {', '.join(missing)};"
                " write an upcaster, or name the class or an alias that does"
            )


def _link(table: TypeTable, upcaster: Upcaster) -> Link:
    return Link(
        _name_of(table, upcaster.source),
        {target: _name_of(table, target) for target in upcaster.targets},
        upcaster,
    )


def _name_of(table: TypeTable, what: type[object] | str) -> str:
    return table.canonical(what) if isinstance(what, str) else table.name_of(what)


def _is_known(table: TypeTable, by_source: Mapping[str, Link], name: str) -> bool:
    return table.class_of(name) is not None or name in by_source


def _unknown_targets(
    table: TypeTable, links: Iterable[Link], by_source: Mapping[str, Link]
) -> Iterator[str]:
    for each in links:
        for name in each.targets.values():
            if not _is_known(table, by_source, name):
                yield (
                    f"upcaster {each.upcaster.name} leads from {each.source!r} to {name!r}, which"
                    " has neither a class nor an upcaster; register its class"
                )


def _circles(links: Iterable[Link]) -> Iterator[str]:
    """One problem for each circle that no other one shares a name with."""
    leads_to: dict[str, list[str]] = {}
    for each in links:
        leads_to.setdefault(each.source, []).extend(each.targets.values())
    while circle := _circle(leads_to):
        yield f"upcasters go round in a circle: {' → '.join([*circle, circle[0]])}"
        for name in circle:
            del leads_to[name]


def _circle(leads_to: Mapping[str, list[str]]) -> list[str]:
    """The names of some circle, each once, in the order that upcasters take; empty if none is."""
    try:
        TopologicalSorter(leads_to).prepare()
    except CycleError as error:
        names: list[str] = error.args[1]
        # It lists them against its own arrows, which point from a name to what must come before.
        return names[:0:-1]
    return []
