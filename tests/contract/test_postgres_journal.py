from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import pytest

from daicho.journal import Feature
from daicho.journal.postgres import PostgresJournal
from daicho.testing.journal_contract import EVERYTHING, JournalContract, Store
from tests.support.postgres import Server


class TestPostgresJournal(JournalContract):
    features: ClassVar[frozenset[Feature]] = EVERYTHING
    appends_soon: ClassVar[bool] = True

    @pytest.fixture
    def store(self, postgres_server: Server) -> Iterator[Store]:
        # Other databases of a server that is shared may have transactions of their own.
        with postgres_server.schema() as schema:
            yield partial(PostgresJournal, postgres_server.url, schema=schema, patience_s=60.0)
