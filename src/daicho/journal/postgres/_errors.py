"""What PostgreSQL and the way to it say, in the words of :mod:`daicho.errors`."""

from __future__ import annotations

from typing import cast

import asyncpg

from daicho.errors import (
    ChainBroken,
    JournalBusy,
    JournalCorrupt,
    JournalFull,
    JournalLocked,
    JournalReadOnly,
    JournalUnavailable,
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
"""Our own: see the functions ``lock_chain`` and ``begin_writing`` in the migration."""

_REFUSALS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
)
"""Nobody is let in who comes again."""


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
        found = _classify(error)(store, reason(error))
    found.__cause__ = error
    return found


def reason(error: BaseException) -> str:
    """The server's text and the code of it, which is what one searches for."""
    if isinstance(error, TimeoutError) and not str(error):
        return "it did not answer in time"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "it is a standby, or another server than target_session_attrs asks for"
    code = getattr(error, "sqlstate", None)
    return f"{error} (SQLSTATE {code})" if code else str(error) or type(error).__name__


def _classify(error: BaseException) -> type[StoreError]:
    match error:
        case asyncpg.DiskFullError():
            return JournalFull
        case asyncpg.LockNotAvailableError():
            return JournalLocked
        case (
            asyncpg.QueryCanceledError()
            | asyncpg.SerializationError()
            | asyncpg.DeadlockDetectedError()
        ):
            return JournalBusy
        case (
            asyncpg.ReadOnlySQLTransactionError()
            | asyncpg.InsufficientPrivilegeError()
            | asyncpg.TargetServerAttributeNotMatched()
        ):
            return JournalReadOnly
        case asyncpg.DataCorruptedError() | asyncpg.IndexCorruptedError():
            return JournalCorrupt
        case (
            asyncpg.UndefinedTableError()
            | asyncpg.UndefinedFunctionError()
            | asyncpg.InvalidSchemaNameError()
        ):
            return NotAJournal
        case _:
            return JournalUnavailable
