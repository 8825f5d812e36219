"""pykka: an actor is a thread with a queue."""

# What it imports is in an environment of its own.
# pyright: reportMissingImports=false

from __future__ import annotations

import gc

import pykka

from bench.peers.protocol import rate, resident, serve


class Counter(pykka.ThreadingActor):
    """Adds up the numbers that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def on_receive(self, message: object) -> int:
        if isinstance(message, int):
            self.total += message
        return self.total


class Echo(pykka.ThreadingActor):
    """Replies what it is sent."""

    def on_receive(self, message: object) -> object:
        return message


def tell(count: int) -> float:
    """Tells one actor, until the last message is handled."""
    counter = Counter.start()

    def work() -> None:
        for _ in range(count):
            counter.tell(1)
        assert counter.ask(None) == count

    figure = rate(count, work)
    counter.stop()
    return figure


def ask(count: int) -> float:
    """Asks one actor, one after another."""
    echo = Echo.start()

    def work() -> None:
        for number in range(count):
            assert echo.ask(number) == number

    figure = rate(count, work)
    echo.stop()
    return figure


def idle(count: int) -> float:
    """Bytes that an idle actor takes."""
    Echo.start().stop()
    gc.collect()
    before = resident()
    actors = [Echo.start() for _ in range(count)]
    gc.collect()
    each = (resident() - before) / count
    for actor in actors:
        actor.stop()
    return each


if __name__ == "__main__":
    serve("pykka", {"tell": tell, "ask": ask, "idle": idle})
