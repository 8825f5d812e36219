"""The shell: what its lines do, from a script and from a terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

import daicho
from tests.support.ledgers import eventually
from wallet.account import Account
from wallet.answers import Answer
from wallet.cli.output import Lines
from wallet.cli.script import lines_of
from wallet.cli.shell import Shell, obey, place_of
from wallet.cli.terminal import Completions, converse, data_folder, history_in
from wallet.cli.where import Where
from wallet.teller import Teller
from wallet.transfer import Transfer


class Paper(Lines):
    """What was written."""

    def __init__(self) -> None:
        super().__init__(None)
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)


class Slow(Teller):
    """Takes for ever to show a wallet."""

    def __init__(self, app: daicho.App) -> None:
        super().__init__(app)
        self.has_begun = asyncio.Event()

    async def show(self, wallet: str, **_: object) -> Answer:
        self.has_begun.set()
        await asyncio.Event().wait()
        raise AssertionError(wallet)


@pytest.fixture
async def teller() -> AsyncIterator[Slow]:
    async with daicho.open("memory:", entities=[Account, Transfer]) as app:
        yield Slow(app)


@pytest.fixture
def talk(teller: Slow) -> Shell:
    return Shell(teller, Paper(), json=False)


def said(talk: Shell) -> list[str]:
    assert isinstance(talk.lines, Paper)
    return talk.lines.lines


# --- lines ----------------------------------------------------------------------------------------


async def test_each_line_is_a_command_and_each_answer_has_its_version(talk: Shell) -> None:
    for line in ("open alice", "  open  'bob b.'", "deposit alice 5", "transfer alice 'bob b.' 2"):
        assert await talk.do(line) == 0
    assert said(talk)[:3] == [
        "alice has 0 (version 1)",
        "bob b. has 0 (version 1)",
        "alice has 5 (version 2)",
    ]
    assert said(talk)[3].startswith("2 went from alice to bob b. (transfer ")


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        ("bogus", 2, "wallet: there is no command 'bogus'; 'help' lists them"),
        ("wallet bogus", 2, "there is no command 'bogus'; 'help' lists them"),
        ("bogus --help", 2, "there is no command 'bogus'; 'help' lists them"),
        ("pay alice", 2, "wallet: AMOUNT is missing: pay WALLET AMOUNT"),
        ("pay alice 5 6", 2, "'6' is one argument too many: pay WALLET AMOUNT"),
        ("pay alice 5 --key", 2, "--key needs a value"),
        ("pay alice 5 --kex k", 2, "Did you mean --key? See help pay."),
        ("pay alice x", 2, "'x' is no whole number"),
        ("pay alice 5 --db other.db", 2, "--db is given where the shell starts"),
        ("show alice --json", 2, "--json is given where the shell starts"),
        ("show alice --url=memory:", 2, "--url is given where the shell starts"),
        ("show 'alice", 2, "a quote is not closed"),
        ("show alice\\", 2, "a backslash at the end quotes nothing"),
        ("help bogus", 2, "there is no command 'bogus'; 'help' lists them"),
        ("pay alice 5", 1, "wallet: there is no wallet alice; open it first"),
        ("deposit alice 5 --key k", 1, "there is no wallet alice"),
    ],
)
async def test_what_goes_wrong_is_said_and_the_shell_goes_on(
    talk: Shell, line: str, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await talk.do(line) == code
    [message] = capsys.readouterr().err.splitlines()
    assert message.startswith("wallet: ")
    assert text in message
    assert not talk.is_over
    assert await talk.do("open alice") == 0


async def test_a_name_does_nothing_to_a_terminal(talk: Shell) -> None:
    await talk.do("open '\x1b[2Jalice\u202e'")
    assert said(talk) == ["\\x1b[2Jalice\\u202e has 0 (version 1)"]


async def test_answers_can_be_json(teller: Slow) -> None:
    talk = Shell(teller, Paper(), json=True)
    await talk.do("open zoë")
    await talk.do("list")
    line = '{"wallet": "zo\\u00eb", "version": 1, "balance": 0, "status": "open", "under_way": {}}'
    assert said(talk) == [line, line]


async def test_help_lists_the_commands_or_shows_one(
    talk: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await talk.do("help") == 0
    text = capsys.readouterr().out
    for word in ("open", "deposit", "transfer", "statement", "list", "help", "exit"):
        assert f" {word} " in text
    assert await talk.do("help transfer") == 0
    text = capsys.readouterr().out
    assert "SOURCE TARGET AMOUNT" in text
    assert "--db" not in text


async def test_a_line_may_be_typed_as_on_the_command_line(talk: Shell) -> None:
    await talk.do("wallet open alice")
    await talk.do("wallet  deposit alice 5")
    assert said(talk) == ["alice has 0 (version 1)", "alice has 5 (version 2)"]


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("--help", "help"),
        ("-h", "help"),
        ("wallet", "help"),
        ("wallet --help", "help"),
        ("pay --help", "help pay"),
        ("pay alice 5 -h", "help pay"),
    ],
)
async def test_help_is_asked_for_as_everybody_does(
    line: str, same: str, talk: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await talk.do(same) == 0
    help_ = capsys.readouterr()
    assert await talk.do(line) == 0
    assert capsys.readouterr() == help_


async def test_a_name_may_look_like_a_question_for_help(talk: Shell) -> None:
    await talk.do("open -- --help")
    assert said(talk) == ["--help has 0 (version 1)"]


@pytest.mark.parametrize("word", ["exit", "quit"])
async def test_exit_ends_it(talk: Shell, word: str) -> None:
    assert await talk.do(word) == 0
    assert talk.is_over


# --- scripts --------------------------------------------------------------------------------------


async def script(*lines: str) -> AsyncIterator[str]:
    for line in lines:
        yield line


async def test_a_script_goes_on_after_an_error_and_ends_as_its_last_command_did(
    talk: Shell,
) -> None:
    assert await obey(talk, script("pay alice 1", "", "# not a command", "open alice")) == 0
    assert said(talk) == ["alice has 0 (version 1)"]
    assert await obey(talk, script("show bogus --at-version x", "pay alice 1", "# end")) == 1
    assert await obey(talk, script("bogus", "exit", "open bob")) == 0
    assert said(talk) == ["alice has 0 (version 1)"]
    assert await obey(talk, script()) == 0


async def test_what_is_said_of_a_script_names_the_line(
    talk: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    await obey(talk, script("# a day", "", "open alice", "pay alice 1", "bogus", "show 'a"))
    assert capsys.readouterr().err.splitlines() == [
        "wallet: line 4: alice has 0; 1 is missing for 1",
        "wallet: line 5: there is no command 'bogus'; 'help' lists them",
        "wallet: line 6: a quote is not closed",
    ]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb\r\n\n c", ["a", "b", "", " c"]),
        ("zoë\u2028x\n".encode(), ["zoë\u2028x"]),
        (b"\xff\xc3", ["\udcff\udcc3"]),
        (b"x" * 200_000 + b"\ny\n", ["x" * 200_000, "y"]),
    ],
)
async def test_a_script_is_read_line_by_line(data: bytes, lines: list[str]) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert [line async for line in lines_of(reading)] == lines
    finally:
        writer.join()
        os.close(reading)


async def test_a_script_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            [line async for line in lines_of(folder)]
    finally:
        os.close(folder)


# --- a terminal -----------------------------------------------------------------------------------


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    """What is typed, on a terminal that shows nothing."""
    with ExitStack() as stack:
        typed = stack.enter_context(create_pipe_input())
        stack.enter_context(create_app_session(input=typed, output=DummyOutput()))
        yield typed


async def test_ctrl_d_leaves_and_ctrl_c_gives_up_the_line(
    talk: Shell, keys: PipeInput, tmp_path: Path
) -> None:
    keys.send_text("open alice\rpay alice 1\x03# a comment\ropen bob\r\r\x04")
    await asyncio.wait_for(converse(talk, tmp_path / "h", place="there"), 20)
    assert said(talk) == [
        "there; 'help' lists the commands, Tab completes, Ctrl-D leaves",
        "alice has 0 (version 1)",
        "bob has 0 (version 1)",
    ]


async def test_where_the_wallets_are_is_said_so_that_a_wrong_name_is_seen(teller: Slow) -> None:
    new = Where(db=Path("walet.db"))
    assert await place_of(new, teller, is_new=True) == "walet.db (new)"
    other = Where(url="memory:")
    assert await place_of(other, teller, is_new=False) == "memory: (no wallets yet)"
    await teller.open("alice", key=None)
    assert await place_of(other, teller, is_new=False) == "memory:"


async def test_exit_leaves_the_terminal(talk: Shell, keys: PipeInput, tmp_path: Path) -> None:
    keys.send_text("exit\ropen bob\r")
    await asyncio.wait_for(converse(talk, tmp_path / "h", place="there"), 20)
    assert len(said(talk)) == 1


async def test_what_was_typed_is_there_the_next_time_for_its_user_alone(
    talk: Shell, keys: PipeInput, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "history"
    keys.send_text("open alice\r\x04")
    await asyncio.wait_for(converse(talk, file, place="there"), 20)
    assert file.stat().st_mode & 0o777 == 0o600
    # Up, and it is done again.
    keys.send_text("\x1b[A\r\x04")
    await asyncio.wait_for(converse(talk, file, place="there"), 20)
    assert file.read_text().count("+open alice\n") == 1
    assert len(said(talk)) == 3


async def test_ctrl_c_ends_a_command_and_not_the_shell(
    talk: Shell,
    teller: Slow,
    keys: PipeInput,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = signal.getsignal(signal.SIGINT)
    keys.send_text("open alice\rshow alice\r")
    talking = asyncio.create_task(converse(talk, tmp_path / "h", place="there"))
    await asyncio.wait_for(teller.has_begun.wait(), 20)
    signal.raise_signal(signal.SIGINT)
    keys.send_text("deposit alice 5\r")
    await eventually(lambda: len(said(talk)) == 3)
    # It ends nothing where there is nothing to end.
    signal.raise_signal(signal.SIGINT)
    keys.send_text("deposit alice 5\r\x04")
    await asyncio.wait_for(talking, 20)
    assert said(talk)[1:] == [f"alice has {n * 5} (version {n + 1})" for n in range(3)]
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().err == (
        "wallet: interrupted; the command may be done all the same\n"
    )


@pytest.mark.parametrize(
    ("typed", "completions"),
    [
        ("", ["open", "deposit", "pay", "transfer", "freeze", "unfreeze", "close", "show"]),
        ("  s", ["show", "statement"]),
        ("help un", ["unfreeze"]),
        ("pay ", ["'a b'", "alice", "bob"]),
        ("pay a", ["'a b'", "alice"]),
        ("pay  al", ["alice"]),
        ("pay alice ", []),
        ("transfer alice b", ["bob"]),
        ("transfer alice ", ["'a b'", "bob"]),
        ("transfer alice a", ["'a b'"]),
        ("transfer alice bob ", []),
        ("open a", []),
        ("pay z", []),
        ("show z", ["zoe"]),
        ("statement z", ["zoe"]),
        ("show --", ["--at-version", "--at-time"]),
        ("pay alice 5 --k", ["--key"]),
        ("list a", []),
        ("bogus a", []),
    ],
)
async def test_tab_completes_commands_options_and_wallets(
    talk: Shell, teller: Slow, typed: str, completions: list[str]
) -> None:
    for name in ("alice", "bob", "'a b'", "'a\x07'", "zoe"):
        await talk.do(f"open {name}")
    await talk.do("close zoe")
    found = [
        completion.text.removesuffix(" ")
        async for completion in Completions(teller).get_completions_async(
            Document(typed), CompleteEvent()
        )
    ]
    assert found[: len(completions)] == completions
    assert len(found) == len(completions) or not typed


async def test_wallets_that_cannot_be_read_complete_nothing() -> None:
    async with daicho.open("memory:", entities=[Account, Transfer]) as app:
        teller = Teller(app)
    completions = Completions(teller).get_completions_async(Document("pay "), CompleteEvent())
    assert [completion async for completion in completions] == []


def test_where_nothing_can_be_remembered_the_shell_works_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert isinstance(history_in(tmp_path / "file" / "history"), InMemoryHistory)
    assert capsys.readouterr().err.startswith("wallet: what is typed is not remembered: ")


def test_the_history_is_where_the_user_wants_such_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert data_folder() == tmp_path / "data"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_folder() == tmp_path / ".local" / "share"
    history_in(None)
    assert (tmp_path / ".local" / "share" / "wallet" / "history").exists()
