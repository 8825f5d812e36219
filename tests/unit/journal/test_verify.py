"""A chained journal whose file somebody has changed: the first that is not right is named."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daicho.errors import ChainBroken, JournalCorrupt, NotChained
from daicho.journal import HistoryRoot, MemoryJournal, Parcel, SqliteJournal, Write, verify
from daicho.journal.chain import GENESIS, content_of, links_of
from tests.support.moving import event, snapshot
from tests.unit.journal.sqlite_help import Earlier, write

STREAMS = 3
EVENTS = 24


async def fill(journal: SqliteJournal) -> HistoryRoot:
    """Events of three streams by turns; the root of position 12, which somebody notes."""
    noted = HistoryRoot(0, GENESIS)
    for number in range(EVENTS):
        stream = f"stream {number % STREAMS}"
        await journal.append([Write(stream, number // STREAMS, [event(number)])])
        if number + 1 == EVENTS // 2:
            root = await journal.root()
            assert root is not None
            noted = root
    return noted


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    async with SqliteJournal(tmp_path / "journal.db", chained=True) as journal:
        await fill(journal)
    return tmp_path / "journal.db"


@pytest.fixture
async def noted(path: Path) -> HistoryRoot:
    """The root of the position 12."""
    async with SqliteJournal(path, read_only=True) as journal:
        links = [link async for page in journal.read_chain() for link in page]
    return HistoryRoot(12, links[11].root)


def edit(path: Path, *statements: str) -> None:
    """Changes the file as somebody with an SQLite shell can."""
    # The same library as the journal's: another in one process would take its locks away.
    db = apsw.Connection(str(path))
    for statement in statements:
        db.execute(statement)
        assert db.changes(), statement
    db.close()


async def broken(path: Path, *noted: HistoryRoot) -> ChainBroken:
    async with SqliteJournal(path, read_only=True) as journal:
        with pytest.raises(ChainBroken) as raised:
            await verify(journal, noted=noted)
    return raised.value


async def test_a_history_that_nobody_has_touched_is_verified(
    path: Path, noted: HistoryRoot
) -> None:
    seen: list[tuple[int, int]] = []
    async with SqliteJournal(path) as journal:
        root = await journal.root()
        assert root is not None
        verified = await verify(journal, noted=[root, noted], show=lambda *at: seen.append(at))
    assert verified == (EVENTS, 0, root)
    assert root.position == EVENTS
    assert str(root) == f"24:{root.digest.hex()}"
    assert HistoryRoot.parse(f" {root}\n") == root


@pytest.mark.parametrize(
    "change",
    [
        "type_name = 'test.v1.Other'",
        "payload = cast(x'00' || payload AS BLOB)",
        "payload = x''",
        "event_id = zeroblob(16)",
        "time_us = time_us + 1",
        "correlation_id = 'another'",
        "causation_id = ''",
        "command_id = NULL",
    ],
)
async def test_an_event_that_was_changed_is_named(path: Path, change: str) -> None:
    edit(path, f"UPDATE event SET {change} WHERE position IN (9, 15)")
    error = await broken(path)
    assert (error.position, error.stream, error.version) == (9, "stream 2", 3)
    assert "it is not what its link says" in str(error)


@pytest.mark.parametrize("what", ["hash", "root"])
async def test_a_link_that_was_changed_is_named(path: Path, what: str) -> None:
    edit(path, f"UPDATE chain SET {what} = zeroblob(32) WHERE position = 9")
    error = await broken(path)
    assert (error.position, error.stream, error.version) == (9, "stream 2", 3)


async def test_an_event_that_was_removed_is_named(path: Path) -> None:
    edit(path, "DELETE FROM event WHERE position = 9")
    error = await broken(path)
    assert (error.position, error.stream, error.version) == (9, "stream 2", 3)
    assert "it was removed" in str(error)


async def test_an_event_that_was_removed_with_its_link_is_noticed_at_the_next(path: Path) -> None:
    edit(path, *(f"DELETE FROM {table} WHERE position = 9" for table in ("event", "chain")))
    error = await broken(path)
    assert (error.position, error.stream) == (10, "stream 0")
    assert "after position 8 something was removed" in str(error)


async def test_the_end_of_history_is_missed_where_its_root_was_noted(
    path: Path, noted: HistoryRoot
) -> None:
    edit(path, *(f"DELETE FROM {table} WHERE position > 11" for table in ("event", "chain")))
    async with SqliteJournal(path, read_only=True) as journal:
        assert (await verify(journal)).root.position == 11
    error = await broken(path, noted)
    assert error.position == 12
    assert "history ends before the root that was noted" in str(error)


async def test_events_that_changed_places_are_named(path: Path) -> None:
    edit(
        path,
        "UPDATE event SET position = 99 WHERE position = 9",
        "UPDATE event SET position = 9 WHERE position = 10",
        "UPDATE event SET position = 10 WHERE position = 99",
    )
    error = await broken(path)
    assert (error.position, error.stream, error.version) == (9, "stream 0", 4)
    assert "it was moved" in str(error)


async def test_versions_that_changed_places_are_named(path: Path) -> None:
    edit(
        path,
        "UPDATE event SET version = 99 WHERE position = 9",
        "UPDATE event SET version = 3 WHERE position = 12",
        "UPDATE event SET version = 4 WHERE position = 9",
    )
    error = await broken(path)
    assert (error.position, error.stream, error.version) == (9, "stream 2", 4)
    assert "it was moved" in str(error)


async def test_an_event_of_another_stream_is_named(path: Path) -> None:
    edit(path, "UPDATE event SET stream_id = 1, version = 99 WHERE position = 9")
    error = await broken(path)
    assert (error.position, error.stream, error.version) == (9, "stream 0", 99)


async def test_a_stream_that_was_renamed_is_named(path: Path) -> None:
    edit(path, "UPDATE stream SET name = 'mine' WHERE name = 'stream 1'")
    error = await broken(path)
    assert (error.position, error.stream, error.version) == (2, "mine", 1)


INSERT = """
    INSERT INTO event (position, stream_id, version, type_name, payload, event_id, time_us)
    VALUES ({}, 3, {}, 't', x'', zeroblob(16), 0)
