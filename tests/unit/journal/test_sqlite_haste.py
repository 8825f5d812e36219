"""Small commits are made in the loop's thread on a quick disk, and only there and then."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from daicho.errors import ConcurrencyConflict, JournalClosed, JournalUnavailable, KeyTaken
from daicho.journal import Appended, MemoryJournal, Outcome, Snapshot, SqliteJournal, Write
from daicho.journal.offers import append_now_of
from daicho.journal.sqlite import _haste
from daicho.journal.sqlite._haste import (
    FEW_BYTES,
    FEW_EVENTS,
    LEAST_PAUSE,
    LONGEST_PAUSE,
    QUICK_S,
    Haste,
)
from tests.unit.journal.faulty_disk import Disk
from tests.unit.journal.sqlite_help import appended, commits, locked, reply, write

BOUND_S = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def any_disk_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_haste, "QUICK_S", BOUND_S)


@pytest.fixture
async def journal(path: Path, any_disk_is_quick: None) -> AsyncIterator[SqliteJournal]:
    async with SqliteJournal(path, busy_timeout_s=BOUND_S) as journal:
        yield journal


@pytest.fixture
def writers() -> Iterator[list[str]]:
    """The names of the threads that store events, in order."""
    names: list[str] = []

    def note(what: dict[str, Any]) -> None:
        if "INTO event" in what["sql"]:
            names.append(threading.current_thread().name)

    def opened(db: apsw.Connection) -> None:
        db.trace_v2(apsw.SQLITE_TRACE_STMT, note)

    apsw.connection_hooks.append(opened)
    yield names
    apsw.connection_hooks.remove(opened)


def snapshot(payload: bytes = b"") -> Snapshot:
    return Snapshot(stream="s", version=1, type_name="t", payload=payload, time_us=0)


def now(journal: SqliteJournal, *writes: Write) -> list[Outcome]:
    outcomes = journal.append_now(writes)
    assert outcomes is not None
    return outcomes


# --- what it does ---------------------------------------------------------------------------------


async def test_it_is_one_transaction_that_is_durable_at_once(
    disk: Disk, path: Path, any_disk_is_quick: None
) -> None:
    async with SqliteJournal(path) as journal:
        await journal.append([write("s", 0)])
        before, syncs = commits(path), disk.syncs
        first, second = now(journal, write("s", 1, count=3), write("t", 0))
        assert (appended(first), appended(second)) == (Appended(4, 4), Appended(1, 5))
        assert commits(path) - before == 1
        assert disk.syncs - syncs == 1
        assert [len(page) async for page in journal.read("s")] == [4]


async def test_its_outcomes_are_those_of_an_append(journal: SqliteJournal) -> None:
    keyed = write("s", 0)._replace(replies=[reply()])
    assert now(journal, keyed) == [Appended(1, 1)]
    conflict, stored, taken = now(
        journal, write("s", 0), write("t", 0), write("s", 1)._replace(replies=[reply()])
    )
    assert isinstance(conflict, ConcurrencyConflict)
    assert appended(stored).version == 1
    assert isinstance(taken, KeyTaken)
    now(journal, write("s", 1)._replace(snapshot=snapshot()))
    assert await journal.load_snapshot("s") == snapshot()
    with pytest.raises(ValueError, match="empty"):
        journal.append_now([write("", 0)])


async def test_appends_of_both_kinds_follow_one_another(journal: SqliteJournal) -> None:
    for version in range(0, 60, 3):
        now(journal, write("s", version))
        later = asyncio.ensure_future(journal.append([write("s", version + 1)]))
        await asyncio.sleep(0)
        # The thread has the file, so nothing overtakes what it was given.
        assert journal.append_now([write("s", version + 2)]) is None
        [outcome] = await later
        assert appended(outcome).version == version + 2
        now(journal, write("s", version + 2))
    assert (await journal.stream_info("s")).version == 60


async def test_a_closed_journal_takes_nothing(path: Path) -> None:
    journal = SqliteJournal(path)
    async with journal:
        pass
    with pytest.raises(JournalClosed):
        journal.append_now([write("s", 0)])


# --- when it leaves it to the thread --------------------------------------------------------------


async def test_it_does_not_wait_for_another_process_that_writes(
    journal: SqliteJournal, path: Path
) -> None:
    now(journal, write("s", 0))
    with locked(path):
        assert journal.append_now([write("s", 1)]) is None
        # From now on the next ones are the thread's: it can wait.
        assert journal.append_now([write("new", 0)]) is None
        append = asyncio.ensure_future(journal.append([write("s", 1)]))
        await asyncio.sleep(0)
    [outcome] = await append
    assert appended(outcome).version == 2
    for _ in range(LEAST_PAUSE - 1):
        assert journal.append_now([write("new", 0)]) is None
    now(journal, write("s", 2), write("new", 0))


async def test_another_thread_and_another_loop_get_none_of_it(journal: SqliteJournal) -> None:
    now(journal, write("s", 0))

    async def elsewhere() -> list[Outcome] | None:
        found = journal.append_now([write("s", 1)])
        with pytest.raises(RuntimeError, match="loop"):
            await journal.append([write("s", 1)])
        return found

    assert await asyncio.to_thread(lambda: asyncio.run(elsewhere())) is None
    # What the wrong one handed over is the thread's, and it lives.
    assert await journal.append([write("t", 0)])


@pytest.mark.parametrize(
    "large",
    [
        write("s", 0, count=FEW_EVENTS + 1),
        write("s", 0, payload=bytes(FEW_BYTES + 1)),
        write("s", 0)._replace(snapshot=snapshot(bytes(FEW_BYTES))),
        write("s", 0)._replace(replies=[reply()._replace(payload=bytes(FEW_BYTES))]),
    ],
)
async def test_it_leaves_what_is_large_to_the_thread(journal: SqliteJournal, large: Write) -> None:
    assert journal.append_now([large]) is None
    assert await journal.append([large]) == [Appended(len(large.events), len(large.events))]


async def test_a_disk_that_fails_is_named_and_nothing_is_stored(
    disk: Disk, path: Path, any_disk_is_quick: None
) -> None:
    async with SqliteJournal(path) as journal:
        now(journal, write("s", 0))
        disk.fails_to_write = apsw.IOError
        with pytest.raises(JournalUnavailable, match="the disk is gone"):
            journal.append_now([write("s", 1)])
        disk.fails_to_write = None
        assert now(journal, write("s", 1)) == [Appended(2, 2)]


async def test_after_a_slow_commit_the_next_ones_are_the_threads(
    path: Path, writers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(apsw.VFSFile):
        def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
            time.sleep(2 * QUICK_S)
            super().xSync(flags)

    class SlowVFS(apsw.VFS):
        def xOpen(  # type: ignore[override] # noqa: N802
            self, name: str | apsw.URIFilename, flags: list[int]
        ) -> apsw.VFSFile:
            return Slow("unix", name, flags)

    vfs = SlowVFS("slow", "unix", makedefault=True)
    try:
        async with SqliteJournal(path) as journal:
            for version in range(100):
                if journal.append_now([write("s", version)]) is None:
                    await journal.append([write("s", version)])
            # 1, then after 8, after 16 and after 32 others.
            assert writers.count(threading.current_thread().name) == 4
    finally:
        vfs.unregister()


async def test_who_wants_no_wait_for_the_disk_in_the_loop_has_none(path: Path) -> None:
    async with SqliteJournal(path, commits_in_loop=False) as journal:
        assert journal.append_now([write("s", 0)]) is None
        assert await journal.append([write("s", 0)]) == [Appended(1, 1)]


def few() -> Sequence[Write]:
    return [write("s", 0)]


def test_the_pauses_grow_while_the_disk_stays_slow_and_end_when_it_is_quick() -> None:
    haste = Haste()

    def left_out() -> int:
        count = 0
        while not haste.is_due(few()):
            count += 1
        return count

    pauses: list[int] = []
    for _ in range(10):
        assert not left_out()
        haste.took(2 * QUICK_S)
        pauses.append(left_out())
    assert pauses == [8, 16, 32, 64, 128, 256, 512, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    for _ in range(LONGEST_PAUSE - 3):
        haste.took(QUICK_S)
        assert not left_out()
    haste.took(2 * QUICK_S)
    assert left_out() == pauses[0]
    for _ in range(LONGEST_PAUSE):
        haste.took(QUICK_S)
    haste.took(math.inf)
    assert left_out() == pauses[0]


def test_what_is_large_is_no_reason_to_try_again() -> None:
    haste = Haste()
    haste.took(2 * QUICK_S)
    for _ in range(100):
        assert not haste.is_due([write("s", 0, count=FEW_EVENTS + 1)])
    assert [haste.is_due(few()) for _ in range(9)] == [False] * 8 + [True]


# --- whose it is ----------------------------------------------------------------------------------


async def test_an_engine_has_it_by_its_class(journal: SqliteJournal) -> None:
    assert append_now_of(journal) == journal.append_now
    assert append_now_of(MemoryJournal()) is None


async def test_an_heir_with_an_append_of_its_own_sees_every_write(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Seeing(SqliteJournal):
        async def append(self, writes: Sequence[Write]) -> list[Outcome]:
            return await super().append(writes)

    class Both(Seeing):
        def append_now(self, writes: Sequence[Write]) -> list[Outcome] | None:
            return super().append_now(writes)

    class Named(SqliteJournal):
        pass

    class Without(SqliteJournal):
        append_now = None  # type: ignore[assignment]

    assert append_now_of(Seeing(path)) is None
    assert append_now_of(Without(path)) is None
    patched = SqliteJournal(path)
    monkeypatch.setattr(patched, "append", patched.append)
    assert append_now_of(patched) is None
    both, named = Both(path), Named(path)
    assert append_now_of(both) == both.append_now
    assert append_now_of(named) == named.append_now
