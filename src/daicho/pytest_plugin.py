"""What pytest finds by itself where Daicho is installed: ``daicho_app`` and ``daicho_clock``.

It also lets a test fail in which ``given(…).when(…)`` ended in an error that nothing looked at.

It is loaded into every run of pytest, so it imports the library when a test asks for a fixture, and
needs nothing that a user may not have: ``daicho_app`` works with pytest-asyncio, in both of its
modes, and says so where that is not there.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from daicho.testing import Apps, Clock

# So that a failure in the suite of an engine shows the values that it compared.
pytest.register_assert_rewrite("daicho.testing.journal_contract", "daicho.testing.journal_machine")


@pytest.fixture
def daicho_clock() -> Clock:
    """The time of the applications of a test, which the test moves; a ``daicho.testing.Clock``."""
    from daicho.testing import Clock  # noqa: PLC0415 - see above

    return Clock()


async def _apps(daicho_clock: Clock) -> AsyncIterator[Apps]:
    """Opens applications in memory: ``app = await daicho_app(Wallet)``; all are closed at the end.

    It takes what ``daicho.testing.app`` takes. They share the time of ``daicho_clock``.
    """
    from daicho.testing import Apps  # noqa: PLC0415 - see above

    async with Apps(daicho_clock) as apps:
        yield apps


def _no_apps() -> NoReturn:
    """Opens applications in memory, with pytest-asyncio."""
    pytest.fail(
        "the fixture daicho_app needs pytest-asyncio; install it, or write"
        " 'async with daicho.testing.app(…) as app' in the test",
        pytrace=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Offers ``daicho_app`` as the plugins at hand can run it."""
    offered = ModuleType("daicho_fixtures")
    if config.pluginmanager.hasplugin("asyncio"):
        import pytest_asyncio  # noqa: PLC0415 - see above

        offered.__dict__["daicho_app"] = pytest_asyncio.fixture(_apps, name="daicho_app")
    else:
        offered.__dict__["daicho_app"] = pytest.fixture(_no_apps, name="daicho_app")
    config.pluginmanager.register(offered, offered.__name__)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:  # noqa: ARG001 - pytest's name
    """Fails a test that passes although an entity failed and no expectation looked at it."""
    __tracebackhide__ = True
    with _no_failure_unseen():
        return (yield)


def _no_failure_unseen() -> AbstractContextManager[None]:
    # A test that imports it only while it runs is warned by the failure itself.
    if "daicho.testing" not in sys.modules:
        return nullcontext()
    from daicho.testing.unseen import NoFailureUnseen  # noqa: PLC0415 - see above

    return NoFailureUnseen()
