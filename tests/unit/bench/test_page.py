"""The page is what the report makes, and nothing else."""

import json
from pathlib import Path

import pytest

from bench.drawing import plots
from bench.harness import Goal
from bench.page import FOLDER, page
from bench.report import Report, read
from tests.support.reports import line, report, side

SMALL = report(
    line("tell: one actor", side("pykka 4.5", 1, 3, 2), goals=(Goal(at_least=0.85),)),
    line("latency", unit="ms", goals=(Goal(at_most=5),), less_is_better=True),
    notes=("a peer was not there",),
)


def test_a_report_in_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    SMALL.write(tmp_path / "report.json")
    assert read(tmp_path / "report.json").as_json() == SMALL.as_json()
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["lines"][0]["sides"][2]["rounds"] == [1, 3, 2]
    assert [goal["reached"] for goal in found["lines"][0]["goals"]] == [False]


def test_a_report_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match="the format 0, not 1"):
        read(tmp_path / "report.json")


@pytest.mark.parametrize(
    ("prose", "made"),
    [
        ("<<reached>>", "1 of 2"),
        ("<<median tell>>", "4"),
        ("<<median tell | pykka>>", "2"),
        ("<<ratio tell>> and <<ratio tell | pykka>>", "0.5 and 0.25"),
        ("<<over tell | pykka>>", "2"),
        ("<<notes>>", "- a peer was not there"),
        ("<<settings>>", "python        CPython 3\nseconds       7"),
        (
            "<<plot ratios>>",
            "![How near Daicho comes to the limit of the same work](plots/ratios.svg)",
        ),
    ],
)
def test_a_place_in_the_prose_is_filled_from_the_report(prose: str, made: str) -> None:
    assert page(prose, SMALL) == made


def test_the_goals_on_the_page_say_what_was_missed() -> None:
    *_, tell, latency = page("<<goals>>", SMALL).splitlines()
    assert tell == "| tell: one actor | ratio ≥ 0.85 | 0.5 (0.25…1) | **missed** |"
    assert latency.endswith("| reached |")


@pytest.mark.parametrize("prose", ["<<median none>>", "<<median tell | none>>", "<<what>>"])
def test_prose_that_asks_for_what_was_not_measured_is_refused(prose: str) -> None:
    with pytest.raises(ValueError, match=r"none|what"):
        page(prose, SMALL)


def test_a_plot_shows_the_goal_where_it_would_be_reached() -> None:
    ratios, _, times = plots(SMALL)
    assert [row.goal for row in ratios.rows] == [0.85]
    assert [row.goal for row in times.rows] == [5 * 6]


@pytest.fixture(scope="module")
def kept() -> Report:
    return read(FOLDER / "performance.json")


def test_the_page_in_the_repository_is_what_its_report_makes(kept: Report) -> None:
    prose = (FOLDER / "performance.md.in").read_text()
    assert (FOLDER / "performance.md").read_text() == page(prose, kept)


def test_the_plots_in_the_repository_show_what_is_in_its_report(kept: Report) -> None:
    pictures = {path.stem: path.read_text() for path in (FOLDER / "plots").glob("*.svg")}
    drawn = plots(kept)
    assert pictures.keys() == {plot.name for plot in drawn}
    for plot in drawn:
        assert plot.digest in pictures[plot.name]


def test_the_report_in_the_repository_is_of_a_full_run(kept: Report) -> None:
    assert "quick" not in kept.settings["rounds"]
    often = [each for each in kept.lines if each.subject != "population"]
    assert all(len(each.ours.rounds) >= 5 for each in often)
    assert len(often) >= 20
