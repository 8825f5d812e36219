"""The article's tables as a journal: its rows, what they cannot hold, and what can go wrong.

What every journal promises is in ``tests/contract``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daicho.errors import (
    ConcurrencyConflict,
    JournalCorrupt,
    JournalLocked,
    JournalReadOnly,
    JournalUnavailable,
    NotAJournal,
    StoreError,
    Unsupported,
)
from daicho.journal import Appended, Feature, NewEvent, Snapshot, StreamInfo, Write
from tests.unit.journal.sqlite_help import content, locked, unprivileged
from wallet.article_file import open_article, rows
from wallet.article_journal import ArticleJournal
from wallet.article_rows import event_row, record_of
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet

TIME_US = 1_685_063_472_120_000  # 2023-05-26 01:11:12.12 UTC
ARTICLE = Path(__file__).parents[3] / "src/wallet/article_schema.sql"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db.sqlite3"


def event(message: ReceiveMoney | PaymentMoney, time_us: int = TIME_US) -> NewEvent:
    name = message.DESCRIPTOR.full_name
    return NewEvent(name, message.SerializeToString(), UUID(int=1).bytes, time_us)


def write(version: int, *amounts: int, user: str = "user_id") -> Write:
    return Write(user, version, [event(ReceiveMoney(amount=amount)) for amount in amounts])


def snapshot(version: int, deposit: int) -> Snapshot:
    return Snapshot(
        stream="user_id",
        version=version,
        type_name=Wallet.DESCRIPTOR.full_name,
        payload=Wallet(deposit=deposit).SerializeToString(),
        time_us=TIME_US,
    )


# With apsw, as the journal does: the locks of two copies of SQLite in one process do not meet.
def select(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(apsw.Connection(str(path))) as db:
        return rows(db, statement)


def change(path: Path, *statements: str) -> None:
    with closing(apsw.Connection(str(path))) as db:
        for statement in statements:
            db.execute(statement)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def protect(path: Path, mode: int) -> None:
    path.chmod(mode)


async def amounts(journal: ArticleJournal, user: str = "user_id") -> list[int]:
    found: list[int] = []
    async for page in journal.read(user):
        found += [ReceiveMoney.FromString(record.payload).amount for record in page]
    return found


# --- rows -----------------------------------------------------------------------------------------


async def test_the_rows_are_those_of_the_article(path: Path) -> None:
    async with ArticleJournal(path) as journal:
        events = [event(ReceiveMoney(amount=12000)), event(PaymentMoney(amount=2**63 - 1))]
        await journal.append([Write("user_id", 0, events)])
        await journal.save_snapshot(snapshot(2, -5))
    time = "2023-05-26 01:11:12.120000+00:00"
    assert select(path, "SELECT * FROM wallet_event") == [
        ("user_id", 1, "receive_money", 12000, time),
        ("user_id", 2, "payment_money", 2**63 - 1, time),
    ]
    assert select(path, "SELECT * FROM wallet_snapshot") == [("user_id", 2, -5)]
    types = "SELECT typeof(version), typeof(event_value), typeof(timestamp) FROM wallet_event"
    assert set(select(path, types)) == {("integer", "integer", "text")}


async def test_the_tables_are_made_by_the_sql_of_the_article(path: Path) -> None:
    async with ArticleJournal(path):
        pass
    made = select(path, "SELECT sql FROM sqlite_schema WHERE type = 'table'")
    statements = ARTICLE.read_text().split(";")
    assert [sql for (sql,) in made if isinstance(sql, str)] == [
        # SQLite keeps a statement as it was written, but for its first words.
        statement.strip().replace("create table", "CREATE TABLE")
        for statement in statements[:2]
    ]


@given(
    st.sampled_from([ReceiveMoney, PaymentMoney]),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
)
def test_an_event_comes_back_from_its_row(
    cls: type[ReceiveMoney | PaymentMoney], amount: int, time_us: int
) -> None:
    stored = event(cls(amount=amount), time_us)
    record = record_of("the store", "user_id", (1, *event_row("the journal", stored)))
    assert (record.type_name, record.payload, record.time_us) == (
        stored.type_name,
        stored.payload,
        stored.time_us,
    )


@pytest.mark.parametrize(
    ("timestamp", "time_us"),
    [
        ("2023-05-26 01:11:12.12+00:00", TIME_US),
        ("2023-05-26 10:11:12.12+09:00", TIME_US),
        ("2023-05-25 18:11:12.120000789-07:00", TIME_US),
        ("2023-05-26 01:11:12.119999999+00:00", TIME_US - 1),
        ("2023-05-26 01:11:12+00:00", TIME_US - 120_000),
        ("2023-05-26 01:11:12", TIME_US - 120_000),
        ("2023-05-26T01:11:12.12Z", TIME_US),
        ("1969-12-31 23:59:59.999999+00:00", -1),
    ],
)
def test_a_time_is_read_as_drivers_of_sqlite_write_it(timestamp: str, time_us: int) -> None:
    record = record_of("the store", "user_id", (1, "receive_money", 5, timestamp))
    assert record.time_us == time_us


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ((1.5, "receive_money", 5, "2023-05-26"), "wallet_event of 'user_id' has the version 1.5"),
        (
            (1, "receive_money", "5x", "2023-05-26"),
            "version 1 of 'user_id' has the event_value '5x'",
        ),
        ((1, "receive_money", 5.5, "2023-05-26"), "event_value 5.5, which is no whole number"),
        ((1, "ReceiveMoney", 5, "2023-05-26"), "event_name 'ReceiveMoney', which is none of ours"),
        ((1, b"receive_money", 5, "2023-05-26"), "event_name b'receive_money'"),
        ((1, "receive_money", 5, "noon"), "version 1 of 'user_id' has the timestamp 'noon'"),
        ((1, "receive_money", 5, 1_685_063_472), "1685063472, which is no text"),
    ],
)
def test_a_row_that_the_article_never_writes_is_an_error_that_names_it(
    row: tuple[object, ...], text: str
) -> None:
    with pytest.raises(JournalCorrupt) as raised:
        record_of("the store", "user_id", row)
    assert raised.value.store == "the store"
    assert text in raised.value.reason


async def test_a_row_that_is_damaged_is_found_wherever_it_is_read(path: Path) -> None:
    async with ArticleJournal(path) as journal:
        await journal.append([write(0, 1, 2)])
        await journal.save_snapshot(snapshot(2, 3))
        change(path, "UPDATE wallet_event SET version = 'x' WHERE version = 2")
        change(path, "UPDATE wallet_snapshot SET deposit = 'much'")
        for use in (
            journal.stream_info("user_id"),
            journal.list_streams(),
            journal.append([write(2, 3)]),
            journal.load_snapshot("user_id"),
        ):
            with pytest.raises(JournalCorrupt, match="restore it from a backup"):
                await use
    assert len(select(path, "SELECT * FROM wallet_event")) == 2


# --- what does not fit ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "feature", "reason"),
    [
        (
            event(ReceiveMoney(amount=1))._replace(type_name="wallet.v1.Wallet"),
            Feature.ANY_TYPE,
            "no column for a wallet.v1.Wallet, only for wallet.v1.ReceiveMoney",
        ),
        (
            # A second field, of a program that is newer than the table.
            event(ReceiveMoney())._replace(payload=b"\x08\x05\x10\x07"),
            Feature.ANY_TYPE,
            "of these bytes, only for its amount",
        ),
        (
            event(PaymentMoney())._replace(payload=b"\xff"),
            Feature.ANY_TYPE,
            "of these bytes, only for its amount",
        ),
        (
            event(ReceiveMoney())._replace(causation_id="c"),
            Feature.METADATA,
            "has no columns for ids",
        ),
    ],
)
async def test_an_event_that_does_not_fit_is_refused_with_the_whole_append(
    path: Path, wrong: NewEvent, feature: Feature, reason: str
) -> None:
    async with ArticleJournal(path) as journal:
        with pytest.raises(Unsupported) as raised:
            await journal.append([write(0, 1), Write("other", 0, [wrong])])
        assert raised.value.journal == repr(journal)
        assert raised.value.feature == feature.value
        assert reason in raised.value.reason
        assert await journal.list_streams() == []


@pytest.mark.parametrize("payload", [b"\x08\x05\x10\x07", b"\xff"])
async def test_a_snapshot_that_does_not_fit_is_refused(path: Path, payload: bytes) -> None:
    wrong = Snapshot(
        stream="user_id",
        version=1,
        type_name=Wallet.DESCRIPTOR.full_name,
        payload=payload,
        time_us=0,
    )
    async with ArticleJournal(path) as journal:
        with pytest.raises(Unsupported, match="only for its deposit"):
            await journal.save_snapshot(wrong)
        assert await journal.list_snapshots("user_id") == []


async def test_the_one_snapshot_is_the_one_that_was_stored_last(path: Path) -> None:
    async with ArticleJournal(path) as journal:
        for version in (5, 15, 10):
            await journal.save_snapshot(snapshot(version, version))
        assert [found.version for found in await journal.list_snapshots("user_id")] == [10]
        assert await journal.load_snapshot("user_id", max_version=9) is None


async def test_events_that_were_deleted_by_hand_are_a_truncation(path: Path) -> None:
    async with ArticleJournal(path) as journal:
        await journal.append([write(0, 1, 2, 3, 4)])
        change(path, "DELETE FROM wallet_event WHERE version <= 2")
        assert await journal.stream_info("user_id") == StreamInfo("user_id", 4, 2)
        assert await journal.list_streams() == [StreamInfo("user_id", 4, 2)]
        assert await amounts(journal) == [3, 4]
        assert await journal.append([write(4, 5)]) == [Appended(5, 0)]


# --- other writers --------------------------------------------------------------------------------


async def test_of_two_journals_on_one_file_one_is_told(path: Path) -> None:
    async with ArticleJournal(path) as first, ArticleJournal(path) as second:
        assert await first.append([write(0, 1)]) == [Appended(1, 0)]
        [outcome] = await second.append([write(0, 2)])
        assert isinstance(outcome, ConcurrencyConflict)
        assert outcome.actual == 1
        assert await second.append([write(1, 3)]) == [Appended(2, 0)]
        assert await amounts(first) == [1, 3]


async def test_a_file_that_another_process_writes_is_told_and_nothing_is_stored(path: Path) -> None:
    async with ArticleJournal(path, busy_timeout_s=0) as journal:
        await journal.append([write(0, 1)])
        with locked(path):
            with pytest.raises(JournalLocked, match="another process holds it"):
                await journal.append([write(1, 2)])
            with pytest.raises(JournalLocked):
                await journal.save_snapshot(snapshot(1, 1))
            assert await amounts(journal) == [1]
            with pytest.raises(JournalLocked):
                await ArticleJournal(path, busy_timeout_s=0).__aenter__()
        assert await journal.append([write(1, 2)]) == [Appended(2, 0)]


async def test_the_loop_goes_on_while_another_program_writes(path: Path) -> None:
    """It ends here what it waits for, so it would wait in vain if it held up the loop."""
    async with ArticleJournal(path) as journal:
        with locked(path):
            waiting = asyncio.create_task(journal.append([write(0, 1)]))
            await asyncio.sleep(0.05)
        assert await waiting == [Appended(1, 0)]
        with closing(apsw.Connection(str(path))) as reader:
            reader.execute("BEGIN; SELECT * FROM wallet_event").fetchall()
            waiting = asyncio.create_task(journal.append([write(1, 2)]))
            await asyncio.sleep(0.05)
        assert await waiting == [Appended(2, 0)]


async def test_a_commit_that_a_reader_delays_is_not_half_done(path: Path) -> None:
    """In SQLite's own default a reader holds up no transaction but its end."""
    async with ArticleJournal(path, busy_timeout_s=0) as journal:
        await journal.append([write(0, 1)])
        with closing(apsw.Connection(str(path))) as reader:
            reader.execute("BEGIN; SELECT * FROM wallet_event").fetchall()
            with pytest.raises(JournalLocked):
                await journal.append([write(1, 2)])
        assert await journal.append([write(1, 3)]) == [Appended(2, 0)]
        assert await amounts(journal) == [1, 3]


