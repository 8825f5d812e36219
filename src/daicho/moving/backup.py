"""A journal's file, copied while others write to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from daicho.errors import TargetExists, Unsupported
from daicho.journal import Journal, SqliteJournal
from daicho.journal.sqlite import Copied, copy_file
from daicho.moving.files import new_file

_BUSY_TIMEOUT_S = 5.0


def back_up(
    journal: Journal,
    path: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Copied:
    """Copies the file of a SQLite journal, as it is at one moment, and returns what is in it.

    Others may write to the journal meanwhile. The copy is a journal: a single file that can be
    opened, moved and copied as it is. It is checked by SQLite, compared row by row with the journal
    at that moment, and synced, before it gets its name; so under the name there is a whole copy or
    none. It blocks; call it in a thread of its own where a loop runs.

    Args:
        journal: It need not be open.
        path: The name of the copy.
        overwrite: Whether it may take the place of another file.
        progress: Is told how many pages are done, and of how many.

    Raises:
        Unsupported: It is no SQLite journal. Any journal can be exported.
        TargetExists: There is such a file and it may not be overwritten, or it is in use.
        JournalCorrupt: The journal is damaged.
        StoreError: What SQLite said.
        OSError: What the file system said.
    """
    if not isinstance(journal, SqliteJournal):
        raise Unsupported(repr(journal), "a backup", "it is no file of SQLite; export it instead")
    _refuse_files_in_use(journal.path, path)
    with new_file(path, overwrite=overwrite) as partial:
        return copy_file(journal.path, partial, busy_timeout_s=_BUSY_TIMEOUT_S, show=progress)


def _refuse_files_in_use(source: Path, target: Path) -> None:
    """Refuses what SQLite would take for a part of the copy, or what the copy is made of."""
    if target.exists() and source.exists() and target.samefile(source):
        raise TargetExists(str(target))
    for suffix in ("-wal", "-journal"):
        beside = target.with_name(target.name + suffix)
        if beside.exists():
            raise TargetExists(str(beside))
