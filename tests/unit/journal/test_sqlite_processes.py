"""Several processes on one file: who is second learns it, and positions rise in commit order."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from daicho.errors import ConcurrencyConflict
from daicho.journal import Journal, Record, SqliteJournal
from tests.unit.journal.sqlite_help import appended, make, write

# Appends events to a stream that all share and to one of its own, each time at the version that it
# has to be, and prints a line for each event that the journal says is stored.
RIVAL = """
import asyncio, sys
from daicho.journal import Appended, NewEvent, SqliteJournal, Write

async def main(path, own, rounds):
    event = NewEvent("t", own.encode(), bytes(16), 0)
    async with SqliteJournal(path, busy_timeout_s=60) as journal:
        shared = 0
        for version in range(rounds):
            while True:
                mine = Write(own, version, [event, event]) if version % 2 == 0 else None
                writes = [Write("shared", shared, [event])] + ([mine] if mine else [])
                outcome, *others = await journal.append(writes)
                for other in others:
                    assert isinstance(other, Appended) or other.actual == version + 2, other
                if isinstance(outcome, Appended):
                    print("stored", outcome.version, outcome.position)
                    shared = outcome.version
                    break
                shared = outcome.actual

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""

# Stores a reply under each key that it is told, some alone and some with an event, and says whether
# it was the first to do so.
KEY_RIVAL = """
import asyncio, sys
from daicho.errors import KeyTaken
from daicho.journal import Appended, NewEvent, Reply, SqliteJournal, Write

async def main(path, own):
    event = NewEvent("t", own.encode(), bytes(16), 0)
    async with SqliteJournal(path, busy_timeout_s=60) as journal:
        version = 0
        print("ready", flush=True)
        for line in sys.stdin:
            reply = Reply(line.strip(), b"digest", "t", own.encode(), version, 0)
            events = [event] if int(line) % 2 == 0 else []
            outcome = None
            while not isinstance(outcome, (Appended, KeyTaken)):
                [outcome] = await journal.append([Write("s", version, events, replies=[reply])])
                version = outcome.version if isinstance(outcome, Appended) else outcome.actual
            print("stored" if isinstance(outcome, Appended) else "taken", flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""

JUST_OPENS = """
import asyncio, sys
from daicho.journal import SqliteJournal

async def main(path):
    sys.stdin.read()
    async with SqliteJournal(path, busy_timeout_s=60):
        pass

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


async def records(journal: Journal, *, after_position: int = 0) -> list[Record]:
    pages = journal.read_all(after_position=after_position, page_size=50)
    return [record async for page in pages for record in page]


async def test_processes_that_append_to_one_stream_lose_and_double_nothing(path: Path) -> None:
    rounds, names = 60, ["first", "second", "third"]
    await make(SqliteJournal(path))
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, str(path), name, str(rounds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    followed: list[Record] = []
    async with SqliteJournal(path) as journal:
        while any(rival.poll() is None for rival in rivals):
            after = followed[-1].position if followed else 0
            followed += await records(journal, after_position=after)
            await asyncio.sleep(0.01)
        outputs = [rival.communicate()[0].splitlines() for rival in rivals]
        assert [rival.returncode for rival in rivals] == [0, 0, 0]
        after = followed[-1].position if followed else 0
        followed += await records(journal, after_position=after)
        # Who followed while they wrote missed nothing: nothing came at or before what it had seen.
        assert followed == await records(journal)
    shared = [record for record in followed if record.stream == "shared"]
    assert [record.version for record in shared] == list(range(1, len(shared) + 1))
    acknowledged = sorted(line for lines in outputs for line in lines)
    assert acknowledged == sorted(f"stored {r.version} {r.position}" for r in shared)
    assert len(acknowledged) == rounds * len(names)


async def test_of_processes_that_store_a_reply_under_one_key_exactly_one_wins(path: Path) -> None:
    names = ["first", "second", "third"]
    await make(SqliteJournal(path))
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", KEY_RIVAL, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    assert {said_by(rival) for rival in rivals} == {"ready"}
    winners: list[bytes] = []
    for number in range(100):
        # All at once, so that most of the time they meet.
        for rival in rivals:
            tell(rival, f"{number}\n")
        said = [said_by(rival) for rival in rivals]
        assert sorted(said) == ["stored", "taken", "taken"]
        winners.append(names[said.index("stored")].encode())
    for rival in rivals:
        rival.communicate(timeout=60)
    assert [rival.returncode for rival in rivals] == [0, 0, 0]
    async with SqliteJournal(path) as journal:
        for number, winner in enumerate(winners):
            reply = await journal.load_reply("s", str(number))
            assert reply is not None
            assert reply.payload == winner
        # The events are those of the winners, and of nobody else.
        assert [record.payload for record in await records(journal)] == winners[::2]


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


def said_by(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def test_processes_that_make_one_journal_at_once_all_succeed(path: Path) -> None:
    openers = [
        subprocess.Popen([sys.executable, "-c", JUST_OPENS, str(path)], stdin=subprocess.PIPE)
        for _ in range(4)
    ]
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.close()
    assert [opener.wait(timeout=60) for opener in openers] == [0, 0, 0, 0]
    await make(SqliteJournal(path), events=1)


async def test_a_version_that_is_remembered_is_checked_inside_the_transaction(path: Path) -> None:
    async with SqliteJournal(path) as first, SqliteJournal(path) as second:
        await first.append([write("s", 0), write("t", 0)])
        await second.append([write("s", 1, count=2)])
        # The first remembers version 1: too old to write, too old to refuse.
        [stale] = await first.append([write("s", 1)])
        assert isinstance(stale, ConcurrencyConflict)
        assert stale.actual == 3
        await second.append([write("s", 3)])
        [outcome] = await first.append([write("s", 4)])
        assert appended(outcome).version == 5
        await second.append([write("new", 0)])
        [conflict, other] = await first.append([write("new", 0), write("t", 1)])
        assert isinstance(conflict, ConcurrencyConflict)
        assert appended(other).version == 2


async def test_a_version_outlives_truncation_by_another_process(path: Path) -> None:
    async with SqliteJournal(path) as first, SqliteJournal(path) as second:
        [before] = await first.append([write("s", 0, count=3)])
        await second.truncate("s", to_version=3)
        [outcome] = await first.append([write("s", 3)])
        assert appended(outcome).version == 4
        assert appended(outcome).position > appended(before).position
        [outcome] = await second.append([write("s", 4)])
        assert appended(outcome).version == 5


async def test_what_another_process_appended_is_read_at_once(path: Path) -> None:
    async with SqliteJournal(path) as first, SqliteJournal(path) as second:
        for version in range(20):
            await (first, second)[version % 2].append([write("s", version)])
            assert (await first.stream_info("s")).version == version + 1
            assert len(await records(second)) == version + 1


async def test_a_large_append_finds_what_another_process_appended(path: Path) -> None:
    async with SqliteJournal(path) as first, SqliteJournal(path) as second:
        await first.append([write("s", 0), write("t", 0)])
        await second.append([write("s", 1)])
        stale = [write("s", 1 + number) for number in range(2_000)]
        outcomes = await first.append([*stale, write("t", 1, count=2_000)])
        # The second of the writes expects what is there now, and those after it what it makes.
        assert isinstance(outcomes[0], ConcurrencyConflict)
        versions = [appended(outcome).version for outcome in outcomes[1:]]
        assert versions == [*range(3, 2_002), 2_001]
        assert len(await records(second)) == 3 + 1_999 + 2_000
