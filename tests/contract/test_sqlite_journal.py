from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from daicho.journal import Feature, Journal, SqliteJournal, verify
from daicho.journal.sqlite import _haste
from daicho.testing.journal_contract import EVERYTHING, JournalContract, Store


class TestSqliteJournal(JournalContract):
    features: ClassVar[frozenset[Feature]] = EVERYTHING - {Feature.EPOCHS}
    appends_now: ClassVar[bool] = True

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
        # Whatever it may append at once it does, however slow this disk is.
        monkeypatch.setattr(_haste, "QUICK_S", 60.0)
        return partial(SqliteJournal, tmp_path / "journal.db")


class TestChainedSqliteJournal(JournalContract):
    """What a journal promises it promises when it is chained, and its history is what it was."""

    features: ClassVar[frozenset[Feature]] = EVERYTHING - {Feature.EPOCHS}
    appends_now: ClassVar[bool] = True

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
        monkeypatch.setattr(_haste, "QUICK_S", 60.0)
        path = tmp_path / "journal.db"
        yield partial(SqliteJournal, path, chained=True)
        asyncio.run(self.verify(path))

    async def verify(self, path: Path) -> None:
        async with SqliteJournal(path, chained=True) as journal:
            await verify(journal)

    async def test_events_that_are_there_get_their_links_when_it_begins(
        self, journal: Journal
    ) -> None:
        pytest.skip("it is chained from its beginning on")
