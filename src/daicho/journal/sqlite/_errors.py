"""What SQLite says, in the words of :mod:`daicho.errors`."""

from __future__ import annotations

import json
import os
import struct
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

Fault = apsw.Error | UnicodeDecodeError | json.JSONDecodeError | struct.error

FAULTS = (apsw.Error, UnicodeDecodeError, json.JSONDecodeError, struct.error)
"""What comes of it when the file cannot be used: what SQLite says, that a text which it found is no
text, and that the columns of a page are not what it makes of sound rows."""

MISREAD = (
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.IOError,
    UnicodeDecodeError,
    json.JSONDecodeError,
    struct.error,
)
"""Those after which what was read may not be what is on the disk. A connection keeps the pages that
it has read, and would go on with these, and say nothing."""


def store_error(path: Path, error: Fault) -> StoreError:
    """The error of the tree that says what happened to the file, with SQLite's as its cause."""
    found = _classify(error, path)(str(path), reason(error))
    found.__cause__ = error
    return found


def reason(error: Fault) -> str:
    """SQLite's text and the name of its code, which is what one searches for."""
    if isinstance(error, UnicodeDecodeError):
        return f"a text in it is not UTF-8: {error.reason}"
    if isinstance(error, json.JSONDecodeError | struct.error):
        return f"a column of its events is of another type: {error}"
    # An error that apsw itself raises has no code of SQLite.
    code: int = getattr(error, "extendedresult", -1)
    name = apsw.mapping_extended_result_codes.get(code) or apsw.mapping_result_codes.get(code)
    return f"{error} ({name})" if name else str(error)


def is_writable(folder: Path) -> bool:
    """Whether this process may make files in a folder."""
    return os.access(
        folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
    )


def _classify(error: Fault, path: Path) -> type[StoreError]:
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
        case json.JSONDecodeError() | struct.error():
            return JournalCorrupt
        case _:
            return JournalUnavailable