async def test_a_file_that_shrank_under_it_is_told(path: Path) -> None:
    async with ArticleJournal(path) as journal:
        await journal.append([write(0, *range(500))])
        cut(path, 4096)
        with pytest.raises(StoreError):
            await journal.append([write(500, 1)])


# --- opening --------------------------------------------------------------------------------------


async def test_the_folder_holds_nothing_but_the_file(path: Path) -> None:
    async with ArticleJournal(path) as journal:
        await journal.append([write(0, 1)])
        assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_the_file_stays_in_the_journal_mode_that_it_is_in(path: Path) -> None:
    async with ArticleJournal(path) as journal:
        await journal.append([write(0, 1)])
    assert select(path, "PRAGMA journal_mode") == [("delete",)]
    assert select(path, "PRAGMA journal_mode = WAL") == [("wal",)]
    async with ArticleJournal(path) as journal:
        await journal.append([write(1, 2)])
    assert select(path, "PRAGMA journal_mode") == [("wal",)]
    assert select(path, "SELECT count(*) FROM wallet_event") == [(2,)]


def test_a_commit_waits_for_the_disk_and_for_the_folder(path: Path) -> None:
    db = open_article(path, busy_timeout_s=0)
    # EXTRA: with FULL alone, a rollback journal may be found again after a loss of power.
    assert rows(db, "PRAGMA synchronous") == [(3,)]
    db.close()


