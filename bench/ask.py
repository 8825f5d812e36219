"""Asking: a message and its reply, one after another, and with many in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from bench import rivals
from bench.harness import Case, Clock, Measure, Options
from daicho.actor import ActorSystem, Context, Props

COUNT = 40_000
IN_FLIGHT = 1_000


class Echo:
    """Replies what it is sent."""

    def receive(self, ctx: Context) -> None:
        """Handles a message."""
        if isinstance(ctx.message, int):
            ctx.respond(ctx.message)


def asking(ask: Callable[[int], asyncio.Future[int]], count: int, in_flight: int) -> Measure:
    """Clients, as many as are in flight, that each ask, wait, and ask again."""
    each = max(1, count // in_flight)

    async def client() -> None:
        for number in range(each):
            assert await ask(number) == number

    async def run() -> float:
        with Clock() as clock:
            if in_flight == 1:
                await client()
            else:
                async with asyncio.TaskGroup() as group:
                    for _ in range(in_flight):
                        group.create_task(client())
        return clock.rate(each * in_flight)

    return run


@asynccontextmanager
async def subject(options: Options) -> AsyncIterator[Sequence[Case]]:
    """Both lines."""
    loop = asyncio.get_running_loop()
    count = options.count(COUNT)

    def bare(number: int) -> asyncio.Future[int]:
        future: asyncio.Future[int] = loop.create_future()
        loop.call_soon(future.set_result, number)
        return future

    async with ActorSystem() as system:
        pid = system.root.spawn(Props(Echo))

        def ours(number: int) -> asyncio.Future[int]:
            return system.root.ask(pid, number, expect=int)

        yield [
            Case(
                name="ask: one after another",
                unit="asks/s",
                ours=asking(ours, count, 1),
                limit=asking(bare, count, 1),
                aim=60e3,
                rivals=rivals.ask(options.count(COUNT // 20)),
            ),
            Case(
                name=f"ask: {IN_FLIGHT:,} in flight",
                unit="asks/s",
                ours=asking(ours, count * 2, IN_FLIGHT),
                limit=asking(bare, count * 2, IN_FLIGHT),
            ),
        ]
