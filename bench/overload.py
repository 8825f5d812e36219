"""What others notice of trouble: one entity is asked again and again while something else is wrong.

All of it runs in one loop, that which makes the trouble too, so a ratio of 1 is not to be had where
the trouble is work. What shows is whether who is asked waits for a turn of it or for its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import daicho
from bench.balance import RECEIPT, STORED, Balance
from bench.durable import right
from bench.harness import Case, Measure, Options
from daicho.actor import AlwaysRestart, Bounded, Context, Overflow, Props, Started
from daicho.errors import Overloaded
from daicho.journal import SqliteJournal, Write
from wallet.v1 import Wallet

ASKS = 2_000
STORM = 50_000
MAILBOX = 10
"""Of an entity that is asked ten times of what fits, in every turn of the loop."""

QUESTION = Wallet()

Trouble = Callable[[daicho.App], AbstractAsyncContextManager[object]]


class Stuck(daicho.Entity[Wallet], name="stuck"):
    """An entity whose handler never returns."""

    @daicho.command
    async def wait(self, command: Wallet) -> Wallet:  # noqa: ARG002 - its type is the question
        """Waits for ever."""
        await asyncio.Event().wait()
        return self.state


@asynccontextmanager
async def again(act: Callable[[], None]) -> AsyncIterator[None]:
    """Does something in every turn of the loop."""

    async def run() -> None:
        while True:
            act()
            await asyncio.sleep(0)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def ten_times(app: daicho.App) -> AbstractAsyncContextManager[object]:
    """Another entity is asked ten times of what its mailbox holds."""
    busy = app.entity(Balance, "busy")

    def ask() -> None:
        for _ in range(10 * MAILBOX):
            with suppress(Overloaded):
                busy.tell(QUESTION)

    return again(ask)


def never_returns(app: daicho.App) -> AbstractAsyncContextManager[object]:
    """Another entity never returns, and its mailbox is full."""
    stuck = app.entity(Stuck, "stuck")
    with suppress(Overloaded):
        while True:
            stuck.tell(QUESTION)
    return contextlib.nullcontext()


def floods_itself(app: daicho.App) -> AbstractAsyncContextManager[object]:
    """An actor sends itself two messages for each."""

    def flood(ctx: Context) -> None:
        for _ in range(2 if ctx.message == "flood" else 0):
            with suppress(Overloaded):
                ctx.send(ctx.self, "flood")

    mailbox = Bounded(1_000, Overflow.FAIL)
    app.system.root.send(
        app.system.root.spawn(Props.from_function(flood, mailbox=mailbox)), "flood"
    )
    return contextlib.nullcontext()


def restarts(app: daicho.App) -> AbstractAsyncContextManager[object]:
    """An actor fails whenever it begins, and is restarted without a pause."""

    def fail(ctx: Context) -> None:
        if ctx.message == Started():
            raise RuntimeError("again")

    def parent(ctx: Context) -> None:
        if isinstance(ctx.message, Started):
            ctx.spawn(Props.from_function(fail))

    app.system.root.spawn(Props.from_function(parent, supervisor=AlwaysRestart()))
    return contextlib.nullcontext()


def storm(count: int) -> Trouble:
    """So many entities are asked at once, all of which have to be recovered first."""

    @asynccontextmanager
    async def begin(app: daicho.App) -> AsyncIterator[None]:
        asked = [app.entity(Balance, f"e{n}").ask(Balance.look, QUESTION) for n in range(count)]
        yield
        for each in asked:
            each.cancel()

    return begin


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """A line for each trouble: the median of the others' latency beside that without it."""
    path = options.folder / "overload.db"
    count, asks = options.count(STORM), options.count(ASKS)
    async with SqliteJournal(path) as journal:
        for first in range(0, count, 1_000):
            numbers = range(first, min(first + 1_000, count))
            await journal.append([Write(f"balance:e{n}", 0, [STORED]) for n in numbers])
    troubles: dict[str, Trouble] = {
        f"ten times of what a mailbox holds ({MAILBOX})": ten_times,
        "an entity that never returns": never_returns,
        "an actor that floods itself": floods_itself,
        "an actor that restarts for ever": restarts,
        f"{count:,} entities that recover": storm(count),
    }
    logging.getLogger("daicho").setLevel(logging.CRITICAL)
    try:
        for name, trouble in troubles.items():
            few = max(20, asks // 20)
            yield Case(
                name=f"overload: the others beside {name}",
                unit="ms",
                ours=_latency(path, few, trouble),
                limit=_latency(path, asks, None),
                against="the same without it",
                less_is_better=True,
            )
    finally:
        logging.getLogger("daicho").setLevel(logging.NOTSET)


def _latency(path: Path, asks: int, trouble: Trouble | None) -> Measure:
    """The median of so many asks, one after another, in milliseconds."""

    async def measure() -> float:
        async with daicho.open(
            SqliteJournal(path),
            entities=[Balance, Stuck],
            max_mailbox=MAILBOX,
            ask_timeout_s=600,
            shutdown_timeout_s=0.1,
        ) as app:
            living = app.entity(Balance, "living")
            await living.ask(Balance.receive, RECEIPT)
            took: list[float] = []
            async with trouble(app) if trouble else contextlib.nullcontext():
                await asyncio.sleep(0)
                for _ in range(asks):
                    since = time.perf_counter()
                    assert right(await living.ask(Balance.look, QUESTION))
                    took.append(time.perf_counter() - since)
            return statistics.median(took) * 1_000

    return measure