async def test_tables_that_somebody_wrote_in_another_way_are_taken(path: Path) -> None:
    change(
        path,
        "CREATE TABLE migrations (id INTEGER)",
        "CREATE TABLE wallet_snapshot (deposit INTEGER NOT NULL, saved_version INTEGER,"
        " user_id VARCHAR(255) NOT NULL PRIMARY KEY)",
        "CREATE TABLE wallet_event (user_id TEXT, version INTEGER, event_name TEXT,"
        " event_value BIGINT, timestamp TIMESTAMP, PRIMARY KEY (user_id, version))",
    )
    async with ArticleJournal(path) as journal:
        await journal.append([write(0, 1)])
        await journal.save_snapshot(snapshot(1, 1))
        assert await amounts(journal) == [1]


async def test_an_empty_file_is_a_new_journal(path: Path) -> None:
    """The original's driver makes one when it opens what is not there."""
    change(path, "PRAGMA user_version")
    assert content(path.parent) == {path.name: b""}
    async with ArticleJournal(path) as journal:
        assert await journal.append([write(0, 1)]) == [Appended(1, 0)]


@contextmanager
def left_behind(path: Path) -> Iterator[None]:
    """Afterwards every file of the folder is as it was."""
    before = content(path.parent)
    yield
    assert content(path.parent) == before


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE TABLE customer (name TEXT)", "its tables are not the article's"),
        ("CREATE TABLE wallet_event (user_id TEXT)", "its tables are not the article's"),
        ("PRAGMA application_id = 7", "its application id is 0x00000007, not 0"),
        ("PRAGMA application_id = 1147224936", "it is a journal of Daicho's own"),
    ],
)
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
async def test_a_database_of_something_else_is_refused_and_stays_as_it_was(
    path: Path, statement: str, reason: str, mode: str
) -> None:
    change(path, f"PRAGMA journal_mode = {mode}", statement)
    with left_behind(path), pytest.raises(NotAJournal) as raised:
        await ArticleJournal(path).__aenter__()
    assert reason in raised.value.reason


