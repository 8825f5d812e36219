"""Spawning: actors that are made and told that they started."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from bench.harness import Case, Clock, Options
from daicho.actor import ActorSystem, Context, Props

COUNT = 20_000
TURN = 1_000
"""Actors that are made before the loop has its turn."""


class Idle:
    """An actor that does nothing, and has nothing."""

    __slots__ = ()

    def receive(self, ctx: Context) -> None:
        """Handles a message."""


class Bare:
    """The least that an actor can be: an object with a mailbox that is made when it is needed."""

    __slots__ = ("actor", "mailbox", "started")

    def __init__(self) -> None:
        self.actor = Idle()
        self.mailbox: deque[object] | None = None
        self.started = False

    def start(self) -> None:
        """It is told that it started."""
        self.started = True


async def spawn_actors(system: ActorSystem, count: int) -> None:
    """Spawns so many actors; returns when all have started."""
    props = Props(Idle)
    for number in range(count):
        system.root.spawn(props)
        if number % TURN == TURN - 1:
            await asyncio.sleep(0)
    await asyncio.sleep(0)


async def make_bare(count: int) -> dict[str, Bare]:
    """Makes so many bare ones, each under a name; returns when all have started."""
    loop = asyncio.get_running_loop()
    named: dict[str, Bare] = {}
    for number in range(count):
        bare = named[f"${number:x}"] = Bare()
        loop.call_soon(bare.start)
        if number % TURN == TURN - 1:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    return named


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """One line."""
    count = options.count(COUNT)

    async def ours() -> float:
        async with ActorSystem() as system:
            with Clock() as clock:
                await spawn_actors(system, count)
            assert system.actor_count == count
        return clock.rate(count)

    async def limit() -> float:
        with Clock() as clock:
            named = await make_bare(count)
        assert all(bare.started for bare in named.values())
        return clock.rate(count)

    yield Case(
        name="spawn",
        unit="actors/s",
        ours=ours,
        limit=limit,
        against="an object with slots, its name in a dictionary, one call_soon",
    )
