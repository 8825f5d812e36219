"""The disk of a machine that can lose power, as a layer below SQLite.

What SQLite does to its files goes on to real files, so a journal on this disk works as on any. The
disk notes each step besides: writes, truncations, syncs, files that come and go. From these notes
it tells what would be left if the power had failed after any of them. So one run under load is cut
at as many moments as one likes.

What was synced is there. Of the rest any part may be: each sector of each write by itself, in any
order, so a page may be torn and a file longer than what was written into it, with zeros or rubbish
between. A file that was made, or deleted, is so for good when its folder was synced; until then the
old one may come back, with what it held.

SQLite syncs a folder inside its own layer, which no other layer sees: with the first sync of a log
that it may have made, and with a deletion that asks for it (``unixSync`` and ``unixDelete`` in its
source). Both are repeated here. The real files are not synced.

It can also fail, now and then. A write that fails may have been made in part. What a failed sync
was about is forgotten, all or some of it, and the next sync says nothing of that, as Linux has it;
but it can still be read.

What the disk cannot show: sectors that lose what was synced, writes that spread to their
neighbours, and a kernel or a controller that lies (but see ``is_honest``). The shared memory
``-shm`` is memory, and gone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

SECTOR_BYTES = 512
WRITES_TO_A_FAILURE = 300
SYNCS_TO_A_FAILURE = 4

_LOGS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


class Written(NamedTuple):
    file: int
    offset: int
    data: bytes


class Truncated(NamedTuple):
    file: int
    size: int


class Synced(NamedTuple):
    file: int


class Unsynced(NamedTuple):
    """A sync that failed."""

    file: int


class Made(NamedTuple):
    name: str
    file: int


class Deleted(NamedTuple):
    name: str


class FolderSynced(NamedTuple):
    pass


Step = Written | Truncated | Synced | Unsynced | Made | Deleted | FolderSynced

Image = dict[str, bytes]
"""The files of a folder."""


class Disk:
    """Notes what is done to the files of one folder.

    With ``is_honest`` false it says that it has synced, and has not. While ``failures`` has dice,
    one of so many writes and syncs fails.
    """

    def __init__(self, *, is_honest: bool = True) -> None:
        self.is_honest = is_honest
        self.failures: random.Random | None = None
        self.failed = 0
        self.steps: list[Step] = []
        self._files: dict[str, int] = {}
        """By name. A file that is made anew is another one."""
        self._made = 0

    def opened(self, name: str) -> int:
        """The number of a file, which is made if there is none."""
        if name not in self._files:
            self._made += 1
            self._files[name] = self._made
            self.steps.append(Made(name, self._made))
        return self._files[name]

    def deleted(self, name: str) -> None:
        if self._files.pop(name, None) is not None:
            self.steps.append(Deleted(name))

    def note(self, step: Step) -> None:
        if self.is_honest or not isinstance(step, Synced | FolderSynced):
            self.steps.append(step)

    def fails(self, one_of: int) -> bool:
        """Whether it fails this time."""
        fails = self.failures is not None and not self.failures.randrange(one_of)
        self.failed += fails
        return fails

    @contextmanager
    def under_sqlite(self) -> Iterator[None]:
        """While every file that SQLite opens is on this disk."""
        vfs = _VFS(self)
        try:
            yield
        finally:
            vfs.unregister()

    def cut_power(self, after: int, chance: random.Random, survival: float) -> Image:
        """What is left if the power fails after so many steps.

        What was not synced is there with the probability ``survival``, each part by itself.
        """
        return _cut(self.steps[:after], chance, survival)


class _Content:
    """What of one file is sure, and what was done to it since."""

    def __init__(self) -> None:
        self.sure = bytearray()
        self.open: list[Written | Truncated] = []

    def sync(self) -> None:
        for step in self.open:
            if isinstance(step, Truncated):
                del self.sure[step.size :]
            else:
                _put(self.sure, step.offset, step.data)
        self.open.clear()

    def forget(self, chance: random.Random, survival: float) -> None:
        self.sure = self.survivor(chance, survival)
        self.open.clear()

    def survivor(self, chance: random.Random, survival: float) -> bytearray:
        left = bytearray(self.sure)
        has_rubbish = chance.random() < 0.5
        for step in self.open:
            if isinstance(step, Truncated):
                if chance.random() < survival:
                    del left[step.size :]
                continue
            for offset, data in _sectors(step):
                if chance.random() < survival:
                    gap = max(0, offset - len(left))
                    if gap and has_rubbish:
                        left += chance.randbytes(gap)
                    _put(left, offset, data)
        return left


def _cut(steps: Sequence[Step], chance: random.Random, survival: float) -> Image:
    contents: dict[int, _Content] = {}
    names: dict[str, int] = {}
    unsure: list[Made | Deleted] = []
    for step in steps:
        match step:
            case Made():
                contents[step.file] = _Content()
                unsure.append(step)
            case Deleted():
                unsure.append(step)
            case FolderSynced():
                _rename(names, unsure)
                unsure.clear()
            case Synced():
                contents[step.file].sync()
            case Unsynced():
                contents[step.file].forget(chance, survival)
            case Written() | Truncated():
                contents[step.file].open.append(step)
    _rename(names, [step for step in unsure if chance.random() < survival])
    return {name: bytes(contents[file].survivor(chance, survival)) for name, file in names.items()}


def _rename(names: dict[str, int], steps: Sequence[Made | Deleted]) -> None:
    for step in steps:
        if isinstance(step, Made):
            names[step.name] = step.file
        else:
            names.pop(step.name, None)


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _sectors(step: Written) -> Iterator[tuple[int, bytes]]:
    start, end = step.offset, step.offset + len(step.data)
    while start < end:
        stop = min(end, start - start % SECTOR_BYTES + SECTOR_BYTES)
        yield start, step.data[start - step.offset : stop - step.offset]
        start = stop


class _VFS(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__("disk", "unix", makedefault=True)
        self._disk = disk

    def xOpen(  # type: ignore[override] # noqa: N802 - SQLite's names
        self, name: str | apsw.URIFilename, flags: list[int]
    ) -> apsw.VFSFile:
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001
        super().xDelete(filename, syncdir)
        self._disk.deleted(Path(filename).name)
        if syncdir:
            self._disk.note(FolderSynced())


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename, flags: list[int]) -> None:
        # Asked for before it is opened, which tells what became of it in the same flags.
        self._syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _LOGS)
        super().__init__("unix", name, flags)
        path = name if isinstance(name, str) else name.filename()
        self._disk = disk
        self._file = disk.opened(Path(path).name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.fails(WRITES_TO_A_FAILURE):
            part = data[: len(data) // 2]
            super().xWrite(part, offset)
            self._disk.note(Written(self._file, offset, bytes(part)))
            raise apsw.IOError("the disk did not write it")
        super().xWrite(data, offset)
        self._disk.note(Written(self._file, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._disk.note(Truncated(self._file, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.fails(SYNCS_TO_A_FAILURE):
            self._disk.note(Unsynced(self._file))
            raise apsw.IOError("the disk lost it")
        self._disk.note(Synced(self._file))
        if self._syncs_folder:
            self._disk.note(FolderSynced())
            self._syncs_folder = False
