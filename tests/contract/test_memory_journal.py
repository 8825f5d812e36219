from __future__ import annotations

from typing import ClassVar

import pytest

from daicho.journal import Feature, Journal, MemoryJournal
from daicho.testing.journal_contract import EVERYTHING, JournalContract, Store


class TestMemoryJournal(JournalContract):
    features: ClassVar[frozenset[Feature]] = EVERYTHING - {Feature.EPOCHS}

    @pytest.fixture
    def store(self) -> Store:
        journal = MemoryJournal()

        def same() -> Journal:
            return journal

        return same
