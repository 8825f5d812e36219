"""The page of what was tried is what a run has written."""

from __future__ import annotations

import json

from tests.crash.page import FOLDER, Report, page


def report() -> Report:
    found: Report = json.loads((FOLDER / "trust.json").read_text(encoding="utf-8"))
    return found


def test_the_page_of_what_was_tried_is_what_its_record_makes() -> None:
    prose = (FOLDER / "trust.md.in").read_text(encoding="utf-8")
    made = (FOLDER / "trust.md").read_text(encoding="utf-8")
    assert made == page(prose, report())
    assert "<<" not in made


def test_nothing_was_lost_that_is_promised() -> None:
    lost = {str(each["fault"]) for each in report()["tried"] if each["lost"] or each["wrong"]}
    # The faults of which the page says that they are not covered, and why. How reads that are wrong
    # end is a matter of chance.
    wrong_reads = {each for each in lost if each.startswith("reads that are ")}
    assert lost - wrong_reads == {
        'loss of power, synchronous="NORMAL"',
        "loss of power where SQLite does not sync (a test of the test)",
        "loss of power where the disk only says that it syncs (a test of the test)",
        "a bit of the closed file is flipped",
        "an older backup in place of the closed file",
        "the write-ahead log of a killed program: cut short",
        "the write-ahead log of a killed program: flip",
    }
