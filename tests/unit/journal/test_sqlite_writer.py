"""Group commit, and what becomes of writes when tasks, the journal or the loop end."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from daicho.errors import ConcurrencyConflict, JournalLocked
from daicho.journal import Appended, SqliteJournal
from daicho.journal.sqlite._ledger import _Head
from tests.unit.journal.sqlite_help import appended, commits, locked, make, threads, write

BOUND_S = 60
"""Far longer than anything here takes; only what hangs for ever comes to it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SqliteJournal]:
    async with SqliteJournal(path, busy_timeout_s=BOUND_S) as journal:
        yield journal


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_what_gathers_during_a_commit_is_one_transaction(
    journal: SqliteJournal, path: Path
) -> None:
    before = commits(path)
    with locked(path):
        appends = [asyncio.create_task(journal.append([write(f"s{n}", 0)])) for n in range(100)]
        await asyncio.sleep(0)
    for [outcome] in await asyncio.gather(*appends):
        assert appended(outcome).version == 1
    # The one that the writer had taken when the lock came, and all the others.
    assert 1 <= commits(path) - before <= 2


async def test_an_append_is_one_transaction_however_large(
    journal: SqliteJournal, path: Path
) -> None:
    for version in (0, 2_000, 4_000):
        before = commits(path)
        await journal.append([write("s", version + n) for n in range(2_000)])
        assert commits(path) - before == 1


async def test_appends_changes_and_refusals_share_a_transaction(
    journal: SqliteJournal, path: Path
) -> None:
    await journal.append([write("s", 0, count=5)])
    before = commits(path)
    with locked(path):
        first = asyncio.create_task(journal.append([write("t", 0)]))
        await asyncio.sleep(0)
        truncated = asyncio.create_task(journal.truncate("s", to_version=3))
        refused = asyncio.create_task(journal.truncate("s", to_version=6))
        last = asyncio.create_task(journal.append([write("s", 5)]))
        await asyncio.sleep(0)
    assert await truncated == 3
    [outcome] = await last
    assert appended(outcome).version == 6
    await first
    assert 1 <= commits(path) - before <= 2
    # Whether it came before or after the sixth event is not promised; it hurt nobody.
    [result] = await asyncio.gather(refused, return_exceptions=True)
    assert result == 3 or isinstance(result, ValueError)


async def test_the_loop_is_woken_once_for_each_transaction(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    wake = loop.call_soon_threadsafe
    calls: list[object] = []

    def counted(callback: Callable[..., object], *args: object) -> asyncio.Handle:
        calls.append(callback)
        return wake(callback, *args)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    before = commits(path)
    await asyncio.gather(*(journal.append([write(f"s{n}", 0)]) for n in range(200)))
    assert len(calls) == commits(path) - before < 200


async def test_a_cancelled_append_breaks_no_other_of_its_transaction(
    journal: SqliteJournal, path: Path
) -> None:
    with locked(path):
        appends = [asyncio.create_task(journal.append([write(f"s{n}", 0)])) for n in range(20)]
        await asyncio.sleep(0)
        for append in appends[::2]:
            append.cancel()
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError, list] * 10
    # It had been accepted, so it was stored.
    assert len(await journal.list_streams()) == 20


async def test_an_append_that_gets_no_lock_stores_nothing_and_can_be_tried_again(
    path: Path,
) -> None:
    async with SqliteJournal(path, busy_timeout_s=0) as journal:
        await journal.append([write("s", 0)])
        for stream, version in (("s", 1), ("t", 0)):
            with locked(path), pytest.raises(JournalLocked, match="raise the busy timeout"):
                await journal.append([write(stream, version)])
            with locked(path), pytest.raises(JournalLocked):
                await journal.truncate("s", to_version=1)
            [outcome] = await journal.append([write(stream, version)])
            assert appended(outcome).version == version + 1


