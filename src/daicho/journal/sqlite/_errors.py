"""What SQLite says, in the words of :mod:`daicho.errors`."""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from daicho.errors import (
    JournalCorrupt,
    JournalFull,
    JournalLocked,
    JournalReadOnly,
    JournalUnavailable,
    StoreError,
)

FAULTS = (apsw.Error, UnicodeDecodeError)
"""What a statement raises when the file cannot be used: what SQLite says, and that a text which it
found is no text."""


def store_error(path: Path, error: apsw.Error | UnicodeDecodeError) -> StoreError:
    """The error of the tree that says what happened to the file, with SQLite's as its cause."""
    found = _classify(error, path)(str(path), reason(error))
    found.__cause__ = error
    return found


def reason(error: apsw.Error | UnicodeDecodeError) -> str:
    """SQLite's text and the name of its code, which is what one searches for."""
    if isinstance(error, UnicodeDecodeError):
        return f"a text in it is not UTF-8: {error.reason}"
    # An error that apsw itself raises has no code of SQLite.
    code: int = getattr(error, "extendedresult", -1)
    name = apsw.mapping_extended_result_codes.get(code) or apsw.mapping_result_codes.get(code)
    return f"{error} ({name})" if name else str(error)


def is_writable(folder: Path) -> bool:
    """Whether this process may make files in a folder."""
    return os.access(
        folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
    )


def _classify(error: apsw.Error | UnicodeDecodeError, path: Path) -> type[StoreError]:
    match error:
        case apsw.FullError():
            return JournalFull
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            return JournalLocked
        case apsw.ReadOnlyError() | apsw.PermissionsError():
            return JournalReadOnly
        # SQLite cannot open its own files beside the journal's where it may not make any.
        case apsw.CantOpenError() if not is_writable(path.parent):
            return JournalReadOnly
        case apsw.CorruptError() | apsw.NotADBError() | UnicodeDecodeError():
            return JournalCorrupt
        case _:
            return JournalUnavailable
