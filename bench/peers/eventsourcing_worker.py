"""eventsourcing on its SQLite or PostgreSQL module: an aggregate, saved after each command.

The first turns the write-ahead log on and leaves ``synchronous`` as SQLite has it, which is FULL;
the other one leaves ``synchronous_commit`` as the server has it. This asks one of its connections,
so that a release that does otherwise is noticed.
"""

# What it imports is in an environment of its own.
# pyright: reportMissingImports=false

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.sqlite import SQLiteFactory

from bench.peers.protocol import rate, serve

FULL = 2


class Account(Aggregate):
    """A balance; each deposit is an event."""

    def __init__(self) -> None:
        self.balance = 0

    @event("Deposited")
    def deposit(self, amount: int) -> None:
        self.balance += amount


@cache
def application() -> Application[UUID]:
    """On a file in the folder that the process was told of, or on the server of a URL."""
    place = sys.argv[1]
    return on_postgres(place) if "://" in place else on_sqlite(Path(place))


def on_sqlite(folder: Path) -> Application[UUID]:
    path = folder / "eventsourcing.db"
    made = Application[UUID](
        env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
    )
    assert isinstance(made.factory, SQLiteFactory)
    for pragma, expected in (("journal_mode", "wal"), ("synchronous", FULL)):
        with made.factory.datastore.transaction(commit=False) as cursor:
            cursor.execute(f"PRAGMA {pragma}")
            found = cursor.fetchone()[0]
        if found != expected:
            raise RuntimeError(f"its {pragma} is {found!r}, so it does other work than we do")
    return made


def on_postgres(url: str) -> Application[UUID]:
    from eventsourcing.postgres import PostgresFactory  # noqa: PLC0415 - it needs a driver

    parts = urlsplit(url)
    made = Application[UUID](
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": parts.path.removeprefix("/"),
            "POSTGRES_HOST": parts.hostname or parse_qs(parts.query)["host"][0],
            "POSTGRES_PORT": str(parts.port or 5432),
            "POSTGRES_USER": unquote(parts.username or ""),
            # It asks for one also where the server does not.
            "POSTGRES_PASSWORD": unquote(parts.password or "") or "none",
        }
    )
    assert isinstance(made.factory, PostgresFactory)
    with made.factory.datastore.transaction(commit=False) as cursor:
        cursor.execute("SHOW synchronous_commit")
        found = next(iter(cursor.fetchone().values()))
    if found != "on":
        raise RuntimeError(f"its synchronous_commit is {found!r}, so it does other work than we do")
    return made


def durable(count: int) -> float:
    """Commands to one aggregate, each saved before the next."""
    account = Account()
    application().save(account)

    def work() -> None:
        for _ in range(count):
            account.deposit(amount=1)
            application().save(account)

    return rate(count, work)


@cache
def stored(length: int) -> UUID:
    """An aggregate of so many events."""
    account = Account()
    for _ in range(length - 1):
        account.deposit(amount=1)
    application().save(account)
    identity: UUID = account.id
    return identity


def replay(length: int) -> float:
    """Loads an aggregate of so many events."""
    identity, found = stored(length), list[Account]()
    figure = rate(length, lambda: found.append(application().repository.get(identity)))
    assert found[0].balance == length - 1
    return figure


if __name__ == "__main__":
    try:
        serve("eventsourcing", {"durable": durable, "replay": replay})
    finally:
        # The threads that keep its connections would keep the process.
        if application.cache_info().currsize:
            application().close()
