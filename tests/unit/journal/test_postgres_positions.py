"""Positions on PostgreSQL: whatever commits when, nothing appears behind a reader."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from daicho.journal import Journal, Record
from daicho.journal.postgres import PostgresJournal
from daicho.journal.postgres._sql import quoted
from daicho.testing.journal_contract import records_of
from tests.support.postgres import Server
from tests.support.postgres_by_hand import appended, by_hand, connection, until, write


def journal_at(server: Server, schema: str, *, patience_s: float = 0.0) -> PostgresJournal:
    return PostgresJournal(server.url, schema=schema, patience_s=patience_s)


async def streams_of(journal: Journal) -> list[str]:
    return [record.stream for record in await records_of(journal.read_all())]


async def test_what_commits_late_is_not_behind_a_reader(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as early,
    ):
        [first] = await early.append(write("early"))
        [second] = await journal.append([write("late")])
        assert appended(first).position < appended(second).position
        # What was acknowledged is there for who asks for its stream.
        assert (await journal.stream_info("late")).version == 1
        assert await streams_of(journal) == []
        assert await journal.last_position() == 0
        await early.commit()
        assert await streams_of(journal) == ["early", "late"]
        assert await journal.last_position() == appended(second).position


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_order_transactions_end_in_a_follower_sees_all_in_the_order_of_positions(
    postgres_server: Server, postgres_schema: str, seed: int
) -> None:
    chance = random.Random(seed)
    followed: list[Record] = []
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        AsyncExitStack() as stack,
    ):

        async def follow() -> None:
            after = followed[-1].position if followed else 0
            last = await journal.last_position()
            found = await records_of(journal.read_all(after_position=after, page_size=3))
            followed.extend(found)
            assert all(record.position > after for record in found)
            # Who has read up to there has passed it.
            assert not found or last <= found[-1].position

        running = []
        committed = 0
        for number in range(24):
            hand = await stack.enter_async_context(by_hand(postgres_server, postgres_schema))
            count = chance.randint(1, 4)
            await hand.append(write(f"{number}", count=count))
            running.append((hand, count))
            while running and chance.random() < 0.45:
                hand, count = running.pop(chance.randrange(len(running)))
                if chance.random() < 0.2:
                    await hand.roll_back()
                else:
                    await hand.commit()
                    committed += count
                await follow()
        for hand, count in running:
            await hand.commit()
            committed += count
            await follow()
        assert followed == await records_of(journal.read_all())
        assert len(followed) == committed


async def test_a_writer_that_rolls_back_leaves_a_gap_and_nothing_else(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        [before] = await journal.append([write("a")])
        await hand.append(write("a", 1), write("b"))
        await hand.roll_back()
        [after] = await journal.append([write("a", 1)])
        assert appended(after).position > appended(before).position + 1
        assert await streams_of(journal) == ["a", "a"]
        assert [info.stream for info in await journal.list_streams()] == ["a"]


async def test_a_transaction_of_somebody_else_delays_readers_and_is_named(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        connection(postgres_server, "a report") as other,
    ):
        assert (await journal.health()).held_back_by is None
        transaction = other.transaction()
        await transaction.start()
        await other.execute("CREATE TEMPORARY TABLE t ()")
        [outcome] = await journal.append([write("a")])
        position = appended(outcome).position
        assert await streams_of(journal) == []
        health = await journal.health()
        assert (health.last_position, health.newest_position) == (0, position)
        assert health.held_back_by is not None
        assert health.held_back_by.application_name == "a report"
        assert health.held_back_by.pid == other.get_server_pid()
        await transaction.rollback()
        health = await journal.health()
        assert (health.last_position, health.held_back_by) == (position, None)
        assert await streams_of(journal) == ["a"]


async def test_a_transaction_that_only_reads_delays_nobody(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        connection(postgres_server) as other,
        other.transaction(isolation="repeatable_read"),
    ):
        await other.fetchval("SELECT count(*) FROM pg_class")
        await journal.append([write("a")])
        assert await streams_of(journal) == ["a"]


async def test_a_reader_is_patient(postgres_server: Server, postgres_schema: str) -> None:
    async with (
        journal_at(postgres_server, postgres_schema, patience_s=600.0) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        await hand.append(write("early"))
        [outcome] = await journal.append([write("late")])
        last, all_of_it = (
            asyncio.create_task(journal.last_position()),
            asyncio.create_task(streams_of(journal)),
        )
        looks = 0

        async def looked() -> bool:
            nonlocal looks
            await journal.stream_info("late")
            looks += 1
            return looks > 20

        await until(looked)
        assert not last.done()
        assert not all_of_it.done()
        await hand.commit()
        assert await last == appended(outcome).position
        assert await all_of_it == ["early", "late"]


async def test_positions_go_on_where_the_ids_of_transactions_begin_anew(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with journal_at(postgres_server, postgres_schema) as journal:
        [kept, gone] = await journal.append([write("a"), write("b")])
        await journal.truncate("b", to_version=1)
    # As on a new server that has not come so far.
    postgres_server.run(
        f"UPDATE {quoted(postgres_schema)}.journal SET origin = origin + (1::bigint << 50)"
    )
    async with journal_at(postgres_server, postgres_schema) as journal:
        assert await streams_of(journal) == ["a"]
        assert await journal.last_position() == appended(gone).position
        [outcome] = await journal.append([write("a", 1)])
        assert appended(outcome).position > appended(gone).position > appended(kept).position
        assert await streams_of(journal) == ["a", "a"]
