"""async-pykka: an actor is a task with a queue. It needs Python 3.12."""

# What it imports is in an environment of its own.
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import gc
import time

import async_pykka

from bench.peers.protocol import resident, serve


class Counter(async_pykka.AsyncioActor):
    """Adds up the numbers that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    async def on_receive(self, message: object) -> int:
        if isinstance(message, int):
            self.total += message
        return self.total


class Echo(async_pykka.AsyncioActor):
    """Replies what it is sent."""

    async def on_receive(self, message: object) -> object:
        return message


async def _tell(count: int) -> float:
    counter = Counter.start()
    since = time.perf_counter()
    for _ in range(count):
        counter.tell(1)
    total = await counter.ask(None)
    seconds = time.perf_counter() - since
    assert total == count
    await counter.stop()
    return count / seconds


async def _ask(count: int) -> float:
    echo = Echo.start()
    since = time.perf_counter()
    for number in range(count):
        assert await echo.ask(number) == number
    seconds = time.perf_counter() - since
    await echo.stop()
    return count / seconds


async def _idle(count: int) -> float:
    await Echo.start().stop()
    gc.collect()
    before = resident()
    actors = [Echo.start() for _ in range(count)]
    await actors[-1].ask(1)
    gc.collect()
    each = (resident() - before) / count
    for actor in actors:
        await actor.stop()
    return each


def tell(count: int) -> float:
    """Tells one actor, until the last message is handled."""
    return asyncio.run(_tell(count))


def ask(count: int) -> float:
    """Asks one actor, one after another."""
    return asyncio.run(_ask(count))


def idle(count: int) -> float:
    """Bytes that an idle actor takes."""
    return asyncio.run(_idle(count))


if __name__ == "__main__":
    serve("async-pykka", {"tell": tell, "ask": ask, "idle": idle})
