"""What the commands on wallets take and refuse; as processes they are in ``acceptance``."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import apsw
import pytest
from rich.console import Console

from wallet import cli
from wallet.answers import Column, Row, Table
from wallet.cli import where
from wallet.cli.commands import COMMANDS
from wallet.cli.layout import LOOKED_AT, laid_out


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]

BOTH_MOMENTS = "--at-version and --at-time exclude each other; give one of them"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        code = cli.main(arguments)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.fixture
def bank(run: Run) -> Run:
    """The same where alice has 100 and bob nothing."""
    for arguments in (["open", "alice"], ["open", "bob"], ["deposit", "alice", "100"]):
        assert run(*arguments).code == 0
    return run


def assert_refused(done: Done, code: int, text: str) -> None:
    assert (done.code, done.out) == (code, "")
    [line] = done.err.splitlines()
    assert line.startswith("wallet: ")
    assert text in line


@pytest.mark.parametrize("name", ["zoë", "a b", "wallet:x", "50%", "-x", "日本", "../up", "\u202e"])
def test_a_wallet_may_have_any_name(name: str, run: Run, tmp_path: Path) -> None:
    assert run("open", "--", name).code == 0
    listed = run("list", "--json").out
    assert json.loads(listed)["wallet"] == name
    assert run("show", "--json", "--", name).out == listed
    assert {path.name.partition(".db")[0] for path in tmp_path.iterdir()} == {"wallet"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["pay"], "wallet: WALLET is missing: wallet pay WALLET AMOUNT"),
        (["pay", "alice"], "wallet: AMOUNT is missing: wallet pay WALLET AMOUNT"),
        (["show", "alice", "bob"], "'bob' is one argument too many: wallet show WALLET"),
        (["list", "alice"], "'alice' is one argument too many: wallet list"),
        (["pay", "alice", "5", "--key"], "wallet: --key needs a value"),
        (["pay", "alice", "5", "--kex", "k"], "Did you mean --key? See wallet pay --help"),
        (["bogus"], 'Unknown command "bogus"; wallet --help lists them'),
        (["open", "alice", "--key", "daicho:x"], "keys that begin with 'daicho:' are kept for"),
        (["pay", "alice", "9223372036854775808"], "the largest is 9223372036854775807"),
        (["open", ""], "'' has 0 bytes; a wallet's name has 1 to 255"),
        (["open", "é" * 128], "has 256 bytes; a wallet's name has 1 to 255"),
        (["open", "\udcff"], r"'\udcff' is not UTF-8"),
        (["open", "alice", "--key", ""], "'' has 0 bytes; a key has 1 to 255"),
        (["open", "alice", "--db", ""], "it is empty; name a file"),
        (["freeze", "alice", "--reason", "\udcff"], r"'\udcff' is not UTF-8"),
        (["show", "alice", "--at-version", "-1"], "-1 is no version; they are counted from 0"),
        (["show", "alice", "--at-time", "now"], "'now' is no time; write it like 2026-03-29T18"),
        (["show", "alice", "--at-time", "0001-01-01T00:00+14:00"], "is no time"),
        (["show", "alice", "--at-time", "2026-01-01", "--at-version", "1"], BOTH_MOMENTS),
        (["statement", "alice", "--from-version", "0"], "they are counted from 1"),
        (
            ["open", "alice", "--db", "a.db", "--url", "memory:"],
            "--db and --url exclude each other",
        ),
        (["open", "alice", "--url", "mysql://x"], "sqlite:///FILE"),
        (["shell", "--url", "sqlite://x"], "three slashes"),
    ],
)
def test_what_is_not_understood_is_refused_and_nothing_is_made(
    arguments: list[str], text: str, run: Run, tmp_path: Path
) -> None:
    assert_refused(run(*arguments), 2, text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["deposit", "alice", "1"],
        ["transfer", "alice", "bob", "1"],
        ["close", "alice"],
        ["show", "alice"],
        ["statement", "alice"],
        ["list"],
    ],
)
def test_a_mistyped_file_is_not_made(arguments: list[str], run: Run, tmp_path: Path) -> None:
    done = run(*arguments, "--db", "walet.db")
    assert_refused(done, 1, "walet.db: there is no file; 'wallet open NAME' makes it, or name")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["deposit", "carol", "5"], "wallet: there is no wallet carol; open it first"),
        (["show", "carol"], "wallet: there is no wallet carol; open it first"),
        (["statement", "carol"], "wallet: there is no wallet carol; open it first"),
        (["open", "alice"], "wallet: alice is open already"),
        (["deposit", "alice", "0"], "wallet: an amount is greater than 0, not 0"),
        (["pay", "alice", "-5"], "wallet: an amount is greater than 0, not -5"),
        (["pay", "alice", "101"], "wallet: alice has 100; 1 is missing for 101"),
        (["deposit", "alice", str(2**63 - 1)], "alice has room for 9223372036854775707 more, not"),
        (["transfer", "alice", "alice", "1"], "wallet: alice is both source and target"),
        (["unfreeze", "alice"], "wallet: alice is not frozen"),
        (["show", "alice", "--at-version", "3"], "alice has come to version 2; there is no vers"),
        (["statement", "alice", "--from-version", "9"], "there is no version 9"),
    ],
)
def test_what_a_wallet_refuses_is_said_in_a_sentence_and_changes_nothing(
    arguments: list[str], text: str, bank: Run
) -> None:
    before = bank("list").out
    assert_refused(bank(*arguments), 1, text)
    assert bank("list").out == before


@pytest.mark.parametrize("command", ["deposit", "pay", "transfer"])
def test_an_amount_of_money_is_explained_without_a_sign(command: str, run: Run) -> None:
    wallets = ["alice", "bob"] if command == "transfer" else ["alice"]
    done = run(command, *wallets, "1.5")
    assert_refused(done, 2, "'1.5' is no whole number; write it like 12000")
    assert "-8200" not in done.err


def test_what_is_so_already_is_said_to_be(bank: Run) -> None:
    bank("freeze", "alice")
    assert_refused(bank("freeze", "alice"), 1, "wallet: alice is frozen already")
    bank("close", "bob")
    assert_refused(bank("close", "bob"), 1, "wallet: bob is closed already")


def test_a_key_of_another_command_is_refused_in_the_words_of_the_command_line(bank: Run) -> None:
    assert bank("pay", "alice", "60", "--key", "k").code == 0
    text = "wallet: --key k was used for another command of alice; a new one needs a new key"
    assert_refused(bank("pay", "alice", "61", "--key", "k"), 1, text)


def test_a_file_that_another_process_holds_is_named(
    bank: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(where, "_BUSY_TIMEOUT_S", 0.05)
    before = bank("list").out
    # The same library, because locks of a file do not tell two libraries of one process apart.
    with closing(apsw.Connection(str(tmp_path / "wallet.db"))) as other:
        other.execute("BEGIN IMMEDIATE")
        done = bank("deposit", "alice", "5")
    assert_refused(done, 1, "wallet.db: another process holds it; nothing was done, try again")
    assert bank("list").out == before


def test_a_statement_fits_into_80_columns(bank: Run) -> None:
    bank("deposit", "alice", "12000")
    bank("transfer", "alice", "bob", "8200")
    bank("transfer", "alice", "carol", "800")
    bank("freeze", "bob")
    bank("transfer", "alice", "bob", "5")
    *lines, last = bank("statement", "alice").out.splitlines()
    assert last.endswith("transfer came back: bob is frozen")
    # How long a reason is nobody knows.
    assert max(len(line) for line in [*lines, last] if "carol;" not in line) <= 80


def help_of(*command: str, columns: int) -> list[str]:
    """The lines of a help on a terminal of that width."""
    paper = io.StringIO()
    cli.app.help_print(list(command), console=Console(file=paper, width=columns))
    return paper.getvalue().splitlines()


def test_help_lists_the_commands_in_the_order_of_their_use() -> None:
    names = [*COMMANDS, "shell", "demo"]
    lines = help_of(columns=200)
    listed = [line.split()[1] for line in lines if line.startswith("│ ")]
    assert [word for word in listed if word in names] == names


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", [*COMMANDS, "shell", "demo"])
def test_help_breaks_lines_only_where_the_terminal_ends(command: str, columns: int) -> None:
    lines = help_of(command, columns=columns)
    for line, following in pairwise(lines):
        if line.strip() and following.strip() and line[0].isalpha() and following[0].isalpha():
            assert len(f"{line.rstrip()} {following.split()[0]}") > columns
    assert "[default: False]" not in " ".join(lines)


async def rows(*names: str) -> AsyncIterator[Row]:
    for number, name in enumerate(names):
        yield Row((str(number), name), {})


async def test_columns_are_as_wide_as_what_stands_in_them_and_long_tables_are_not_held() -> None:
    columns = (
        Column("n", is_number=True),
        Column("name"),
    )
    names = ["x"] * LOOKED_AT + ["y"]
    lines = [line async for line in laid_out(Table(columns, rows(*names)))]
    assert lines[0] == "  n  name"
    assert lines[1] == "  0  x"
    assert lines[-2:] == ["999  x", "1000  y"]
    assert len(lines) == LOOKED_AT + 2
    assert [line async for line in laid_out(Table(columns, rows()))] == ["n  name"]


async def test_a_row_is_shown_before_the_end_of_a_long_table_is_read() -> None:
    table = Table((Column("n"), Column("name")), rows(*["x"] * LOOKED_AT * 2))
    lines = laid_out(table)
    assert await anext(lines) == "n    name"
    assert (await anext(table.rows)).cells == (str(LOOKED_AT), "x")
