"""A simulated loop: chance between objects, order within one, and time that jumps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

from daicho.testing.simulation.loop import SimulatedLoop


class Noting:
    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    def note(self, number: int) -> None:
        self.notes.append(f"{self.name}{number}")


def order_of(seed: int, begin: Callable[[SimulatedLoop, list[str]], None]) -> list[str]:
    notes: list[str] = []
    loop = SimulatedLoop(random.Random(seed))

    async def wait() -> None:
        begin(loop, notes)
        await asyncio.sleep(1)

    try:
        loop.run_until_complete(wait())
    finally:
        loop.close()
    return notes


def callbacks(loop: SimulatedLoop, notes: list[str]) -> None:
    objects = [Noting(name, notes) for name in "abcde"]
    for number in range(3):
        for each in objects:
            loop.call_soon(each.note, number)


def tasks(loop: SimulatedLoop, notes: list[str]) -> None:
    async def step(name: str) -> None:
        for number in range(3):
            notes.append(f"{name}{number}")
            await asyncio.sleep(0)

    loop.kept = [loop.create_task(step(name)) for name in "abcde"]  # type: ignore[attr-defined]


def test_a_seed_gives_the_order() -> None:
    for begin in (callbacks, tasks):
        assert order_of(7, begin) == order_of(7, begin)
        orders = {tuple(order_of(seed, begin)) for seed in range(20)}
        assert len(orders) == 20


def test_what_is_one_objects_keeps_its_order() -> None:
    for begin in (callbacks, tasks):
        for seed in range(20):
            found = order_of(seed, begin)
            assert sorted(found) == sorted(f"{name}{n}" for name in "abcde" for n in range(3))
            for name in "abcde":
                mine = [note for note in found if note.startswith(name)]
                assert mine == sorted(mine)


def test_functions_that_are_nobodys_come_in_any_order() -> None:
    def begin(loop: SimulatedLoop, notes: list[str]) -> None:
        for name in "abcd":
            loop.call_soon(partial(notes.append, name))

    assert len({tuple(order_of(seed, begin)) for seed in range(200)}) == 24
