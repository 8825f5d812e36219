"""``daicho sim``: what it prints of a run that fails is what somebody works with."""

from __future__ import annotations

import re

import pytest

from daicho.cli import main

HERE = "tests.unit.testing.test_simulation"


def test_runs_that_hold_are_counted_from_their_first_seed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sim", f"{HERE}:Counting", "--seed", "7", "--runs", "3"]) == 0
    assert capsys.readouterr().out == "3 runs from seed 7 on: everything held\n"


def test_without_a_seed_it_begins_with_a_new_one_and_says_which(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said: set[str] = set()
    for _ in range(2):
        assert main(["sim", f"{HERE}:Counting", "--runs", "1"]) == 0
        said.add(capsys.readouterr().out)
    assert len(said) == 2
    assert all(re.fullmatch(r"1 run from seed \d+ on: everything held\n", each) for each in said)


def test_a_failing_run_is_made_small_printed_and_can_be_run_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sim", f"{HERE}:AskingAgain", "--seed", "1", "--runs", "100"]) == 1
    out = capsys.readouterr().out
    assert "AssertionError: done twice" in out
    assert "append" in out
    again = re.search(r"It runs again with: daicho (sim \S+ --seed \d+ --runs 1)\n", out)
    assert again is not None
    assert main(again[1].split()) == 1
    # But for what pytest adds of where objects are.
    assert capsys.readouterr().out.splitlines()[:5] == out.splitlines()[:5]


def test_how_much_of_everything_there_is_can_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--clients", "1", "--actions", "2", "--processes", "1", "--crashes", "0"]
    assert main(["sim", f"{HERE}:Broken", *options]) == 1
    assert (
        "clients 1, actions of each 1, processes 1, crashes 0. Of the journal's calls none"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (f"{HERE}:Counter", "inherits Simulation"),
        ("daicho.testing:Simulation", "says nothing of act and check; write act"),
        (f"{HERE}:Nothing", "has no 'Nothing'"),
        ("no.such.module:Shop", "cannot be imported"),
        ("Shop", "write it like"),
    ],
)
def test_what_is_no_simulation_is_refused(
    name: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sim", name]) == 2
    assert problem in capsys.readouterr().err
