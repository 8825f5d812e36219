"""thespian, on its simpleSystemBase: in this process and thread, the fastest of its bases."""

# What it imports is in an environment of its own.
# pyright: reportMissingImports=false

from __future__ import annotations

import gc
from datetime import timedelta

from thespian.actors import Actor, ActorAddress, ActorExitRequest, ActorSystem

from bench.peers.protocol import rate, resident, serve

LONG = timedelta(seconds=60)


class Counter(Actor):
    """Adds up the numbers that it is told, and says the sum when asked for it."""

    total = 0

    def receiveMessage(self, message: object, sender: ActorAddress) -> None:  # noqa: N802
        if isinstance(message, int):
            self.total += message
        elif message == "sum":
            self.send(sender, self.total)


class Echo(Actor):
    """Replies what it is sent."""

    def receiveMessage(self, message: object, sender: ActorAddress) -> None:  # noqa: N802
        if isinstance(message, int):
            self.send(sender, message)


system = ActorSystem("simpleSystemBase")


def tell(count: int) -> float:
    """Tells one actor, until the last message is handled."""
    counter = system.createActor(Counter)

    def work() -> None:
        for _ in range(count):
            system.tell(counter, 1)
        assert system.ask(counter, "sum", LONG) == count

    figure = rate(count, work)
    system.tell(counter, ActorExitRequest())
    return figure


def ask(count: int) -> float:
    """Asks one actor, one after another."""
    echo = system.createActor(Echo)

    def work() -> None:
        for number in range(1, count + 1):
            assert system.ask(echo, number, LONG) == number

    figure = rate(count, work)
    system.tell(echo, ActorExitRequest())
    return figure


def idle(count: int) -> float:
    """Bytes that an idle actor takes."""
    system.tell(system.createActor(Echo), ActorExitRequest())
    gc.collect()
    before = resident()
    actors = [system.createActor(Echo) for _ in range(count)]
    gc.collect()
    each = (resident() - before) / count
    for actor in actors:
        system.tell(actor, ActorExitRequest())
    return each


if __name__ == "__main__":
    try:
        serve("thespian", {"tell": tell, "ask": ask, "idle": idle})
    finally:
        system.shutdown()
