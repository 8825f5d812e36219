"""Pages that SQLite puts together: they hold what the rows would."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daicho.journal import NewEvent, Page, Record, SqliteJournal, Write, facts
from daicho.journal.sqlite import _file, _sql
from daicho.journal.sqlite._file import open_writer
from tests.unit.journal.sqlite_help import event, make, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


async def pages_of(journal: SqliteJournal, page_size: int = 1_000) -> list[Sequence[Record]]:
    return [page async for page in journal.read("s", page_size=page_size)]


def change(path: Path, statement: str) -> None:
    """Changes the file by hand."""
    db = apsw.Connection(str(path))
    db.execute(statement)
    db.close()


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
events = st.builds(
    NewEvent,
    texts.filter(bool),
    st.binary(max_size=20),
    st.binary(min_size=16, max_size=16),
    st.integers(-(10**15), 10**16),
    st.none() | texts,
    st.none() | texts,
    st.none() | texts,
)


async def as_pages_and_as_rows(
    path: Path, batches: list[tuple[str, list[NewEvent]]], page_size: int
) -> None:
    async with SqliteJournal(path, reader_threads=1) as journal:
        for stream, new in batches:
            version = (await journal.stream_info(stream)).version
            await journal.append([Write(stream, version, new)])
        for stream in {stream for stream, _ in batches}:
            # Pages of one event are read as a row.
            rows = [page[0] async for page in journal.read(stream, page_size=1)]
            found = [r async for page in journal.read(stream, page_size=page_size) for r in page]
            assert found == rows
        stored = [(r.stream, *r[3:]) async for page in journal.read_all() for r in page]
        assert stored == [(stream, *new) for stream, many in batches for new in many]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(texts.filter(bool), st.lists(events, min_size=1, max_size=6)), max_size=5),
    st.sampled_from([2, 3, 1_000]),
)
def test_a_page_holds_what_the_rows_would(
    batches: list[tuple[str, list[NewEvent]]], page_size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(as_pages_and_as_rows(Path(folder) / "journal.db", batches, page_size))


def test_a_page_is_found_by_an_index_and_is_not_sorted(path: Path) -> None:
    db = open_writer(path, synchronous="FULL", busy_timeout_s=0)
    for page, rows, search in (
        ("page_of_stream", "read_stream", "(stream_id=? AND version>? AND version<?)"),
        ("page_of_all", "read_all", "(rowid>? AND rowid<?)"),
        ("page_of_all", "read_all_of_types", "(rowid>? AND rowid<?)"),
    ):
        text = _sql.paged(page, rows)
        names = dict.fromkeys(re.findall(r":(\w+)", text), 1)
        plan = [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {text}", names)]
        assert any(step.startswith("SEARCH event") and step.endswith(search) for step in plan), plan
        assert not any("SCAN event" in step or "TEMP B-TREE" in step for step in plan), plan
    db.close()


async def test_records_are_made_when_one_is_asked_for(path: Path) -> None:
    await make(SqliteJournal(path), events=10)
    async with SqliteJournal(path) as journal:
        [page] = await pages_of(journal)
        assert isinstance(page, Page)
        assert repr(page) == "<Page of 10 events>"
        assert len(page) == 10
        assert page[3] is page[3] is list(page)[3]


async def test_a_gap_that_a_hand_made_stays_visible(path: Path) -> None:
    await make(SqliteJournal(path), events=10)
    change(path, "DELETE FROM event WHERE version IN (4, 5, 9)")
    expected = [1, 2, 3, 6, 7, 8, 10]
    async with SqliteJournal(path) as journal:
        for page_size in (2, 3, 7, 1_000):
            pages = await pages_of(journal, page_size)
            assert [record.version for page in pages for record in page] == expected
            assert [version for page in pages for version, _, _ in facts(page)] == expected
            assert all(len(page) == page_size for page in pages[:-1])
        [page] = [page async for page in journal.read_all()]
        assert [record.position for record in page] == expected


async def test_an_event_id_of_another_length_comes_back_as_a_hand_stored_it(path: Path) -> None:
    await make(SqliteJournal(path), events=3)
    change(path, "UPDATE event SET event_id = x'00ff' WHERE version = 2")
    async with SqliteJournal(path) as journal:
        [page] = await pages_of(journal)
        assert [len(record.event_id) for record in page] == [16, 2, 16]
        [page] = [page async for page in journal.read_all()]
        assert [len(record.event_id) for record in page] == [16, 2, 16]


async def test_a_page_that_is_too_large_to_be_one_row_is_read_as_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_file, "_READ_LIMIT_BYTES", 30_000)
    async with SqliteJournal(path) as journal:
        new = [event(number, bytes([number]) * 9_000) for number in range(10)]
        await journal.append([Write("s", 0, new), write("t", 0)])
        for page_size, sizes in ((3, [3, 3, 3, 1]), (4, [4, 4, 2]), (1_000, [10])):
            pages = await pages_of(journal, page_size)
            assert [len(page) for page in pages] == sizes
            assert [r.payload for page in pages for r in page] == [e.payload for e in new]
        [page] = [page async for page in journal.read_all()]
        assert [r.payload for r in page] == [*(e.payload for e in new), b"payload"]
        [page] = [page async for page in journal.read_all(type_names=[new[0].type_name])]
        assert len(page) == 11
