"""What a check has found, for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from daicho.check.problems import Counted, Problem, plural


class Progress(NamedTuple):
    """How far a check has come."""

    streams: int
    """Streams that were begun with."""
    events: int
    problems: int
    """Different ones that were found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was looked at, and what was found."""

    problems: tuple[Problem, ...]
    """In the order in which they were found; what many places have in common is one problem."""
    left_out: int = 0
    """Findings beyond the limit, of which only this number is known."""
    streams: int
    """Streams that were read."""
    skipped: int = 0
    """Streams that were not in the sample, or have not changed since."""
    events: int
    snapshots: int
    compared: int = 0
    """Snapshots whose state was compared with what the events come to."""

    @property
    def ok(self) -> bool:
        """Whether the program can take over: nothing was found, or nothing but warnings."""
        return not self.left_out and all(each.is_warning for each in self.problems)

    def to_json(self) -> str:
        """All of it as a JSON object."""
        content = {"ok": self.ok, **asdict(replace(self, problems=()))}
        content["problems"] = [_problem(each) for each in self.problems]
        return json.dumps(content, indent=2)

    def __str__(self) -> str:
        return "\n".join([*map(_lines, self.problems), *self._left_out(), self._summary()])

    def _left_out(self) -> list[str]:
        return [f"and {plural(self.left_out, 'finding')} more"] if self.left_out else []

    def _summary(self) -> str:
        warnings = sum(each.is_warning for each in self.problems)
        errors = len(self.problems) - warnings + self.left_out
        notes = [plural(errors, "problem") if errors else "all right"]
        notes += [plural(warnings, "warning")] if warnings else []
        read = ", ".join(
            plural(count, thing)
            for count, thing in (
                (self.streams, "stream"),
                (self.events, "event"),
                (self.snapshots, "snapshot"),
            )
        )
        notes += [f"read: {read}"]
        notes += [f"skipped: {plural(self.skipped, 'stream')}"] if self.skipped else []
        notes += [f"compared: {plural(self.compared, 'snapshot')}"] if self.compared else []
        return "; ".join(notes)


class Findings:
    """Collects problems: those of one group count as one, and there is a limit to groups."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._first: dict[tuple[object, ...], Problem] = {}
        self._counts: Counter[tuple[object, ...]] = Counter()
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._first) + self.left_out

    def add(self, problem: Problem) -> None:
        """Something was found."""
        group = problem.group
        if group not in self._first:
            if len(self._first) == self._limit:
                self.left_out += 1
                return
            self._first[group] = problem
        self._counts[group] += 1

    def problems(self) -> tuple[Problem, ...]:
        """Each once, with its count."""
        return tuple(
            replace(problem, count=self._counts[group]) if isinstance(problem, Counted) else problem
            for group, problem in self._first.items()
        )


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "kind": problem.kind,
        "warning": problem.is_warning,
        **asdict(problem),
        "text": problem.text,
        "advice": problem.advice,
    }


def _lines(problem: Problem) -> str:
    sort = "warning" if problem.is_warning else "problem"
    first = f"{sort}: {problem.place}: {problem.text}"
    return "\n    ".join([first, *problem.details, f"to do: {problem.advice}"])
