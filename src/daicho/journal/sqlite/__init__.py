"""The journal in one SQLite file."""

from daicho.journal.sqlite._backup import Copied, copy_file
from daicho.journal.sqlite._errors import store_error
from daicho.journal.sqlite._file import APPLICATION_ID, Synchronous
from daicho.journal.sqlite._journal import SqliteJournal

__all__ = [
    "APPLICATION_ID",
    "Copied",
    "SqliteJournal",
    "Synchronous",
    "copy_file",
    "store_error",
]
