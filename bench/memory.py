"""What an idle actor takes, and an idle entity with its state: it has nothing to do, and waits.

Each measurement is a process of its own, ``python -m bench.memory WHAT HOW COUNT FILE``, because
memory that one measurement has freed would serve the next.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import daicho
from bench.balance import RECEIPT, STORED, Balance
from bench.clients import asking_each
from bench.durable import right
from bench.harness import Case, Goal, Measure, Options
from bench.peers.protocol import resident
from bench.spawn import Bare, make_bare, spawn_actors
from daicho.actor import ActorSystem
from daicho.journal import NewEvent, SqliteJournal, Write
from wallet.v1 import Wallet

ACTORS = 20_000
ENTITIES = 3_000
PEERS_ACTORS = {"pykka": 500, "async-pykka": 5_000, "thespian": 5_000}
"""Each of pykka's actors is a thread, so there are fewer."""

HOWS = {"traced": "by tracemalloc"}
if Path("/proc/self/statm").exists():
    HOWS["resident"] = "by resident memory"

Make = Callable[[int], Awaitable[object]]
"""Makes so many more; what it returns is kept."""


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """What the allocator gave out and, where the system says it, what the process grew by."""
    path = options.folder / "memory.db"
    await _store(path, options.count(ENTITIES))
    theirs = options.peers.afresh("idle", options.folder, PEERS_ACTORS)
    for how, meaning in HOWS.items():
        count = options.count(ACTORS)
        yield Case(
            name=f"idle actor, {meaning}",
            unit="bytes",
            ours=_in_a_process("actor", how, count, path),
            limit=_in_a_process("bare-actor", how, count, path),
            against="an object with slots, and its name in a dictionary",
            goals=[Goal(of="figure", at_most=350)],
            peers=theirs if how == "resident" else {},
            less_is_better=True,
            warm_up=False,
            most_rounds=1 if options.quick else options.rounds,
        )
    for how, meaning in HOWS.items():
        count = options.count(ENTITIES)
        yield Case(
            name=f"idle entity with its state, {meaning}",
            unit="bytes",
            ours=_in_a_process("entity", how, count, path),
            limit=_in_a_process("bare-entity", how, count, path),
            against="the same object with a protobuf message",
            goals=[Goal(of="figure", at_most=1_000)],
            less_is_better=True,
            warm_up=False,
            most_rounds=1 if options.quick else options.rounds,
        )


async def _store(path: Path, count: int) -> None:
    """An event of each entity, so that it is recovered; of the first, which warms up, too."""
    events = [NewEvent(*STORED[:4])]
    async with SqliteJournal(path) as journal:
        await journal.append([Write(f"balance:{n}", 0, events) for n in range(count + 1)])


def _in_a_process(what: str, how: str, count: int, path: Path) -> Measure:
    arguments = ("-m", "bench.memory", what, how, str(count), str(path))

    async def measure() -> float:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}")
        return float(output)

    return measure


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


async def _bytes_each(what: str, how: str, count: int, path: Path) -> float:
    used: Callable[[], int] = resident
    if how == "traced":
        tracemalloc.start()
        used = _traced
    async with AsyncExitStack() as stack:
        make = await _maker(what, path, stack)
        # What is made once for all of them is there before.
        kept = [await make(1)]
        await _rest()
        before = used()
        kept.append(await make(count))
        await _rest()
        return (used() - before) / count


async def _rest() -> None:
    """Lets all that is under way come to its end."""
    for _ in range(5):
        await asyncio.sleep(0.02)
    gc.collect()


async def _maker(what: str, path: Path, stack: AsyncExitStack) -> Make:
    match what:
        case "actor":
            return partial(spawn_actors, await stack.enter_async_context(ActorSystem()))
        case "bare-actor":
            return make_bare
        case "entity":
            journal = SqliteJournal(path)
            opened = daicho.open(journal, entities=[Balance], ask_timeout_s=60)
            return partial(_ask_entities, await stack.enter_async_context(opened))
        case "bare-entity":
            return _make_bare_entities
        case unknown:
            raise ValueError(unknown)


async def _ask_entities(app: daicho.App, count: int) -> None:
    """Entities that are recovered and handle a command; the first one is number 0."""
    numbers = range(count) if count == 1 else range(1, count + 1)

    def ask(number: int) -> asyncio.Future[Wallet]:
        return app.entity(Balance, f"{number}").ask(Balance.receive, RECEIPT)

    await asking_each((partial(ask, number) for number in numbers), 100, check=right)
    assert app.directory.live_count >= count


class BareEntity(Bare):
    """With a state."""

    __slots__ = ("state",)

    def __init__(self, deposit: int) -> None:
        super().__init__()
        self.state = Wallet(deposit=deposit)


async def _make_bare_entities(count: int) -> dict[str, Bare]:
    named: dict[str, Bare] = {f"balance:{n}": BareEntity(n) for n in range(count)}
    return named


if __name__ == "__main__":
    WHAT, HOW, COUNT, FILE = sys.argv[1:]
    print(asyncio.run(_bytes_each(WHAT, HOW, int(COUNT), Path(FILE))))
