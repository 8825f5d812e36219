"""What the article shows: three runs in a row, and eight more cases from the original program."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import (
    EXPECTED,
    command,
    demo,
    events,
    python,
    run,
    snapshots,
    well,
)
from wallet.demo import JournalName, journal_of
from wallet.demo import run as article_run

RUNS = [(EXPECTED / f"run-{number}.txt").read_bytes() for number in (1, 2, 3)]
CASES: list[dict[str, Any]] = json.loads((EXPECTED / "more-runs.json").read_text())

ARTICLE_EVENTS = [
    (4 * run + number, name, value)
    for run in range(3)
    for number, name, value in (
        (1, "receive_money", 12000),
        (2, "receive_money", 4000),
        (3, "receive_money", 3000),
        (4, "payment_money", 8200),
    )
]

SCHEMA = """
CREATE TABLE wallet_event (
    user_id TEXT NOT NULL,
    version INT NOT NULL,
    event_name TEXT NOT NULL,
    event_value INT NOT NULL,
    timestamp DATETIME NOT NULL,
    primary key (user_id, version)
);
create table wallet_snapshot (
    user_id TEXT PRIMARY KEY NOT NULL,
    saved_version INT NOT NULL,
    deposit INT NOT NULL
);
"""


# Without arguments the command means the article's amounts, so a run of none is not on offer there.
def run_of_nothing(folder: Path, journal: JournalName, interval: int) -> bytes:
    lines: list[str] = []
    storing = journal_of(journal, folder / "db.sqlite3")
    asyncio.run(article_run([], journal=storing, snapshot_interval=interval, say=lines.append))
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize("journal", [[], ["--journal", "article"], ["--journal", "daicho"]])
def test_three_runs_print_what_the_article_shows(journal: list[str], tmp_path: Path) -> None:
    assert [well(run(command("demo", *journal), tmp_path)) for _ in RUNS] == RUNS


def test_the_amounts_of_the_article_can_be_named(tmp_path: Path) -> None:
    assert demo(tmp_path, "12000", "4000", "3000", "-8200") == RUNS[0]
    assert demo(tmp_path, "--db", "db.sqlite3", "12000", "4000", "--", "3000", "-8200") == RUNS[1]


def test_after_three_runs_the_tables_hold_the_rows_of_the_article(tmp_path: Path) -> None:
    for _ in RUNS:
        demo(tmp_path)
    assert events(tmp_path / "db.sqlite3") == ARTICLE_EVENTS
    assert snapshots(tmp_path / "db.sqlite3") == [("user_id", 10, 37600)]
    assert [path.name for path in tmp_path.iterdir()] == ["db.sqlite3"]


def test_a_wallet_in_memory_is_new_each_time(tmp_path: Path) -> None:
    for _ in range(2):
        assert demo(tmp_path, "--journal", "memory") == RUNS[0]
    assert list(tmp_path.iterdir()) == []


def test_each_user_has_a_wallet_and_each_file_has_its_own(tmp_path: Path) -> None:
    assert demo(tmp_path, "--user", "財布") == RUNS[0]
    assert demo(tmp_path, "--user", "other") == RUNS[0]
    assert demo(tmp_path, "--user", "財布", "--db", "other.db") == RUNS[0]
    assert demo(tmp_path, "--user", "財布") == RUNS[1]


@pytest.mark.parametrize("journal", ["article", "daicho", "memory"])
@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_more_runs_print_what_the_original_printed(
    case: dict[str, Any], journal: JournalName, tmp_path: Path
) -> None:
    if journal == "memory" and len(case["runs"]) > 1:
        pytest.skip("a wallet in memory has one run")
    for each in case["runs"]:
        amounts = [str(amount) for amount in each["in"]]
        options = ["--journal", journal, "--snapshot-interval", str(case["interval"])]
        printed = (
            demo(tmp_path, *amounts, *options)
            if amounts
            else run_of_nothing(tmp_path, journal, case["interval"])
        )
        assert printed.decode() == "".join(f"{line}\n" for line in with_ruler(each["out"]))
    if journal == "article":
        assert events(tmp_path / "db.sqlite3") == [tuple(row) for row in case["events"]]
        snapshot = case["snapshot"]
        assert snapshots(tmp_path / "db.sqlite3") == ([("user_id", *snapshot)] if snapshot else [])


def with_ruler(lines: list[str]) -> list[str]:
    """The original was run without the article's line between recovery and amounts."""
    [end] = [index for index, line in enumerate(lines, 1) if line.startswith("replay complete")]
    return [*lines[:end], "-----", *lines[end:]]


