"""Servers that lose connections, crash, stand still or hand over, while everybody goes on asking.

Whoever gets an error asks again under the same key. In the end each command was done once, each
answer is the one that was given, and events are where they were acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

import asyncpg
import pytest

import daicho
from daicho.errors import (
    DaichoError,
    HistoryWentBack,
    JournalUnavailable,
    JournalUnreachable,
    SliceLost,
)
from daicho.journal import Record, bookmark, position_after, slice_of
from daicho.journal.postgres import PostgresJournal
from daicho.testing.journal_contract import records_of
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.crash.keyed_wallets import CLIENTS, Outcomes, Wallet, outcome, settle
from tests.support.mortal_server import MortalServer
from tests.support.postgres_by_hand import ByHand, appended, until, write
from tests.support.postgres_proxy import Proxy

LONGEST_PAUSE_S = 0.2
STANDS_STILL_S = min(30.0, 0.6 * TIMES)


class Load:
    """Clients of an application that ask until they have an answer, for ever."""

    def __init__(self, app: daicho.App) -> None:
        self.app = app
        self.answered: Outcomes = {}
        self.told = 0
        self._numbers = itertools.count(1)

    async def client(self) -> None:
        for number in self._numbers:
            version, deposit = await self.surely(number)
            self.answered[number] = version, deposit

    async def surely(self, number: int) -> list[int]:
        while True:
            try:
                return await outcome(self.app, number)
            except DaichoError:
                self.told += 1
                await asyncio.sleep(0.02)

    async def more(self, count: int) -> None:
        """Returns when so many more have their answers."""
        wanted = len(self.answered) + count

        async def so_many() -> bool:
            return len(self.answered) >= wanted

        await until(so_many)


@asynccontextmanager
async def load(url: str, options: str = "") -> AsyncGenerator[Load]:
    """A load that ends with the context; then all is looked at."""
    async with daicho.open(url + options, entities=[Wallet], ask_timeout_s=120) as app:
        found = Load(app)
        async with asyncio.TaskGroup() as clients:
            tasks = [clients.create_task(found.client()) for _ in range(CLIENTS)]
            try:
                yield found
            finally:
                for task in tasks:
                    task.cancel()
    async with daicho.open(url, entities=[Wallet], ask_timeout_s=120) as app:
        await settle(app, found.answered, range(1, max(found.answered) + CLIENTS + 1))


async def end_backends(server: MortalServer, how: str) -> None:
    """Ends the backends of journals, all of them or one."""
    db = await asyncpg.connect(server.url)
    try:
        await db.execute(f"SELECT pg_terminate_backend(pid) {how}")
    finally:
        await db.close()


JOURNALS = "FROM pg_stat_activity WHERE application_name = 'daicho'"


@pytest.mark.crash
async def test_backends_that_are_terminated_all_the_time_lose_and_double_nothing(
    mortal: MortalServer,
    mortal_url: str,
    tried: Try,
) -> None:
    seed = seeded(520)
    chance = random.Random(seed)
    times = 20 * TIMES
    async with load(mortal_url) as found:
        await found.more(1)
        for _ in range(times):
            await asyncio.sleep(chance.uniform(0.0, 0.03))
            one = chance.choice(["", " ORDER BY random() LIMIT 1"])
            await end_backends(mortal, JOURNALS + one)
        await found.more(2 * CLIENTS)
    fault = "backends of PostgreSQL terminated under load"
    tried(Tried(fault, times, seed, len(found.answered), told=found.told))


@pytest.mark.crash
async def test_a_backend_that_is_killed_takes_the_server_down_and_nothing_with_it(
    mortal: MortalServer,
    mortal_url: str,
    tried: Try,
) -> None:
    """The server ends all other backends then, and recovers; meanwhile it lets nobody in."""
    seed = seeded(530)
    chance = random.Random(seed)
    times = 2 * TIMES
    async with load(mortal_url) as found:
        for _ in range(times):
            await found.more(chance.randrange(1, 300))
            mortal.kill_child(chance)
            await found.more(2 * CLIENTS)
    fault = "kill -9 of one backend of PostgreSQL"
    tried(Tried(fault, times, seed, len(found.answered), told=found.told))


@pytest.mark.crash
@pytest.mark.parametrize("patient", [True, False])
async def test_a_server_that_stands_still_for_a_while_loses_and_doubles_nothing(
    mortal: MortalServer,
    mortal_url: str,
    tried: Try,
    patient: bool,  # noqa: FBT001
) -> None:
    """Who waits longer than that hears nothing of it; who does not is told."""
    options = "&connect_timeout_s=60" if patient else "&answer_timeout_s=0.5"
    async with load(mortal_url, options) as found:
        await found.more(100)
        with mortal.stopped():
            await asyncio.sleep(STANDS_STILL_S)
            while not (patient or found.told):
                await asyncio.sleep(0.01)
        await found.more(2 * CLIENTS)
    assert bool(found.told) is not patient
    fault = "SIGSTOP of a PostgreSQL server, " + ("waited for" if patient else "given up")
    tried(Tried(fault, 1, 0, len(found.answered), told=found.told))


@pytest.mark.crash
async def test_a_server_that_takes_over_goes_on_with_all_that_was_acknowledged(
    mortal: MortalServer,
    mortal_url: str,
    tried: Try,
) -> None:
    """The first is killed; another one has its data; and after a moment its clients get there."""
    seed = seeded(540)
    chance = random.Random(seed)
    with ExitStack() as stack:
        async with Proxy(mortal_url) as proxy, load(proxy.url) as found:
            await found.more(chance.randrange(100, 300))
            mortal.kill()
            standby = mortal.copy(mortal.data.with_name("standby"))
            standby.start()
            stack.callback(standby.end)
            await asyncio.sleep(chance.random() * LONGEST_PAUSE_S)
            proxy.target = standby.url
            await found.more(2 * CLIENTS)
    fault = "a PostgreSQL server that takes over from one that was killed"
    tried(Tried(fault, 1, seed, len(found.answered), told=found.told))


async def tried_on_standby(standby: MortalServer, schema: str) -> list[Record]:
    """What somebody reads there; who would write is refused."""
    async with PostgresJournal(standby.url, schema=schema, read_only=True) as journal:
        found = await records_of(journal.read_all())
        assert (await journal.health()).held_back_by is None
    with pytest.raises(JournalUnreachable, match="it is a standby"):
        async with PostgresJournal(standby.url, schema=schema, connect_timeout_s=1.0):
            pass
    return found


async def promote(standby: MortalServer) -> None:
    """Makes it take over."""
    db = await asyncpg.connect(standby.url)
    try:
        assert await db.fetchval("SELECT pg_promote()")
    finally:
        await db.close()


async def test_a_takeover_that_lost_commits_hides_nothing_new_from_those_who_read_what_was_lost(
    mortal: MortalServer, mortal_url: str
) -> None:
    schema = mortal_url.rpartition("=")[2]
    with ExitStack() as stack:
        async with Proxy(mortal.url) as proxy, PostgresJournal(proxy.url, schema=schema) as journal:
            [kept] = await journal.append([write("kept")])
            early_db = await asyncpg.connect(mortal.url)
            stack.callback(early_db.terminate)
            early = ByHand(early_db, schema)
            [early_lost] = await early.append(write("begun before the last that is kept"))
            [last_kept] = await journal.append([write("the last that is kept")])
            with mortal.stopped():
                standby = mortal.copy(mortal.data.with_name("lags"), is_standby=True)
            await early.commit()
            epochs = await journal.claim([slice_of("owned")], "an owner")
            [owned] = await journal.append([write("owned", epoch=epochs[slice_of("owned")])])
            read = await records_of(journal.read_all())
            positions = [appended(each).position for each in (kept, early_lost, last_kept, owned)]
            assert [record.position for record in read] == positions
            noted = [await bookmark(journal, record) for record in read]

            mortal.kill()
            stack.callback(standby.end)
            standby.start()
            there = await tried_on_standby(standby, schema)
            # The one that began early may be committed there yet.
            assert [record.position for record in there] == positions[:1]
            await promote(standby)
            proxy.target = standby.url
            # What was on the way is lost with the connection; there is no other reason to fail.
            with contextlib.suppress(JournalUnavailable):
                await journal.append([write("new")])
            new: list[Record] = []
            for stream in ("new", "newer"):
                version = (await journal.stream_info(stream)).version
                await journal.append([write(stream, version)])
                new = await records_of(journal.read_all(after_position=positions[-1]))
            assert [record.stream for record in new if record.version == 1] == ["new", "newer"]
            assert await position_after(journal, noted[0]) == positions[0]
            for each in noted[1:]:
                with pytest.raises(HistoryWentBack) as raised:
                    await position_after(journal, each)
                assert positions[0] <= raised.value.common < positions[1]
            # Who owned a slice there may be there yet, beside who owns it now.
            await journal.claim([slice_of("owned")], "another owner")
            [outcome] = await journal.append([write("owned", epoch=epochs[slice_of("owned")])])
            assert isinstance(outcome, SliceLost)


async def test_a_prepared_transaction_that_holds_readers_back_is_named(
    mortal: MortalServer, mortal_url: str
) -> None:
    schema = mortal_url.rpartition("=")[2]
    async with PostgresJournal(mortal.url, schema=schema, patience_s=0.0) as journal:
        db = await asyncpg.connect(mortal.url)
        try:
            name = f"of a report {schema}"
            for statement in (
                "BEGIN",
                f'CREATE TABLE "{schema}".report ()',
                f"PREPARE TRANSACTION '{name}'",
            ):
                await db.execute(statement)
            [outcome] = await journal.append([write("a")])
            assert await records_of(journal.read_all()) == []
            held_back_by = (await journal.health()).held_back_by
            assert held_back_by is not None
            assert (held_back_by.pid, held_back_by.prepared) == (None, name)
            await db.execute(f"ROLLBACK PREPARED '{name}'")
        finally:
            await db.close()
        health = await journal.health()
        assert (health.last_position, health.held_back_by) == (appended(outcome).position, None)
