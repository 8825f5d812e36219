"""The journal on PostgreSQL against the model, over any order of calls."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import settings

from daicho.journal import Journal
from daicho.journal.postgres import PostgresJournal
from daicho.testing.journal_machine import JournalMachine
from tests.support.postgres import Server


class PostgresMachine(JournalMachine):
    """Two journals on one schema, so that neither can rely on what it remembers."""

    server: ClassVar[Server]

    def make(self) -> list[Journal]:
        self.schema = self.server.schema()
        name = self.schema.__enter__()
        return [
            PostgresJournal(self.server.url, schema=name, connections=2, patience_s=60.0)
            for _ in range(2)
        ]

    def teardown(self) -> None:
        super().teardown()
        self.schema.__exit__(None, None, None)


@pytest.fixture(scope="module", autouse=True)
def server(postgres_server: Server) -> None:
    PostgresMachine.server = postgres_server


TestPostgresModel = PostgresMachine.TestCase
TestPostgresModel.settings = settings(deadline=None, max_examples=20, stateful_step_count=40)
