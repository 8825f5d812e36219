"""Telling: messages to one actor that handles them with a plain method."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from bench import beside
from bench.ask import MINIMAL
from bench.harness import Case, Clock, Goal, Options
from bench.minimal import MinimalActor
from daicho.actor import ActorSystem, Context, Props
from daicho.actor.cell import BATCH

COUNT = 400_000


@dataclass(frozen=True, slots=True)
class Add:
    """Changes the counter."""

    amount: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The last message: tells who waits what the counter has come to."""

    future: asyncio.Future[int]


class Counter:
    """The state, and the dispatch by type that both sides share."""

    def __init__(self) -> None:
        self.total = 0

    def handle(self, message: object) -> None:
        """Handles a message."""
        if isinstance(message, Add):
            self.total += message.amount
        elif isinstance(message, Finish):
            message.future.set_result(self.total)


class CountingActor(Counter):
    """The counter as an actor."""

    def receive(self, ctx: Context | MinimalActor) -> None:
        """Handles a message of the context."""
        message = ctx.message
        if isinstance(message, Add):
            self.total += message.amount
        elif isinstance(message, Finish):
            message.future.set_result(self.total)


class BareMailbox:
    """A deque that one scheduled callback drains: the least that a mailbox can be."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: deque[object] = deque()
        self._scheduled = False
        self._handle = Counter().handle

    def send(self, message: object) -> None:
        """Takes a message."""
        self._queue.append(message)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        queue, handle = self._queue, self._handle
        for _ in range(min(BATCH, len(queue))):
            handle(queue.popleft())
        self._scheduled = bool(queue)
        if queue:
            self._loop.call_soon(self._drain)


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """One line: a burst of messages, from the first send to the end of the last handler."""
    loop = asyncio.get_running_loop()
    count = options.count(COUNT)
    message = Add(1)

    async with (
        options.peers.team("tell", options.folder) as peers,
        beside.uvloop("tell", options) as faster,
        ActorSystem() as system,
    ):
        root = system.root

        async def ours() -> float:
            pid = root.spawn(Props(CountingActor))
            future = loop.create_future()
            with Clock() as clock:
                for _ in range(count):
                    root.send(pid, message)
                root.send(pid, Finish(future))
                total = await future
            assert total == count
            root.stop(pid)
            return clock.rate(count)

        async def limit() -> float:
            bare = BareMailbox(loop)
            future = loop.create_future()
            with Clock() as clock:
                for _ in range(count):
                    bare.send(message)
                bare.send(Finish(future))
                total = await future
            assert total == count
            return clock.rate(count)

        async def minimal() -> float:
            actor = MinimalActor(loop, CountingActor().receive)
            future = loop.create_future()
            with Clock() as clock:
                for _ in range(count):
                    actor.send(message)
                actor.send(Finish(future))
                total = await future
            assert total == count
            return clock.rate(count)

        yield Case(
            name=(name := "tell: one actor, sync handler"),
            unit="messages/s",
            ours=ours,
            limit=limit,
            against="a deque, drained in batches by one call_soon, with the same dispatch by type",
            goals=[Goal(at_least=0.85), Goal(of="pykka", at_least=6)],
            peers=peers.sides("tell", options.count(COUNT // 10)),
            beside={MINIMAL: minimal, **faster(name)},
        )
