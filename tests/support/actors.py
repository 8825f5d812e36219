"""Actors that note what they receive, and a way to let all of them finish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Unpack

from daicho.actor import ActorSystem, Context, DeadLetter, Props, PropsOptions


async def settle() -> None:
    """Lets everything run that can; in virtual time no timer of more than a microsecond fires."""
    await asyncio.sleep(1e-6)


class Boom(Exception):
    """What handlers of tests raise."""


Reaction = Callable[[Context], object]
"""What an actor of a test does with a message."""


def noting(
    seen: list[object], reactions: dict[object, Reaction] | None = None
) -> Callable[[Context], object]:
    """A handler that notes each message, then reacts to it: by its value, or else by its type."""

    def receive(ctx: Context) -> object:
        seen.append(ctx.message)
        known = reactions or {}
        reaction = known.get(ctx.message) or known.get(type(ctx.message))
        return None if reaction is None else reaction(ctx)

    return receive


def recorder(
    seen: list[object],
    reactions: dict[object, Reaction] | None = None,
    **options: Unpack[PropsOptions],
) -> Props:
    """An actor that notes what it receives."""
    return Props.from_function(noting(seen, reactions), **options)


def fail(ctx: Context) -> object:
    """Raises."""
    raise Boom(f"at {ctx.message!r}")


async def fail_later(ctx: Context) -> object:
    """Raises after a while."""
    await asyncio.sleep(0)
    raise Boom(f"at {ctx.message!r}")


def letters(system: ActorSystem) -> list[DeadLetter]:
    """The dead letters from now on."""
    found: list[DeadLetter] = []
    system.event_stream.subscribe(found.append, event_type=DeadLetter)
    return found
