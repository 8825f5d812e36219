"""Many entities come, are asked once, leave, and come again, each size in a process of its own.

``python -m bench.population COUNT LEAVE_S FILE`` is that process; it prints what it found as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import daicho
from bench.balance import RECEIPT, Balance
from bench.clients import asking_each
from bench.durable import right
from bench.harness import Case, Clock, Goal, Measure, Options
from bench.peers.protocol import resident
from bench.table import number
from daicho.journal import SqliteJournal
from wallet.v1 import Wallet

SIZES = (100_000, 25_000, 10_000)
IN_FLIGHT = 1_000
LEAVE_S = 2.0
"""They leave when they were not used for so long, many of them while others still come."""

LEAVE_QUICKLY_S = 0.2

MOST_ROUNDS = 1
"""One takes two minutes."""

WARM_UP = 1_000

NOT_WORSE = 0.8
"""Linear growth is a ratio of 1; quadratic growth from a quarter of the size would be 0.25."""

BACK = 0.1
"""Of what Python had allocated while they lived, at most so much stays."""

STEPS = {"come": "come, are asked once, leave", "again": "come again, are asked, leave"}

Found = dict[str, float]


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """Lines for each step and for memory; the rounds of the first one do the work for all."""
    most, less, least = (options.count(size) for size in SIZES)
    leave_s = LEAVE_QUICKLY_S if options.quick else LEAVE_S
    found: dict[int, list[Found]] = {most: [], less: [], least: []}

    def afresh(count: int, step: str) -> Measure:
        async def measure() -> float:
            found[count].append(await _in_a_process(count, leave_s, options.folder))
            return found[count][-1][step]

        return measure

    def kept(count: int, what: str) -> Measure:
        rounds: list[Found] = []

        async def measure() -> float:
            rounds[:] = rounds or found[count]
            return rounds.pop(0)[what] if len(rounds) > 1 else rounds[0][what]

        return measure

    most_rounds = 1 if options.quick else MOST_ROUNDS
    for step, said in STEPS.items():
        measured = afresh if step == "come" else kept
        yield Case(
            name=f"population: {number(most)} entities {said}",
            unit="entities/s",
            ours=measured(most, step),
            limit=measured(less, step),
            against=f"the same with {number(less)} entities: 1 is linear growth",
            goals=[Goal(at_least=NOT_WORSE)],
            beside={f"with {number(least)} entities": measured(least, step)},
            warm_up=False,
            most_rounds=most_rounds,
        )
    yield Case(
        name=f"population: memory that {number(most)} leave behind",
        unit="objects",
        ours=kept(most, "blocks left"),
        limit=kept(most, "blocks"),
        against="what Python had allocated more when all had been asked",
        goals=[Goal(at_most=BACK)],
        less_is_better=True,
        warm_up=False,
        most_rounds=most_rounds,
    )
    yield Case(
        name="population: the same by resident memory",
        unit="bytes",
        ours=kept(most, "resident left"),
        limit=kept(most, "resident"),
        against="the most that the process grew by; SQLite's caches stay",
        less_is_better=True,
        warm_up=False,
        most_rounds=most_rounds,
    )


async def _in_a_process(count: int, leave_s: float, folder: Path) -> Found:
    path = folder / "population.db"
    command = ("-m", "bench.population", str(count), str(leave_s), str(path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    found: Found = json.loads(output)
    return found


async def _measure(count: int, leave_s: float, path: Path) -> Found:
    app = daicho.open(
        SqliteJournal(path), entities=[Balance], ask_timeout_s=60, passivate_after_s=leave_s
    )
    async with app:
        await _step(app, "warm-up", WARM_UP)
        before, blocks = resident(), sys.getallocatedblocks()
        come, _ = await _step(app, "one", count)
        again, peak = await _step(app, "one", count)
        return {
            "come": come,
            "again": again,
            "blocks": peak - blocks,
            "blocks left": sys.getallocatedblocks() - blocks,
            "resident": _most_resident() - before,
            "resident left": resident() - before,
        }


async def _step(app: daicho.App, name: str, count: int) -> tuple[float, int]:
    """Asks each of so many entities once and waits until all have left.

    Returns how many a second, and how much was allocated when all had been asked.

    The time is that of asking, and of the rest the processor's, for those who leave last wait to be
    idle for long enough.
    """

    def ask(number: int) -> asyncio.Future[Wallet]:
        return app.entity(Balance, f"{name}-{number}").ask(Balance.receive, RECEIPT)

    others = app.system.actor_count
    # As many tasks as are in flight, so they take turns evenly and each entity is asked once.
    asks = (partial(ask, number) for number in range(count))
    with Clock() as asked:
        await asking_each(asks, IN_FLIGHT, check=right)
    gc.collect()
    allocated = sys.getallocatedblocks()
    since = time.process_time()
    # Until they have ended, not only been asked to: some of what they have is theirs until then.
    while app.system.actor_count > others:  # noqa: ASYNC110 - nobody tells when the last has left
        await asyncio.sleep(0.05)
    seconds = asked.seconds + time.process_time() - since
    gc.collect()
    return count / seconds, allocated


def _most_resident() -> int:
    """The most that was resident of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024


if __name__ == "__main__":
    COUNT, SECONDS, FILE = sys.argv[1:]
    print(json.dumps(asyncio.run(_measure(int(COUNT), float(SECONDS), Path(FILE)))))
