"""A journal on PostgreSQL that was brought elsewhere: another store, which goes on behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from daicho.errors import HistoryWentBack
from daicho.journal import (
    Appended,
    Feature,
    Parcel,
    Reply,
    Snapshot,
    StreamInfo,
    bookmark,
    position_after,
    slice_of,
)
from daicho.journal.postgres import PostgresJournal
from daicho.journal.postgres._sql import quoted, statements
from daicho.testing.journal_contract import records_of
from tests.support.postgres import Server
from tests.support.postgres_by_hand import (
    appended,
    by_hand,
    connection,
    is_brought_elsewhere,
    waits_for_a_lock,
    write,
)


def journal_at(server: Server, schema: str, *, read_only: bool = False) -> PostgresJournal:
    return PostgresJournal(server.url, schema=schema, read_only=read_only)


def has_not_come(server: Server, schema: str, lost: Appended) -> None:
    """As on a server to which the last event has not come."""
    server.run(f"DELETE FROM {quoted(schema)}.event WHERE position = {lost.position}")


def has_ids_begin_anew(server: Server, schema: str) -> None:
    """As on a new server, whose transactions have not come so far."""
    server.run(f"UPDATE {quoted(schema)}.journal SET origin = origin + (1::bigint << 50)")


async def test_a_database_that_was_brought_elsewhere_is_another_store(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with journal_at(postgres_server, postgres_schema) as journal:
        assert Feature.INCARNATIONS in journal.features
        [outcome] = await journal.append([write("a")])
        kept = await bookmark(journal, (await records_of(journal.read_all()))[-1])
        before = await journal.incarnations()
    is_brought_elsewhere(postgres_server, postgres_schema)
    lost = kept._replace(position=kept.position + 1)
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        journal_at(postgres_server, postgres_schema) as other,
    ):
        *older, own = await journal.incarnations()
        assert older == before
        assert own.after_position == appended(outcome).position
        assert await other.incarnations() == [*older, own]
        assert await position_after(journal, kept) == kept.position
        with pytest.raises(HistoryWentBack) as raised:
            await position_after(journal, lost)
        assert raised.value.common == kept.position


async def test_history_is_kept_as_far_as_all_of_it_was_over(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        [settled] = await journal.append([write("settled")])
        [early] = await hand.append(write("early"))
        [late] = await journal.append([write("late")])
        # A server to which it was not brought has `late` all the same, which was committed before.
        await hand.roll_back()
        is_brought_elsewhere(postgres_server, postgres_schema)
        async with journal_at(postgres_server, postgres_schema) as elsewhere:
            kept = (await elsewhere.incarnations())[-1].after_position
        assert appended(settled).position <= kept < appended(early).position
        # What is restored comes while nobody else writes, and what is truncated leaves its mark.
        await elsewhere.__aenter__()
        position = appended(late).position
        await elsewhere.restore(Parcel({}, last_position=position + (1 << 60)))
        await elsewhere.append([write("last")])
        await elsewhere.truncate("last", to_version=1)
        last = await elsewhere.last_position()
        is_brought_elsewhere(postgres_server, postgres_schema)
        await elsewhere.__aexit__()
        async with journal_at(postgres_server, postgres_schema) as elsewhere:
            assert (await elsewhere.incarnations())[-1].after_position == last


async def test_positions_go_on_where_the_ids_of_transactions_begin_anew(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with journal_at(postgres_server, postgres_schema) as journal:
        [kept, gone] = await journal.append([write("a"), write("b")])
        await journal.truncate("b", to_version=1)
    has_ids_begin_anew(postgres_server, postgres_schema)
    # Who reads before anybody has written there sees all of it.
    for read_only in (True, False):
        async with journal_at(postgres_server, postgres_schema, read_only=read_only) as journal:
            assert [record.stream for record in await records_of(journal.read_all())] == ["a"]
            assert await journal.last_position() == appended(gone).position
    async with journal_at(postgres_server, postgres_schema) as journal:
        [outcome] = await journal.append([write("a", 1)])
        assert appended(outcome).position > appended(gone).position > appended(kept).position
        assert len(await records_of(journal.read_all())) == 2


async def test_streams_get_new_numbers_where_only_their_rows_were_brought(
    postgres_server: Server, postgres_schema: str
) -> None:
    """As by a subscription, which brings no sequences."""
    async with journal_at(postgres_server, postgres_schema) as journal:
        await journal.append([write("a"), write("b")])
    schema = quoted(postgres_schema)
    postgres_server.run(f"ALTER SEQUENCE {schema}.stream_id_seq RESTART")
    is_brought_elsewhere(postgres_server, postgres_schema)
    async with journal_at(postgres_server, postgres_schema) as journal:
        [outcome] = await journal.append([write("c")])
        assert appended(outcome).version == 1
        assert [len((await journal.load(name)).page) for name in "abc"] == [1, 1, 1]


SNAPSHOT = Snapshot(stream="a", version=1, type_name="t", payload=b"", time_us=0)

CHANGES: dict[str, Callable[[PostgresJournal], Awaitable[object]]] = {
    "append one": lambda journal: journal.append([write("a", 1)]),
    "append": lambda journal: journal.append([write("a", 1, 2)]),
    "truncate": lambda journal: journal.truncate("a", to_version=1),
    "claim": lambda journal: journal.claim([slice_of("a")], "an owner"),
    "restore": lambda journal: journal.restore(Parcel({"b": 1}, last_position=1 << 61)),
    "chain": lambda journal: journal.begin_chain(),
    "save a snapshot": lambda journal: journal.save_snapshot(SNAPSHOT),
    "delete snapshots": lambda journal: journal.delete_snapshots("a", max_version=1),
    "prune replies": lambda journal: journal.prune_replies(before_us=1),
}


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize("change", CHANGES)
async def test_who_has_it_open_notices_before_anything_is_changed_there(
    postgres_server: Server,
    postgres_schema: str,
    change: str,
    prepared: bool,  # noqa: FBT001
) -> None:
    """A pooler leads to another server, and its clients' connections stay."""
    journal = PostgresJournal(
        postgres_server.url, schema=postgres_schema, prepared_statements=prepared
    )
    async with journal:
        reply = Reply("key", b"digest", "t", b"", 1, 0)
        await journal.append([write("a")._replace(replies=[reply], snapshot=SNAPSHOT)])
        before = await journal.incarnations()
        is_brought_elsewhere(postgres_server, postgres_schema)
        await CHANGES[change](journal)
        assert len(await journal.incarnations()) == len(before) + 1


