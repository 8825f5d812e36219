"""What a run found, as JSON: every round of every side, so that all else can be made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.harness import Goal, Line, Side

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole run."""

    settings: Mapping[str, str]
    lines: Sequence[Line]
    notes: Sequence[str] = ()

    def line(self, name: str) -> Line | None:
        """The line of a name; None if it was not measured."""
        return next((line for line in self.lines if line.name == name), None)

    def write(self, path: Path) -> None:
        """Keeps it in a file."""
        text = json.dumps(self.as_json(), indent=1, ensure_ascii=False)
        path.write_text(f"{text}\n", encoding="utf-8")

    def as_json(self) -> dict[str, object]:
        """All of it, and the verdicts for who reads the file without this module."""
        return {
            "format": FORMAT,
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "lines": [_line_as_json(line) for line in self.lines],
        }


def read(path: Path) -> Report:
    """The run in a file.

    Raises:
        ValueError: The file is of another format.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    if found.get("format") != FORMAT:
        raise ValueError(f"{path} has the format {found.get('format')!r}, not {FORMAT}")
    return Report(
        settings=found["settings"],
        notes=found["notes"],
        lines=[_line(each) for each in found["lines"]],
    )


def _line_as_json(line: Line) -> dict[str, object]:
    # Six digits are more than any of them is worth, and keep the file short.
    sides = [
        asdict(side) | {"rounds": [float(f"{value:.6g}") for value in side.rounds]}
        for side in line.sides
    ]
    goals = [asdict(each.goal) | {"reached": each.reached} for each in line.verdicts]
    return {
        "subject": line.subject,
        "name": line.name,
        "unit": line.unit,
        "against": line.against,
        "less_is_better": line.less_is_better,
        "goals": goals,
        "sides": sides,
    }


def _line(found: dict[str, Any]) -> Line:
    goals = [{k: v for k, v in goal.items() if k != "reached"} for goal in found["goals"]]
    return Line(
        subject=found["subject"],
        name=found["name"],
        unit=found["unit"],
        against=found["against"],
        less_is_better=found["less_is_better"],
        goals=[Goal(**goal) for goal in goals],
        sides=[Side(**side) for side in found["sides"]],
    )
