"""A test that ends in ``when`` does not pass if the message has failed."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import daicho
from daicho.testing import given
from daicho.testing.unseen import NoFailureUnseen
from tests.unit.testing.orders import Add, Break, NameMissing, Order, Paid

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[3]
PAID = (
    "order 'test': nothing was expected of it, but Add(item='milk') ended in Rejected:"
    " it is paid already (items=0)"
)


def test_a_failure_that_nothing_looked_at_is_said_when_it_is_thrown_away() -> None:
    # A process of its own, because where pytest watches it keeps the failure.
    program = """
from daicho.testing import given
from tests.unit.testing.orders import Add, Order, Paid

given(Order, Paid("now")).when(Add("milk"))
print("and it goes on")
kept = given(Order).when(Add("milk"))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "and it goes on\n")
    assert f"RuntimeWarning: {PAID}\n" in done.stderr
    assert done.stderr.count("RuntimeWarning") == 1


def test_a_failure_that_was_expected_is_not_said_again() -> None:
    with warnings.catch_warnings(record=True) as caught, NoFailureUnseen():
        warnings.simplefilter("always")
        given(Order, Paid("now")).when(Add("milk")).rejected()
        given(Order).when(Break("error")).raises(NameMissing).when(Add("milk"))
        given(Order).when(Add("milk"))
    assert caught == []


def test_a_failure_that_failed_an_expectation_is_not_said_again() -> None:
    with warnings.catch_warnings(record=True) as caught, NoFailureUnseen():
        warnings.simplefilter("always")
        with pytest.raises(AssertionError, match="no error was expected"):
            given(Order, Paid("now")).when(Add("milk")).then()
        with pytest.raises(AssertionError, match="the rejection is another one"):
            given(Order, Paid("now")).when(Add("milk")).rejected("too late")
    assert caught == []


def test_who_watches_gets_the_failure_with_its_cause() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(AssertionError) as failed, NoFailureUnseen():
            given(Order, Paid("now")).when(Add("milk"))
    assert str(failed.value) == PAID
    assert isinstance(failed.value.__cause__, daicho.Rejected)
    assert caught == []


def test_another_failure_of_the_test_hides_nothing_and_is_not_hidden() -> None:
    def fails_twice() -> None:
        given(Order, Paid("now")).when(Add("milk"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), NoFailureUnseen():
        fails_twice()


def test_what_a_failed_message_emitted_and_replied_is_not_to_be_had() -> None:
    failed = given(Order).when(Break("error"))
    with pytest.raises(AssertionError, match="no error was expected"):
        assert failed.events
    with pytest.raises(AssertionError, match="no error was expected"):
        assert failed.reply
    assert failed.raises(NameMissing).events == ()
    assert failed.reply is None


def test_pytest_fails_a_test_that_ends_in_a_failed_message(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    pytester.makepyfile(
        """
        import unittest
        from daicho.testing import given
        from tests.unit.testing.orders import Add, Order, Paid

        def test_function():
            given(Order, Paid("now")).when(Add("milk"))

        class TestOlder(unittest.TestCase):
            def test_method(self):
                kept = given(Order, Paid("now")).when(Add("milk"))

        def test_expected():
            given(Order, Paid("now")).when(Add("milk")).rejected()

        def test_other():
            given(Order, Paid("now")).when(Add("milk"))
            assert False, "a reason of its own"
        """
    )
    result = pytester.runpytest_subprocess("-p", "daicho.pytest_plugin")
    result.assert_outcomes(passed=1, failed=3, warnings=0)
    result.stdout.fnmatch_lines([f"E *AssertionError: {PAID}", "E *a reason of its own*"])
