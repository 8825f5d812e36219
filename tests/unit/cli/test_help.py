"""What the command says of itself, on any terminal, and where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise

import pytest

from daicho.cli import main
from daicho.cli.words import flowing
from tests.support.loaded import loaded_after


@pytest.mark.parametrize(
    ("command", "columns"),
    [("check", 80), ("check", 50), ("prune-keys", 70), ("copy", 60), ("export", 90)],
)
def test_lines_of_help_break_only_where_the_terminal_ends(command: str, columns: int) -> None:
    # A process of its own: one that has a terminal asks only once how wide it is.
    done = subprocess.run(
        [sys.executable, "-m", "daicho", command, "--help"],
        env=os.environ | {"COLUMNS": str(columns), "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    text = done.stdout.partition("╭")[0].splitlines()
    assert len(text) > 5
    for line, following in pairwise(text):
        if line and following:
            # The next word would not have had room.
            assert len(line.rstrip()) + 1 + len(following.split()[0]) > columns


def test_a_docstring_flows_paragraph_by_paragraph_and_argument_by_argument() -> None:
    def command() -> None:
        """Does something.

        It does it
        slowly.

        Args:
            url: Where: here
                or there.
            other: More.
        """

    assert flowing(command).__doc__ == (
        "Does something.\n\nIt does it slowly.\n\nArgs:\n    url: Where: here or there.\n"
        "    other: More."
    )


def test_the_values_of_options_are_called_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--help"]) == 0
    text = capsys.readouterr().out
    for option in ("--entities NAME ", "--sample COUNT ", "--since TIME "):
        assert option in text
    assert "STR" not in text
    assert "--url" not in text


def test_without_the_extra_it_says_what_to_type() -> None:
    program = "import sys; sys.modules['cyclopts'] = None; import daicho.cli"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "daicho: the command line needs the extra 'cli': pip install 'daicho[cli]'\n"
    )


def test_who_asks_for_help_does_not_wait_for_the_library() -> None:
    loaded = loaded_after("from daicho.cli import main; main(['--help'])")
    assert "daicho.cli" in loaded
    assert not loaded & {"apsw", "asyncio", "daicho.app", "google.protobuf", "logging"}
