"""What the command line makes of its arguments; as a process of its own it is in ``acceptance``."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest
from cyclopts import Token
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.loaded import loaded_after
from wallet import cli
from wallet.cli.arguments import amount_of
from wallet.cli.output import Lines

LARGEST = 2**63 - 1


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["1.5"], "'1.5' is no whole number; write it like 12000 or -8200"),
        (["5", "-1.5"], "'-1.5' is no whole number"),
        (["1e3"], "'1e3' is no whole number"),
        (["-1e3"], "'-1e3' is no whole number"),
        (["1_000"], "'1_000' is no whole number"),
        (["0x10"], "'0x10' is no whole number"),
        (["-0x10"], "'-0x10' is no whole number"),
        (["\uff11"], "'\uff11' is no whole number"),
        ([" 5"], "' 5' is no whole number"),
        (["5\n"], r"'5\n' is no whole number"),
        ([""], "'' is no whole number"),
        (["-inf"], "'-inf' is no whole number"),
        (["twelve"], "'twelve' is no whole number"),
        (["--", "--db"], "'--db' is no whole number"),
        (["x" * 100_000], f"'{'x' * 40}...' is no whole number"),
        (["9223372036854775808"], "9223372036854775808 does not fit into 64 bits"),
        (["1", "-9223372036854775808"], "the largest is 9223372036854775807, + or -"),
        (["9" * 100_000], f"{'9' * 40}... does not fit into 64 bits"),
        (["-x"], "Unknown option: -x."),
        (["-1x"], "Unknown option: -1x."),
        (["-"], "Unknown option: -."),
        (["--dbx", "a"], "Unknown option: --dbx. Did you mean --db?"),
        (["--db"], "--db needs a value"),
        (["--db", "--user"], "--db needs a value"),
        (["--db", ""], "for --db: it is empty; name a file, like db.sqlite3"),
        (["--user", ""], "'' has 0 bytes; a user's name has 1 to 1024"),
        (["--user", "é" * 513], f"'{'é' * 40}...' has 1026 bytes; a user's name has 1 to 1024"),
        (["--snapshot-interval", "1.5"], "--snapshot-interval: '1.5' is no whole number"),
        (
            ["--snapshot-interval", "five"],
            "'five' is no whole number; write it like 5, or 0 for no",
        ),
        (["--snapshot-interval", "9" * 20], "does not fit into 64 bits"),
        (["--snapshot-interval", "1", "--snapshot-interval", "2"], "specified multiple times"),
        (["--journal", "postgres"], 'Choose from: "article", "daicho", "memory".'),
    ],
)
def test_an_argument_that_is_not_understood_is_refused_in_one_line(
    arguments: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["demo", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    [line] = said.err.splitlines()
    assert line.startswith("wallet: ")
    assert text in line
    assert list(tmp_path.iterdir()) == []


def whole(text: str) -> int:
    return amount_of(int, [Token(value=text)])


@given(st.integers(-LARGEST, LARGEST), st.sampled_from(["", "+"]), st.integers(0, 30))
@example(LARGEST, "+", 5_000)
def test_a_number_that_fits_is_taken_however_it_is_written(
    number: int, sign: str, zeros: int
) -> None:
    sign = "-" if number < 0 else sign
    assert whole(f"{sign}{'0' * zeros}{abs(number)}") == number


@given(st.integers(LARGEST + 1) | st.integers(max_value=-LARGEST - 1))
def test_a_number_that_does_not_fit_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="does not fit into 64 bits"):
        whole(str(number))


@given(st.text().filter(lambda text: not text.isdecimal()) | st.floats().map(str))
def test_what_is_no_number_is_refused(text: str) -> None:
    if text.isascii() and text[:1] in ("+", "-") and text[1:].isdecimal():
        return
    with pytest.raises(ValueError, match="is no whole number"):
        whole(text)


def test_a_name_of_the_largest_length_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "5", "--user", "é" * 512, "--journal", "memory"]) == 0
    assert capsys.readouterr().out.endswith("-----\ncurrent deposit: 5\n")


def test_a_message_of_several_lines_becomes_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--db", "no\nfolder/db"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


class Device(io.StringIO):
    """Refuses writes from some time on."""

    error: OSError | None = None

    def write(self, text: str) -> int:
        if self.error is not None:
            raise self.error
        return super().write(text)

    def flush(self) -> None:
        if self.error is not None:
            raise self.error


def test_lines_are_written_until_one_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    redirected: list[int] = []
    monkeypatch.setattr(os, "dup2", lambda _, to: redirected.append(to))
    monkeypatch.setattr(device, "fileno", lambda: 1)
    lines = Lines(device)
    lines.write("a")
    device.error = error = BrokenPipeError(errno.EPIPE, "Broken pipe")
    lines.write("b")
    device.error = None
    lines.write("c")
    assert lines.finish() is error
    assert device.getvalue() == "a\n"
    # So that Python does not try it once more when it exits.
    assert redirected == [1]


def test_what_was_written_is_flushed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    monkeypatch.setattr(os, "dup2", lambda _, to: None)
    monkeypatch.setattr(device, "fileno", lambda: 1)
    lines = Lines(device)
    lines.write("a")
    device.error = error = OSError(errno.ENOSPC, "No space left on device")
    assert lines.finish() is error


def test_a_process_without_an_output_writes_nothing() -> None:
    lines = Lines(None)
    lines.write("a")
    assert lines.finish() is None


def test_who_asks_for_help_does_not_wait_for_the_library() -> None:
    loaded = loaded_after("from wallet.cli import main; main(['--help'])")
    assert "wallet.cli" in loaded
    assert not loaded & {"apsw", "asyncio", "daicho", "google.protobuf", "json", "logging"}
