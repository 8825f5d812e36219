"""Pages that are read ahead: when they are, and what becomes of one that nobody comes for."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from daicho.errors import JournalClosed, JournalUnavailable
from daicho.journal import Record, SqliteJournal
from daicho.journal.sqlite import _pages
from daicho.journal.sqlite._file import open_reader
from daicho.journal.sqlite._place import Place
from daicho.journal.sqlite._readers import Readers
from daicho.journal.sqlite._sql import Values, fetch_row
from tests.unit.journal.sqlite_help import make, threads, write

BOUND_S = 60


class Reading:
    """Counts the pages that are read, holds them, and lets one of them fail."""

    def __init__(self) -> None:
        self.pages = 0
        self.fails_at = 0
        self.holds_at = 0
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()

    def read(self, db: apsw.Connection, text: str, values: Values) -> tuple[Any, ...]:
        self.pages += 1
        fails, holds = self.pages == self.fails_at, self.pages == self.holds_at
        self.begun.release()
        if holds:
            assert self.may_end.wait(BOUND_S)
        if fails:
            raise apsw.IOError("the disk is gone")
        return fetch_row(db, text, values)

    async def until(self, pages: int) -> None:
        """Waits until so many more pages have begun to be read."""
        for _ in range(pages):
            assert await asyncio.to_thread(self.begun.acquire, timeout=BOUND_S)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    reading = Reading()
    monkeypatch.setattr(_pages, "fetch_row", reading.read)
    yield reading
    reading.may_end.set()


@pytest.fixture
async def journal(tmp_path: Path, reading: Reading) -> AsyncIterator[SqliteJournal]:
    path = tmp_path / "journal.db"
    await make(SqliteJournal(path), events=10)
    async with SqliteJournal(path) as journal:
        yield journal
        reading.may_end.set()


@pytest.fixture
async def complaints() -> list[dict[str, Any]]:
    """What the loop says of futures that failed and were left alone."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


def pages_of(
    journal: SqliteJournal, kind: str, page_size: int = 4
) -> AsyncGenerator[Sequence[Record], None]:
    pages = journal.read("s", page_size=page_size)
    if kind == "all":
        pages = journal.read_all(page_size=page_size)
    return cast("AsyncGenerator[Sequence[Record], None]", pages)


kinds = pytest.mark.parametrize("kind", ["stream", "all"])


@kinds
async def test_the_next_page_is_read_while_the_caller_has_this_one(
    journal: SqliteJournal, reading: Reading, kind: str
) -> None:
    pages = pages_of(journal, kind)
    assert reading.pages == 0
    assert [record.version for record in await anext(pages)] == [1, 2, 3, 4]
    await reading.until(2)
    assert [record.version for record in await anext(pages)] == [5, 6, 7, 8]
    assert reading.pages == 2
    assert [record.version for record in await anext(pages)] == [9, 10]
    with pytest.raises(StopAsyncIteration):
        await anext(pages)
    assert reading.pages == 3


@kinds
@pytest.mark.parametrize(("page_size", "pages"), [(11, 1), (10, 1), (9, 2), (5, 2)])
async def test_a_page_is_read_ahead_only_where_there_may_be_one(
    journal: SqliteJournal, reading: Reading, kind: str, page_size: int, pages: int
) -> None:
    found = [page async for page in pages_of(journal, kind, page_size)]
    assert sum(map(len, found)) == 10
    # A stream says only by an empty page that it has come to its end.
    at_the_end = kind == "stream" and 10 % page_size == 0
    assert reading.pages == pages + at_the_end


@kinds
async def test_what_is_appended_meanwhile_comes_in_order_or_not_at_all(
    journal: SqliteJournal, kind: str
) -> None:
    versions: list[int] = []
    async for page in pages_of(journal, kind, 2):
        versions += [record.version for record in page]
        version = (await journal.stream_info("s")).version
        if version < 30:
            await journal.append([write("s", version, count=3)])
    assert versions == list(range(1, versions[-1] + 1))
    assert versions[-1] >= 10
    assert kind == "stream" or versions[-1] == 10


@kinds
@pytest.mark.parametrize("fails_at", [0, 2])
@pytest.mark.parametrize("is_under_way", [False, True])
async def test_a_page_that_nobody_comes_for_is_dropped_in_silence(
    journal: SqliteJournal,
    reading: Reading,
    complaints: list[dict[str, Any]],
    kind: str,
    *,
    fails_at: int,
    is_under_way: bool,
) -> None:
    # As many readers that stop as would use up anything that one could hold.
    for _ in range(20):
        reading.pages, reading.fails_at = 0, fails_at
        reading.holds_at = 2 if is_under_way else 0
        reading.may_end.clear()
        pages = pages_of(journal, kind)
        assert len(await anext(pages)) == 4
        await reading.until(2)
        if not is_under_way:
            # Whichever thread it is, the page ahead has come when both have answered.
            await asyncio.gather(journal.last_position(), journal.last_position())
        await pages.aclose()
        reading.may_end.set()
    reading.fails_at = reading.holds_at = 0
    assert [len(page) async for page in pages_of(journal, kind)] == [4, 4, 2]
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


@kinds
async def test_an_error_of_the_page_ahead_comes_where_the_page_would(
    journal: SqliteJournal, reading: Reading, complaints: list[dict[str, Any]], kind: str
) -> None:
    reading.fails_at = 2
    pages = pages_of(journal, kind)
    assert [record.version for record in await anext(pages)] == [1, 2, 3, 4]
    await reading.until(2)
    with pytest.raises(JournalUnavailable, match="the disk is gone"):
        await anext(pages)
    assert [len(page) async for page in pages_of(journal, kind)] == [4, 4, 2]
    assert complaints == []


@kinds
async def test_closing_ends_a_reader_whose_next_page_was_read(
    tmp_path: Path, reading: Reading, kind: str
) -> None:
    path = tmp_path / "journal.db"
    await make(SqliteJournal(path), events=10)
    async with SqliteJournal(path) as journal:
        pages = pages_of(journal, kind)
        assert len(await anext(pages)) == 4
        await reading.until(2)
    assert not threads()
    with pytest.raises(JournalClosed):
        await anext(pages)


async def test_two_pages_whose_first_was_given_up_before_its_turn_are_not_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    await make(SqliteJournal(path))
    readers = Readers(Place(path), lambda: open_reader(path, busy_timeout_s=0), 1)
    go, read = threading.Event(), list[str]()

    def page(_: apsw.Connection) -> None:
        read.append("a page")

    held = asyncio.ensure_future(readers.run(lambda _: go.wait(BOUND_S)))
    await asyncio.sleep(0)
    first, second = readers.begin_two(page, lambda db, _: page(db))
    first.cancel()
    await asyncio.sleep(0)  # only then the thread is told
    go.set()
    assert await held
    with pytest.raises(asyncio.CancelledError):
        await second
    await readers.aclose()
    assert read == []
