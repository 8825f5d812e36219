"""Rounds, ratios and the table.

A machine that others use too is fast in one second and slow in the next. So nothing here reports a
time by itself: what is measured and its limit run in turns (ours, limit, ours, limit …), each round
gives the ratio of its two, and what is reported are the median of the rounds and their extremes.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

PAUSE_S = 0.05
"""Between two measurements, so that none pays for what the last one left to the disk."""

QUICK_PART = 20
"""``--quick`` does this part of the work: it shows that a benchmark runs, not how fast."""

Measure = Callable[[], Awaitable[float]]
"""Does the work once; returns how much of it a second, or how many bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run was told."""

    folder: Path
    """For files; on the disk that is measured."""
    rounds: int = 5
    quick: bool = False

    def count(self, full: int) -> int:
        """How often to do something that a full run does so often."""
        return max(1, full // QUICK_PART) if self.quick else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the table: what Daicho does, and the limit that it is held against."""

    name: str
    unit: str
    ours: Measure
    limit: Measure
    aim: float | None = None
    rivals: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    """Other packages that do the same, if they are installed."""
    less_is_better: bool = False
    warm_up: bool = True
    """Whether a first round is thrown away, so that caches are filled and statements prepared."""


Subject = Callable[[Options], AbstractAsyncContextManager[Sequence[Case]]]
"""Sets up what its cases need, and takes it away afterwards."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the rounds lie."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the rounds of a case gave, for Daicho or for a rival."""

    name: str
    unit: str
    rate: Spread
    limit: Spread
    ratio: Spread
    """Of the two, round by round."""
    aim: float | None = None
    less_is_better: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches the aim; None without one."""
        if self.aim is None:
            return None
        return self.rate.median <= self.aim if self.less_is_better else self.rate.median >= self.aim

    def as_json(self) -> dict[str, object]:
        """All of it, for a file."""
        return {**asdict(self), "reached": self.reached}


class Clock:
    """Times a block: ``with Clock() as clock: …`` and then ``clock.rate(count)``."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._since = time.perf_counter()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.seconds = time.perf_counter() - self._since

    def rate(self, count: int) -> float:
        """How many a second."""
        return count / self.seconds


async def measure(case: Case, options: Options) -> list[Result]:
    """Runs the rounds of a case; the first result is Daicho's, then come the rivals'."""
    sides = {case.name: case.ours, **{f"  {name}": side for name, side in case.rivals.items()}}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    limits: list[float] = []
    warm_ups = 1 if case.warm_up else 0
    for turn in range(warm_ups + options.rounds):
        now = {name: await _calmly(side) for name, side in list(sides.items())[:1]}
        limit = await _calmly(case.limit)
        now |= {name: await _calmly(side) for name, side in list(sides.items())[1:]}
        if turn >= warm_ups:
            limits.append(limit)
            for name, rate in now.items():
                rates[name].append(rate)
    return [
        Result(
            name=name,
            unit=case.unit,
            rate=Spread.of(values),
            limit=Spread.of(limits),
            ratio=Spread.of([mine / other for mine, other in zip(values, limits, strict=True)]),
            aim=case.aim if name == case.name else None,
            less_is_better=case.less_is_better,
        )
        for name, values in rates.items()
    ]


async def _calmly(side: Measure) -> float:
    gc.collect()
    await asyncio.sleep(PAUSE_S)
    return await side()


# --- the table ------------------------------------------------------------------------------------

HEADER = ("", "unit", "daicho", "limit", "daicho / limit", "aim")
WIDTHS = (38, 10, 22, 22, 22, 12)


def header() -> str:
    """The table's first two lines."""
    return f"{_line(HEADER)}\n{_line(['-' * width for width in WIDTHS])}"


def row(result: Result) -> str:
    """The line of a result: medians, and the least and the most of the rounds."""
    aim = ""
    if result.aim is not None:
        aim = f"{number(result.aim)} {'reached' if result.reached else 'missed'}"
    return _line(
        (
            result.name,
            result.unit,
            spread(result.rate),
            spread(result.limit),
            spread(result.ratio) + (" v" if result.less_is_better else ""),
            aim,
        )
    )


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
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"


def _line(cells: Sequence[str]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()
