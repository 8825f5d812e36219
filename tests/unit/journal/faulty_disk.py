"""A disk under SQLite that a test can break, and that counts."""

from __future__ import annotations

import apsw


class Disk:
    """A disk whose faults are switched on, and which counts how often it is asked to be sure."""

    def __init__(self) -> None:
        self.fails_to_sync = False
        self.fails_to_write: type[apsw.Error] | None = None
        self.syncs = 0


class FaultyFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.syncs += 1
        if self._disk.fails_to_sync:
            raise apsw.IOError("the disk lost it")
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.fails_to_write:
            raise self._disk.fails_to_write("the disk is gone")
        super().xWrite(data, offset)


class FaultyVFS(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__("faulty", "unix", makedefault=True)
        self._disk = disk

    def xOpen(  # type: ignore[override] # noqa: N802
        self, name: str | apsw.URIFilename, flags: list[int]
    ) -> apsw.VFSFile:
        return FaultyFile(self._disk, name, flags)