async def test_a_bug_reaches_who_waits_and_the_journal_goes_on(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> int:
        raise AssertionError(f"no slice for {name}")

    await journal.append([write("s", 0)])
    with monkeypatch.context() as patch:
        patch.setattr("daicho.journal.sqlite._ledger.slice_of", broken)
        with pytest.raises(AssertionError, match="no slice for new"):
            await journal.append([write("s", 1), write("new", 0)])
    [first, second] = await journal.append([write("s", 1), write("new", 0)])
    assert (appended(first).version, appended(second).version) == (2, 1)


async def test_more_streams_than_are_remembered_can_be_written(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daicho.journal.sqlite._ledger._MAX_HEADS", 3)
    for version in range(3):
        for number in range(5):
            [outcome] = await journal.append([write(f"s{number}", version)])
            assert appended(outcome).version == version + 1
    assert [info.version for info in await journal.list_streams()] == [3] * 5


async def test_many_streams_are_forgotten_when_nobody_writes(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daicho.journal.sqlite._ledger._FEW_HEADS", 50)

    def remembered() -> int:
        return sum(type(each) is _Head for each in gc.get_objects())

    before = remembered()
    await journal.append([write(f"s{number}", 0) for number in range(100)])
    await until(lambda: remembered() <= before)
    outcomes = await journal.append([write(f"s{number}", number % 2) for number in range(100)])
    assert [type(outcome) for outcome in outcomes] == [ConcurrencyConflict, Appended] * 50


async def test_the_write_ahead_log_is_emptied_when_nobody_writes(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daicho.journal.sqlite._writer._IDLE_CHECKPOINT_BYTES", 1)
    size = path.stat().st_size
    await journal.append([write("s", 0, payload=bytes(100_000))])
    # The writer moves it into the file by itself.
    await until(lambda: path.stat().st_size > size + 100_000)


async def test_closing_leaves_no_thread_and_no_file_beside_the_journal(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        await asyncio.gather(*(journal.append([write(f"s{n}", 0)]) for n in range(20)))
        await asyncio.gather(*(journal.stream_info(f"s{n}") for n in range(20)))
        assert threads()
    assert not threads()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_closing_waits_for_what_is_under_way(path: Path) -> None:
    journal = SqliteJournal(path, busy_timeout_s=BOUND_S)
    await journal.__aenter__()
    await journal.append([write("s", 0)])
    with locked(path):
        append = asyncio.create_task(journal.append([write("s", 1)]))
        info = asyncio.create_task(journal.stream_info("s"))
        await asyncio.sleep(0)
        closing = asyncio.create_task(journal.__aexit__(None, None, None))
        await asyncio.sleep(0)
        assert not closing.done()
    await closing
    [outcome] = await append
    assert appended(outcome).version == 2
    assert (await info).version in (1, 2)
    assert not threads()


async def test_closing_that_is_cancelled_closes_all_the_same(path: Path) -> None:
    journal = SqliteJournal(path, busy_timeout_s=BOUND_S)
    await journal.__aenter__()
    await make_known(journal)
    with locked(path):
        append = asyncio.create_task(journal.append([write("s", 1)]))
        await asyncio.sleep(0)
        closing = asyncio.create_task(journal.__aexit__(None, None, None))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
    [outcome] = await append
    assert appended(outcome).version == 2
    await until(lambda: not threads())
    async with journal:
        assert (await journal.stream_info("s")).version == 2


async def make_known(journal: SqliteJournal) -> None:
    await journal.append([write("s", 0)])


async def test_opening_that_is_cancelled_leaves_no_thread(path: Path) -> None:
    await make(SqliteJournal(path), events=1)
    journal = SqliteJournal(path, busy_timeout_s=BOUND_S)
    path.unlink()
    with locked(path):
        opening = asyncio.create_task(journal.__aenter__())
        await until(lambda: bool(threads()))
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    await until(lambda: not threads())
    async with journal:
        await journal.append([write("s", 0)])


LOOP_IS_CLOSED = """
import asyncio, sys, threading
from daicho.journal import NewEvent, SqliteJournal, Write

loop = asyncio.new_event_loop()
journal = SqliteJournal(sys.argv[1])
loop.run_until_complete(journal.__aenter__())
[writer] = [thread for thread in threading.enumerate() if thread.name.startswith("journal")]
append = journal.append([Write("s", 0, [NewEvent("t", b"", bytes(16), 0)])])
append.send(None)
loop.close()
writer.join(60)
print("the writer lives on" if writer.is_alive() else "the writer has ended")
"""

NEVER_CLOSED = """
import asyncio, sys
from daicho.journal import SqliteJournal

loop = asyncio.new_event_loop()
journal = SqliteJournal(sys.argv[1])
loop.run_until_complete(journal.__aenter__())
loop.run_until_complete(journal.stream_info("s"))
loop.close()
print("the end")
"""


def run(program: str, path: Path) -> str:
    """What a program prints; it has to end by itself."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(path)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=BOUND_S,
    )
    return ended.stdout.strip()


async def test_the_writer_ends_when_the_loop_was_closed_over_it(path: Path) -> None:
    assert run(LOOP_IS_CLOSED, path) == "the writer has ended"
    async with SqliteJournal(path) as journal:
        # What had been accepted was stored, though nobody was left to hear of it.
        assert (await journal.stream_info("s")).version == 1


async def test_a_program_that_never_closes_its_journal_can_end(path: Path) -> None:
    assert run(NEVER_CLOSED, path) == "the end"
