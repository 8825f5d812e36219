"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from daicho.errors import TargetExists

_BESIDE = ("", "-journal", "-wal", "-shm")
"""What SQLite calls the files that it makes beside one."""


@contextmanager
def new_file(path: Path, *, overwrite: bool = False) -> Generator[Path]:
    """The name under which the block makes a file; at its end it is synced and gets its own name.

    If the block raises, or the process dies in it, nothing has the name that had it not before. A
    process that is killed leaves ``<name>.partial-<its id>``.

    Args:
        path: The name that it gets.
        overwrite: Whether it may take the place of another file.

    Raises:
        TargetExists: There is one, and it may not.
        OSError: What the file system said.
    """
    _refuse_existing(path, overwrite=overwrite)
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        yield partial
        _sync(partial)
        _refuse_existing(path, overwrite=overwrite)
        partial.replace(path)
        # The name is in the folder.
        _sync(path.parent)
    finally:
        for suffix in _BESIDE:
            partial.with_name(partial.name + suffix).unlink(missing_ok=True)


def _refuse_existing(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise TargetExists(str(path))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
