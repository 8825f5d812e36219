"""Whether the file is still where it was opened.

SQLite goes on with a file that was deleted or replaced: it has it open, and what it stores there is
gone when it is closed. So whoever writes or reads looks afterwards, and neither acknowledges nor
tells anything of a file that is not there any more. A look takes a microsecond.
"""

from __future__ import annotations

import os
from pathlib import Path

from daicho.errors import JournalGone


class Place:
    """Remembers the file that was there at the first look."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = str(path)
        self._file: tuple[int, int] | None = None

    def problem(self) -> JournalGone | None:
        """What to raise, a new one each time; None if the file is there, or never was."""
        try:
            found = os.stat(self._name)  # noqa: PTH116 - a commit waits for it
        except OSError as error:
            if self._file is None:
                return None
            return JournalGone(self._name, f"it cannot be found: {error.strerror}")
        file = found.st_dev, found.st_ino
        if self._file is None:
            self._file = file
        if file != self._file:
            return JournalGone(self._name, "another file is in its place")
        return None
