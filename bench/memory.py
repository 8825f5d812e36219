"""What an idle actor takes: one that has started, has handled what there was, and waits.

Each measurement is a process of its own, ``python -m bench.memory WHAT HOW COUNT``, because memory
that one measurement has freed would serve the next.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bench.harness import Case, Measure, Options
from bench.spawn import make_bare, spawn_actors
from daicho.actor import ActorSystem

COUNT = 50_000
STATM = Path("/proc/self/statm")
HOWS = {"traced": "by tracemalloc"}
if STATM.exists():
    HOWS["resident"] = "by resident memory"


@asynccontextmanager
async def subject(options: Options) -> AsyncIterator[Sequence[Case]]:
    """What the allocator gave out and, where the system says it, what the process grew by."""
    yield [
        Case(
            name=f"idle actor, {meaning}",
            unit="bytes",
            ours=_in_a_process("ours", how, options),
            limit=_in_a_process("bare", how, options),
            aim=500,
            less_is_better=True,
            warm_up=False,
        )
        for how, meaning in HOWS.items()
    ]


def _in_a_process(what: str, how: str, options: Options) -> Measure:
    arguments = ("-m", "bench.memory", what, how, str(options.count(COUNT)))

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


def _resident() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _bytes_each(what: str, how: str, count: int) -> float:
    used: Callable[[], int] = _resident
    if how == "traced":
        tracemalloc.start()
        used = _traced
    async with ActorSystem() as system:
        # What is made once for all of them is there before.
        kept: list[object] = [await make_bare(1)]
        await spawn_actors(system, 1)
        gc.collect()
        before = used()
        if what == "ours":
            await spawn_actors(system, count)
        else:
            kept.append(await make_bare(count))
        gc.collect()
        return (used() - before) / count


if __name__ == "__main__":
    print(asyncio.run(_bytes_each(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
