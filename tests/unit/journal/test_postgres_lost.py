"""Connections to PostgreSQL that break at any byte, fall silent, or lead to another server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import unquote

import asyncpg
import pytest

from daicho.errors import (
    JournalClosed,
    JournalCorrupt,
    JournalFull,
    JournalLocked,
    JournalRefused,
    JournalUnavailable,
    NotAJournal,
)
from daicho.journal import Appended, Outcome, Reply, Snapshot, StreamInfo
from daicho.journal.postgres import PostgresJournal
from daicho.journal.postgres._connections import Connection, Connections
from daicho.journal.postgres._errors import store_error
from daicho.journal.postgres._place import in_turn
from daicho.journal.postgres._sql import quoted
from daicho.testing.journal_contract import records_of
from tests.support.ledgers import turns
from tests.support.postgres import Server
from tests.support.postgres_by_hand import appended, by_hand, waits_for_a_lock, write
from tests.support.postgres_proxy import Proxy, Way

READERS = 4
"""Connections for readers, by default."""


def connections_of(journal: PostgresJournal) -> Connections:
    assert journal._open is not None
    _, connections = journal._open
    return connections


async def use_all(journal: PostgresJournal) -> None:
    """Lets all connections be made, and be idle."""
    await asyncio.gather(*(journal.stream_info("s") for _ in range(2 * READERS)))
    assert len(connections_of(journal)._idle) == READERS


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize("way", ["requests", "answers"])
async def test_an_append_that_is_cut_at_any_byte_is_stored_once_or_not_at_all(
    postgres_server: Server,
    postgres_schema: str,
    way: Way,
    prepared: bool,  # noqa: FBT001
) -> None:
    found: Counter[str] = Counter()
    versions = 0
    async with Proxy(postgres_server.url) as proxy:
        journal = PostgresJournal(
            proxy.url,
            schema=postgres_schema,
            prepared_statements=prepared,
            connections=2,
            notices=False,  # nothing else is to be cut
        )
        async with journal:
            for count in range(0, 400, 16):
                # What connects is as what is cut, so that nothing is asked for the first time then.
                await journal.append([write("connects", count // 8, 2)])
                proxy.cut_after(way, count)
                try:
                    [outcome] = await journal.append([write("s", versions, 2)])
                except JournalUnavailable:
                    # Who looks learns it, also where the cut comes while it looks.
                    version = (await journal.stream_info("s")).version
                    found["stored" if version > versions else "not stored"] += 1
                    assert version in (versions, versions + 2)
                    versions = version
                else:
                    found["acknowledged"] += 1
                    versions += 2
                    assert appended(outcome).version == versions
                proxy.spare()
            records = await records_of(journal.read("s"))
            assert [record.payload for record in records] == [
                b"s %d" % (n + 1) for n in range(versions)
            ]
    assert found["stored" if way == "answers" else "not stored"]


async def test_a_reader_takes_no_connection_of_which_the_server_has_taken_leave(
    postgres_server: Server, postgres_schema: str
) -> None:
    """The leave of all of them has come, and none is closed yet."""
    async with (
        Proxy(postgres_server.url) as proxy,
        PostgresJournal(proxy.url, schema=postgres_schema) as journal,
    ):
        await use_all(journal)
        proxy.keeps_ends = True
        postgres_server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'daicho'"
        )
        while proxy.kept_ends <= READERS:
            await asyncio.sleep(0.001)
        await turns(50)  # what has passed is read
        proxy.keeps_ends = False
        assert await journal.stream_info("s") == StreamInfo("s", 0, 0)
        [outcome] = await journal.append([write("s")])
        assert appended(outcome).version == 1


async def test_who_gets_no_answer_in_time_asks_once_and_others_ask_elsewhere(
    postgres_server: Server, postgres_schema: str
) -> None:
    """The network is gone, and does not say so."""
    asked = 0

    async def ask(db: Connection) -> None:
        nonlocal asked
        asked += 1
        await db.fetchval("SELECT 1")

    async with (
        Proxy(postgres_server.url) as proxy,
        PostgresJournal(proxy.url, schema=postgres_schema, answer_timeout_s=1.0) as journal,
    ):
        await use_all(journal)
        proxy.fall_silent()
        with pytest.raises(JournalUnavailable, match="did not answer in time"):
            await connections_of(journal).read(ask)
        assert asked == 1
        # None of the others that were idle is tried, which would not answer either.
        assert connections_of(journal)._idle == []
        await connections_of(journal).read(ask)
        assert asked == 2
        with pytest.raises(JournalUnavailable, match="read the stream again"):
            await journal.append([write("s")])
        version = (await journal.stream_info("s")).version
        [outcome] = await journal.append([write("s", version)])
        assert appended(outcome).version == version + 1


async def test_a_host_that_does_not_answer_keeps_nobody_from_the_others(
    postgres_server: Server, postgres_schema: str
) -> None:
    """The machine is gone, and nobody says so."""
    came = 0
    leave = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        came += 1
        await leave.wait()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent, Proxy(postgres_server.url) as proxy:
        port = silent.sockets[0].getsockname()[1]
        url = proxy.url.replace("host=", "host=127.0.0.1%2C").replace("port=", f"port={port}%2C")
        try:
            async with PostgresJournal(
                url, schema=postgres_schema, connect_timeout_s=4.0, notices=False
            ) as journal:
                await journal.append([write("s")])
                await use_all(journal)
                # All that came later began with the one that answers.
                assert came == 1
        finally:
            leave.set()


def test_each_host_of_a_url_comes_first_once() -> None:
    assert in_turn("postgresql://host:1/db?port=2") == ("postgresql://host:1/db?port=2",)
    assert in_turn("postgresql://me:x@one:1,two/db?schema=s") == (
        "postgresql://me:x@one:1,two/db?schema=s",
        "postgresql://me:x@two,one:1/db?schema=s",
    )
    assert [unquote(each) for each in in_turn("postgresql://me@/db?host=a,b,c&port=1,2,3")] == [
        "postgresql://me@/db?host=a,b,c&port=1,2,3",
        "postgresql://me@/db?host=b,c,a&port=2,3,1",
        "postgresql://me@/db?host=c,a,b&port=3,1,2",
    ]
    assert [unquote(each) for each in in_turn("postgresql://a,b/db?port=5433")] == [
        "postgresql://a,b/db?port=5433",
        "postgresql://b,a/db?port=5433",
    ]


async def test_what_is_stored_after_somebody_looked_is_refused_to_whoever_stores_it_again(
    postgres_server: Server, postgres_schema: str
) -> None:
    """Its connection was cut, its backend goes on, and waits for somebody else."""
    again = write("a")._replace(replies=[Reply("key", b"digest", "t", b"", 1, 0)])
    async with (
        Proxy(postgres_server.url) as proxy,
        PostgresJournal(proxy.url, schema=postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        await hand.append(write("z"))
        # It waits for the stream that the other one makes.
        lost = asyncio.create_task(journal.append([again, write("z")]))
        await waits_for_a_lock(postgres_server)
        proxy.cut()
        with pytest.raises(JournalUnavailable):
            await lost
        assert (await journal.stream_info("a")).version == 0
        repeated = asyncio.create_task(journal.append([again]))
        await waits_for_a_lock(postgres_server, 2)
        await hand.roll_back()
        outcomes: list[Outcome] = await repeated
        assert not isinstance(outcomes[0], Appended)
        [record] = await records_of(journal.read("a"))
        assert record.version == 1


async def test_a_server_that_takes_the_place_of_another_is_found_by_whoever_has_it_open(
    postgres_server: Server, postgres_schema: str
) -> None:
    """There is none for a moment, and what was not sent waits for it."""
    async with (
        Proxy(postgres_server.url) as proxy,
        PostgresJournal(proxy.url, schema=postgres_schema) as journal,
    ):
        await journal.append([write("s")])
        proxy.target = "postgresql:///nowhere?host=/nowhere"
        proxy.cut()
        await asyncio.sleep(0)
        reading = asyncio.create_task(journal.stream_info("s"))
        refused = proxy.refused
        while proxy.refused < refused + 3:
            await asyncio.sleep(0.001)
        proxy.target = postgres_server.url
        assert (await reading).version == 1
        [outcome] = await journal.append([write("s", 1)])
        assert appended(outcome).version == 2


async def test_an_append_that_the_server_gives_up_is_not_stored(
    postgres_server: Server, postgres_schema: str
) -> None:
    """It gives up before anybody here does, so that it is known what became of it."""
    async with (
        PostgresJournal(
            postgres_server.url, schema=postgres_schema, answer_timeout_s=2.0
        ) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        await hand.append(write("s"))
        with pytest.raises(JournalRefused, match="nothing was stored"):
            await journal.append([write("s")])
        await hand.roll_back()
        [outcome] = await journal.append([write("s")])
        assert appended(outcome).version == 1


async def test_what_takes_as_long_as_there_are_events_is_not_given_up(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(
            postgres_server.url, schema=postgres_schema, answer_timeout_s=0.2
        ) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        await hand.append(write("s"))
        chaining = asyncio.create_task(journal.begin_chain())
        await waits_for_a_lock(postgres_server)
        with pytest.raises(JournalUnavailable):
            await journal.append([write("t")])
        await hand.commit()
        await chaining
        root = await journal.root()
        assert root is not None
        assert root.position > 0


async def test_nobody_connects_once_it_is_closed(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        connections = connections_of(journal)
    with pytest.raises(JournalClosed):
        await connections.connect()


SNAPSHOT = Snapshot(stream="s", version=1, type_name="t", payload=b"", time_us=0)

CHANGES: dict[str, Callable[[PostgresJournal], Awaitable[object]]] = {
    "claim": lambda journal: journal.claim([1], "an owner"),
    "save a snapshot": lambda journal: journal.save_snapshot(SNAPSHOT),
    "delete snapshots": lambda journal: journal.delete_snapshots("s", max_version=1),
    "prune replies": lambda journal: journal.prune_replies(before_us=1),
    "truncate": lambda journal: journal.truncate("s", to_version=1),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_who_is_stopped_in_the_middle_of_a_change_holds_nothing(
    postgres_server: Server, postgres_schema: str, change: str
) -> None:
    """Each is one statement, which the server ends by itself."""
    said: list[str] = []
    async with PostgresJournal(
        postgres_server.url, schema=postgres_schema, connections=2, notices=False
    ) as journal:
        await journal.append([write("s")])
        await journal.stream_info("s")
        [db] = connections_of(journal)._idle
        db.add_query_logger(lambda query: said.append(query.query))
        await CHANGES[change](journal)
        await turns(5)  # it is told later
        changing = [text for text in said if "begin_writing" in text or "truncate_stream" in text]
        assert len(changing) == 1
        assert not [text for text in said if text.startswith(("BEGIN", "COMMIT"))]


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize("turns_before", range(6))
async def test_who_is_cancelled_leaves_no_transaction_to_the_next(
    postgres_server: Server,
    postgres_schema: str,
    turns_before: int,
    prepared: bool,  # noqa: FBT001
) -> None:
    async with PostgresJournal(
        postgres_server.url,
        schema=postgres_schema,
        connections=2,
        notices=False,
        prepared_statements=prepared,
    ) as journal:
        await journal.append([write("s", 0, 5)])
        await journal.stream_info("s")
        for use in (lambda: journal.claim([2], "cancelled"), lambda: journal.load("s")):
            task: asyncio.Task[object] = asyncio.create_task(use())
            await turns(turns_before)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            epochs = await journal.claim([1], "an owner")
            assert await journal.truncate("s", to_version=0) == 0
            async with PostgresJournal(postgres_server.url, schema=postgres_schema) as other:
                assert await other.claim([1], "another") == {1: epochs[1] + 1}


async def test_one_who_raises_when_he_is_told_keeps_nobody_else_from_being_told(
    postgres_server: Server, postgres_schema: str
) -> None:
    reported: list[object] = []
    told: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def raises(_: object) -> None:
        raise RuntimeError("not my day")

    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: reported.append(context.get("exception"))
    )
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        journal.append_soon([write("first")], lambda _: None)
        journal.append_soon([write("raises")], raises)
        journal.append_soon([write("last")], told.set_result)
        [outcome] = cast("list[Outcome]", await told)
        assert appended(outcome).version == 1
        assert [str(error) for error in reported] == ["not my day"]


async def test_what_the_server_has_refused_is_not_stored_and_it_says_so(
    postgres_server: Server, postgres_schema: str
) -> None:
    """As a trigger of the database's own does."""
    schema = quoted(postgres_schema)
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        postgres_server.run(
            f"CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'audit says no'; END $$",
            f"CREATE TRIGGER audit BEFORE INSERT ON {schema}.event"
            f" EXECUTE FUNCTION {schema}.refuse()",
        )
        with pytest.raises(JournalRefused, match=r"audit says no.*nothing was stored") as raised:
            await journal.append([write("s")])
        assert "pooler" not in str(raised.value)
        assert (await journal.stream_info("s")).version == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.DiskFullError("x"), JournalFull),
        (asyncpg.LockNotAvailableError("x"), JournalLocked),
        (asyncpg.DataCorruptedError("x"), JournalCorrupt),
        (asyncpg.IndexCorruptedError("x"), JournalCorrupt),
        (asyncpg.UndefinedFunctionError("x"), NotAJournal),
        (asyncpg.StatementCompletionUnknownError("x"), JournalUnavailable),
        (asyncpg.AdminShutdownError("x"), JournalUnavailable),
        (ConnectionResetError("x"), JournalUnavailable),
    ],
)
def test_what_the_server_says_is_told_in_the_words_of_daicho(
    error: Exception, kind: type[Exception]
) -> None:
    assert type(store_error("here", error)) is kind
