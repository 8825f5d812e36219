"""``daicho chain``, ``root`` and ``verify``, and what the others say of a chained journal."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest

from daicho.journal import SqliteJournal
from tests.support.commands import Run
from tests.support.moving import append

SOURCE = "sqlite:///source.db"
TARGET = "sqlite:///target.db"


def change() -> None:
    db = sqlite3.connect("source.db")
    db.execute("UPDATE event SET payload = x'00' WHERE position = 8")
    db.commit()
    db.close()


def grow() -> None:
    async def appended() -> None:
        async with SqliteJournal("source.db") as journal:
            await append(journal, "whole", 4)

    asyncio.run(appended())


def test_a_journal_is_chained_and_verified(run: Run) -> None:
    root = run("chain", SOURCE)
    assert re.fullmatch(r"14:[0-9a-f]{64}\n", root.out)
    assert root == run("root", SOURCE) == run("chain", SOURCE)
    verified = f"verified: 9 events, up to position 14\nroot: {root.out}"
    assert run("verify", SOURCE) == (0, verified, "")


def test_roots_that_were_noted_are_proved(run: Run, folder: Path) -> None:
    root = run("chain", SOURCE).out
    grow()
    (folder / "roots.txt").write_text(root + "\n" + run("root", SOURCE).out)
    ended = run("verify", SOURCE, "--root", root.strip(), "--roots", "roots.txt")
    assert ended.code == 0
    assert "verified: 13 events, up to position 20\nit comes to 3 noted roots\n" in ended.out
    change()
    run("chain", SOURCE, "--anew")
    assert run("verify", SOURCE).code == 0
    ended = run("verify", SOURCE, "--roots", "roots.txt")
    assert (ended.code, ended.out) == (1, "")
    assert "position 14: the root that was noted is another one" in ended.err


def test_what_was_changed_is_named(run: Run) -> None:
    run("chain", SOURCE)
    change()
    ended = run("verify", SOURCE)
    assert (ended.code, ended.out) == (1, "")
    assert "position 8, version 3 of stream 'begun': it is not what its link says" in ended.err


def test_what_is_forgotten_is_counted(run: Run) -> None:
    run("chain", SOURCE)

    async def truncated() -> None:
        async with SqliteJournal("source.db") as journal:
            await journal.truncate("whole", to_version=3)

    asyncio.run(truncated())
    assert "6 events, and 3 that are forgotten, up to position 14" in run("verify", SOURCE).out


@pytest.mark.parametrize("command", ["root", "verify"])
def test_a_journal_that_is_not_chained_is_said_to_be_none(run: Run, command: str) -> None:
    ended = run(command, SOURCE)
    assert (ended.code, ended.out) == (1, "")
    assert "keeps no chain of hashes; 'daicho chain' begins one" in ended.err


@pytest.mark.parametrize("command", ["chain", "root", "verify"])
def test_a_mistyped_name_makes_no_file(run: Run, folder: Path, command: str) -> None:
    ended = run(command, "sqlite:///surce.db")
    assert ended.code == 1
    assert "there is no file" in ended.err
    assert not (folder / "surce.db").exists()


def test_what_is_no_root_is_misuse(run: Run, folder: Path) -> None:
    assert run("verify", SOURCE, "--root", "14").code == 2
    assert run("verify", SOURCE, "--roots", "nowhere").code == 1
    (folder / "roots.txt").write_bytes(b"\xff")
    assert run("verify", SOURCE, "--roots", "roots.txt").code == 2
    (folder / "roots.txt").write_text("something else")
    ended = run("verify", SOURCE, "--roots", "roots.txt")
    assert (ended.code, ended.out) == (2, "")
    assert "'something else' is no root" in ended.err


def test_what_is_moved_says_its_root(run: Run) -> None:
    root = run("chain", SOURCE).out
    for arguments in (
        ("copy", SOURCE, TARGET),
        ("backup", SOURCE, "backup.db"),
        ("export", SOURCE, "file"),
        ("import", "file", "sqlite:///imported.db"),
    ):
        ended = run(*arguments)
        assert (ended.code, ended.err) == (0, "")
        assert f"root: {root}" in ended.out
    for moved in (TARGET, "sqlite:///backup.db", "sqlite:///imported.db"):
        assert run("root", moved).out == root
        assert run("verify", moved).out == run("verify", SOURCE).out


def test_a_changed_history_is_moved_nowhere_without_a_word(run: Run, folder: Path) -> None:
    run("chain", SOURCE)
    run("export", SOURCE, "file")
    change()
    for command, target in (("copy", TARGET), ("backup", "backup.db"), ("export", "later")):
        ended = run(command, SOURCE, target)
        assert (ended.code, ended.out) == (1, "")
        # It names what was changed, and not what it was to be moved to.
        assert command == "backup" or "source.db')" in ended.err
        assert "position 8, version 3 of stream 'begun'" in ended.err
        assert "it is not what its link says" in ended.err
    assert not (folder / "later").exists()
    # What is to be found out may need it.
    assert (folder / "backup.db").exists()
    assert (
        "backup.db was made and is the same as the journal, but"
        in run("backup", SOURCE, "backup.db", "--overwrite").err
    )
