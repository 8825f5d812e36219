"""The schema of a journal: is it ours, is it of a version that we know, and bringing it up to date.

Migrations are numbered files. All that are missing are applied in one transaction, under an
advisory lock, so of many programs that start at once one does it and the others wait. A program of
an earlier version goes on meanwhile and afterwards: a migration adds, and takes nothing away that
it uses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import MappingProxyType

from daicho.errors import JournalTooNew, NotAJournal
from daicho.journal.offers import Migration
from daicho.journal.postgres._connections import Connection, Connections, Settings, close
from daicho.journal.postgres._sql import Script, scripts, statements

_WAITS_FOR_OTHERS = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"
"""Another program's migration takes as long as it takes, and so does this one's, whatever limits
this user has."""

_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '10s'"
"""A migration that waits for a table's lock makes everybody wait who comes after it."""

_LONGEST_S = 86_400.0
"""Beyond it nothing of a migration is done."""

_ANOTHER_SCHEMA = "name another schema, as ?schema=wallet does behind the database"

_OLDEST_SERVER = 15


async def pending_migrations(settings: Settings, *, schema: str) -> list[Migration]:
    """What has to be applied before this version of Daicho can use the schema; changes nothing.

    Raises:
        StoreError: The server cannot be reached, or what is there is no journal, or one of a later
            version.
    """
    return await _with_connection(settings, schema, _pending)


async def apply_migrations(settings: Settings, *, schema: str) -> list[Migration]:
    """Applies what is pending, all or nothing of it, and returns what that was.

    The schema is made if it is not there. While others use it, they wait for as long as it takes.

    Raises:
        StoreError: As above; nothing was changed.
    """
    return await _with_connection(settings, schema, _apply)


async def bring_up_to_date(db: Connection, store: str, schema: str, *, may_write: bool) -> None:
    """Makes the schema one that this version of Daicho can use.

    Raises:
        JournalTooNew: A later version has written it.
        NotAJournal: Something else is in the schema, or nothing, and nothing may be written.
    """
    await _check_server(db, store)
    if may_write:
        if await _pending(db, store, schema):
            await _apply(db, store, schema)
    elif not await _version(db, store, schema):
        raise NotAJournal(
            store,
            "there is no journal in this schema",
            advice=f"{_ANOTHER_SCHEMA}, or make one here with 'daicho schema apply'",
        )


_Work = Callable[[Connection, str, str], Awaitable[list[Script]]]


async def _with_connection(settings: Settings, schema: str, work: _Work) -> list[Migration]:
    """Does the work as a journal does it that is opened, also again if the connection is lost."""
    found: list[Script] = []

    async def prepare(db: Connection) -> None:
        await _check_server(db, settings.store)
        found[:] = await work(db, settings.store, schema)

    await close(await Connections(settings, statements(schema), prepare).connect())
    return [Migration(script.version, script.name, script.text) for script in found]


async def _check_server(db: Connection, store: str) -> None:
    if db.get_server_version().major < _OLDEST_SERVER:
        found = db.get_server_version().major
        raise NotAJournal(
            store,
            f"the server is PostgreSQL {found}",
            advice=f"use one of version {_OLDEST_SERVER} or later",
        )
    encoding = await db.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise NotAJournal(
            store,
            f"the encoding of the database is {encoding}, it has to be UTF8",
            advice="make another one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )


async def _pending(db: Connection, store: str, schema: str) -> list[Script]:
    version = await _version(db, store, schema)
    return [script for script in scripts(schema) if script.version > version]


async def _version(db: Connection, store: str, schema: str) -> int:
    """The version of what is there; 0 if nothing is."""
    sql = statements(schema)
    row = await db.fetchrow(sql["has_tables"], schema)
    if row is None or not row[0]:
        return 0
    if not row[1]:
        raise NotAJournal(
            store, "tables of something else are in this schema", advice=_ANOTHER_SCHEMA
        )
    version: int = await db.fetchval(sql["schema_version"])
    known = scripts(schema)[-1].version
    if version > known:
        raise JournalTooNew(store, version, known)
    return version


async def _apply(db: Connection, store: str, schema: str) -> list[Script]:
    sql = statements(schema)
    async with db.transaction():
        await db.execute(_WAITS_FOR_OTHERS)
        await db.fetchval(sql["lock_schema"], schema, timeout=_LONGEST_S)
        await db.execute(_LOCK_TIMEOUT)
        # Another program may have done it while this one waited.
        missing = await _pending(db, store, schema)
        if missing:
            await _make(db, sql, schema)
        for script in missing:
            await db.execute(script.text, timeout=_LONGEST_S)
            await db.execute(sql["note_migration"], script.version, script.name)
    return missing


async def _make(db: Connection, sql: MappingProxyType[str, str], schema: str) -> None:
    # Not IF NOT EXISTS alone: it asks for the right to make schemas also where there is one.
    if not await db.fetchval(sql["schema_exists"], schema):
        await db.execute(sql["create_schema"])
    await db.execute(sql["create_migration"])
