"""What the plots of a report show, before anything is drawn: rows of marks on one axis each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.harness import Goal, Line, Side, Spread
from bench.report import Report

DAICHO, LIMIT = "Daicho", "limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A median and the extremes of its rounds."""

    series: str
    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What stands at one height."""

    label: str
    marks: Sequence[Mark]
    goal: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One picture."""

    name: str
    title: str
    axis: str
    rows: Sequence[Row]
    logarithmic: bool = False
    goal_is_most: bool = False

    @property
    def digest(self) -> str:
        """Names all that is to be seen; it is kept in the picture."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def plots(report: Report) -> list[Plot]:
    """The plots of a report; one that would be empty is left out."""
    drawn = [_ratios(report), _peers(report), _times(report)]
    return [plot for plot in drawn if plot.rows]


def _ratios(report: Report) -> Plot:
    rows = [
        Row(
            label=line.name,
            marks=[_mark(DAICHO, line.ours.over(line.limit))],
            goal=_goal(line, "ratio"),
        )
        for line in report.lines
        if not line.less_is_better and line.ours.name == "daicho"
    ]
    return Plot(
        name="ratios",
        title="How near Daicho comes to the limit of the same work",
        axis="figure / limit, round by round; 1 is the limit itself",
        rows=rows,
    )


def _peers(report: Report) -> Plot:
    rows: list[Row] = []
    for line in report.lines:
        peers = [side for side in line.others if side.role == "peer"]
        if peers and not line.less_is_better:
            marks = [_mark(DAICHO, line.ours.spread), _mark(LIMIT, line.limit.spread)]
            marks += [_mark(side.name.split()[0], side.spread) for side in peers]
            rows.append(Row(label=line.name, marks=marks))
    return Plot(
        name="peers",
        title="Beside other packages",
        axis="done in a second, each step ten times the one before",
        rows=rows,
        logarithmic=True,
    )


def _times(report: Report) -> Plot:
    rows = [
        Row(
            label=line.name,
            marks=[
                _mark(DAICHO, line.ours.spread),
                _mark(LIMIT, line.limit.spread),
                *(_mark(side.name, side.spread) for side in line.others if _is_percentile(side)),
            ],
            goal=_goal_in_ms(line),
        )
        for line in report.lines
        if line.unit == "ms"
    ]
    return Plot(
        name="times",
        title="How long it takes",
        axis="milliseconds, each step ten times the one before; less is better",
        rows=rows,
        logarithmic=True,
        goal_is_most=True,
    )


def _is_percentile(side: Side) -> bool:
    return side.name.endswith("percentile")


def _goal(line: Line, of: str) -> float | None:
    goal = _found(line, of)
    return None if goal is None else goal.at_least if goal.at_least is not None else goal.at_most


def _goal_in_ms(line: Line) -> float | None:
    """A goal that is a ratio stands where it would be reached with the limit's median."""
    ratio = _goal(line, "ratio")
    return _goal(line, "figure") if ratio is None else ratio * line.limit.spread.median


def _found(line: Line, of: str) -> Goal | None:
    return next((goal for goal in line.goals if goal.of == of), None)


def _mark(series: str, spread: Spread) -> Mark:
    # Fewer digits than floating point has, so that a picture does not change with its last bit.
    return Mark(
        series=series,
        median=float(f"{spread.median:.5g}"),
        least=float(f"{spread.least:.5g}"),
        most=float(f"{spread.most:.5g}"),
    )
