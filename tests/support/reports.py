"""Small reports for the tests of the benchmark house."""

from bench.harness import Goal, Line, Role, Side
from bench.report import Report


def side(name: str, *rounds: float, role: Role = "peer") -> Side:
    return Side(name=name, role=role, rounds=rounds)


def line(
    name: str = "tell: one actor",
    *others: Side,
    ours: tuple[float, ...] = (2, 6, 4),
    limit: tuple[float, ...] = (4, 6, 16),
    goals: tuple[Goal, ...] = (),
    less_is_better: bool = False,
    unit: str = "of it",
) -> Line:
    sides = [side("daicho", *ours, role="ours"), side("limit", *limit, role="limit"), *others]
    return Line(
        subject="some",
        name=name,
        unit=unit,
        against="the least",
        sides=sides,
        goals=goals,
        less_is_better=less_is_better,
    )


def report(*lines: Line, notes: tuple[str, ...] = ()) -> Report:
    return Report(settings={"python": "CPython 3", "seconds": "7"}, lines=lines, notes=notes)
