"""A server that a test may kill; and nothing here counts as covered."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.coverage import MEASURED

if TYPE_CHECKING:
    from tests.support.mortal_server import MortalServer


@pytest.fixture(autouse=True)
def _uncovered(no_cover: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage is not measured: a fault finds the same lines again and again, in twice the time.

    A process that is killed could not write down its own either.
    """
    monkeypatch.delenv(MEASURED, raising=False)


@pytest.fixture(scope="session")
def _any_mortal_server() -> Iterator[MortalServer]:
    from tests.support.mortal_server import mortal_server

    with mortal_server() as server:
        yield server


@pytest.fixture
def mortal(_any_mortal_server: MortalServer) -> MortalServer:
    """A PostgreSQL server that a test may kill; it runs."""
    _any_mortal_server.revive()
    return _any_mortal_server


@pytest.fixture
def mortal_url(mortal: MortalServer) -> str:
    """The URL of a journal on it, in a schema that does not exist."""
    return f"{mortal.url}&schema={uuid.uuid4().hex}"
