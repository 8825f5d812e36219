"""From SQLite to PostgreSQL and back: all of it is what it was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from daicho.cli import main
from daicho.errors import JournalsDiffer
from daicho.journal import MemoryJournal, SqliteJournal, Write
from daicho.journal.postgres import PostgresJournal
from daicho.moving import copy
from tests.support.moving import append, event, everything_in, fill, reply, snapshot
from tests.support.postgres import Server
from tests.support.postgres_by_hand import connection


async def test_there_and_back_it_has_one_digest(
    postgres_server: Server, postgres_schema: str, tmp_path: Path
) -> None:
    async with (
        SqliteJournal(tmp_path / "source.db") as source,
        PostgresJournal(postgres_server.url, schema=postgres_schema) as there,
        SqliteJournal(tmp_path / "back.db") as back,
    ):
        await fill(source)
        moved = await copy(source, there)
        assert await everything_in(there) == await everything_in(source)
        returned = await copy(there, back)
        assert await everything_in(back) == await everything_in(source)
        assert (moved.digest, moved.counts) == (returned.digest, returned.counts)
        # Done again it brings what came since.
        await append(source, "whole", 3, replies=True)
        await append(source, "new", 2)
        await copy(source, there)
        assert await everything_in(there) == await everything_in(source)


async def test_what_was_appended_on_the_server_can_be_copied_anywhere(
    postgres_server: Server, postgres_schema: str, tmp_path: Path
) -> None:
    with postgres_server.schema() as other_schema:
        async with (
            PostgresJournal(postgres_server.url, schema=postgres_schema) as source,
            PostgresJournal(postgres_server.url, schema=other_schema) as other,
            SqliteJournal(tmp_path / "back.db") as back,
            MemoryJournal() as memory,
        ):
            await fill(source)
            digests = {(await copy(source, target)).digest for target in (other, back, memory)}
            assert len(digests) == 1
            for target in (other, back, memory):
                assert await everything_in(target) == await everything_in(source)
                # And it goes on there, beyond all positions that there were.
                last = await target.last_position()
                await append(target, "whole", 1)
                assert await target.last_position() > last


async def test_no_reply_or_snapshot_comes_without_the_events_that_it_rests_on(
    postgres_server: Server, postgres_schema: str
) -> None:
    """A transaction that runs for long keeps events from readers of the whole journal."""
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema, patience_s=0) as source,
        MemoryJournal() as target,
        connection(postgres_server) as other,
    ):
        await append(source, "s", 2, replies=True)
        await source.save_snapshot(snapshot("s", 2))
        transaction = other.transaction()
        await transaction.start()
        await other.execute("CREATE TEMPORARY TABLE t ()")
        # In one append each: what reads the last position in between would not get any further.
        for version, key in ((2, "s-3"), (3, "s-4")):
            taken = snapshot("s", version + 1)
            write = Write("s", version, [event(version)], None, [reply(key, version + 1)], taken)
            await source.append([write])
        await source.append([Write("no stream", 0, [], replies=[reply("rejected")])])
        moved = await copy(source, target)
        assert (moved.counts.events, moved.counts.replies, moved.counts.snapshots) == (2, 3, 1)
        assert [each.reply.key for each in await target.list_replies()] == [
            "rejected",
            "s-1",
            "s-2",
        ]
        await transaction.rollback()
        await copy(source, target)
        assert await everything_in(target) == await everything_in(source)
        assert len(await target.list_replies()) == 5


async def test_a_schema_that_holds_something_else_is_left_as_it_is(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        MemoryJournal() as source,
        PostgresJournal(postgres_server.url, schema=postgres_schema) as target,
    ):
        await fill(source)
        await target.append([Write("else", 0, [event(1)])])
        before = await everything_in(target)
        with pytest.raises(JournalsDiffer):
            await copy(source, target)
        assert await everything_in(target) == before


def test_a_file_is_copied_to_a_server_by_the_command_line(
    postgres_server: Server,
    postgres_schema: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def make() -> None:
        async with SqliteJournal(tmp_path / "wallet.db") as journal:
            await fill(journal)

    asyncio.run(make())
    joint = "&" if "?" in postgres_server.url else "?"
    url = f"{postgres_server.url}{joint}schema={quote(postgres_schema)}"
    files = [f"sqlite:///{tmp_path}/wallet.db", f"sqlite:///{tmp_path}/back.db"]
    for source, target in ((files[0], url), (url, files[1])):
        assert main(["copy", source, target]) == 0
    first, second = capsys.readouterr().out.split("copied and compared: ")[1:]
    assert first == second
    assert first.startswith("9 events, 3 snapshots, 6 replies, 3 truncated streams")
