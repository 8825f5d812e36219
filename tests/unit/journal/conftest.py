from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.journal.faulty_disk import Disk, FaultyVFS


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    vfs = FaultyVFS(disk)
    yield disk
    vfs.unregister()
