from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.effort import Tried, Try, write


@pytest.fixture(scope="session")
def _all_tried() -> Iterator[list[Tried]]:
    tried: list[Tried] = []
    yield tried
    write(tried)


@pytest.fixture
def tried(_all_tried: list[Tried]) -> Try:
    """Takes down what became of a fault, also where that is not what was promised."""
    return _all_tried.append
