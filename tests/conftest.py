"""What every test shares: how hypothesis searches, a server, and the record of what was tried."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.support.postgres import Server
from tests.crash.effort import Tried, Try, write

# Each run draws anew, so the suite keeps searching, and a failure prints how to draw it again. No
# judgement depends on how fast the machine happens to be.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")


# What a shell has started in the background ignores Ctrl-C, and so would every program of a test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage is measured of examples: a search goes over the same lines for twice as long."""
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture
def snapshots_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots are stored after their events, as large ones are."""
    monkeypatch.setattr("daicho.persistence.pipeline.TRAVELS_BYTES", -1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A server, started with the first test that needs one."""
    from tests.support.postgres import running

    with running() as server:
        yield server


@pytest.fixture
def postgres_schema(postgres_server: Server) -> Iterator[str]:
    """The name of a schema that does not exist."""
    with postgres_server.schema() as schema:
        yield schema


@pytest.fixture(scope="session")
def _all_tried() -> Iterator[list[Tried]]:
    tried: list[Tried] = []
    yield tried
    write(tried)


@pytest.fixture
def tried(_all_tried: list[Tried]) -> Try:
    """Takes down what became of a fault, also where that is not what was promised."""
    return _all_tried.append