async def test_a_server_that_was_started_again_is_the_same_store(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with journal_at(postgres_server, postgres_schema) as journal:
        [before] = await journal.append([write("a")])
        history = await journal.incarnations()
        postgres_server.run(f"UPDATE {quoted(postgres_schema)}.journal SET started = 'epoch'")
        [after] = await journal.append([write("a", 1)])
        assert await journal.incarnations() == history
        assert appended(after).position - appended(before).position < 1 << 40


@pytest.mark.parametrize("version", [0, 1])
async def test_who_appends_while_another_journal_is_restored_comes_behind_it(
    postgres_server: Server, postgres_schema: str, version: int
) -> None:
    restored = 1 << 60
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        connection(postgres_server) as db,
    ):
        await journal.append([write("a", 0, version)] if version else [])
        # The same in its order as `restore`, with a pause in the middle.
        schema = quoted(postgres_schema)
        transaction = db.transaction()
        await transaction.start()
        await db.execute(f"LOCK TABLE {schema}.event IN SHARE ROW EXCLUSIVE MODE")
        appending = asyncio.create_task(journal.append([write("a", version)]))
        await waits_for_a_lock(postgres_server)
        await db.execute(
            f"UPDATE {schema}.journal SET last_position = {restored},"
            f" origin = (pg_current_xact_id()::text::bigint << 20) - {restored}"
        )
        await transaction.commit()
        [outcome] = await appending
        assert isinstance(outcome, Appended)
        assert outcome.position > restored


