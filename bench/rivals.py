"""Other packages doing the same, in the same rounds, where they are installed; nothing needs them.

``pip install pykka eventsourcing`` adds their lines. Each is used as its own documentation shows,
and gets less of the work than Daicho, because it takes longer for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.harness import Clock, Measure

Rivals = Mapping[str, Measure]


def tell(count: int) -> Rivals:
    """Telling an actor."""
    if find_spec("pykka") is None:
        return {}
    pykka = import_module("pykka")

    class Counter(pykka.ThreadingActor):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.total = 0

        def on_receive(self, message: object) -> int:
            if isinstance(message, int):
                self.total += message
            return self.total

    async def run() -> float:
        actor = Counter.start()
        with Clock() as clock:
            for _ in range(count):
                actor.tell(1)
            total = actor.ask(None)
        assert total == count
        actor.stop()
        return clock.rate(count)

    return {_named("pykka"): run}


def ask(count: int) -> Rivals:
    """Asking an actor, one after another."""
    if find_spec("pykka") is None:
        return {}
    pykka = import_module("pykka")

    class Echo(pykka.ThreadingActor):  # type: ignore[name-defined, misc]
        def on_receive(self, message: object) -> object:
            return message

    async def run() -> float:
        actor = Echo.start()
        with Clock() as clock:
            for number in range(count):
                assert actor.ask(number) == number
        actor.stop()
        return clock.rate(count)

    return {_named("pykka"): run}


def durable(path: Path, count: int) -> Rivals:
    """Commands to one aggregate, each saved before the next."""
    if find_spec("eventsourcing") is None:
        return {}
    application, account = _application(path), _account()

    async def run() -> float:
        aggregate = account()
        application.save(aggregate)
        with Clock() as clock:
            for _ in range(count):
                aggregate.deposit(amount=1)
                application.save(aggregate)
        return clock.rate(count)

    return {_named("eventsourcing"): run}


def replay(path: Path, length: int) -> Rivals:
    """Loading one aggregate."""
    if find_spec("eventsourcing") is None:
        return {}
    application, account = _application(path), _account()
    aggregate = account()
    for _ in range(length - 1):
        aggregate.deposit(amount=1)
    application.save(aggregate)

    async def run() -> float:
        with Clock() as clock:
            found = application.repository.get(aggregate.id)
        assert found.balance == length - 1
        return clock.rate(length)

    return {f"{_named('eventsourcing')}, {length:,}": run}


@cache
def _account() -> Any:  # noqa: ANN401 - a class of a package that need not be there
    domain = import_module("eventsourcing.domain")

    class Account(domain.Aggregate):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self.balance = 0

        @domain.event("Deposited")  # type: ignore[untyped-decorator]
        def deposit(self, amount: int) -> None:
            self.balance += amount

    return Account


def _application(path: Path) -> Any:  # noqa: ANN401 - likewise
    settings = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
    return import_module("eventsourcing.application").Application(env=settings)


def _named(package: str) -> str:
    return f"{package} {version(package)}"
