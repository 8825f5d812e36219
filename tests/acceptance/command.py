"""The command ``wallet``, as a process of its own or within this one, and what it leaves.

Starting Python and importing all of it takes a hundred times as long as most commands. A process is
for what depends on one: signals, streams, locks, imports, a death.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any
from unittest.mock import patch

from wallet.cli import main

ROOT = Path(__file__).parents[2]
EXPECTED = Path(__file__).parent / "expected"

# The folder that a command runs in is a test's own, so what is relative has to be made absolute.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1", "COLUMNS": "120"}

Run = subprocess.CompletedProcess[bytes]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "wallet", *arguments]


def python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", program, *arguments]


def run(arguments: list[str], folder: Path, *, stdout: int = subprocess.PIPE) -> Run:
    return subprocess.run(
        arguments,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )


def typed(folder: Path, *arguments: str, script: bytes = b"") -> Run:
    """What becomes of the same command in this process; the script is what it can read."""
    out, err = BytesIO(), BytesIO()
    with (
        tempfile.TemporaryFile() as file,
        TextIOWrapper(out, "utf-8") as stdout,
        TextIOWrapper(err, "utf-8") as stderr,
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        patch("sys.stdin", file),
        patch.dict(os.environ, COLUMNS=ENVIRONMENT["COLUMNS"]),
        chdir(folder),
    ):
        file.write(script)
        file.seek(0)
        code = main(arguments)
        stdout.flush()
        stderr.flush()
        return Run(arguments, code, out.getvalue(), err.getvalue())


def demo(folder: Path, *arguments: str) -> bytes:
    """What a run of the demo prints that goes well."""
    return well(typed(folder, "demo", *arguments))


def well(done: Run) -> bytes:
    """What a command has printed that went well."""
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    return done.stdout


def select(database: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as db:
        return db.execute(statement).fetchall()


def events(database: Path) -> list[tuple[Any, ...]]:
    return select(
        database, "SELECT version, event_name, event_value FROM wallet_event ORDER BY version"
    )


def snapshots(database: Path) -> list[tuple[Any, ...]]:
    return select(database, "SELECT user_id, saved_version, deposit FROM wallet_snapshot")


def files(folder: Path) -> dict[str, bytes]:
    """What is stored in a folder; SQLite's shared memory is not."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and not path.name.endswith("-shm")
    }


def assert_refused(done: Run, code: int, text: str) -> None:
    assert done.returncode == code, done.stderr
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("wallet: ")
    assert text in lines[0]
