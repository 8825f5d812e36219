"""``python -m bench.page [REPORT]``: makes ``docs/explanation/performance.md`` from a report.

The prose is ``performance.md.in`` beside it. All figures come from ``performance.json`` there,
whose place a REPORT takes if one is named. What stands between ``<<`` and ``>>`` in the prose is
replaced:

    <<settings>> <<goals>> <<limits>> <<lines>> <<notes>> <<seconds>> <<reached>> <<plot NAME>>
    <<median LINE>>  <<median LINE | SIDE>>     a side's median; Daicho's, if none is named
    <<ratio LINE>>   <<ratio LINE | SIDE>>      over the limit, round by round
    <<over LINE | SIDE>>                        Daicho's over that side, round by round

A LINE or a SIDE is named by how its name begins.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from bench.drawing import plots
from bench.harness import Line, Side, Verdict
from bench.report import Report, read
from bench.table import header, number, rows, spread, wanted

FOLDER = Path(__file__).parents[1] / "docs" / "explanation"
PLACE = re.compile(r"<<(\w+)(?: ([^<>]+))?>>")


def page(prose: str, report: Report) -> str:
    """The page.

    Raises:
        ValueError: The prose names something that the report does not have.
    """
    return PLACE.sub(lambda found: _filled(report, found[1], found[2] or ""), prose)


def _filled(report: Report, what: str, of: str) -> str:
    match what:
        case "settings":
            return "\n".join(f"{name:12}  {value}" for name, value in report.settings.items())
        case "goals":
            return _goals(report)
        case "limits":
            return _limits(report)
        case "lines":
            return "\n".join([header(), *(rows(line) for line in report.lines)])
        case "notes":
            return "\n".join(f"- {note}" for note in report.notes) or "- Nothing was left out."
        case "seconds":
            return report.settings["seconds"]
        case "reached":
            verdicts = [verdict for line in report.lines for verdict in line.verdicts]
            return f"{sum(each.reached is True for each in verdicts)} of {len(verdicts)}"
        case "plot":
            return _plot(report, of)
        case "median" | "ratio" | "over":
            line, _, side = of.partition(" | ")
            return _figure(_line(report, line), what, side)
        case unknown:
            raise ValueError(f"the prose asks for {unknown!r}")


def _figure(line: Line, what: str, name: str) -> str:
    side = _side(line, name) if name else line.ours
    match what:
        case "median":
            return number(side.spread.median)
        case "ratio":
            return number(side.over(line.limit).median)
        case _:
            return number(line.ours.over(side).median)


def _line(report: Report, name: str) -> Line:
    for line in report.lines:
        if line.name.startswith(name):
            return line
    raise ValueError(f"no line of the report begins with {name!r}")


def _side(line: Line, name: str) -> Side:
    for side in line.sides:
        if side.name.startswith(name):
            return side
    raise ValueError(f"no side of {line.name!r} begins with {name!r}")


def _goals(report: Report) -> str:
    table = ["| | goal | came to | |", "| --- | --- | --- | --- |"]
    for line in report.lines:
        table += [
            f"| {line.name} | {wanted(each.goal)} | {_came_to(each)} | {_said(each)} |"
            for each in line.verdicts
        ]
    return "\n".join(table)


def _came_to(verdict: Verdict) -> str:
    return "" if verdict.came_to is None else spread(verdict.came_to)


def _said(verdict: Verdict) -> str:
    match verdict.reached:
        case True:
            return "reached"
        case False:
            return "**missed**"
        case None:
            return "not measured"


def _limits(report: Report) -> str:
    table = ["| line | limit |", "| --- | --- |"]
    return "\n".join([*table, *(f"| {line.name} | {line.against} |" for line in report.lines)])


def _plot(report: Report, name: str) -> str:
    for plot in plots(report):
        if plot.name == name:
            return f"![{plot.title}](plots/{name}.svg)"
    raise ValueError(f"the report has nothing for a plot {name!r}")


def main(arguments: list[str]) -> int:
    """Makes the page; of another report if one is named."""
    kept = FOLDER / "performance.json"
    if arguments and Path(arguments[0]).resolve() != kept.resolve():
        read(Path(arguments[0]))  # so that nothing is replaced by what cannot be read
        shutil.copyfile(arguments[0], kept)
    prose = (FOLDER / "performance.md.in").read_text(encoding="utf-8")
    made = FOLDER / "performance.md"
    made.write_text(page(prose, read(kept)), encoding="utf-8")
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
