"""Daicho's own engines against the model, over any order of calls."""

from __future__ import annotations

from hypothesis import settings

from daicho.journal import Journal, MemoryJournal, SqliteJournal
from daicho.testing.journal_machine import JournalMachine


class MemoryMachine(JournalMachine):
    def make(self) -> list[Journal]:
        return [MemoryJournal()]


class SqliteMachine(JournalMachine):
    """Two journals on one file, so that neither can rely on what it remembers."""

    def make(self) -> list[Journal]:
        path = self.folder / "journal.db"
        return [SqliteJournal(path, reader_threads=1), SqliteJournal(path, reader_threads=1)]


TestMemoryModel = MemoryMachine.TestCase
TestMemoryModel.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)

TestSqliteModel = SqliteMachine.TestCase
TestSqliteModel.settings = settings(deadline=None, max_examples=40, stateful_step_count=40)