async def test_a_file_whose_name_sqlite_cannot_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAJournal, match="to SQLite, a file's name is UTF-8"):
        await ArticleJournal(tmp_path / "\udcff").__aenter__()


async def test_a_file_that_may_not_be_read_or_written_is_refused(open_folder: Path) -> None:
    path = open_folder / "db.sqlite3"
    async with ArticleJournal(path) as journal:
        await journal.append([write(0, 1)])
    protect(path, 0o444)
    with unprivileged(), pytest.raises(JournalReadOnly, match="give this user the right"):
        await ArticleJournal(path).__aenter__()
    protect(path, 0)
    with unprivileged(), pytest.raises(JournalUnavailable, match="Permission denied"):
        await ArticleJournal(path).__aenter__()
    protect(path, 0o666)
    protect(open_folder, 0o555)
    with unprivileged():
        async with ArticleJournal(path) as journal:
            with pytest.raises(JournalReadOnly, match="give this user the right"):
                await journal.append([write(1, 2)])
            assert await amounts(journal) == [1]


async def test_a_journal_that_could_not_be_opened_can_be_tried_again(path: Path) -> None:
    journal = ArticleJournal(path, busy_timeout_s=0)
    async with ArticleJournal(path):
        pass
    with locked(path), pytest.raises(JournalLocked):
        await journal.__aenter__()
    async with journal:
        assert await journal.append([write(0, 1)]) == [Appended(1, 0)]


def test_its_name_says_which_file_it_is(path: Path) -> None:
    assert repr(ArticleJournal(path)) == f"ArticleJournal({str(path)!r})"