"""


async def test_an_event_that_was_inserted_is_named(path: Path) -> None:
    edit(path, INSERT.format(30, 9))
    # It comes after all that has a link: whoever goes on notices.
    async with SqliteJournal(path) as journal, SqliteJournal(path) as other:
        goes_on = [
            journal.append([Write("stream 0", 8, [event(99)])]),
            journal.append([Write("new", 0, [event(99)])]),
            journal.truncate("stream 2", to_version=9),
            other.restore(Parcel({"stream 2": 9})),
        ]
        for doing in goes_on:
            with pytest.raises(ChainBroken, match="the newest event has no link") as raised:
                await doing
            assert raised.value.position == 30
        # What has nothing to do with it goes on, also in one transaction.
        appended, saved = await asyncio.gather(
            journal.append([Write("new", 0, [event(99)])]),
            journal.save_snapshot(snapshot("stream 0", 8)),
            return_exceptions=True,
        )
        assert isinstance(appended, ChainBroken)
        assert saved is None
    error = await broken(path)
    assert (error.position, error.stream, error.version) == (30, "stream 2", 9)
    assert "it has no link: it was inserted" in str(error)


async def test_an_event_that_was_inserted_with_a_link_is_named(path: Path) -> None:
    edit(
        path,
        "DELETE FROM event WHERE position = 9",
        "UPDATE chain SET position = 9 WHERE position = 9",
        INSERT.format(9, 3),
    )
    async with SqliteJournal(path, read_only=True) as journal:
        records = [record async for page in journal.read_all() for record in page]
    link = links_of("", GENESIS, {}, records[:9])[-1]
    edit(path, f"UPDATE chain SET hash = x'{link.hash.hex()}' WHERE position = 9")
    error = await broken(path)
    assert (error.position, error.stream) == (9, "stream 2")
    assert "its root does not follow" in str(error)
    # With a root that follows, it is the next one that does not.
    edit(path, f"UPDATE chain SET root = x'{link.root.hex()}' WHERE position = 9")
    assert (await broken(path)).position == 10


async def test_a_new_chain_over_a_changed_history_does_not_come_to_the_root_that_was_noted(
    path: Path, noted: HistoryRoot
) -> None:
    edit(path, "UPDATE event SET payload = x'00' WHERE position = 9")
    async with SqliteJournal(path) as journal:
        await journal.begin_chain(anew=True)
        assert (await verify(journal)).events == EVENTS
        with pytest.raises(ChainBroken, match="the root that was noted is another one") as raised:
            await verify(journal, noted=[noted])
    assert raised.value.position == noted.position


async def test_what_is_not_right_is_said_of_a_history_that_was_truncated(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        await journal.truncate("stream 2", to_version=3)
        assert await verify(journal) == (EVENTS - 3, 3, await journal.root())
    # What nobody has truncated is not forgotten, but gone.
    edit(path, "DELETE FROM event WHERE position = 12")
    error = await broken(path)
    assert (error.position, error.stream, error.version) == (12, "stream 2", 4)


async def test_a_stream_cannot_be_passed_off_as_one_that_was_truncated(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        await journal.truncate("stream 2", to_version=8)
        assert (await verify(journal)).forgotten == 8
    # Its links say whose they are, and their roots say that, too.
    edit(
        path,
        "DELETE FROM event WHERE stream_id = 2",
        "UPDATE chain SET stream_id = 3, version = version + 8 WHERE stream_id = 2",
        "UPDATE stream SET truncated_to = 16 WHERE id = 3",
    )
    assert (await broken(path)).position == 2


async def test_half_a_chain_is_never_begun(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with SqliteJournal(path, chained=True) as journal:
        await journal.append([write("s", 0, count=1_200)])
        before = await journal.root()
    edit(path, "UPDATE event SET type_name = cast(x'ff' AS TEXT) WHERE position = 1100")
    async with SqliteJournal(path) as journal:
        with pytest.raises(JournalCorrupt, match="a text in it is not UTF-8"):
            await journal.begin_chain(anew=True)
        assert await journal.root() == before


async def test_truncating_while_it_is_verified_is_no_change(tmp_path: Path) -> None:
    async with SqliteJournal(tmp_path / "journal.db", chained=True) as journal:
        await journal.append([write("s", 0, count=3_500)])
        truncated = False

        async def truncate() -> None:
            nonlocal truncated
            truncated = True
            await journal.truncate("s", to_version=3_000)

        tasks: list[asyncio.Task[None]] = []
        verified = await verify(
            journal, show=lambda *_: tasks.append(asyncio.create_task(truncate()))
        )
        await asyncio.gather(*tasks)
        assert truncated
        assert verified.events + verified.forgotten == 3_500


async def test_a_program_that_knows_no_chains_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Earlier(path, 2) as older:
        older.append(write("s", 0))
        async with SqliteJournal(path, chained=True) as journal:
            await journal.append([write("s", 1)])
            older.append(write("s", 2))
            with pytest.raises(ChainBroken, match="what appended it did not know of the chain"):
                await journal.append([write("s", 3)])
            assert (await journal.stream_info("s")).version == 3
            with pytest.raises(ChainBroken):
                await journal.append([write("another", 0)])
            # Once that is explained, it can go on.
            await journal.begin_chain(anew=True)
            await journal.append([write("s", 3)])
            assert (await verify(journal)).events == 4


async def test_two_processes_go_on_with_one_chain(path: Path) -> None:
    async with SqliteJournal(path) as one, SqliteJournal(path) as other:
        for number in range(8, 12):
            await one.append([Write("stream 0", number, [event(number)])])
            await other.append([Write("stream 1", number, [event(number)])])
            await one.append([Write("stream 2", number, [event(number)])])
        assert (await verify(one)).events == EVENTS + 12


async def test_a_chain_that_another_process_begins_or_makes_anew_is_gone_on_with(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    async with SqliteJournal(path) as one, SqliteJournal(path) as other:
        await one.append([write("s", 0), write("t", 0)])
        await other.begin_chain()
        await one.append([write("s", 1)])
        edit(path, "UPDATE event SET payload = x'00' WHERE position = 1")
        await other.begin_chain(anew=True)
        await one.append([write("s", 2), write("t", 1)])
        assert (await verify(one)).events == 5


async def test_what_is_not_chained_cannot_be_verified() -> None:
    async with MemoryJournal() as journal:
        with pytest.raises(NotChained, match="'daicho chain' begins one"):
            await verify(journal)
        await journal.begin_chain()
        assert await verify(journal) == (0, 0, HistoryRoot(0, GENESIS))
        with pytest.raises(ChainBroken):
            await verify(journal, noted=[HistoryRoot(0, bytes(31) + b"1")])


@pytest.mark.parametrize(
    "text", ["", "5", "5:", "x:" + "0" * 64, "05:" + "0" * 64, "5:" + "0" * 63]
)
def test_what_is_no_root_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="as 'daicho root' prints it"):
        HistoryRoot.parse(text)


TEXTS = st.text(max_size=3)
CONTENTS = st.tuples(
    TEXTS,
    st.binary(max_size=3),
    st.binary(min_size=16, max_size=16),
    st.integers(-5, 5),
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.none() | TEXTS,
)
PLACED = st.tuples(TEXTS, st.integers(1, 3), CONTENTS)


@given(PLACED, PLACED)
def test_no_two_events_have_the_same_bytes(
    one: tuple[str, int, tuple[str, bytes, bytes, int, None, None, None]],
    other: tuple[str, int, tuple[str, bytes, bytes, int, None, None, None]],
) -> None:
    assert (content_of(*one) == content_of(*other)) == (one == other)


TABLES = {
    "event": ["stream_id", "version", "type_name", "payload", "event_id", "time_us", "command_id"],
    "chain": ["stream_id", "version", "hash", "root"],
}
OTHER = {
    "stream_id": "stream_id % 3 + 1",
    "version": "version + 100",
    "time_us": "time_us - 1",
    "type_name": "type_name || '!'",
    "command_id": "coalesce(command_id, '') || '!'",
}
COLUMNS = [(table, column) for table, columns in TABLES.items() for column in columns]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(COLUMNS), st.integers(1, EVENTS), st.data())
def test_any_value_that_was_changed_is_found_where_it_is(
    place: tuple[str, str], position: int, data: st.DataObject
) -> None:
    table, column = place

    async def found() -> ChainBroken:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "journal.db"
            async with SqliteJournal(path, chained=True, synchronous="NORMAL") as journal:
                await fill(journal)
            change = OTHER.get(column) or f"x'{data.draw(st.binary(max_size=40)).hex()}'"
            # Versions of a stream are unique, so it gets one that nobody has.
            more = ", version = 999" if (table, column) == ("event", "stream_id") else ""
            edit(path, f"UPDATE {table} SET {column} = {change}{more} WHERE position = {position}")
            return await broken(path)

    error = asyncio.run(found())
    assert error.position == position