def test_a_database_of_the_original_program_is_continued(tmp_path: Path) -> None:
    """Its times are those of its machine's zone, with up to nine digits and no zeros at the end."""
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as db:
        db.executescript(SCHEMA)
        db.executemany(
            "INSERT INTO wallet_event VALUES ('user_id', ?, ?, ?, ?)",
            [
                (1, "receive_money", 12000, "2023-05-26 10:11:12.123456789+09:00"),
                (2, "receive_money", 4000, "2023-05-26 10:11:12.1245+09:00"),
                (3, "receive_money", 3000, "2023-05-26 10:11:12+09:00"),
                (4, "payment_money", 8200, "2023-05-26 10:11:12.9-07:00"),
                (5, "receive_money", 12000, "2023-05-27 00:00:00.000000001+00:00"),
                (6, "receive_money", 0, "2023-05-27 00:00:01+00:00"),
                (7, "payment_money", 2147483647, "2023-05-27 00:00:02+00:00"),
                (8, "payment_money", -2147483648, "2023-05-27 00:00:03+00:00"),
            ],
        )
        db.execute("INSERT INTO wallet_snapshot VALUES ('user_id', 5, 22800)")
        db.commit()
    before = events(tmp_path / "db.sqlite3")
    assert demo(tmp_path, "1", "-2").decode().splitlines() == [
        "recovering wallet from snapshot: deposit:22800",
        "replay wallet(receive): ",
        "current deposit: 22800",
        "replay wallet(payment): amount:2147483647",
        "current deposit: -2147460847",
        "replay wallet(payment): amount:-2147483648",
        "current deposit: 22801",
        "replay complete, current deposit: 22801",
        "-----",
        "current deposit: 22802",
        "snapshot requested, current deposit: 22800",
        "current deposit: 22800",
    ]
    added = [(9, "receive_money", 1), (10, "payment_money", 2)]
    assert events(tmp_path / "db.sqlite3") == before + added
    assert snapshots(tmp_path / "db.sqlite3") == [("user_id", 10, 22800)]


def test_an_interval_of_0_or_less_means_no_snapshots(tmp_path: Path) -> None:
    """The original divides by it."""
    amounts = ["1", "2", "3", "4", "5", "6"]
    for interval in ("0", "-1"):
        for journal in ("article", "memory"):
            options = ["--snapshot-interval", interval, "--journal", journal]
            assert b"snapshot requested" not in demo(tmp_path, *amounts, *options)
    assert snapshots(tmp_path / "db.sqlite3") == []
    assert len(events(tmp_path / "db.sqlite3")) == 12


def test_an_interval_of_1_is_a_snapshot_of_each_event(tmp_path: Path) -> None:
    lines = demo(tmp_path, "7", "8", "--snapshot-interval", "1").decode().splitlines()
    assert lines[3:] == [
        "snapshot requested, current deposit: 7",
        "current deposit: 7",
        "snapshot requested, current deposit: 15",
        "current deposit: 15",
    ]
    assert snapshots(tmp_path / "db.sqlite3") == [("user_id", 2, 15)]


# The end of a run is where the wallet says it is: nothing that comes later may matter.
KILLED_AT_THE_END = """
import asyncio, os, signal, sys
from pathlib import Path
from wallet.demo import journal_of, run
async def main():
    journal = journal_of(sys.argv[1], Path("db.sqlite3"))
    await run([12000, 4000, 3000, -8200], journal=journal)
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


@pytest.mark.crash
@pytest.mark.parametrize("journal", ["article", "daicho"])
def test_kill_9_between_runs_changes_nothing(journal: str, tmp_path: Path) -> None:
    for expected in RUNS:
        done = run(python(KILLED_AT_THE_END, journal), tmp_path)
        assert (done.returncode, done.stdout) == (-signal.SIGKILL, expected)


KILLED_IN_THE_MIDDLE = """
import asyncio, os, signal, sys
from pathlib import Path
from wallet.demo import journal_of, run
last = f"current deposit: {sys.argv[2]}"
def say(line):
    if line == last:
        os.kill(os.getpid(), signal.SIGKILL)
while True:
    asyncio.run(run([1] * 50, journal=journal_of(sys.argv[1], Path("db.sqlite3")), say=say))
"""


@pytest.mark.crash
@pytest.mark.parametrize("line", [1, 25, 50])
@pytest.mark.parametrize("journal", ["article", "daicho"])
def test_kill_9_within_a_run_leaves_a_whole_wallet(journal: str, line: int, tmp_path: Path) -> None:
    done = run(python(KILLED_IN_THE_MIDDLE, journal, str(line)), tmp_path)
    assert done.returncode == -signal.SIGKILL
    lines = demo(tmp_path, "100", "--journal", journal).decode().splitlines()
    [recovered] = [text.split(": ")[1] for text in lines if text.startswith("replay complete")]
    assert 0 <= int(recovered) <= line
    assert lines[-1] == f"current deposit: {int(recovered) + 100}"
