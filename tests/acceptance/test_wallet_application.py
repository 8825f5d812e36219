"""The commands on wallets, as a user types them."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.command import (
    ENVIRONMENT,
    Run,
    assert_refused,
    command,
    demo,
    files,
    python,
    run,
    select,
    typed,
    well,
)


def wallet(folder: Path, *arguments: str) -> str:
    """What a command prints that goes well."""
    return well(typed(folder, *arguments)).decode()


def shell(folder: Path, script: str) -> Run:
    return typed(folder, "shell", script=script.encode("utf-8", "surrogateescape"))


def values(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def databases(folder: Path) -> list[str]:
    """Without what SQLite keeps beside them while, or after, somebody looks."""
    return [path.name for path in folder.iterdir() if path.suffix == ".db"]


def balances(folder: Path) -> dict[object, object]:
    return {row["wallet"]: row["balance"] for row in values(wallet(folder, "list", "--json"))}


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """A folder where alice has 100 and bob nothing."""
    done = shell(tmp_path, "open alice\nopen bob\ndeposit alice 100\n")
    assert (done.returncode, done.stderr) == (0, b"")
    return tmp_path


# --- what goes well -------------------------------------------------------------------------------


def test_a_wallet_remembers_from_command_to_command(tmp_path: Path) -> None:
    for arguments, said in (
        (["open", "alice"], b"alice has 0 (version 1)\n"),
        (["deposit", "alice", "12000"], b"alice has 12000 (version 2)\n"),
        (["pay", "alice", "8200"], b"alice has 3800 (version 3)\n"),
        (["show", "alice"], b"alice has 3800 (version 3)\n"),
        (["show", "alice", "--at-version", "2"], b"alice has 12000 (version 2)\n"),
    ):
        assert well(run(command(*arguments), tmp_path)) == said
    assert databases(tmp_path) == ["wallet.db"]


def test_a_transfer_says_how_it_ended(bank: Path) -> None:
    said = wallet(bank, "transfer", "alice", "bob", "30", "--key", "rent")
    assert said == "30 went from alice to bob (transfer rent)\n"
    # The same again, under its key, is the same transfer.
    assert wallet(bank, "transfer", "alice", "bob", "30", "--key", "rent") == said
    assert balances(bank) == {"alice": 70, "bob": 30}
    done = typed(bank, "transfer", "alice", "bob", "300")
    assert_refused(done, 1, "was refused: alice has 70; 230 is missing for 300")
    done = typed(bank, "transfer", "alice", "carol", "1")
    assert_refused(done, 1, "was refused: there is no wallet carol; open it first")
    wallet(bank, "freeze", "bob", "--reason", "lost")
    done = typed(bank, "transfer", "alice", "bob", "1")
    assert_refused(done, 1, "was refused: bob is frozen")
    assert balances(bank) == {"alice": 70, "bob": 30}


def test_a_wallet_is_frozen_and_used_again_emptied_and_closed(bank: Path) -> None:
    said = wallet(bank, "freeze", "alice", "--reason", "card lost")
    assert said == "alice has 100, and is frozen (version 3)\n"
    assert_refused(typed(bank, "pay", "alice", "1"), 1, "wallet: alice is frozen")
    assert wallet(bank, "unfreeze", "alice") == "alice has 100 (version 4)\n"
    assert_refused(typed(bank, "close", "alice"), 1, "alice still has 100; only an empty")
    wallet(bank, "transfer", "alice", "bob", "100")
    assert wallet(bank, "close", "alice") == "alice is closed (version 7)\n"
    assert_refused(typed(bank, "open", "alice"), 1, "alice is closed, and stays so")


def test_a_command_under_a_key_is_done_once(bank: Path) -> None:
    for _ in range(2):
        said = wallet(bank, "pay", "alice", "60", "--key", "invoice-7")
        assert said == "alice has 40 (version 3)\n"
    # A refusal is kept too, even if the wallet could pay by now.
    refused = ["pay", "alice", "60", "--key", "invoice-8"]
    assert_refused(typed(bank, *refused), 1, "alice has 40; 20 is missing for 60")
    wallet(bank, "deposit", "alice", "100")
    assert_refused(typed(bank, *refused), 1, "alice has 40; 20 is missing for 60")
    done = typed(bank, "pay", "alice", "61", "--key", "invoice-7")
    assert_refused(done, 1, "--key invoice-7 was used for another command of alice")


def test_a_statement_is_a_table_whose_times_can_be_asked_for(bank: Path) -> None:
    wallet(bank, "transfer", "alice", "bob", "30", "--key", "rent")
    heading, *lines = wallet(bank, "statement", "alice").splitlines()
    assert heading.split() == ["version", "time", "(UTC)", "amount", "balance", "what"]
    assert [re.sub(r"  \d{4}-[-:\d]{5} [:\d]{8}  ", " @ ", line) for line in lines] == [
        "      1 @               0  opened",
        "      2 @   +100      100  deposit",
        "      3 @    -30       70  transfer to bob",
        "      4 @              70  transfer arrived",
    ]
    entries = values(wallet(bank, "statement", "alice", "--json"))
    assert [entry["balance"] for entry in entries] == [0, 100, 70, 70]
    for entry, line in zip(entries, lines, strict=True):
        # The table has seconds; programs get all that is stored.
        assert str(entry["time"]).partition(".")[0].replace("T", " ") in line
        then = wallet(bank, "show", "alice", "--at-time", str(entry["time"]), "--json")
        assert values(then)[0]["version"] == entry["version"]
    assert (
        values(wallet(bank, "statement", "alice", "--json", "--from-version", "3")) == (entries[2:])
    )


def test_a_list_has_all_wallets_or_those_of_a_prefix(bank: Path) -> None:
    wallet(bank, "freeze", "bob")
    assert wallet(bank, "list") == (
        "version  balance  status  wallet\n"
        "      2      100  open    alice\n"
        "      2        0  frozen  bob\n"
    )
    assert values(wallet(bank, "list", "--prefix", "b", "--json")) == [
        {"wallet": "bob", "version": 2, "balance": 0, "status": "frozen", "under_way": {}}
    ]
    assert wallet(bank, "list", "--prefix", "carol", "--json") == ""


def test_the_wallets_are_where_the_options_say(tmp_path: Path) -> None:
    wallet(tmp_path, "open", "alice", "--db", "a b.db")
    assert wallet(tmp_path, "show", "alice", "--url", "sqlite:///a%20b.db") == (
        "alice has 0 (version 1)\n"
    )
    assert wallet(tmp_path, "open", "alice", "--url", "memory:") == "alice has 0 (version 1)\n"
    assert databases(tmp_path) == ["a b.db"]


def test_looking_changes_nothing(bank: Path) -> None:
    wallet(bank, "transfer", "alice", "bob", "1")
    before = select(bank / "wallet.db", "SELECT count(*), max(position) FROM event")
    for arguments in (["show", "alice"], ["statement", "alice"], ["list"]):
        wallet(bank, *arguments)
    assert select(bank / "wallet.db", "SELECT count(*), max(position) FROM event") == before


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["open", "alice"], ["list"], ["shell"]])
def test_a_file_of_the_articles_tables_is_refused_with_words_that_help(
    arguments: list[str], tmp_path: Path
) -> None:
    demo(tmp_path)
    before = files(tmp_path)
    done = typed(tmp_path, *arguments, "--db", "db.sqlite3")
    assert_refused(
        done,
        1,
        "it has the tables of the article, which 'wallet demo --db db.sqlite3' uses; name another"
        " file with --db",
    )
    assert files(tmp_path) == before


@pytest.mark.parametrize("arguments", [["open", "alice"], ["list"]])
def test_a_foreign_file_is_refused_and_left_alone(arguments: list[str], tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE song (title TEXT)")
    (tmp_path / "text.db").write_text("hello\n")
    before = files(tmp_path)
    for name, text in (
        ("other.db", "it is a database of something else; name another file with --db"),
        ("text.db", "it is not an SQLite database; name another file with --db"),
        (".", "it is a folder; name another file with --db"),
        ("no/wallet.db", "name another file with --db"),
    ):
        assert_refused(typed(tmp_path, *arguments, "--db", name), 1, text)
    assert files(tmp_path) == before


# --- the shell ------------------------------------------------------------------------------------


def test_the_shell_takes_a_script_from_standard_input(tmp_path: Path) -> None:
    done = shell(
        tmp_path,
        "# a day\nopen alice\nopen 'bob b.'\ndeposit alice 100\ntransfer alice 'bob b.' 30 --key t"
        "\npay alice 80\nshow alice --at-version 2\nshow 'bob b.'",
    )
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [
        "alice has 0 (version 1)",
        "bob b. has 0 (version 1)",
        "alice has 100 (version 2)",
        "30 went from alice to bob b. (transfer t)",
        "alice has 100 (version 2)",
        "bob b. has 30 (version 2)",
    ]
    assert done.stderr == b"wallet: line 6: alice has 70; 10 is missing for 80\n"


def test_the_shell_ends_as_its_last_command_did(bank: Path) -> None:
    assert shell(bank, "show alice\npay alice 101\n").returncode == 1
    assert shell(bank, "bogus\n").returncode == 2
    assert shell(bank, "bogus\nshow alice\nexit\npay alice 101\n").returncode == 0
    assert shell(bank, "open \udcff\n").stderr == b"wallet: line 1: '\\udcff' is not UTF-8\n"


def test_ctrl_c_ends_a_shell_that_waits_for_its_script(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("shell"),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(b"open alice\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"alice has 0 (version 1)\n"
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 128 + signal.SIGINT
        assert child.stderr.read() == b""
    assert wallet(tmp_path, "show", "alice") == "alice has 0 (version 1)\n"


class Terminal:
    """What a user at a terminal sees and types."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.shown = b""

    def sees(self, text: bytes) -> None:
        """Waits until a text is shown, after what was seen before."""
        while text not in self.shown:
            self.shown += os.read(self.descriptor, 65_536)
        _, _, self.shown = self.shown.partition(text)

    def types(self, keys: bytes) -> None:
        os.write(self.descriptor, keys)


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal as POSIX has them")
def test_the_shell_asks_on_a_terminal_and_remembers_what_was_typed(tmp_path: Path) -> None:
    outside, inside = os.openpty()
    terminal = Terminal(outside)
    environment = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "XDG_DATA_HOME": str(tmp_path)}
    with subprocess.Popen(
        command("shell"),
        cwd=tmp_path,
        env={**ENVIRONMENT, **environment},
        stdin=inside,
        stdout=inside,
        stderr=subprocess.PIPE,
    ) as child:
        os.close(inside)
        terminal.sees(b"wallet.db (new); ")
        terminal.sees(b"wallet>")
        # Tab completes the command, and Ctrl-C gives up the line.
        terminal.types(b"op\t")
        terminal.sees(b"en")
        terminal.types(b"alice\r")
        terminal.sees(b"alice has 0 (version 1)")
        terminal.sees(b"wallet>")
        terminal.types(b"deposit alice 7\x03exit\r")
        assert child.wait(60) == 0
        assert child.stderr is not None
        assert child.stderr.read() == b""
    os.close(outside)
    assert (tmp_path / "wallet" / "history").read_text().count("\n+") == 2
    assert wallet(tmp_path, "show", "alice") == "alice has 0 (version 1)\n"


