from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from daicho.journal import Feature, SqliteJournal
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
