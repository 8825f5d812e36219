"""What the tests of entities share: a store of each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daicho.journal import MemoryJournal, SqliteJournal
from tests.support.journals import FaultJournal
from tests.unit.entity.accounts import Store, Way


@pytest.fixture
async def memory() -> AsyncIterator[Store]:
    """A store in memory."""
    async with MemoryJournal() as journal:
        yield Store(journal, lambda: Way(journal))


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Store]:
    """A store in a file, with a connection for each way."""
    path = tmp_path / "journal.db"
    async with SqliteJournal(path) as journal:
        yield Store(journal, lambda: FaultJournal(SqliteJournal(path)))


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest) -> Store:
    """A store of each engine."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Store)
    return found
