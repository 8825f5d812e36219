from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from daicho.journal import Feature, SqliteJournal
from tests.contract.journal_contract import EVERYTHING, JournalContract, Store


class TestSqliteJournal(JournalContract):
    features: ClassVar[frozenset[Feature]] = EVERYTHING - {Feature.EPOCHS}

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return partial(SqliteJournal, tmp_path / "journal.db")
