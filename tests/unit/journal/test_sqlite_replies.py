"""Replies in the file: what they cost, and what other processes on it may do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daicho.errors import ConcurrencyConflict, KeyTaken
from daicho.journal import Outcome, SqliteJournal, StreamInfo, Write
from daicho.journal.sqlite import _sql
from daicho.journal.sqlite._file import open_writer
from daicho.journal.sqlite._ledger import Ledger
from tests.unit.journal.sqlite_help import Earlier, appended, event, reply, write

if TYPE_CHECKING:
    import apsw


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def keyed(stream: str, expected_version: int, *keys: str, events: int = 1) -> Write:
    new = [event(number) for number in range(events)]
    return Write(stream, expected_version, new, replies=[reply(key) for key in keys])


class Watched:
    """A ledger whose statements are seen."""

    def __init__(self, db: apsw.Connection) -> None:
        self.statements: list[str] = []
        db.exec_trace = self._saw
        self._ledger = Ledger("journal", db)

    def _saw(self, cursor: object, statement: str, values: object) -> bool:
        self.statements.append(" ".join(statement.split()[:5]))
        return True

    def commit(self, *writes: Write) -> list[Outcome]:
        """Commits them in one append; only its statements are seen."""
        self.statements.clear()
        committed, _ = self._ledger.commit([writes])
        assert isinstance(committed, list), committed
        return committed[0]


@pytest.fixture
def watched(path: Path) -> Iterator[Watched]:
    db = open_writer(path, synchronous="FULL", busy_timeout_s=0)
    watched = Watched(db)
    watched.commit(write("s", 0), write("t", 0))
    yield watched
    db.close()


def kinds(outcomes: Sequence[Outcome]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]


EVENTS = "INSERT OR ROLLBACK INTO event"
REPLIES = "INSERT OR IGNORE INTO reply"


def test_an_append_without_replies_is_one_statement(watched: Watched) -> None:
    assert kinds(watched.commit(write("s", 1), write("t", 1))) == ["Appended"] * 2
    assert watched.statements == [EVENTS]


def test_replies_cost_one_statement_more_and_a_transaction_around_them(watched: Watched) -> None:
    writes = [keyed("s", 1, "a", "b"), keyed("t", 1, "a"), keyed("s", 2, "c", events=0)]
    assert kinds(watched.commit(*writes)) == ["Appended"] * 3
    assert watched.statements == ["BEGIN IMMEDIATE", REPLIES, EVENTS, "COMMIT"]


def test_a_write_of_replies_alone_asks_for_nothing_that_is_remembered(watched: Watched) -> None:
    assert kinds(watched.commit(keyed("s", 1, "a", events=0))) == ["Appended"]
    assert watched.statements == ["BEGIN IMMEDIATE", REPLIES, "COMMIT"]


def test_a_key_that_is_taken_is_asked_for_in_one_statement(watched: Watched) -> None:
    watched.commit(keyed("s", 1, "a"))
    outcomes = watched.commit(keyed("s", 2, "a"), keyed("t", 1, "a"), write("new", 0))
    assert kinds(outcomes) == ["KeyTaken", "Appended", "Appended"]
    asked = [text for text in watched.statements if text.startswith("SELECT reply.stream")]
    assert len(asked) == 1
    assert watched.statements.count("COMMIT") == 1


def test_replies_are_found_by_their_indexes(path: Path) -> None:
    db = open_writer(path, synchronous="FULL", busy_timeout_s=0)
    for name, values, index in (
        ("find_replies", ("[]",), "(stream=? AND key=?)"),
        ("load_reply", {"stream": "s", "key": "k"}, "(stream=? AND key=?)"),
        (
            "prune_replies",
            {"before_us": 0, "limit": 1, "keep_prefix": ""},
            "reply_by_time (time_us<?)",
        ),
    ):
        plan = db.execute(f"EXPLAIN QUERY PLAN {_sql._STATEMENTS[name]}", values).fetchall()
        steps = [str(row[3]) for row in plan]
        assert any(step.endswith(index) for step in steps), steps
        assert not any("SCAN reply" in step or "TEMP B-TREE" in step for step in steps), steps
    db.close()


async def test_a_key_that_another_process_took_is_found_though_nothing_else_moved(
    path: Path,
) -> None:
    async with SqliteJournal(path) as first, SqliteJournal(path) as second:
        await first.append([write("s", 0), write("t", 0)])
        await second.append([keyed("s", 1, "a", events=0)])
        refused, other = await first.append([keyed("s", 1, "b", "a"), keyed("t", 1, "a")])
        assert isinstance(refused, KeyTaken)
        assert (refused.key, refused.actual) == ("a", 1)
        assert appended(other).version == 2
        assert await first.load_reply("s", "b") is None
        assert (await second.stream_info("s")).version == 1


async def test_a_reply_is_not_stored_at_a_version_that_is_remembered_and_stale(path: Path) -> None:
    async with SqliteJournal(path) as first, SqliteJournal(path) as second:
        await first.append([write("s", 0)])
        await second.append([write("s", 1)])
        for events in (0, 1):
            [stale] = await first.append([keyed("s", 1, "a", events=events)])
            assert type(stale) is ConcurrencyConflict
            assert stale.actual == 2 + events
            await second.append([write("s", 2 + events)])
        assert await second.load_reply("s", "a") is None


async def test_a_writer_of_the_schema_before_goes_on_beside_one_that_stores_replies(
    path: Path,
) -> None:
    with Earlier(path, 1) as older:
        older.append(write("s", 0), write("t", 0))
        async with SqliteJournal(path) as newer:
            # Streams that have only replies come between those that the older one makes.
            for number in range(3):
                await newer.append([keyed(f"alone {number}", 0, "a", events=0)])
                older.append(write("s", number + 1), write(f"older {number}", 0, count=2))
            outcomes = await newer.append([keyed("s", 4, "a"), keyed("alone 0", 0, "b")])
            assert [appended(outcome).version for outcome in outcomes] == [5, 1]
            older.append(write("s", 5))
            [conflict] = await newer.append([write("s", 5)])
            assert isinstance(conflict, ConcurrencyConflict)
            assert conflict.actual == 6
            streams = [StreamInfo("alone 0", 1, 0)]
            streams += [StreamInfo(f"older {number}", 2, 0) for number in range(3)]
            streams += [StreamInfo("s", 6, 0), StreamInfo("t", 1, 0)]
            assert await newer.list_streams() == streams


async def test_a_journal_of_the_schema_before_keeps_its_events_and_stores_replies(
    path: Path,
) -> None:
    with Earlier(path, 1) as older:
        older.append(write("s", 0, count=5))
    async with SqliteJournal(path) as journal:
        assert await journal.load_reply("s", "a") is None
        [outcome] = await journal.append([keyed("s", 5, "a")])
        assert appended(outcome).version == 6
        assert await journal.load_reply("s", "a") == reply("a")
        assert len([record async for page in journal.read("s") for record in page]) == 6
