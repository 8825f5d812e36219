"""The program that the crash tests of PostgreSQL kill: keyed commands and bare appends, for ever.

It does not mind that the server goes: whoever gets an error asks again under the same key, or looks
where its stream is. What it prints is with the operating system before it goes on:

    wallet NUMBER VERSION DEPOSIT   the outcome of a command
    bare STREAM VERSION             an append was acknowledged
    told ERROR                      something was not
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

import daicho
from daicho.app import journal_of
from daicho.errors import ConcurrencyConflict, DaichoError
from daicho.journal import Journal, NewEvent, Write
from tests.crash.keyed_wallets import CLIENTS, Wallet, outcome

T = TypeVar("T")
STREAMS = 3


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def surely(ask: Callable[[], Awaitable[T]]) -> T:
    """Asks until there is an answer."""
    while True:
        try:
            return await ask()
        except DaichoError as error:
            say("told", type(error.__cause__ or error).__name__)
            await asyncio.sleep(0.02)


async def client(app: daicho.App, numbers: Iterator[int]) -> None:
    for number in numbers:
        say("wallet", number, *await surely(partial(outcome, app, number)))


async def append_on(journal: Journal, stream: str) -> None:
    """Appends two events after another two, which say where they are."""
    version = (await surely(partial(journal.stream_info, stream))).version
    while True:
        events = [NewEvent("t", b"%d" % (version + n), bytes(16), 0) for n in (1, 2)]
        try:
            [found] = await journal.append([Write(stream, version, events)])
        except DaichoError as error:
            say("told", type(error).__name__)
            version = (await surely(partial(journal.stream_info, stream))).version
            continue
        if isinstance(found, ConcurrencyConflict):
            # What was under way when the connection was lost was stored after all.
            assert found.actual == version + 2, found
            version = found.actual
            continue
        assert not isinstance(found, Exception), found
        version = found.version
        say("bare", stream, version)
        await asyncio.sleep(0.005)


async def main(url: str, first: int) -> None:
    async with daicho.open(url, entities=[Wallet]) as app, journal_of(url) as journal:
        numbers = itertools.count(first)
        await asyncio.gather(
            *(client(app, numbers) for _ in range(CLIENTS)),
            *(append_on(journal, f"bare-{number}") for number in range(STREAMS)),
        )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
