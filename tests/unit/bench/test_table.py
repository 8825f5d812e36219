"""The table says what was measured, and whether that was the goal."""

import pytest

from bench.harness import Goal
from bench.table import header, number, rows, summary
from tests.support.reports import line, side


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (1.5, "1.5"),
        (99.96, "100"),
        (499.6, "500"),
        (999.4, "999"),
        (999.6, "1k"),
        (45_678, "45.7k"),
        (456_789, "457k"),
        (999_700, "1M"),
        (1_234_567, "1.23M"),
        (12_345_678, "12.3M"),
    ],
)
def test_a_number_has_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_a_row_says_whether_its_goals_were_missed_and_stands_under_the_header() -> None:
    names = header().splitlines()[0]
    found = line(goals=(Goal(at_least=0.85), Goal(of="pykka", at_least=2)))
    row = rows(found)
    assert row.endswith("ratio ≥ 0.85 missed; ≥ 2 × pykka not measured")  # noqa: RUF001 - as printed
    assert row.index("ratio") == names.index("goal")
    assert row.index("of it") == names.index("unit")


def test_a_multiple_of_a_peer_is_told_with_its_verdict() -> None:
    found = line("a", side("pykka 4.5", 1, 3, 2), goals=(Goal(of="pykka", at_least=2),))
    ours, theirs = rows(found).splitlines()
    assert ours.endswith("≥ 2 × pykka reached (2 ×)")  # noqa: RUF001 - as printed
    assert theirs.startswith("  pykka 4.5 ")


def test_the_summary_names_what_was_missed() -> None:
    told = summary(
        [
            line("good", goals=(Goal(at_least=0.1),)),
            line("bad", goals=(Goal(of="figure", at_most=3),), less_is_better=True),
        ]
    )
    assert told == "goals reached: 1 of 2\n  bad: ≤ 3 missed"
