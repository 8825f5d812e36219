"""What the command understands, and what it says of the rest: one line, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command import (
    assert_refused,
    command,
    demo,
    events,
    files,
    python,
    run,
    typed,
)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["12000", "-82.00"], "'-82.00' is no whole number; write it like 12000 or -8200"),
        (["9223372036854775808"], "9223372036854775808 does not fit into 64 bits"),
        (["-x"], "Unknown option: -x."),
        (["--db", ""], "for --db: it is empty; name a file, like db.sqlite3"),
        (["--db", "\udcff"], r"for --db: '\udcff' is not UTF-8"),
        (["--user", "\udcff"], r"for --user: '\udcff' is not UTF-8"),
        (["--journal", "postgres"], 'Choose from: "article", "daicho", "memory".'),
    ],
)
def test_an_argument_that_is_not_understood_is_refused(
    arguments: list[str], text: str, tmp_path: Path
) -> None:
    done = typed(tmp_path, "demo", *arguments)
    assert_refused(done, 2, text)
    assert done.stdout == b""
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command_is_refused(tmp_path: Path) -> None:
    assert_refused(typed(tmp_path, "demos"), 2, 'Unknown command "demos"')


def test_a_number_is_an_amount_wherever_it_stands(tmp_path: Path) -> None:
    lines = demo(
        tmp_path,
        "-8200",
        "--db",
        "a.db",
        "+5",
        "--user=u",
        "-0",
        "--snapshot-interval",
        "-1",
        "007",
    )
    assert lines.decode().splitlines()[3:] == [
        "current deposit: -8200",
        "current deposit: -8195",
        "current deposit: -8195",
        "current deposit: -8188",
    ]
    assert events(tmp_path / "a.db") == [
        (1, "payment_money", 8200),
        (2, "receive_money", 5),
        (3, "receive_money", 0),
        (4, "receive_money", 7),
    ]


def test_help_says_what_there_is(tmp_path: Path) -> None:
    done = run(command("demo", "--help"), tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert "wallet demo [AMOUNT ...] [OPTIONS]" in text
    for word in ("--db", "--user", "--snapshot-interval", "--journal", "article, daicho, memory"):
        assert word in text
    for default in ("db.sqlite3", "user_id", "5", "article", "12000 4000 3000 -8200"):
        assert default in text
    assert b"demo" in run(command(), tmp_path).stdout
    assert run(command("--version"), tmp_path).returncode == 0


def test_help_loads_neither_the_library_nor_an_engine(tmp_path: Path) -> None:
    program = (
        "import sys; from wallet.cli import main; main(['demo', '--help']); print(*sys.modules)"
    )
    done = run(python(program), tmp_path)
    loaded = set(done.stdout.decode().splitlines()[-1].split())
    assert "cyclopts" in loaded
    assert not loaded & {"apsw", "asyncio", "google.protobuf", "daicho.actor", "wallet.demo"}


def test_without_its_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['cyclopts'] = None; import wallet.cli"
    done = run(python(program), tmp_path)
    assert_refused(done, 1, "install the extra 'cli' of daicho")


# --- balances -------------------------------------------------------------------------------------


LARGEST = 2**63 - 1


@pytest.mark.parametrize("journal", ["article", "daicho", "memory"])
@pytest.mark.parametrize(
    "amounts", [[LARGEST, 1], [-LARGEST, -1, -1], [5, LARGEST - 5, 1, -1], [LARGEST, LARGEST]]
)
def test_a_new_balance_that_would_leave_64_bits_is_refused_before_a_file_is_made(
    amounts: list[int], journal: str, tmp_path: Path
) -> None:
    done = typed(tmp_path, "demo", *map(str, amounts), "--journal", journal)
    assert_refused(done, 1, "the result would not fit into 64 bits")
    assert done.stdout == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("journal", ["article", "daicho"])
def test_a_known_balance_that_would_leave_64_bits_is_refused_before_anything_is_written(
    journal: str, tmp_path: Path
) -> None:
    demo(tmp_path, str(LARGEST - 1), "--journal", journal)
    before = files(tmp_path)
    done = typed(tmp_path, "demo", "1", "-1", "1", "1", "--journal", journal)
    assert_refused(done, 1, f"a balance of {LARGEST} cannot change by +1")
    assert (
        done.stdout.decode().splitlines()[-1] == f"replay complete, current deposit: {LARGEST - 1}"
    )
    assert files(tmp_path) == before


@pytest.mark.parametrize("journal", ["article", "daicho"])
def test_the_whole_range_of_64_bits_can_be_used(journal: str, tmp_path: Path) -> None:
    options = ["--journal", journal, "--snapshot-interval", "2"]
    demo(tmp_path, str(LARGEST), str(-LARGEST), "-1", *options)
    lines = demo(tmp_path, str(-LARGEST), *options).decode().splitlines()
    assert lines[-1] == f"current deposit: {-(2**63)}"
    lines = demo(tmp_path, str(LARGEST), "1", *options).decode().splitlines()
    assert lines[0] == f"recovering wallet from snapshot: deposit:{-(2**63)}"
    assert lines[-1] == "current deposit: 0"
