"""Servers that lose connections, crash, stand still or hand over, while everybody goes on asking.

Whoever gets an error asks again under the same key. In the end each command was done once, each
answer is the one that was given, and events are where they were acknowledged.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

import asyncpg
import pytest

import daicho
from daicho.errors import DaichoError
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.crash.keyed_wallets import CLIENTS, Outcomes, Wallet, outcome, settle
from tests.support.mortal_server import MortalServer
from tests.support.postgres_by_hand import until
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
