"""What PostgreSQL and the way to it say, in the words of :mod:`daicho.errors`."""

from __future__ import annotations

from typing import cast

import asyncpg

from daicho.errors import (
    ChainBroken,
    JournalCorrupt,
    JournalFull,
    JournalLocked,
    JournalReadOnly,
    JournalRefused,
    JournalUnavailable,
    JournalUnreachable,
    NotAJournal,
    StoreError,
)

FAULTS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What a call raises when the server cannot be used, or refuses."""

CLASHES = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""Another transaction was in the way: nothing was done, and it can be tried again."""

RACES = (asyncpg.UniqueViolationError, *CLASHES)
"""The same for an append, where another one may have stored the same at the same time."""

_UNLINKED = "DA001"
_ELSEWHERE = "DA002"
_OTHER_ISOLATION = "DA003"
"""Our own: see the functions ``lock_chain`` and ``begin_writing`` in the migration."""

_REFUSALS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
)
"""Nobody is let in who comes again."""

_POOLERS = (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError)
"""A statement was prepared on another connection than it is used on."""

_CHANGED_BY_HAND = "the schema was dropped or changed by hand; restore it, or name another schema"

_ADVICE: dict[type[Exception], str] = {
    asyncpg.InvalidAuthorizationSpecificationError: (
        "look at the user and the password, and at pg_hba.conf on the server"
    ),
    asyncpg.InvalidCatalogNameError: (
        "name a database that is there, or make this one: CREATE DATABASE … ENCODING 'UTF8'"
    ),
    asyncpg.InsufficientPrivilegeError: (
        "grant this user the rights that docs/journals.md lists, after one who may has made the"
        " schema with 'daicho schema apply'"
    ),
    asyncpg.ReadOnlySQLTransactionError: (
        "this server only reads, as a standby does; name the one that writes, or all of them with"
        " target_session_attrs=read-write"
    ),
    asyncpg.TargetServerAttributeNotMatched: (
        "none of the hosts is what target_session_attrs asks for, or takes writes, if the URL does"
        " not say it; name all of them, or open it with read_only=True"
    ),
    asyncpg.TooManyConnectionsError: (
        "let this server, database or user have more connections, or this journal fewer:"
        " connections=2"
    ),
    **dict.fromkeys(
        _POOLERS,
        "a pooler of transactions is between that does not know prepared statements; write"
        " prepared_statements=no, or set its max_prepared_statements",
    ),
    asyncpg.ClientConfigurationError: "look at the options of the URL",
    asyncpg.ProtocolViolationError: (
        "a pooler may be between; look at the options of the URL, and at what it has written down"
    ),
    FileNotFoundError: "look whether the socket and the files are there that the URL names",
    asyncpg.LockNotAvailableError: (
        "another transaction uses the tables; let that finish, and try again; nothing was stored"
    ),
    asyncpg.UndefinedTableError: _CHANGED_BY_HAND,
    asyncpg.UndefinedFunctionError: _CHANGED_BY_HAND,
    asyncpg.InvalidSchemaNameError: _CHANGED_BY_HAND,
}
"""What to do, where that is not what the error of the tree says of a file."""


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, and with it the answer to what was asked."""
    match error:
        case TimeoutError(errno=None):
            return False  # nobody waits any more, and it may answer yet
        case (
            asyncpg.PostgresConnectionError()
            | asyncpg.AdminShutdownError()
            | asyncpg.CrashShutdownError()
            | asyncpg.CannotConnectNowError()
            | asyncpg.TooManyConnectionsError()
            | asyncpg.InterfaceError()
            | asyncpg.InternalClientError()
            | OSError()
        ):
            return True
        case _:
            return False


def was_not_sent(error: BaseException) -> bool:
    """Whether it is sure that the server never saw what was asked.

    So it is where asyncpg has read that the server ends the connection and has not closed it yet:
    it refuses the next statement. It says so in words alone; if these change, what was asked is
    taken for sent, which is right too.
    """
    return isinstance(error, asyncpg.InternalClientError) and str(error).startswith(
        "cannot switch to state"
    )


def is_elsewhere(error: BaseException) -> bool:
    """Whether nothing was done because the journal may be elsewhere than it was.

    A new connection looks, and makes it another store if it is.
    """
    return getattr(error, "sqlstate", None) == _ELSEWHERE


def did_nothing(error: BaseException) -> bool:
    """Whether it is sure that nothing was done, and that it may be done if it is tried again."""
    return isinstance(error, CLASHES) or was_not_sent(error) or is_elsewhere(error)


def may_pass(error: BaseException) -> bool:
    """Whether it is worth while to try again to connect."""
    return (is_lost(error) or isinstance(error, TimeoutError)) and not isinstance(error, _REFUSALS)


def store_error(store: str, error: BaseException) -> StoreError:
    """The error of the tree that says what happened, with PostgreSQL's as its cause."""
    found: StoreError
    if getattr(error, "sqlstate", None) == _UNLINKED:
        position = int(cast("asyncpg.PostgresError", error).detail or 0)
        found = ChainBroken(store, position, f"{error}: what appended it did not know of the chain")
    else:
        found = _classify(error)(store, reason(error), advice=_advice(error))
    found.__cause__ = error
    return found


def unreached(store: str, error: BaseException) -> StoreError:
    """The error of a server that cannot be used from the first: nothing was asked of it."""
    found = store_error(store, error)
    if type(found) not in (JournalUnavailable, JournalRefused):
        return found
    advice = _advice(error)
    if advice is None and not may_pass(error):
        advice = "look at the options of the URL and at the schema; nothing was stored"
    return JournalUnreachable(store, found.reason, advice=advice)


def reason(error: BaseException) -> str:
    """The server's text and the code of it, which is what one searches for."""
    if isinstance(error, TimeoutError) and not str(error):
        return "it did not answer in time"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "it is a standby, or another server than target_session_attrs asks for"
    code = getattr(error, "sqlstate", None)
    if isinstance(error, _POOLERS):
        return f"{error.args[0]} (SQLSTATE {code})"  # without what the driver advises
    return f"{error} (SQLSTATE {code})" if code else str(error) or type(error).__name__


def _advice(error: BaseException) -> str | None:
    if getattr(error, "sqlstate", None) == _OTHER_ISOLATION:
        # Without a pooler no connection has another level.
        return (
            "behind a pooler of transactions say ALTER ROLE … SET default_transaction_isolation TO"
            " 'read committed', or write prepared_statements=no; nothing was stored"
        )
    return next((advice for kind, advice in _ADVICE.items() if isinstance(error, kind)), None)


def _classify(error: BaseException) -> type[StoreError]:
    match error:
        case asyncpg.DiskFullError():
            return JournalFull
        case asyncpg.LockNotAvailableError():
            return JournalLocked
        case asyncpg.ReadOnlySQLTransactionError() | asyncpg.InsufficientPrivilegeError():
            return JournalReadOnly
        case asyncpg.DataCorruptedError() | asyncpg.IndexCorruptedError():
            return JournalCorrupt
        case (
            asyncpg.UndefinedTableError()
            | asyncpg.UndefinedFunctionError()
            | asyncpg.InvalidSchemaNameError()
        ):
            return NotAJournal
        case _ if _is_undone(error):
            return JournalRefused
        case _:
            return JournalUnavailable


def _is_undone(error: BaseException) -> bool:
    """Whether the server has answered, and goes on: then what was asked is undone."""
    return (
        isinstance(error, asyncpg.PostgresError)
        and not isinstance(error, asyncpg.StatementCompletionUnknownError)
        and getattr(error, "severity_en", None) == "ERROR"
    )
