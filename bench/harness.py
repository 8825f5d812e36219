"""Rounds and ratios.

A machine that others use too is fast in one second and slow in the next. So nothing here reports a
time by itself: what is measured, its limit and its peers run in turns, each round gives the ratio
of two of them, and what is reported are the median of the rounds and their extremes.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from bench.team import Peers

PAUSE_S = 0.03
"""Between two measurements, so that none pays for what the last one left to the disk."""

QUICK_PART = 20
"""``--quick`` does this part of the work: it shows that a benchmark runs, not how fast."""

Measure = Callable[[], Awaitable[float]]
"""Does the work once; returns how much of it a second, how many bytes, or how long."""

Role = Literal["ours", "limit", "peer", "beside"]
"""What a side of a line is: Daicho, the limit, another package, or something worth seeing beside
them."""


class LeftOut(Exception):
    """A side cannot be measured; the run goes on without it and says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run was told."""

    folder: Path
    """For files; on the disk that is measured."""
    peers: Peers
    """The other packages."""
    rounds: int = 5
    quick: bool = False
    beside_uvloop: bool = False
    """Whether some lines are measured on uvloop too, in a process beside this one."""
    growth: int = 10_000_000
    """Events in the larger of the two files that show what growth costs."""
    postgres: str | None = None
    """The URL of a PostgreSQL server; None for one of its own."""
    notes: list[str] = field(default_factory=list[str])
    """What was left out, and why."""

    def count(self, full: int) -> int:
        """How often to do something that a full run does so often."""
        return max(1, full // QUICK_PART) if self.quick else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a line is to reach, by the median of its rounds."""

    of: str = "ratio"
    """``ratio`` to the limit, ``figure``, or the name of a side that it is to be a multiple of."""
    at_least: float | None = None
    at_most: float | None = None

    def reached(self, median: float) -> bool:
        """Whether a median reaches it."""
        if self.at_least is not None:
            return median >= self.at_least
        assert self.at_most is not None
        return median <= self.at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the table: what Daicho does, and what it is held against."""

    name: str
    unit: str
    ours: Measure
    limit: Measure
    against: str
    """What the limit is."""
    goals: Sequence[Goal] = ()
    peers: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    """Other packages that do the same."""
    beside: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    """What else a reader wants to see beside it."""
    who: str = "daicho"
    """Whose figure it is."""
    less_is_better: bool = False
    warm_up: bool = True
    """Whether a first round is thrown away, so that caches are filled and statements prepared."""
    most_rounds: int = 1_000
    """For what takes too long to be done as often as the rest."""


Subject = Callable[[Options], AsyncGenerator[Case, None]]
"""Sets up what its cases need, gives them one after another, and takes all away afterwards."""


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
class Side:
    """The rounds of one side of a line."""

    name: str
    role: Role
    rounds: Sequence[float]

    @property
    def spread(self) -> Spread:
        """Where its rounds lie."""
        return Spread.of(self.rounds)

    def over(self, other: Side) -> Spread:
        """The ratio to another side, taken within each round."""
        return Spread.of([a / b for a, b in zip(self.rounds, other.rounds, strict=True)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A goal, and how far the rounds came."""

    goal: Goal
    came_to: Spread | None
    """None where the side that it is a multiple of was left out."""

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches it; None if it could not be measured."""
        return None if self.came_to is None else self.goal.reached(self.came_to.median)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the rounds of a case gave."""

    subject: str
    name: str
    unit: str
    against: str
    sides: Sequence[Side]
    """Ours is the first and the limit the second."""
    goals: Sequence[Goal] = ()
    less_is_better: bool = False

    @property
    def ours(self) -> Side:
        """What is measured: Daicho's, but for a few lines that show what the limit itself does."""
        return self.sides[0]

    @property
    def limit(self) -> Side:
        """What it is held against."""
        return self.sides[1]

    @property
    def others(self) -> Sequence[Side]:
        """Peers, and what else was measured."""
        return self.sides[2:]

    @property
    def verdicts(self) -> list[Verdict]:
        """How far each goal was reached."""
        return [Verdict(goal=goal, came_to=self._came_to(goal)) for goal in self.goals]

    def _came_to(self, goal: Goal) -> Spread | None:
        match goal.of:
            case "figure":
                return self.ours.spread
            case "ratio":
                return self.ours.over(self.limit)
            case name:
                peer = next((side for side in self.sides if side.name.startswith(name)), None)
                return None if peer is None else self.ours.over(peer)


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


async def measure(case: Case, options: Options, subject: str = "") -> Line:
    """Runs the rounds of a case. A side that cannot be measured is left out, with a note."""
    roles: dict[str, Role] = {case.who: "ours", "limit": "limit"}
    measures: dict[str, Measure] = {case.who: case.ours, "limit": case.limit}
    measures |= {**case.peers, **case.beside}
    for name in measures:
        if name not in roles:
            roles[name] = "peer" if name in case.peers else "beside"
    rounds: dict[str, list[float]] = {name: [] for name in measures}
    warm_ups = 1 if case.warm_up else 0
    for turn in range(warm_ups + min(options.rounds, case.most_rounds)):
        for name in list(measures):
            try:
                value = await _calmly(measures[name])
            except LeftOut as reason:
                options.notes.append(f"{case.name}: {name} is left out: {reason}")
                del measures[name], rounds[name]
            else:
                if turn >= warm_ups:
                    rounds[name].append(value)
    return Line(
        subject=subject,
        name=case.name,
        unit=case.unit,
        against=case.against,
        sides=[Side(name=name, role=roles[name], rounds=got) for name, got in rounds.items()],
        goals=case.goals,
        less_is_better=case.less_is_better,
    )


async def _calmly(side: Measure) -> float:
    gc.collect()
    await asyncio.sleep(PAUSE_S)
    return await side()
