"""``daicho backup``, ``copy``, ``export`` and ``import``: what they say, make, and leave."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import daicho.moving
from daicho.cli import main
from daicho.journal import SqliteJournal
from tests.support.commands import Run
from tests.support.moving import Everything, append, everything_in

SOURCE = "sqlite:///source.db"
TARGET = "sqlite:///target.db"
WHAT = "9 events, 3 snapshots, 6 replies, 3 truncated streams, up to position 16"


def stored(file: str) -> Everything:
    async def everything() -> Everything:
        async with SqliteJournal(file) as journal:
            return await everything_in(journal)

    return asyncio.run(everything())


def test_a_copy_has_everything_and_says_what(run: Run) -> None:
    ended = run("copy", SOURCE, TARGET)
    assert (ended.code, ended.err) == (0, "")
    first, second = ended.out.splitlines()
    assert first == f"copied and compared: {WHAT}"
    assert second.startswith("SHA-256 of the content: ")
    assert stored("target.db") == stored("source.db")
    assert run("copy", SOURCE, TARGET) == ended


def test_a_file_carries_everything_and_says_the_same(run: Run) -> None:
    exported = run("export", SOURCE, "journal.daicho")
    imported = run("import", "journal.daicho", TARGET)
    assert (exported.code, exported.err) == (imported.code, imported.err) == (0, "")
    assert exported.out.replace("exported", "imported") == imported.out
    assert exported.out.startswith(f"exported and compared: {WHAT}\nSHA-256")
    assert stored("target.db") == stored("source.db")


def test_a_backup_is_a_journal(run: Run) -> None:
    ended = run("backup", SOURCE, "backup.db")
    assert ended == (
        0,
        "backed up and compared: 4 streams, 9 events, 3 snapshots, 6 replies, up to position 16\n",
        "",
    )
    assert stored("backup.db") == stored("source.db")


@pytest.mark.parametrize("command", ["backup", "export"])
def test_a_file_that_is_there_stays_unless_it_may_go(run: Run, folder: Path, command: str) -> None:
    file = folder / "file"
    file.write_text("precious")
    ended = run(command, SOURCE, "file")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "daicho: file exists, and was left as it is; name another file\n"
    assert file.read_text() == "precious"
    assert run(command, SOURCE, "file", "--overwrite").code == 0
    assert {path.name for path in folder.glob("file*")} == {"file"}


def test_pipes_carry_everything(folder: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3] / "src")])
    }
    program = f"{sys.executable} -m daicho"
    done = subprocess.run(
        ["sh", "-c", f"{program} export {SOURCE} - | gzip | gunzip | {program} import - {TARGET}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    # What it says must not get into the pipe.
    assert done.stderr.startswith(f"exported and compared: {WHAT}\n")
    assert done.stdout.startswith(f"imported and compared: {WHAT}\n")
    assert stored("target.db") == stored("source.db")


def test_an_export_to_nobody_ends_as_a_pipe_does(folder: Path) -> None:
    async def grow() -> None:
        async with SqliteJournal("source.db") as journal:
            for version in range(3):
                await append(journal, f"s{version}", 500)

    asyncio.run(grow())
    program = f"{sys.executable} -m daicho export {SOURCE} -; echo $? >&2"
    done = subprocess.run(
        ["sh", "-c", f"({program}) | true"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == "141\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["copy", "sqlite:///mistyped.db", TARGET], 1, "there is no file"),
        (["export", "sqlite:///mistyped.db", "file"], 1, "there is no file"),
        (["backup", "sqlite:///mistyped.db", "file"], 1, "there is no file"),
        (["import", "mistyped", TARGET], 1, "No such file or directory: 'mistyped'"),
        (["import", "source.db", TARGET], 1, "source.db, byte 0: it is no export of a journal"),
        (["backup", SOURCE, "nowhere/file"], 1, "nowhere/file"),
        (["copy", SOURCE, SOURCE], 2, "is both; name another journal to copy into"),
        (["copy", SOURCE, "memory:"], 2, "what is in memory is in another process"),
        (["copy", "source.db", TARGET], 2, "did you mean sqlite:///source.db?"),
        (["copy", SOURCE], 2, "TARGET is missing; see daicho copy --help"),
        (["import", "file"], 2, "URL is missing; see daicho import --help"),
        (["export", SOURCE], 2, "FILE is missing; see daicho export --help"),
    ],
)
def test_what_cannot_be_done_is_said_and_makes_nothing(
    run: Run, folder: Path, arguments: list[str], code: int, said: str
) -> None:
    before = {path.name for path in folder.iterdir()}
    ended = run(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert ended.err.count("\n") == 1
    made = {path.name for path in folder.iterdir()} - before
    assert made <= {"source.db-wal", "source.db-shm"}


def test_a_damaged_file_is_named_with_its_place(run: Run, folder: Path) -> None:
    run("export", SOURCE, "journal.daicho")
    file = folder / "journal.daicho"
    content = file.read_bytes()
    file.write_bytes(content[:-5])
    ended = run("import", "journal.daicho", TARGET)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("daicho: journal.daicho, byte 1,")
    assert "the file is cut short" in ended.err
    file.write_bytes(content)
    assert run("import", "journal.daicho", TARGET).code == 0
    assert stored("target.db") == stored("source.db")


def test_a_journal_that_holds_something_else_is_left_as_it_is(run: Run) -> None:
    async def other() -> None:
        async with SqliteJournal("target.db") as journal:
            await append(journal, "another", 2)

    asyncio.run(other())
    before = stored("target.db")
    ended = run("copy", SOURCE, TARGET)
    assert (ended.code, ended.out) == (1, "")
    assert "at position 1 it has another event; move into an empty journal" in ended.err
    assert stored("target.db") == before


def test_a_file_that_does_not_hold_what_was_written_gets_no_name(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = daicho.moving.Moved(daicho.moving.Counts(), 0, "00", None, is_all=True)
    monkeypatch.setattr(daicho.moving, "look_over", lambda *_, **__: found)
    ended = run("export", SOURCE, "file")
    assert (ended.code, ended.out) == (1, "")
    assert "it does not hold what was written into it" in ended.err
    assert not list(folder.glob("file*"))


@pytest.mark.parametrize(
    ("arguments", "function", "left"),
    [
        (["copy", SOURCE, TARGET], "copy", "the same command goes on from here"),
        (["import", "journal.daicho", TARGET], "import_", "the same command goes on from here"),
        (["export", SOURCE, "file"], "export", "nothing was left"),
        (["backup", SOURCE, "file"], "back_up", "nothing was left"),
    ],
)
def test_ctrl_c_says_what_is_left(
    run: Run,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    arguments: list[str],
    function: str,
    left: str,
) -> None:
    run("export", SOURCE, "journal.daicho")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(daicho.moving, function, interrupt)
    assert run(*arguments) == (130, "", f"daicho: stopped; {left}\n")
    assert not list(folder.glob("file*"))


def test_a_source_that_goes_on_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def copied(*_: object, **__: object) -> daicho.moving.Moved:
        return daicho.moving.Moved(daicho.moving.Counts(1, 1, 1, 1), 5, "00", None, is_all=False)

    monkeypatch.setattr(daicho.moving, "copy", copied)
    assert run("copy", SOURCE, TARGET).out == (
        "copied and compared: 1 event, 1 snapshot, 1 reply, 1 truncated stream, up to position 5\n"
        "SHA-256 of the content: 00\n"
        "the journal has gone on meanwhile; what came later is not there\n"
    )


def test_an_export_is_not_shown_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal(TerminalBytes()))
    code = main(["export", SOURCE, "-"])
    assert code == 2


class TerminalBytes(io.BytesIO):
    def isatty(self) -> bool:
        return True
