"""Chains on PostgreSQL: one order for all who append, and what was changed is found."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from daicho.errors import ChainBroken, ConcurrencyConflict
from daicho.journal import (
    SqliteJournal,
    slice_of,
    verify,
)
from daicho.journal.postgres import PostgresJournal
from daicho.journal.postgres._sql import quoted
from daicho.moving import copy
from daicho.testing.journal_contract import records_of
from tests.support.postgres import Server
from tests.support.postgres_by_hand import appended, by_hand, connection, waits_for_a_lock, write

WRITERS = 4
APPENDS = 30


def journal_at(server: Server, schema: str, *, chained: bool = False) -> PostgresJournal:
    return PostgresJournal(server.url, schema=schema, chained=chained, patience_s=60.0)


async def append_much(journal: PostgresJournal, writer: int, epochs: dict[int, int]) -> int:
    """Appends to a stream of its own and to one of all, each time again until it fits."""
    version = shared = 0
    for _ in range(APPENDS):
        mine = write(f"of {writer}", version)._replace(epoch=epochs.get(slice_of(f"of {writer}")))
        [outcome, other] = await journal.append([mine, write("of all", shared)])
        version = appended(outcome).version
        shared = other.actual if isinstance(other, ConcurrencyConflict) else appended(other).version
    return version


async def test_all_who_append_at_once_go_on_with_one_chain(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with AsyncExitStack() as stack:
        journals = [
            await stack.enter_async_context(
                journal_at(postgres_server, postgres_schema, chained=True)
            )
            for _ in range(WRITERS)
        ]
        # Who names an epoch has his transaction's id early.
        epochs = await journals[0].claim([slice_of("of 0"), slice_of("of 1")], "an owner")
        await asyncio.gather(
            *(append_much(journal, number, epochs) for number, journal in enumerate(journals))
        )
        records = await records_of(journals[0].read_all())
        assert len(records) > WRITERS * APPENDS
        assert (await verify(journals[0])).events == len(records)


async def test_a_chain_that_is_begun_while_others_append_has_all_they_append(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        journal_at(postgres_server, postgres_schema) as one,
        journal_at(postgres_server, postgres_schema) as other,
        journal_at(postgres_server, postgres_schema) as third,
    ):
        writing = [
            asyncio.create_task(append_much(journal, number, {}))
            for number, journal in enumerate((one, other))
        ]
        while not await records_of(third.read_all()):
            await asyncio.sleep(0)
        await third.begin_chain()
        for number in range(3):
            await third.append([write("third", number)])
        await third.begin_chain(anew=True)
        await asyncio.gather(*writing)
        assert (await verify(third)).events == len(await records_of(third.read_all()))


@pytest.mark.parametrize("version", [0, 1])
async def test_one_that_had_begun_to_append_before_the_chain_appends_again(
    postgres_server: Server, postgres_schema: str, version: int
) -> None:
    async with (
        journal_at(postgres_server, postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        if version:
            await journal.append([write("late")])
        await hand.append(write("early"))
        beginning = asyncio.create_task(journal.begin_chain())
        await waits_for_a_lock(postgres_server)
        appending = asyncio.create_task(journal.append([write("late", version)]))
        # It has seen no chain, and waits behind who begins one.
        await waits_for_a_lock(postgres_server, 2)
        await hand.commit()
        await beginning
        await appending
        assert (await verify(journal)).events == 2 + version


async def test_what_was_changed_is_named(postgres_server: Server, postgres_schema: str) -> None:
    async with journal_at(postgres_server, postgres_schema, chained=True) as journal:
        for version in range(4):
            await journal.append([write("a", version), write("b", version)])
        changed = (await records_of(journal.read("b")))[1]
        async with connection(postgres_server) as db:
            await db.execute(
                f"UPDATE {quoted(postgres_schema)}.event SET payload = 'x' WHERE position = $1",
                changed.position,
            )
        with pytest.raises(ChainBroken) as raised:
            await verify(journal)
        found = raised.value
        assert (found.position, found.stream, found.version) == (changed.position, "b", 2)


async def test_an_event_that_was_inserted_stops_who_appends_until_it_is_explained(
    postgres_server: Server, postgres_schema: str
) -> None:
    schema = quoted(postgres_schema)
    async with journal_at(postgres_server, postgres_schema, chained=True) as journal:
        await journal.append([write("a")])
        async with connection(postgres_server) as db:
            position = await db.fetchval(
                f"INSERT INTO {schema}.event (position, stream_id, version, time_us, event_id,"
                " type_name, payload) SELECT max(position) + 1, max(stream_id), 2, 0,"
                f" decode(repeat('00', 16), 'hex'), 't', '' FROM {schema}.event RETURNING position"
            )
        for stream, version in (("a", 2), ("b", 0)):
            with pytest.raises(ChainBroken, match="the newest event has no link") as raised:
                await journal.append([write(stream, version)])
            assert raised.value.position == position
        await journal.begin_chain(anew=True)
        await journal.append([write("a", 2)])
        assert (await verify(journal)).events == 3


async def test_history_is_verified_beside_a_transaction_that_holds_readers_back(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(
            postgres_server.url, schema=postgres_schema, chained=True, patience_s=0.0
        ) as journal,
        connection(postgres_server) as other,
        other.transaction(),
    ):
        await journal.append([write("a")])
        await other.execute("CREATE TEMPORARY TABLE t ()")
        await journal.append([write("a", 1)])
        assert (await verify(journal)).events == 1


async def test_a_chained_journal_is_the_same_on_either_engine(
    postgres_server: Server, postgres_schema: str, tmp_path: object
) -> None:
    async with (
        SqliteJournal(f"{tmp_path}/first.db", chained=True) as first,
        journal_at(postgres_server, postgres_schema) as middle,
        SqliteJournal(f"{tmp_path}/last.db") as last,
    ):
        for version in range(6):
            await first.append([write("a", version, count=1), write(f"b{version}")])
        await first.truncate("a", to_version=4)
        moved = await copy(first, middle)
        assert moved.root == await middle.root() == await first.root()
        await middle.append([write("a", 6), write("b0", 1)])
        moved = await copy(middle, last)
        assert moved.root == await last.root() == await middle.root()
        assert (await verify(last)).forgotten == 4
