"""Positions on PostgreSQL: whatever commits when, nothing appears behind a reader."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from daicho.journal import Journal, Record, Write, verify
from daicho.journal.postgres import PostgresJournal, _journal, _pages
from daicho.testing.journal_contract import records_of
from tests.support.postgres import Server
from tests.support.postgres_by_hand import appended, by_hand, connection, event, until, write


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


async def test_events_of_a_rare_type_are_found_however_far_they_are(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement looks through some events, not through all."""
    monkeypatch.setattr(_pages, "_LOOKED_THROUGH", 3)
    async with journal_at(postgres_server, postgres_schema, patience_s=60.0) as journal:
        types = [*"aaaaaaabaaaabbbbbbbbbaaaaaaaaaac"]
        for version, type_name in enumerate(types):
            await journal.append([Write("s", version, [event()._replace(type_name=type_name)])])
        for wanted in ("a", "b", "c", "d", "ac"):
            for size in (1, 2, 100):
                pages = journal.read_all(type_names=[*wanted], page_size=size)
                found = [record.version for record in await records_of(pages)]
                assert found == [n + 1 for n, each in enumerate(types) if each in wanted]


async def test_a_long_stream_is_truncated_in_parts(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_journal, "_TRUNCATED_AT_ONCE", 3)
    async with journal_at(postgres_server, postgres_schema, patience_s=60.0) as journal:
        await journal.append([write("s", 0, 11), write("t", 0, 1)])
        assert await journal.truncate("s", to_version=2) == 2
        assert await journal.truncate("s", to_version=10) == 8
        assert await journal.truncate("s", to_version=10) == 0
        assert [record.version for record in await records_of(journal.read("s"))] == [11]


async def test_who_truncates_and_who_begins_a_chain_do_not_wait_for_each_other(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        journal_at(postgres_server, postgres_schema, patience_s=60.0) as one,
        journal_at(postgres_server, postgres_schema, patience_s=60.0) as other,
    ):
        count = 10
        await one.append([write("s", 0, count)])
        await one.begin_chain()

        async def truncate() -> None:
            for version in range(1, count):
                await one.truncate("s", to_version=version)

        truncating = asyncio.create_task(truncate())
        while not truncating.done():
            await other.begin_chain(anew=True)
        await truncating
        await other.begin_chain(anew=True)
        assert (await verify(one)).events == 1
