"""Latency at half of the pace of which one entity is capable.

The load is open: commands are due at fixed times, whatever became of those before them, and a
latency counts from the time at which its command was due. So a command that waits behind a slow one
counts with all of its waiting. That time has passed is told by another process over a pipe, as a
network would: a timer of the loop is a millisecond late, and one that is asked in every turn would
take the interpreter from the journal's thread.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import daicho
from bench import raw
from bench.balance import STORED, Balance
from bench.clients import asking
from bench.durable import Ask, asks, right
from bench.harness import Case, Goal, Options
from daicho.journal import SqliteJournal
from wallet.v1 import Wallet

FINDING = 40_000
"""Commands that find out of what the entity is capable."""

SECONDS = 2.0
TICK_S = 0.0001
SYNCS = 300

TICKER = f"""
import sys, time
while True:
    time.sleep({TICK_S})
    sys.stdout.buffer.write(b"t")
    sys.stdout.buffer.flush()
"""
"""What tells that time has passed; it ends when nobody reads any more."""


class Load:
    """Asks at fixed times, and keeps each command's latency in seconds."""

    def __init__(self, ask: Ask, rate: float, count: int) -> None:
        self._ask = ask
        self._rate = rate
        self._count = count
        self._asked = 0
        self._since: float | None = None
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tick(self) -> None:
        """Asks what is due; the first tick begins, however long it took the ticker to start."""
        now = time.perf_counter()
        since = self._since = now if self._since is None else self._since
        due = min(self._count, int((now - since) * self._rate))
        while self._asked < due:
            scheduled = since + (self._asked + 1) / self._rate
            self._asked += 1
            self._ask().add_done_callback(partial(self._answered, scheduled))

    def _answered(self, scheduled: float, reply: asyncio.Future[Wallet]) -> None:
        self.latencies.append(time.perf_counter() - scheduled)
        if self.done.done():
            return
        if (error := reply.exception()) is not None:
            self.done.set_exception(error)
        elif len(self.latencies) == self._count:
            self.done.set_result(None)


@asynccontextmanager
async def ticking(tick: Callable[[], None]) -> AsyncIterator[None]:
    """Calls ``tick`` ten thousand times a second, or as often as the loop has its turn."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", TICKER, stdout=writing, stderr=asyncio.subprocess.DEVNULL
    )
    os.close(writing)

    def ticked() -> None:
        os.read(reading, 65_536)
        tick()

    loop.add_reader(reading, ticked)
    try:
        yield
    finally:
        loop.remove_reader(reading)
        os.close(reading)
        process.kill()
        await process.wait()


def percentile(values: list[float], percent: int) -> float:
    """That many of a hundred values are not larger."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """One line: the 99th percentile beside the disk's own sync."""
    async with (
        raw.made(options.folder / "raw.db") as ledger,
        daicho.open(
            SqliteJournal(options.folder / "latency.db"), entities=[Balance], ask_timeout_s=60
        ) as app,
    ):
        await raw.grow(app.journal)
        (ask,) = asks(app, 1)
        find = asking([ask], options.count(FINDING), 2_000, check=right)
        capable = statistics.median([await find() for _ in range(3)])
        rate = capable / 2
        of_the_round: list[float] = []

        async def ninety_nine() -> float:
            load = Load(ask, rate, round(rate * (SECONDS if not options.quick else 0.2)))
            async with ticking(load.tick):
                await load.done
            of_the_round[:] = load.latencies
            return percentile(of_the_round, 99) * 1_000

        async def fifty() -> float:
            return percentile(of_the_round, 50) * 1_000

        async def sync() -> float:
            return statistics.median(raw.commit_times(ledger, STORED, SYNCS)) * 1_000

        yield Case(
            name="latency at half of that load, 99th percentile",
            unit="ms",
            ours=ninety_nine,
            limit=sync,
            against=f"the disk's own sync: the median of {SYNCS} commits of one row with apsw",
            goals=[Goal(at_most=5)],
            beside={"50th percentile": fifty},
            less_is_better=True,
        )
