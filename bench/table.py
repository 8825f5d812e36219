"""The table of a run, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.harness import Goal, Line, Side, Spread, Verdict

HEADER = ("", "unit", "figure", "limit", "figure / limit", "goal")
WIDTHS = (46, 10, 22, 22, 22, 12)

LEGEND = """\
Each cell: median (least…most) of the rounds. An indented line is not Daicho but what stands there.
figure / limit is taken round by round; 1 is the limit itself, v marks where less is better. A goal
is reached or missed by the median: of the ratio, of the figure, or of the multiple of a peer."""


def header() -> str:
    """The table's first two lines."""
    return f"{_line(HEADER)}\n{_line(['-' * width for width in WIDTHS])}"


def rows(line: Line) -> str:
    """A line and those below it: medians, and the least and the most of the rounds."""
    goals = "; ".join(told(verdict) for verdict in line.verdicts)
    first = _row(line.name, line, line.ours, goals)
    return "\n".join([first, *(_row(f"  {each.name}", line, each, "") for each in line.others)])


def summary(lines: Iterable[Line]) -> str:
    """How many goals were reached, and which were not."""
    verdicts = [(line, verdict) for line in lines for verdict in line.verdicts]
    reached = sum(verdict.reached is True for _, verdict in verdicts)
    missed = [
        f"{line.name}: {told(verdict)}" for line, verdict in verdicts if verdict.reached is not True
    ]
    return "\n  ".join([f"goals reached: {reached} of {len(verdicts)}", *missed])


def told(verdict: Verdict) -> str:
    """A goal and how far it was reached, in one cell."""
    if verdict.came_to is None:
        return f"{wanted(verdict.goal)} not measured"
    return f"{wanted(verdict.goal)} {'reached' if verdict.reached else 'missed'}{_came_to(verdict)}"


def wanted(goal: Goal) -> str:
    """A goal in a few words."""
    sign, value = ("≥", goal.at_least) if goal.at_least is not None else ("≤", goal.at_most)
    assert value is not None
    match goal.of:
        case "figure":
            return f"{sign} {number(value)}"
        case "ratio":
            return f"ratio {sign} {number(value)}"
        case name:
            return f"{sign} {number(value)} × {name}"  # noqa: RUF001 - as it is written


def _came_to(verdict: Verdict) -> str:
    if verdict.goal.of in ("figure", "ratio") or verdict.came_to is None:
        return ""
    return f" ({number(verdict.came_to.median)} ×)"  # noqa: RUF001 - as above


def spread(values: Spread) -> str:
    """A spread in one cell."""
    return f"{number(values.median)} ({number(values.least)}…{number(values.most)})"


def number(value: float) -> str:
    """A number with three digits that count: 1.23M, 45.6k, 789."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        # What rounds up to 1,000 of a size belongs to the next.
        if value >= size * 0.9995:
            return f"{_digits(value / size)}{suffix}"
    return _digits(value)


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.3g}"


def _row(name: str, line: Line, side: Side, goals: str) -> str:
    ratio = spread(side.over(line.limit)) + (" v" if line.less_is_better else "")
    return _line((name, line.unit, spread(side.spread), spread(line.limit.spread), ratio, goals))


def _line(cells: Sequence[str]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()
