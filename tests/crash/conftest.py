"""A server that a test may kill."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.mortal_server import MortalServer


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
