"""Commands as somebody types them, in a folder with a journal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daicho.cli import main
from daicho.journal import SqliteJournal
from tests.support.commands import Ended, Run
from tests.support.moving import fill


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is the current one; in it is ``source.db``, with a little of everything."""
    monkeypatch.chdir(tmp_path)

    async def made() -> None:
        async with SqliteJournal("source.db") as journal:
            await fill(journal)

    asyncio.run(made())
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command there."""

    def ended(*arguments: str) -> Ended:
        code = main(arguments)
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return ended
