"""What the benchmarks report is what the rounds gave."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.harness import Case, Goal, LeftOut, Measure, Options, Spread, measure
from bench.machine import type_in
from bench.team import Peers
from tests.support.reports import line, side

MOUNTS = r"""
/dev/sda / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
/dev/sdb /tmp/a\040disk xfs rw 0 0
""".strip()


class Measured:
    """A side of a case that gives these figures in turn, and writes down when it was asked."""

    def __init__(self, name: str, log: list[str], figures: Sequence[float]) -> None:
        self._name = name
        self._log = log
        self._figures = iter(figures)

    async def measure(self) -> float:
        self._log.append(self._name)
        return next(self._figures)


def measured(name: str, log: list[str], *figures: float) -> Measure:
    return Measured(name, log, figures).measure


async def fails() -> float:
    raise LeftOut("it is not there")


def options(*, rounds: int = 3, quick: bool = False) -> Options:
    return Options(folder=Path(), peers=Peers(notes=[]), rounds=rounds, quick=quick)


async def test_rounds_take_turns_and_the_first_does_not_count() -> None:
    log: list[str] = []
    case = Case(
        name="something",
        unit="of it",
        ours=measured("ours", log, 999, 2, 6, 4),
        limit=measured("limit", log, 1, 4, 6, 16),
        against="the least",
        peers={"theirs": measured("theirs", log, 999, 1, 3, 2)},
        beside={"another way": measured("another way", log, 999, 5, 5, 5)},
    )
    found = await measure(case, options(), "subject")
    assert log == ["ours", "limit", "theirs", "another way"] * 4
    assert [each.role for each in found.sides] == ["ours", "limit", "peer", "beside"]
    assert found.ours.rounds == [2, 6, 4]
    assert found.limit.spread == Spread(6, 4, 16)
    assert found.others[0].rounds == [1, 3, 2]
    assert found.subject == "subject"


async def test_what_takes_long_is_done_less_often() -> None:
    log: list[str] = []
    case = Case(
        name="something",
        unit="of it",
        ours=measured("ours", log, 1, 2),
        limit=measured("limit", log, 1, 2),
        against="the least",
        warm_up=False,
        most_rounds=2,
    )
    assert len((await measure(case, options(rounds=5))).ours.rounds) == 2


async def test_a_peer_that_fails_is_left_out_and_told_of() -> None:
    log: list[str] = []
    case = Case(
        name="something",
        unit="of it",
        ours=measured("ours", log, 1, 1),
        limit=measured("limit", log, 1, 1),
        against="the least",
        goals=[Goal(of="theirs", at_least=2)],
        peers={"theirs 1.0": fails},
        warm_up=False,
    )
    chosen = options(rounds=2)
    found = await measure(case, chosen)
    assert chosen.notes == ["something: theirs 1.0 is left out: it is not there"]
    assert [each.name for each in found.sides] == ["daicho", "limit"]
    assert found.verdicts[0].reached is None


def test_a_ratio_is_taken_within_each_round() -> None:
    # The ratio of the medians would be 4 / 6.
    found = line(ours=(2, 6, 4), limit=(4, 6, 16))
    assert found.ours.over(found.limit) == Spread(0.5, 0.25, 1)


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal(at_least=0.5), True),
        (Goal(at_least=0.51), False),
        (Goal(at_most=0.5), True),
        (Goal(at_most=0.49), False),
        (Goal(of="figure", at_least=4), True),
        (Goal(of="figure", at_least=5), False),
        (Goal(of="figure", at_most=3), False),
        (Goal(of="theirs", at_least=2), True),
        (Goal(of="theirs", at_least=3), False),
        (Goal(of="nobody", at_least=1), None),
    ],
)
def test_a_goal_is_reached_by_the_median_of_the_rounds(goal: Goal, reached: bool | None) -> None:  # noqa: FBT001 - a parameter
    found = line("a line", side("theirs 4.5", 1, 3, 2), goals=(goal,))
    assert found.verdicts[0].reached is reached


def test_quick_does_a_part_and_never_nothing() -> None:
    assert options().count(1_000) == 1_000
    assert options(quick=True).count(1_000) == 50
    assert options(quick=True).count(3) == 1


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv", "ext4"),
        ("/tmp", "tmpfs"),
        ("/tmp/a disk/deep", "xfs"),
        ("/tmpfile", "ext4"),
    ],
)
def test_the_deepest_mount_says_what_disk_a_folder_is_on(folder: str, kind: str) -> None:
    assert type_in(MOUNTS, Path(folder)) == kind


def test_a_later_mount_hides_an_earlier_one_on_the_same_point() -> None:
    assert type_in(f"{MOUNTS}\ntmpfs / tmpfs rw 0 0", Path("/srv")) == "tmpfs"
