"""``daicho check``: a deploy gate, so its exit code is what counts."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from daicho.cli import main
from daicho.journal import SqliteJournal
from tests.support.journals import foreign_append
from tests.support.postgres import Server
from tests.unit.check.shelves import put

ROOT = Path(__file__).parents[3]
SHELF = "tests.unit.check.shelves:Shelf"
HEAVY = "tests.unit.check.shelves:Heavy"
URL = "sqlite:///shelves.db"
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a journal; what a command does to imports is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)

    async def fill() -> None:
        for shelf in "abc":
            await put(SqliteJournal("shelves.db"), shelf, *"xyz")

    asyncio.run(fill())
    yield tmp_path
    for name in {*sys.modules} - known:
        if name.startswith("program"):
            del sys.modules[name]


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def ended(*arguments: str) -> Ended:
        code = main(arguments)
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return ended


def test_a_program_that_can_take_over_ends_with_0(run: Run) -> None:
    assert run("check", URL, "--entities", SHELF) == (
        0,
        "all right; read: 3 streams, 9 events, 3 snapshots\n",
        "",
    )


def test_a_journal_on_a_server_is_checked_as_a_file_is(
    run: Run, postgres_server: Server, postgres_schema: str
) -> None:
    url = postgres_server.url_with(schema=postgres_schema)
    assert run("copy", URL, url).code == 0
    for entities in (SHELF, HEAVY):
        arguments = "--entities", entities, "--replay"
        assert run("check", url, *arguments) == run("check", URL, *arguments)


def test_a_program_that_cannot_take_over_ends_with_1_and_says_why(run: Run) -> None:
    ended = run("check", URL, "--entities", HEAVY, "--replay")
    assert ended.code == 1
    assert "problem: shelf:a@2: the state is another one than the snapshot" in ended.out
    assert ended.out.endswith(
        "3 problems; read: 3 streams, 9 events, 3 snapshots; compared: 3 snapshots\n"
    )


def test_a_replay_is_done_only_where_it_is_asked_for(run: Run) -> None:
    assert run("check", URL, "--entities", HEAVY).code == 0


def test_the_report_can_be_json(run: Run) -> None:
    ended = run("check", URL, "--entities", HEAVY, "--replay", "--json")
    assert ended.code == 1
    content = json.loads(ended.out)
    assert [each["kind"] for each in content["problems"]] == ["state-differs"] * 3
    assert content["compared"] == 3


def test_a_sample_and_a_time_leave_streams_out(run: Run) -> None:
    ended = run("check", URL, "--entities", SHELF, "--sample", "2", "--seed", "7")
    assert (ended.code, "skipped: 1 stream" in ended.out) == (0, True)
    # The clock of the tests stands at the beginning of 2030.
    ended = run("check", URL, "--entities", SHELF, "--since", "2030-01-02")
    assert (ended.code, "skipped: 3 streams" in ended.out) == (0, True)
    ended = run("check", URL, "--entities", SHELF, "--since", "2030-01-01T00:00:00+00:00")
    assert "skipped" not in ended.out


def test_the_journal_is_not_written(run: Run, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run("check", URL, "--entities", HEAVY, "--replay")
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after["shelves.db"] == before["shelves.db"]


def test_entities_are_found_in_the_current_folder_by_every_way_to_name_them(
    run: Run, folder: Path
) -> None:
    (folder / "program_ways.py").write_text(
        "from tests.unit.check.shelves import Shelf\n"
        "LIST = [Shelf]\n"
        "class space:\n"
        "    inner = Shelf\n"
        "def function():\n"
        "    yield Shelf\n"
    )
    for name in ("Shelf", "LIST", "function", "space.inner"):
        assert run("check", URL, "--entities", f"program_ways:{name}").code == 0
    both = ("--entities", "program_ways:LIST", "--entities", SHELF)
    assert run("check", URL, *both).code == 0


def test_a_schema_can_be_named(run: Run, folder: Path) -> None:
    async def write() -> None:
        async with SqliteJournal("shelves.db") as journal:
            await foreign_append(journal, "shelf:a", ("shelf.placed", b'{"item":"x"}'))

    asyncio.run(write())
    (folder / "program_schema.py").write_text(
        "import daicho\n"
        "from tests.unit.check.shelves import Put, Shelf\n"
        "SCHEMA = daicho.Schema()\n"
        "SCHEMA.register(Put, aliases=['shelf.placed'])\n"
        "def schema(): return SCHEMA\n"
    )
    assert run("check", URL, "--entities", SHELF).code == 1
    for name in ("SCHEMA", "schema"):
        given = ("--schema", f"program_schema:{name}")
        assert run("check", URL, "--entities", SHELF, *given).code == 0
    ended = run("check", URL, "--entities", SHELF, "--schema", "program_schema:Shelf")
    assert ended.code == 2
    assert "is the class Shelf; name a daicho.Schema" in ended.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tests.unit.check.shelves", "is no name; write it like shop.app:ENTITIES"),
        (":Shelf", "is no name; write it like shop.app:ENTITIES"),
        ("tests.unit.check.shelves:Shelv", "has no 'Shelv'"),
        ("tests.unit.check.nothing:Shelf", "cannot be imported: ModuleNotFoundError"),
        ("tests.unit.check.shelves:Put", "is the class Put; name a class that inherits"),
        ("program_odd:NUMBER", "is an object of class int; name a class that inherits"),
        ("program_odd:EMPTY", "is empty; name a class that inherits"),
        ("program_odd:MIXED", "is an object of class int; name a class that inherits"),
        ("program_odd:fails", "was called without arguments and raised ValueError: not today"),
        ("program_odd:ends", "was called without arguments and raised SystemExit: 0"),
        ("program_ends:ENTITIES", "program_ends cannot be imported: SystemExit: 0"),
        ("program_broken:ENTITIES", "program_broken cannot be imported: SyntaxError"),
    ],
)
def test_what_names_no_entities_is_misuse(run: Run, folder: Path, name: str, said: str) -> None:
    (folder / "program_odd.py").write_text(
        "from tests.unit.check.shelves import Shelf\n"
        "NUMBER, EMPTY, MIXED = 5, [], [Shelf, 5]\n"
        "def fails(): raise ValueError('not today')\n"
        "def ends(): raise SystemExit(0)\n"
    )
    (folder / "program_ends.py").write_text("import sys; sys.exit(0)")
    (folder / "program_broken.py").write_text("def")
    ended = run("check", URL, "--entities", name)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("daicho: ")
    assert said in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", URL), "daicho: --entities is missing; see daicho check --help"),
        (("check", URL, "--entites", SHELF), "--entities is missing, and there is no --entites"),
        (("check", URL, "--entities"), "--entities needs a value; see daicho check --help"),
        (("check", "--entities", SHELF), "daicho: URL is missing; see daicho check --help"),
        (
            ("check", URL, "--entities", SHELF, HEAVY),
            f"'{HEAVY}' is one argument too many, and an option takes one value: write its name be",
        ),
        (("check", "shelves.db", "--entities", SHELF), "did you mean sqlite:///shelves.db?"),
        (("check", "/a b.db", "--entities", SHELF), "did you mean sqlite:////a%20b.db?"),
        (("check", "other://x", "--entities", SHELF), "write sqlite:///FILE, sqlite:////"),
        (("check", "", "--entities", SHELF), "write sqlite:///FILE, sqlite:////"),
        (("check", "memory:", "--entities", SHELF), "what is in memory is in another process"),
        (("check", "sqlite:///:memory:", "--entities", SHELF), "is in another process"),
        (("check", URL, "--entities", SHELF, "--since", "soon"), "'soon' is no time; write"),
        (("check", URL, "--entities", SHELF, "--sample", "0"), "'0' is no number of 1 or more"),
        (("check", URL, "--entities", SHELF, "--sample", "-1"), "'-1' is no number of 1 or more"),
        (("check", URL, "--entities", SHELF, "--sample", "x"), "'x' is no number of 1 or more"),
        (("check", URL, "--entities", SHELF, "--seed", "x"), "--seed"),
        (("chekc", URL), "see daicho --help"),
    ],
)
def test_arguments_that_make_no_sense_end_with_2(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert "or memory:" not in ended.err


def test_a_journal_that_cannot_be_read_ends_with_1_and_says_what_to_do(
    run: Run, folder: Path
) -> None:
    (folder / "text.db").write_text("this is no journal, however long it goes on")
    for name, said in (("none.db", "there is no file"), ("text.db", "name another file")):
        ended = run("check", f"sqlite:///{name}", "--entities", SHELF)
        assert (ended.code, ended.out) == (1, "")
        assert said in ended.err
    assert not (folder / "none.db").exists()


def test_a_program_that_could_not_even_open_ends_with_1(run: Run) -> None:
    ended = run("check", URL, "--entities", SHELF, "--entities", HEAVY)
    assert (ended.code, ended.out) == (1, "")
    assert "are both stored under that name" in ended.err


def test_ctrl_c_ends_as_a_shell_expects_it(run: Run, folder: Path) -> None:
    (folder / "program_stopped.py").write_text("raise KeyboardInterrupt")
    assert run("check", URL, "--entities", "program_stopped:ENTITIES") == (130, "", "")


def test_without_a_standard_output_the_exit_code_is_what_counts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["check", URL, "--entities", SHELF]) == 0
    assert main(["check", URL, "--entities", HEAVY, "--replay"]) == 1


def test_the_version_is_said(run: Run) -> None:
    ended = run("--version")
    assert ended.code == 0
    assert ended.out.strip()


def test_what_the_program_prints_is_no_part_of_the_report(run: Run, folder: Path) -> None:
    (folder / "program_loud.py").write_text(
        "from tests.unit.check.shelves import Shelf\nprint('loading')\nENTITIES = [Shelf]\n"
    )
    ended = run("check", URL, "--entities", "program_loud:ENTITIES", "--json")
    assert json.loads(ended.out)["ok"] is True
    assert ended.err == "loading\n"


# --- as a process ---------------------------------------------------------------------------------


def process(folder: Path, *arguments: str, stdout: int = subprocess.PIPE) -> Ended:
    done = subprocess.run(
        [sys.executable, "-m", "daicho", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_the_exit_code_is_that_of_the_process(folder: Path) -> None:
    assert process(folder, "check", URL, "--entities", SHELF).code == 0
    assert process(folder, "check", URL, "--entities", HEAVY, "--replay").code == 1
    assert process(folder, "check", URL).code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_it_says_how_far_it_is_beside_the_report(folder: Path) -> None:
    import pty

    controlling, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "daicho", "check", URL, "--entities", SHELF],
        env=ENVIRONMENT | {"TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(terminal)
    said = os.read(controlling, 100_000).decode()
    os.close(controlling)
    assert done.stdout == "all right; read: 3 streams, 9 events, 3 snapshots\n"
    assert "3 streams, 9 events" in said


def test_a_reader_who_has_left_is_no_disaster(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = process(folder, "check", URL, "--entities", SHELF, stdout=writing)
    os.close(writing)
    assert (ended.code, ended.err) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_report_that_cannot_be_written_is_no_success(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = process(folder, "check", URL, "--entities", SHELF, stdout=full.fileno())
    assert ended.code == 1
    assert ended.err.startswith("daicho: standard output: ")


def test_help_does_not_wait_for_the_library(folder: Path) -> None:
    program = (
        "import sys; from daicho.cli import main; code = main(['check', '--help']);"
        "late = {'apsw', 'google.protobuf', 'daicho.app', 'msgspec'} & {*sys.modules};"
        "sys.exit(code or (f'imported: {late}' if late else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--entities" in done.stdout
    assert "[default: False]" not in done.stdout
