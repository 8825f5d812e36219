"""Asking: a message and its reply, one after another, and with many in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bench import beside
from bench.clients import asking, bare_futures
from bench.harness import Case, Goal, Options
from bench.minimal import MinimalActor
from daicho.actor import ActorSystem, Context, Props

COUNT = 40_000
IN_FLIGHT = 1_000
PEERS_COUNT = 4_000

MINIMAL = "a minimal actor in Python"


class Echo:
    """Replies what it is sent."""

    def receive(self, ctx: Context) -> None:
        """Handles a message."""
        if isinstance(ctx.message, int):
            ctx.respond(ctx.message)


def _echo(actor: MinimalActor) -> None:
    if isinstance(actor.message, int):
        actor.respond(actor.message)


def right(reply: int) -> bool:
    """Whether a reply is what was sent."""
    return reply == 1


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """Both lines."""
    bare = bare_futures(asyncio.get_running_loop())
    count = options.count(COUNT)
    actor = MinimalActor(asyncio.get_running_loop(), _echo)

    def minimal() -> asyncio.Future[int]:
        return actor.ask(1, int)

    async with (
        options.peers.team("ask", options.folder) as peers,
        beside.uvloop("ask", options) as faster,
        ActorSystem() as system,
    ):
        pid = system.root.spawn(Props(Echo))

        def ours() -> asyncio.Future[int]:
            return system.root.ask(pid, 1, expect=int)

        yield Case(
            name=(name := "ask: one after another"),
            unit="asks/s",
            ours=asking([ours], count, 1, check=right),
            limit=asking([bare], count, 1, check=right),
            against="a bare future that one call_soon sets",
            goals=[Goal(at_least=0.9)],
            peers=peers.sides("ask", options.count(PEERS_COUNT)),
            beside={MINIMAL: asking([minimal], count, 1, check=right), **faster(name)},
        )
        yield Case(
            name=(name := f"ask: {IN_FLIGHT:,} in flight"),
            unit="asks/s",
            ours=asking([ours], count * 2, IN_FLIGHT, check=right),
            limit=asking([bare], count * 2, IN_FLIGHT, check=right),
            against="the same tasks on bare futures: what asyncio itself allows",
            goals=[Goal(of="figure", at_least=200e3)],
            beside={
                MINIMAL: asking([minimal], count * 2, IN_FLIGHT, check=right),
                **faster(name),
            },
        )
