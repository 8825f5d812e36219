"""Writing to PostgreSQL: who else writes, what is lost on the way, what is acknowledged."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from daicho.errors import ConcurrencyConflict, JournalClosed, JournalUnavailable
from daicho.journal import Appended, Reply, Write, verify
from daicho.journal.postgres import PostgresJournal, _plan, _writer
from daicho.journal.postgres._sql import quoted
from daicho.testing.journal_contract import records_of
from tests.support.postgres import Server
from tests.support.postgres_by_hand import (
    appended,
    by_hand,
    connection,
    event,
    noted_statements,
    until,
    waits_for_a_lock,
    write,
)


async def test_who_waits_for_a_commit_that_was_first_learns_of_it(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as first,
    ):
        await journal.append([write("old")])
        await first.append(write("old", 1, 2), write("new"))
        task = asyncio.create_task(
            journal.append([write("old", 1), write("new"), write("another")])
        )
        await waits_for_a_lock(postgres_server)
        await first.commit()
        outcomes = await task
        assert [type(o) for o in outcomes] == [ConcurrencyConflict, ConcurrencyConflict, Appended]
        assert [o.actual for o in outcomes if isinstance(o, ConcurrencyConflict)] == [3, 1]


async def test_who_waits_for_a_commit_that_is_rolled_back_goes_on(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as first,
    ):
        await first.append(write("s"))
        task = asyncio.create_task(journal.append([write("s")]))
        await waits_for_a_lock(postgres_server)
        await first.roll_back()
        [outcome] = await task
        assert appended(outcome).version == 1


async def test_of_two_that_store_one_key_at_once_one_has_it(
    postgres_server: Server, postgres_schema: str
) -> None:
    reply = Reply("key", b"digest", "t", b"", 0, 0)
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as first,
    ):
        # Without events, so that there is nothing else in common.
        await first.append(Write("s", 0, [], replies=[reply]))
        task = asyncio.create_task(
            journal.append([Write("s", 0, [], replies=[reply]), write("other")])
        )
        await waits_for_a_lock(postgres_server)
        await first.commit()
        refused, stored = await task
        assert isinstance(refused, ConcurrencyConflict)
        assert "has a reply under the key 'key'" in str(refused)
        assert appended(stored).version == 1


@pytest.mark.parametrize("events", [1, 2])
async def test_a_version_is_not_free_again_because_its_event_was_truncated_meanwhile(
    postgres_server: Server, postgres_schema: str, events: int
) -> None:
    """Between the look at a stream and the insert it gets an event, which is truncated again."""
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as journal,
        PostgresJournal(postgres_server.url, schema=postgres_schema) as other,
        connection(postgres_server) as db,
    ):
        await journal.append([write("s")])
        # An append that waits just before its insert: for a trigger that waits for us.
        schema = quoted(postgres_schema)
        await db.execute(
            f"CREATE FUNCTION {schema}.wait() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END'"
        )
        await db.execute("SELECT pg_advisory_lock(77)")
        await db.execute(
            f"CREATE TRIGGER wait BEFORE INSERT ON {schema}.event FOR EACH STATEMENT"
            " WHEN (current_setting('daicho.test_waits', true) = 'on')"
            f" EXECUTE FUNCTION {schema}.wait()"
        )
        assert journal._open is not None
        writer, _ = journal._open
        assert writer is not None
        assert writer._db is not None
        await writer._db.execute("SET daicho.test_waits = 'on'")
        task = asyncio.create_task(journal.append([write("s", 1, events)]))
        await waits_for_a_lock(postgres_server)
        await other.append([write("s", 1)])
        await other.truncate("s", to_version=2)
        await db.execute("SELECT pg_advisory_unlock(77)")
        [outcome] = await task
        assert isinstance(outcome, ConcurrencyConflict)
        assert outcome.actual == 2
        assert await records_of(journal.read("s")) == []


async def test_what_was_under_way_when_the_connection_was_lost_may_be_stored_and_others_go_on(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        await hand.append(write("s"))
        lost = asyncio.create_task(journal.append([write("s")]))
        await waits_for_a_lock(postgres_server)
        later = asyncio.create_task(journal.append([write("later")]))
        await terminate(postgres_server)
        with pytest.raises(JournalUnavailable, match="read the stream again"):
            await lost
        [outcome] = await later
        assert appended(outcome).version == 1
        await hand.roll_back()
        [outcome] = await journal.append([write("s")])
        assert appended(outcome).version == 1


async def test_readers_and_an_idle_writer_notice_nothing_of_a_lost_connection(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        for version in range(5):
            await journal.append([write("s", version)])
            await terminate(postgres_server)
            assert (await journal.stream_info("s")).version == version + 1
            await terminate(postgres_server)


async def test_backends_that_are_terminated_under_load_lose_nothing_that_was_acknowledged(
    postgres_server: Server, postgres_schema: str
) -> None:
    chance = random.Random(1)
    rounds, streams = 20, [f"s{number}" for number in range(6)]
    unknown = 0

    async def write_on(journal: PostgresJournal, stream: str) -> list[bytes]:
        """Writes events one after another; returns those that have to be there."""
        nonlocal unknown
        stored: list[bytes] = []
        # Until some were lost on the way.
        while len(stored) < rounds or unknown < 3:
            payload = b"%d" % len(stored)
            while True:
                try:
                    [outcome] = await journal.append([Write(stream, len(stored), [event(payload)])])
                except JournalUnavailable:
                    unknown += 1
                    if (await info_of(journal, stream)) > len(stored):
                        break
                else:
                    # What was taken for lost may be stored after somebody looked.
                    if isinstance(outcome, ConcurrencyConflict):
                        assert outcome.actual == len(stored) + 1
                    break
            stored.append(payload)
        return stored

    async def info_of(journal: PostgresJournal, stream: str) -> int:
        while True:
            try:
                return (await journal.stream_info(stream)).version
            except JournalUnavailable:
                continue

    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        tasks = [asyncio.create_task(write_on(journal, stream)) for stream in streams]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(chance.uniform(0.001, 0.02))
            await terminate(postgres_server)
        expected = [await task for task in tasks]
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        for stream, payloads in zip(streams, expected, strict=True):
            records = await records_of(journal.read(stream))
            assert [record.payload for record in records] == payloads
            assert [record.version for record in records] == list(range(1, len(payloads) + 1))


async def test_a_commit_waits_for_the_disk_whatever_the_server_does_by_default(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema),
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        await hand.db.execute("SET synchronous_commit = off")
        # The two functions: of these the second is for one event.
        for version in range(2):
            await hand.append(write("s", version))
            assert await hand.db.fetchval("SHOW synchronous_commit") == "on"
            await hand.commit()
            assert await hand.db.fetchval("SHOW synchronous_commit") == "off"


async def test_one_event_for_a_stream_that_exists_takes_the_short_way_unless_there_is_a_chain(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = noted_statements(monkeypatch)
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        positions: list[int] = []
        for version in range(2):
            [outcome] = await journal.append([write("s", version)])
            assert appended(outcome).version == version + 1
            positions.append(appended(outcome).position)
        [outcome] = await journal.append([write("s", 1)])
        assert isinstance(outcome, ConcurrencyConflict)
        assert outcome.actual == 2
        records = await records_of(journal.read("s"))
        assert [record.position for record in records] == positions
        await journal.begin_chain()
        for version in range(2, 4):
            await journal.append([write("s", version)])
        assert (await verify(journal)).events == 4
    plain, short = "append_plain", "append_one"
    assert sent == [plain, short, short, plain, short, plain, plain]


async def test_a_stream_that_is_expected_too_early_or_too_late_is_where_it_is(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        await journal.append([write("a", 0, 5), write("b", 0, 5), write("c", 0, 5)])
        await journal.truncate("c", to_version=5)
        for stream in "abc":
            for count in (1, 2):
                for expected in (0, 3, 7):
                    [outcome] = await journal.append([write(stream, expected, count)])
                    assert isinstance(outcome, ConcurrencyConflict)
                    assert outcome.actual == 5
        for stream, count in (("a", 1), ("b", 2), ("c", 1)):
            [outcome] = await journal.append([write(stream, 5, count)])
            assert appended(outcome).version == 5 + count


async def test_appends_that_gather_are_one_transaction(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        results = await asyncio.gather(
            *(journal.append([write(f"s{number}")]) for number in range(50))
        )
        positions = [appended(outcome).position for [outcome] in results]
        assert positions == list(range(positions[0], positions[0] + 50))


async def test_an_append_that_is_too_large_is_refused_and_another_is_stored(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daicho.journal.postgres._journal.MAX_EVENTS", 3)
    monkeypatch.setattr("daicho.journal.postgres._journal.MAX_BYTES", 20)
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        with pytest.raises(ValueError, match="an append has 4 events, at most 3 are allowed"):
            await journal.append([write("s", 0, 2), write("t", 0, 2)])
        with pytest.raises(ValueError, match="payloads of 21 bytes, at most 20 are allowed"):
            await journal.append([Write("s", 0, [event(bytes(21))])])
        [outcome] = await journal.append([write("s", 0, 3)])
        assert appended(outcome).version == 3


async def test_a_batch_takes_no_more_than_it_may_hold(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_writer, "_BATCH_EVENTS", 3)
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        results = await asyncio.gather(
            *(journal.append([write(f"s{number}", 0, 2)]) for number in range(4))
        )
        positions = [appended(outcome).position for [outcome] in results]
        assert all(later - early >= _plan.MAX_EVENTS for early, later in pairwise(positions))


async def test_what_waits_when_the_journal_is_closed_is_stored(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as watching,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
            await hand.append(write("first"))
            tasks = [asyncio.create_task(journal.append([write("first")]))]
            await waits_for_a_lock(postgres_server)
            tasks.append(asyncio.create_task(journal.append([write("second")])))
            await asyncio.sleep(0)
            closing = asyncio.create_task(journal.__aexit__(None, None, None))
            await asyncio.sleep(0)
            with pytest.raises(JournalClosed):
                await journal.append([write("third")])
            await hand.roll_back()
            await closing
            for task in tasks:
                [outcome] = await task
                assert appended(outcome).version == 1
        assert [info.stream for info in await watching.list_streams()] == ["first", "second"]


async def test_who_is_cancelled_while_it_closes_leaves_nothing_open(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as watching,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        journal = PostgresJournal(postgres_server.url, schema=postgres_schema)
        await journal.__aenter__()
        await hand.append(write("s"))
        append = asyncio.create_task(journal.append([write("s")]))
        await waits_for_a_lock(postgres_server)
        closing = asyncio.create_task(journal.__aexit__(None, None, None))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await hand.roll_back()
        # What was accepted is stored all the same.
        [outcome] = await append
        assert appended(outcome).version == 1

        async def is_gone() -> bool:
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'daicho'"
            return bool(await hand.db.fetchval(count) == 1)

        await until(is_gone)
        assert (await watching.stream_info("s")).version == 1


async def terminate(server: Server) -> None:
    """Ends the backends of all journals, and waits until they are gone."""
    async with connection(server) as db:
        text = "FROM pg_stat_activity WHERE application_name = 'daicho'"
        pids = await db.fetchval(f"SELECT array_agg(pid) {text}")
        await db.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", pids)

        async def are_gone() -> bool:
            return not await db.fetchval(f"SELECT count(*) {text} AND pid = ANY ($1)", pids)

        await until(are_gone)
    # The loop hears of it, too.
    await asyncio.sleep(0.02)
