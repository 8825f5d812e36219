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

It can also fail, be full and give what it does not have; ``faults`` says when. A write that fails
may have been made in part, and so is one that finds no room. What a failed sync was about is
forgotten, all or some of it, and the next sync says nothing of that, as Linux has it; but it can
still be read.

What the disk cannot show: sectors that lose what was synced, writes that spread to their
neighbours, and a kernel or a controller that lies (but see ``is_honest``). The shared memory
``-shm`` is memory, and gone; it and the locks in it are the real ones, which never fail.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from tests.crash.faults import SECTOR_BYTES, Faults

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

    With ``is_honest`` false it says that it has synced, and has not.
    """

    def __init__(self, *, is_honest: bool = True) -> None:
        self.is_honest = is_honest
        self.faults = Faults()
        self.steps: list[Step] = []
        self._files: dict[str, int] = {}
        """By name. A file that is made anew is another one."""
        self._made = 0
        self._past: dict[int, _Past] = {}

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
        if isinstance(step, Written):
            self._past.setdefault(step.file, _Past()).write(step)
        if self.is_honest or not isinstance(step, Synced | FolderSynced):
            self.steps.append(step)

    def before(self, file: int, offset: int, size: int) -> bytes:
        """What stood there before it was written last, sector by sector."""
        past = self._past.get(file)
        found = b"" if past is None else bytes(past.before[offset : offset + size])
        return found.ljust(size, b"\0")

    def may_fail(self, what: str, code: int) -> None:
        """Raises the error of that code of SQLite if it fails this time."""
        if self.faults.strikes(what):
            raise apsw.exception_for(code)

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


class _Past:
    """What one file holds, and what it held before."""

    def __init__(self) -> None:
        self._now = bytearray()
        self.before = bytearray()

    def write(self, step: Written) -> None:
        for offset, data in _sectors(step):
            now = bytes(self._now[offset : offset + len(data)])
            if now != data:
                _put(self.before, offset, now.ljust(len(data), b"\0"))
                _put(self._now, offset, data)


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
        self._disk.may_fail("open", apsw.SQLITE_CANTOPEN)
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001
        self._disk.may_fail("delete", apsw.SQLITE_IOERR_DELETE)
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

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._disk.may_fail("read", apsw.SQLITE_IOERR_READ)
        data = super().xRead(amount, offset)
        return self._disk.faults.read(data, self._disk.before(self._file, offset, len(data)))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.faults.strikes("write"):
            self._write(data[: len(data) // 2], offset)
            raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)
        growth = max(0, offset + len(data) - super().xFileSize())
        missing = growth - self._disk.faults.room_bytes(growth)
        self._write(data[: max(0, len(data) - missing)], offset)
        if missing:
            raise apsw.exception_for(apsw.SQLITE_FULL)

    def _write(self, data: bytes, offset: int) -> None:
        if data:
            super().xWrite(data, offset)
            self._disk.note(Written(self._file, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._disk.may_fail("truncate", apsw.SQLITE_IOERR_TRUNCATE)
        super().xTruncate(newsize)
        self._disk.note(Truncated(self._file, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.faults.strikes("sync"):
            self._disk.note(Unsynced(self._file))
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        self._disk.note(Synced(self._file))
        if self._syncs_folder:
            self._disk.note(FolderSynced())
            self._syncs_folder = False

    def xFileSize(self) -> int:  # noqa: N802
        self._disk.may_fail("size", apsw.SQLITE_IOERR_FSTAT)
        return super().xFileSize()

    def xLock(self, level: int) -> None:  # noqa: N802
        self._disk.may_fail("lock", apsw.SQLITE_IOERR_LOCK)
        super().xLock(level)

    def xUnlock(self, level: int) -> None:  # noqa: N802
        self._disk.may_fail("unlock", apsw.SQLITE_IOERR_UNLOCK)
        super().xUnlock(level)
