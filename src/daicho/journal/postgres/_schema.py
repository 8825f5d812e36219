"""The schema of a journal: is it ours, is it of a version that we know, and bringing it up to date.

Migrations are numbered files. All that are missing are applied in one transaction, under an
advisory lock, so of many programs that start at once one does it and the others wait. A program of
an earlier version goes on meanwhile and afterwards: a migration adds, and takes nothing away that
it uses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import MappingProxyType

import asyncpg

from daicho.errors import JournalTooNew, NotAJournal
from daicho.journal.offers import Migration
from daicho.journal.postgres._connections import Connection, close
from daicho.journal.postgres._errors import FAULTS, store_error
from daicho.journal.postgres._place import store_name
from daicho.journal.postgres._sql import Script, scripts, statements

_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '10s'"
"""A migration that waits for a lock makes everybody wait who comes after it."""

_OLDEST_SERVER = 15


async def pending_migrations(dsn: str, *, schema: str) -> list[Migration]:
    """What has to be applied before this version of Daicho can use the schema; changes nothing.

    Raises:
        StoreError: The server cannot be reached, or what is there is no journal, or one of a later
            version.
    """
    return await _with_connection(dsn, schema, _pending)


async def apply_migrations(dsn: str, *, schema: str) -> list[Migration]:
    """Applies what is pending, all or nothing of it, and returns what that was.

    The schema is made if it is not there. While others use it, they wait for as long as it takes.

    Raises:
        StoreError: As above; nothing was changed.
    """
    return await _with_connection(dsn, schema, _apply)


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
        raise NotAJournal(store, "there is no journal in this schema")


_Work = Callable[[Connection, str, str], Awaitable[list[Script]]]


async def _with_connection(dsn: str, schema: str, work: _Work) -> list[Migration]:
    store = store_name(dsn, schema)
    try:
        db: Connection = await asyncpg.connect(dsn)
    except FAULTS as error:
        raise store_error(store, error) from error
    try:
        await _check_server(db, store)
        found = await work(db, store, schema)
        return [Migration(script.version, script.name, script.text) for script in found]
    except FAULTS as error:
        raise store_error(store, error) from error
    finally:
        await close(db)


async def _check_server(db: Connection, store: str) -> None:
    if db.get_server_version().major < _OLDEST_SERVER:
        found = db.get_server_version().major
        raise NotAJournal(store, f"the server is PostgreSQL {found}, {_OLDEST_SERVER} is needed")
    encoding = await db.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise NotAJournal(store, f"the encoding of the database is {encoding}, it has to be UTF8")


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
        raise NotAJournal(store, "tables of something else are in this schema")
    version: int = await db.fetchval(sql["schema_version"])
    known = scripts(schema)[-1].version
    if version > known:
        raise JournalTooNew(store, version, known)
    return version


async def _apply(db: Connection, store: str, schema: str) -> list[Script]:
    sql = statements(schema)
    async with db.transaction():
        await db.execute(_LOCK_TIMEOUT)
        await db.fetchval(sql["lock_schema"], schema)
        # Another program may have done it while this one waited.
        missing = await _pending(db, store, schema)
        if missing:
            await _make(db, sql, schema)
        for script in missing:
            await db.execute(script.text)
            await db.execute(sql["note_migration"], script.version, script.name)
    return missing


async def _make(db: Connection, sql: MappingProxyType[str, str], schema: str) -> None:
    # Not IF NOT EXISTS alone: it asks for the right to make schemas also where there is one.
    if not await db.fetchval(sql["schema_exists"], schema):
        await db.execute(sql["create_schema"])
    await db.execute(sql["create_migration"])
