"""Couriers wait, back off and poll: time is virtual in these tests, and the journals in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest

from daicho.journal import MemoryJournal
from daicho.testing.virtual_time import VirtualTimeLoop
from tests.unit.process.transfers import BROKEN, Bank


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual": VirtualTimeLoop}


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    """What is remembered of accounts and transfers."""
    async with MemoryJournal() as journal:
        yield Bank(journal)


@pytest.fixture(autouse=True)
def mended() -> Iterator[None]:
    """What one test has broken is whole for the next."""
    yield
    BROKEN.clear()
