"""What the benchmarks report is what the rounds gave."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.harness import Case, Measure, Options, Result, Spread, header, measure, number, row
from bench.machine import type_in

MOUNTS = r"""
/dev/sda / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
/dev/sdb /tmp/a\040disk xfs rw 0 0
""".strip()


class Side:
    """A side of a case that gives these rates in turn, and writes down when it was asked."""

    def __init__(self, name: str, log: list[str], rates: Sequence[float]) -> None:
        self._name = name
        self._log = log
        self._rates = iter(rates)

    async def measure(self) -> float:
        self._log.append(self._name)
        return next(self._rates)


def side(name: str, log: list[str], *rates: float) -> Measure:
    return Side(name, log, rates).measure


def result(*, median: float, aim: float | None = None, less_is_better: bool = False) -> Result:
    spread = Spread(median, median, median)
    return Result(
        name="something",
        unit="of it",
        rate=spread,
        limit=spread,
        ratio=spread,
        aim=aim,
        less_is_better=less_is_better,
    )


async def test_rounds_take_turns_and_the_first_does_not_count() -> None:
    log: list[str] = []
    case = Case(
        name="ours",
        unit="of it",
        ours=side("ours", log, 999, 2, 6, 4),
        limit=side("limit", log, 1, 4, 6, 16),
        rivals={"theirs": side("theirs", log, 999, 1, 3, 2)},
    )
    ours, theirs = await measure(case, Options(folder=Path(), rounds=3))
    assert log == ["ours", "limit", "theirs"] * 4
    assert ours.rate == Spread(4, 2, 6)
    assert ours.limit == theirs.limit == Spread(6, 4, 16)
    assert theirs.rate == Spread(2, 1, 3)


async def test_the_ratio_is_taken_within_each_round() -> None:
    case = Case(
        name="ours",
        unit="of it",
        ours=side("ours", [], 2, 6, 4),
        limit=side("limit", [], 4, 6, 16),
        warm_up=False,
    )
    (ours,) = await measure(case, Options(folder=Path(), rounds=3))
    # The ratio of the medians would be 4 / 6.
    assert ours.ratio == Spread(0.5, 0.25, 1)


@pytest.mark.parametrize(
    ("median", "aim", "less_is_better", "reached"),
    [
        (100, 100, False, True),
        (99, 100, False, False),
        (100, 100, True, True),
        (101, 100, True, False),
        (100, None, False, None),
    ],
)
def test_an_aim_is_reached_by_the_median(
    *, median: float, aim: float | None, less_is_better: bool, reached: bool | None
) -> None:
    assert result(median=median, aim=aim, less_is_better=less_is_better).reached is reached


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


def test_a_row_says_whether_its_aim_was_missed_and_stands_under_the_header() -> None:
    names = header().splitlines()[0]
    line = row(result(median=4.2e6, aim=5e6))
    assert line.endswith("5M missed")
    assert line.index("5M") == names.index("aim")
    assert line.index("of it") == names.index("unit")


def test_quick_does_a_part_and_never_nothing() -> None:
    assert Options(folder=Path()).count(1_000) == 1_000
    assert Options(folder=Path(), quick=True).count(1_000) == 50
    assert Options(folder=Path(), quick=True).count(3) == 1


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home", "ext4"),
        ("/tmp", "tmpfs"),
        ("/tmp/a disk/deep", "xfs"),
        ("/tmpfile", "ext4"),
    ],
)
def test_the_deepest_mount_says_what_disk_a_folder_is_on(folder: str, kind: str) -> None:
    assert type_in(MOUNTS, Path(folder)) == kind


def test_a_later_mount_hides_an_earlier_one_on_the_same_point() -> None:
    assert type_in(f"{MOUNTS}\ntmpfs / tmpfs rw 0 0", Path("/home")) == "tmpfs"
