"""An application in memory for a test, and what pytest offers of it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

import daicho
import daicho.testing
from daicho.errors import Overloaded, SystemStopped
from daicho.testing import START, Apps, Clock
from tests.unit.testing.orders import Add, Order, Paid, Pay

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]


async def test_an_application_begins_empty_and_in_memory() -> None:
    for _ in range(2):
        async with daicho.testing.app(Order) as app:
            assert await app.entity(Order, "1").ask(Order.add, Add("tea")) == 1


async def test_its_time_is_that_of_the_clock() -> None:
    clock = Clock()
    async with daicho.testing.app(Order, clock=clock) as app:
        clock.advance(timedelta(days=1))
        order = app.entity(Order, "1")
        await order.ask(Order.pay, Pay())
        [change] = [change async for change in order.history()]
    assert change.event == Paid((START + timedelta(days=1)).isoformat())
    assert change.time == START + timedelta(days=1)


async def test_a_second_application_on_its_journal_sees_what_a_restart_sees() -> None:
    journal = daicho.MemoryJournal()
    for items in (1, 2):
        async with daicho.testing.app(Order, journal=journal) as app:
            assert await app.entity(Order, "1").ask(Order.add, Add("tea")) == items


async def test_its_limits_are_those_that_it_was_opened_with() -> None:
    async with Apps() as apps:
        for limit, opened in (
            (5, await apps(Order, max_waiting=5)),
            (7, await apps(Order, max_mailbox=7)),
        ):
            order = opened.entity(Order, "1")
            for _ in range(limit):
                order.tell(Add("tea"))
            with pytest.raises(Overloaded) as refused:
                order.tell(Add("tea"))
            assert refused.value.limit == limit


async def test_applications_that_were_opened_together_share_a_clock_and_are_closed() -> None:
    journal = daicho.MemoryJournal()
    async with Apps() as apps:
        first = await apps(Order)
        second = await apps(Order, journal=journal)
        assert first.clock is second.clock is apps.clock
        assert second.journal is journal
        order = first.entity(Order, "1")
        assert await order.ask(Order.add, Add("tea")) == 1
    with pytest.raises(SystemStopped):
        await order.ask(Order.add, Add("milk"))


# --- pytest ---------------------------------------------------------------------------------------

USES = """
    from datetime import timedelta
    import daicho.testing
    from tests.unit.testing.orders import Order, Pay, Paid

    {mark}
    async def test_it(
        daicho_app: daicho.testing.Apps, daicho_clock: daicho.testing.Clock
    ) -> None:
        app, other = await daicho_app(Order), await daicho_app(Order)
        daicho_clock.advance(timedelta(days=1))
        assert app.clock is other.clock is daicho_clock
        order = app.entity(Order, "1")
        await order.ask(Pay())
        assert await other.entity(Order, "1").version() == 0
        assert [change.event async for change in order.history()] == [
            Paid("2030-01-02T00:00:00+00:00")
        ]
"""


@pytest.fixture
def alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with tests of its own, in which pytest loads the plugins that are named alone."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    return pytester


def run(alone: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return alone.runpytest_subprocess("-p", "daicho.pytest_plugin", "-W", "error", *arguments)


@pytest.mark.parametrize(
    ("mode", "mark"), [("auto", ""), ("strict", "import pytest; @pytest.mark.asyncio")]
)
def test_pytest_offers_applications_and_their_clock(
    alone: pytest.Pytester, mode: str, mark: str
) -> None:
    alone.makepyfile(USES.format(mark=mark.replace("; ", "\n    ")))
    options = ("-o", "asyncio_default_fixture_loop_scope=function", "-o", f"asyncio_mode={mode}")
    run(alone, "-p", "asyncio", *options).assert_outcomes(passed=1)


def test_without_pytest_asyncio_the_fixture_says_so_and_others_work(
    alone: pytest.Pytester,
) -> None:
    alone.makepyfile(
        """
        def test_app(daicho_app): ...

        def test_clock(daicho_clock):
            assert daicho_clock.now.year == 2030
        """
    )
    result = run(alone)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*the fixture daicho_app needs pytest-asyncio; install it*"])


def test_who_uses_no_fixture_does_not_wait_for_the_library(alone: pytest.Pytester) -> None:
    alone.makepyfile(
        """
        import sys

        def test_nothing_is_imported():
            assert "daicho.testing" not in sys.modules
            assert "google.protobuf" not in sys.modules
        """
    )
    run(alone).assert_outcomes(passed=1)
