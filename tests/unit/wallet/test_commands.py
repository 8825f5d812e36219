"""What the commands on wallets take and refuse; as processes they are in ``acceptance``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from wallet import cli


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


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
        (["pay", "alice"], "requires an argument"),
        (["pay", "alice", "x"], "'x' is no whole number; write it like 12000 or -8200"),
        (["pay", "alice", "9223372036854775808"], "does not fit into 64 bits"),
        (["open", ""], "'' has 0 bytes; a wallet's name has 1 to 255"),
        (["open", "é" * 128], "has 256 bytes; a wallet's name has 1 to 255"),
        (["open", "\udcff"], r"'\udcff' is not UTF-8"),
        (["open", "alice", "--key", ""], "'' has 0 bytes; a key has 1 to 255"),
        (["open", "alice", "--db", ""], "it is empty; name a file"),
        (["freeze", "alice", "--reason", "\udcff"], r"'\udcff' is not UTF-8"),
        (["show", "alice", "--at-version", "-1"], "-1 is no version; they are counted from 0"),
        (["show", "alice", "--at-time", "now"], "'now' is no time; write it like 2026-03-29T18"),
        (["show", "alice", "--at-time", "0001-01-01T00:00+14:00"], "is no time"),
        (["show", "alice", "--at-time", "2026-01-01", "--at-version", "1"], "Mutually exclusive"),
        (["statement", "alice", "--from-version", "0"], "they are counted from 1"),
        (["open", "alice", "--db", "a.db", "--url", "memory:"], "Mutually exclusive"),
        (["open", "alice", "--url", "postgres://x"], "sqlite:///FILE"),
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
        (["show", "alice", "--at-version", "3"], "it has come to version 2"),
    ],
)
def test_what_a_wallet_refuses_is_said_in_a_sentence_and_changes_nothing(
    arguments: list[str], text: str, bank: Run
) -> None:
    before = bank("list").out
    assert_refused(bank(*arguments), 1, text)
    assert bank("list").out == before
