"""A journal that is slow, and answers late, keeps every promise all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daicho.journal import Journal, MemoryJournal, SqliteJournal
from daicho.testing import FaultJournal, Faults
from daicho.testing.journal_contract import JournalContract, Store

# Each line of theirs is counted where their own journals are tested, once.
pytestmark = pytest.mark.no_cover

UNPUNCTUAL = Faults(slow=0.3, late=0.3, longest_pause_s=6)


async def turns(pause_s: float) -> None:
    """Lets a turn of the loop pass for each second."""
    for _ in range(round(pause_s)):
        await asyncio.sleep(0)


def unpunctual(inner: Journal, seed: int) -> FaultJournal:
    return FaultJournal(inner, seed=seed, faults=UNPUNCTUAL, sleep=turns)


@pytest.mark.parametrize("seed", range(3))
class TestUnpunctualMemory(JournalContract):
    @pytest.fixture
    def store(self, seed: int) -> Store:
        journal = unpunctual(MemoryJournal(), seed)
        return lambda: journal


@pytest.mark.parametrize("seed", [0])
class TestUnpunctualSqlite(JournalContract):
    @pytest.fixture
    def store(self, tmp_path: Path, seed: int) -> Store:
        return lambda: unpunctual(SqliteJournal(tmp_path / "journal.db"), seed)
