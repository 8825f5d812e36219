from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from daicho.journal import Feature, NewEvent, Snapshot
from daicho.testing.journal_contract import JournalContract, Store
from wallet.article_journal import ArticleJournal
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet


class TestArticleJournal(JournalContract):
    features: ClassVar[frozenset[Feature]] = frozenset()

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return partial(ArticleJournal, tmp_path / "db.sqlite3")

    def event(self, number: int) -> NewEvent:
        cls = PaymentMoney if number % 3 == 2 else ReceiveMoney
        return (
            super()
            .event(number)
            ._replace(
                type_name=cls.DESCRIPTOR.full_name,
                payload=cls(amount=number).SerializeToString(),
            )
        )

    def snapshot(self, stream: str, version: int, number: int = 0) -> Snapshot:
        return Snapshot(
            stream=stream,
            version=version,
            type_name=Wallet.DESCRIPTOR.full_name,
            payload=Wallet(deposit=-number).SerializeToString(),
            time_us=0,
        )
