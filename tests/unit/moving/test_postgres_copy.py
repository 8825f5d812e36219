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
from tests.support.moving import append, event, everything_in, fill
from tests.support.postgres import Server


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