# --- outputs --------------------------------------------------------------------------------------


def test_a_reader_that_leaves_is_no_error_and_the_command_is_done(bank: Path) -> None:
    for arguments in (["deposit", "alice", "5"], ["list"], ["statement", "alice"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = run(command(*arguments), bank, stdout=writing)
        os.close(writing)
        assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
    assert balances(bank)["alice"] == 105


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_an_output_that_cannot_be_written_is_an_error_and_the_command_is_done(bank: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(command("deposit", "alice", "5"), bank, stdout=full.fileno())
        assert_refused(done, 1, "No space left on device; the command was done")
        done = run(command("list"), bank, stdout=full.fileno())
        assert_refused(done, 1, "standard output: No space left on device")
    assert balances(bank)["alice"] == 105


def test_a_name_is_written_even_where_the_encoding_has_no_such_character(tmp_path: Path) -> None:
    wallet(tmp_path, "open", "日本")
    done = subprocess.run(
        command("show", "日本"),
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"\\u65e5\\u672c has 0 (version 1)\n")


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["open", "--help"], ["transfer", "-h"], ["shell", "--help"]]
)
def test_help_needs_neither_the_library_nor_an_engine(arguments: list[str], tmp_path: Path) -> None:
    program = (
        f"import sys; from wallet.cli import main; print(main({arguments!r})); print(*sys.modules)"
    )
    *_, code, modules = run(python(program), tmp_path).stdout.decode().splitlines()
    assert code == "0"
    loaded = set(modules.split())
    assert "cyclopts" in loaded
    assert not loaded & {"apsw", "asyncio", "google.protobuf", "daicho", "prompt_toolkit"}


def test_help_says_what_every_command_takes(tmp_path: Path) -> None:
    text = wallet(tmp_path, "--help")
    for name in ("close", "demo", "deposit", "freeze", "list", "open", "pay", "shell", "show"):
        assert f" {name} " in text
        help_ = wallet(tmp_path, name, "--help")
        assert f"Usage: wallet {name} " in help_
        assert "--db" in help_


# --- several processes, and their deaths ----------------------------------------------------------


def test_two_shells_on_one_file_lose_nothing_and_do_nothing_twice(bank: Path) -> None:
    for name in ("alice", "bob"):
        wallet(bank, "deposit", name, "1000")
    scripts = [
        "".join(
            f"transfer {source} {target} 1 --key {source}-{n}\ndeposit alice 1 --key d{n}\n"
            for n in range(30)
        )
        for source, target in (("alice", "bob"), ("bob", "alice"))
    ]
    # Both deposit under the same keys, so that each deposit is done once.
    with subprocess.Popen(
        command("shell"),
        cwd=bank,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as other:
        done = shell(bank, scripts[0])
        out, err = other.communicate(scripts[1], timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (other.returncode, err) == (0, "")
    assert len(out.splitlines()) == 60
    assert balances(bank) == {"alice": 1130, "bob": 1000}


@pytest.mark.crash
def test_money_is_neither_lost_nor_made_when_the_program_is_killed(bank: Path) -> None:
    wallet(bank, "deposit", "alice", "900")
    chance = random.Random(6)
    script = (
        "".join(
            f"transfer {source} {target} {chance.randrange(1, 30)} --key {n}\n"
            for n, (source, target) in enumerate([("alice", "bob"), ("bob", "alice")] * 30)
        )
        + "transfer alice carol 7 --key refused\n"
    )
    killed = 0
    for _ in range(8):
        with subprocess.Popen(
            command("shell"),
            cwd=bank,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(script.encode())
            child.stdin.close()
            for _ in range(chance.randrange(20)):
                child.stdout.readline()
            child.kill()
            killed += child.wait() == -signal.SIGKILL
        rows = values(wallet(bank, "list", "--json"))
        # What is not in a wallet is under way; what is under way may have arrived already.
        assert sum(int(str(row["balance"])) for row in rows) <= 1000
    assert killed
    done = shell(bank, script)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == (
        "wallet: line 61: the transfer refused was refused: there is no wallet carol; open it first"
    )
    rows = values(wallet(bank, "list", "--json"))
    assert sum(int(str(row["balance"])) for row in rows) == 1000
    assert [row["under_way"] for row in rows] == [{}, {}]
    # Each transfer was done once: all of them again change nothing.
    assert shell(bank, script).stdout == done.stdout
    assert values(wallet(bank, "list", "--json")) == rows
