"""These tests are about time, so theirs is virtual; the journals are in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from daicho.journal import MemoryJournal
from daicho.testing.virtual_time import VirtualTimeLoop
from tests.unit.entity.accounts import Store, Way


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual": VirtualTimeLoop}


@pytest.fixture
async def memory() -> AsyncIterator[Store]:
    """A store in memory."""
    async with MemoryJournal() as journal:
        yield Store(journal, lambda: Way(journal))
