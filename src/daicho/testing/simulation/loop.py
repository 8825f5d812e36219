"""A loop whose time jumps, and on which what is ready at once runs in an order drawn by chance."""

from __future__ import annotations

import asyncio
import random
from collections import deque

from daicho.actor.turn import LoopTurn
from daicho.testing.virtual_time import VirtualTimeLoop


class SimulatedLoop(VirtualTimeLoop):
    """Runs what is ready in an order that a seed gives.

    The callbacks of one object, such as a task, an actor or a future, keep their order, for asyncio
    promises that and programs rely on it. Between objects it is chance who comes first, as it is
    for a program that many clients talk to.

    Args:
        chance: Draws the order.
    """

    _ready: deque[asyncio.Handle]

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def _run_once(self) -> None:
        if len(self._ready) > 1:
            self._shuffle()
        super()._run_once()  # type: ignore[misc]

    def _shuffle(self) -> None:
        ready = list(self._ready)
        owners = [_owner(handle) for handle in ready]
        waiting: dict[int, deque[asyncio.Handle]] = {}
        for owner, handle in zip(owners, ready, strict=True):
            waiting.setdefault(owner, deque()).append(handle)
        self._chance.shuffle(owners)
        self._ready.clear()
        self._ready.extend(waiting[owner].popleft() for owner in owners)


def _owner(handle: asyncio.Handle) -> int:
    """Whose callback it is: the identity of the object that it is a method of, or of itself."""
    callback = handle._callback  # type: ignore[attr-defined]
    owner = getattr(callback, "__self__", callback)
    # A turn works for somebody else.
    if isinstance(owner, LoopTurn) and handle._args:
        work = handle._args[0]
        owner = getattr(work, "__self__", work)
    return id(owner)
