"""``python -m tests.crash.page``: makes ``docs/explanation/trust.md`` of what was tried.

The prose is ``trust.md.in`` beside it, the figures are in ``trust.json`` there. ``<<settings>>``,
``<<tried>>`` and ``<<tests of the tests>>`` in the prose are replaced.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from tests.crash.effort import Tried

FOLDER = Path(__file__).parents[2] / "docs" / "explanation"
OF_THE_TESTS = " (a test of the test)"


class Report(TypedDict):
    """What a run has written."""

    settings: dict[str, str]
    tried: list[dict[str, str | int]]


def page(prose: str, report: Report) -> str:
    """The page."""
    tried = [Tried(**each) for each in report["tried"]]  # type: ignore[arg-type]
    places = {
        "settings": "\n".join(f"{name:8}  {said}" for name, said in report["settings"].items()),
        "tried": table([each for each in tried if not each.fault.endswith(OF_THE_TESTS)]),
        "tests of the tests": table([each for each in tried if each.fault.endswith(OF_THE_TESTS)]),
    }
    for name, said in places.items():
        prose = prose.replace(f"<<{name}>>", said)
    return prose


def table(tried: list[Tried]) -> str:
    """A row for each fault."""
    rows = [
        f"| {each.fault.removesuffix(OF_THE_TESTS)} | {each.times:,} | {each.acknowledged:,}"
        f" | {each.lost:,} | {each.told:,} | {each.wrong:,} |"
        for each in tried
    ]
    head = ["| fault | times | acknowledged | lost | told | wrong |", "| --- |" + " ---: |" * 5]
    return "\n".join([*head, *rows])


def main() -> None:
    """Makes the page."""
    report: Report = json.loads((FOLDER / "trust.json").read_text(encoding="utf-8"))
    prose = (FOLDER / "trust.md.in").read_text(encoding="utf-8")
    (FOLDER / "trust.md").write_text(page(prose, report), encoding="utf-8")


if __name__ == "__main__":
    main()
