"""``daicho schema plan``, ``apply`` and ``check``, on both engines."""

from __future__ import annotations

import asyncio
import urllib.parse
from pathlib import Path

import pytest

from daicho.app import journal_of
from daicho.cli import main
from daicho.journal.postgres._sql import scripts
from daicho.journal.sqlite import _sql
from tests.support.postgres import Server
from tests.unit.journal.sqlite_help import Earlier, write


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """That of a journal that is not there."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db"
    server: Server = request.getfixturevalue("postgres_server")
    schema = urllib.parse.quote(request.getfixturevalue("postgres_schema"))
    return f"{server.url}{'&' if '?' in server.url else '?'}schema={schema}"


def names(url: str) -> list[str]:
    if url.startswith("sqlite"):
        return [
            f"{number:04d} {name}" for number, name in enumerate(_sql.migration_names(), start=1)
        ]
    return [f"{script.version:04d} {script.name}" for script in scripts("any")]


def test_what_is_to_be_done_is_told_and_done_once(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    to_do = "".join(f"to do: {name}\n" for name in names(url))
    done = "".join(f"done: {name}\n" for name in names(url))
    steps = [
        ("plan", 0, to_do),
        ("check", 1, to_do),
        ("plan", 0, to_do),
        ("apply", 0, done),
        ("check", 0, "the schema is up to date\n"),
        ("apply", 0, "the schema is up to date\n"),
        ("plan", 0, "the schema is up to date\n"),
    ]
    for command, code, told in steps:
        assert main(["schema", command, url]) == code
        assert capsys.readouterr() == (told, "")

    async def appended() -> int:
        async with journal_of(url) as journal:
            await journal.append([write("s", 0)])
            return (await journal.stream_info("s")).version

    assert asyncio.run(appended()) == 1


def test_the_statements_can_be_read(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "plan", "--sql", url]) == 0
    assert "CREATE TABLE" in capsys.readouterr().out
    assert main(["schema", "apply", url]) == 0
    capsys.readouterr()
    assert main(["schema", "plan", "--sql", url]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_file_of_an_earlier_schema_lacks_what_came_since(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Earlier(tmp_path / "journal.db", 1) as older:
        older.append(write("s", 0))
    url = f"sqlite:///{tmp_path}/journal.db"
    before = (tmp_path / "journal.db").read_bytes()
    assert main(["schema", "check", url]) == 1
    assert capsys.readouterr().out == "".join(f"to do: {name}\n" for name in names(url)[1:])
    assert (tmp_path / "journal.db").read_bytes() == before
    assert main(["schema", "apply", url]) == 0
    assert main(["schema", "check", url]) == 0


def test_what_is_no_journal_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "diary").write_text("dear diary")
    for command in ("plan", "apply", "check"):
        assert main(["schema", command, f"sqlite:///{tmp_path}/diary"]) == 1
        assert "it is not an SQLite database" in capsys.readouterr().err
        assert main(["schema", command, "memory:"]) == 2
        assert "what is in memory is in another process" in capsys.readouterr().err
