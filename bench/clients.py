"""Who asks: tasks that wait for their replies, the same on bare futures, and callbacks alone."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from bench.harness import Clock, Measure

T = TypeVar("T")


def asking(
    asks: Sequence[Callable[[], asyncio.Future[T]]],
    count: int,
    in_flight: int,
    *,
    check: Callable[[T], bool],
) -> Measure:
    """Tasks, as many as are in flight, that each ask the next one, wait, and ask again."""
    each = max(1, count // in_flight)

    async def run() -> float:
        turns = itertools.cycle(asks)
        last: list[T] = []

        async def client() -> None:
            for _ in range(each - 1):
                await next(turns)()
            last.append(await next(turns)())

        with Clock() as clock:
            if in_flight == 1:
                await client()
            else:
                async with asyncio.TaskGroup() as group:
                    for _ in range(in_flight):
                        group.create_task(client())
        assert len(last) == in_flight
        assert all(map(check, last))
        return clock.rate(each * in_flight)

    return run


async def asking_each(
    asks: Iterator[Callable[[], asyncio.Future[T]]],
    in_flight: int,
    *,
    check: Callable[[T], bool],
) -> None:
    """Asks each of them once, by as many tasks as are in flight."""

    async def client() -> None:
        for ask in asks:
            assert check(await ask())

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(client())


def asking_by_callbacks(
    asks: Sequence[Callable[[], asyncio.Future[T]]], count: int, in_flight: int
) -> Measure:
    """The same without a task: each reply's callback asks the next one."""

    async def run() -> float:
        turns = itertools.cycle(asks)
        left, answered = count, 0
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def ask() -> None:
            nonlocal left
            left -= 1
            next(turns)().add_done_callback(reply)

        def reply(future: asyncio.Future[T]) -> None:
            nonlocal answered
            answered += 1
            if future.exception() is not None and not done.done():
                done.set_exception(future.exception() or AssertionError)
            elif left:
                ask()
            elif answered == count:
                done.set_result(None)

        with Clock() as clock:
            for _ in range(min(in_flight, count)):
                ask()
            await done
        return clock.rate(count)

    return run


def bare_futures(loop: asyncio.AbstractEventLoop) -> Callable[[], asyncio.Future[int]]:
    """The least that a reply can be: a future that one ``call_soon`` sets."""

    def ask() -> asyncio.Future[int]:
        future: asyncio.Future[int] = loop.create_future()
        loop.call_soon(future.set_result, 1)
        return future

    return ask