async def test_who_restores_waits_for_those_who_append(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        [early] = await hand.append(write("early"))
        restoring = asyncio.create_task(
            journal.restore(Parcel({}, last_position=appended(early).position))
        )
        await waits_for_a_lock(postgres_server)
        await hand.commit()
        await restoring
        [late] = await journal.append([write("late")])
        assert appended(late).position > appended(early).position


async def test_who_truncates_what_has_not_come_to_another_server_is_told(
    postgres_server: Server, postgres_schema: str
) -> None:
    schema = quoted(postgres_schema)
    async with journal_at(postgres_server, postgres_schema) as journal:
        await journal.append([write("a", 0, 3)])
        look = journal.stream_info

        async def looks_before_it_is_elsewhere(stream: str) -> StreamInfo:
            found = await look(stream)
            postgres_server.run(f"DELETE FROM {schema}.event WHERE version > 1")
            is_brought_elsewhere(postgres_server, postgres_schema)
            return found

        journal.stream_info = looks_before_it_is_elsewhere  # type: ignore[method-assign]
        with pytest.raises(ValueError, match="1"):
            await journal.truncate("a", to_version=3)
        assert await journal.truncate("a", to_version=1) == 1


async def test_positions_leap_also_where_nothing_was_appended_since_they_did(
    postgres_server: Server, postgres_schema: str
) -> None:
    """The second server has the arrival at the first one and nothing that was appended there."""
    async with journal_at(postgres_server, postgres_schema) as journal:
        await journal.append([write("a")])
        is_brought_elsewhere(postgres_server, postgres_schema)
        [lost] = await journal.append([write("b")])
        has_not_come(postgres_server, postgres_schema, appended(lost))
        is_brought_elsewhere(postgres_server, postgres_schema)
        [new] = await journal.append([write("c")])
        assert appended(new).position - appended(lost).position > 1 << 45


async def test_positions_leap_also_where_the_newest_event_is_old(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with journal_at(postgres_server, postgres_schema) as journal:
        await journal.append([write("a")])
        # As after 2^30 transactions of others.
        postgres_server.run(
            f"UPDATE {quoted(postgres_schema)}.journal SET origin = origin - (1::bigint << 50)"
        )
        [lost] = await journal.append([write("b")])
        has_not_come(postgres_server, postgres_schema, appended(lost))
        is_brought_elsewhere(postgres_server, postgres_schema)
        [new] = await journal.append([write("c")])
        assert appended(new).position - appended(lost).position > 1 << 45


async def test_two_servers_that_take_over_from_one_give_different_epochs(
    postgres_server: Server, postgres_schema: str
) -> None:
    given: set[int] = set()
    schema = quoted(postgres_schema)
    async with journal_at(postgres_server, postgres_schema) as journal:
        for _ in range(3):
            is_brought_elsewhere(postgres_server, postgres_schema)
            given |= {epoch for _, epoch in (await journal.claim([1], "an owner")).items()}
            # The next one has not seen it.
            postgres_server.run(f"UPDATE {schema}.slice_owner SET epoch = 0")
    assert len(given) == 3
    assert min(given) > 1 << 32


async def test_who_had_an_id_before_a_restore_comes_behind_it_or_begins_anew(
    postgres_server: Server, postgres_schema: str
) -> None:
    """It makes its stream first, and then waits to insert an event."""
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        connection(postgres_server) as db,
    ):
        schema = quoted(postgres_schema)
        await journal.append([write("a")])
        hold = db.transaction()
        await hold.start()
        await db.execute(f"LOCK TABLE {schema}.event IN SHARE ROW EXCLUSIVE MODE")
        appending = asyncio.create_task(journal.append([write("b")]))
        await waits_for_a_lock(postgres_server)
        restored = await journal.last_position() + (1 << 10)
        await db.execute(statements(postgres_schema)["raise_position"], restored)
        await hold.commit()
        [outcome] = await appending
        assert appended(outcome).position > restored
        assert await journal.last_position() == appended(outcome).position
