"""Daicho on uvloop, in a process beside this one, where that is installed and asked for.

``python -m bench.beside SUBJECT FOLDER FULL|QUICK`` is that process: a worker that takes the
subject's cases one after another and measures Daicho's side of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from bench.harness import Case, LeftOut, Measure, Options, Subject
from bench.peers import protocol
from bench.team import Peers
from bench.worker import Worker

Sides = Callable[[str], Mapping[str, Measure]]


@asynccontextmanager
async def uvloop(subject: str, options: Options) -> AsyncIterator[Sides]:
    """Gives the side ``on uvloop`` of a subject's case, or none where that was not asked for."""
    if not options.beside_uvloop:
        yield _none
        return
    folder = options.folder / "uvloop"
    folder.mkdir()
    size = "QUICK" if options.quick else "FULL"
    worker = Worker(Path(sys.executable), "bench.beside", [subject, str(folder), size])
    try:
        await worker.__aenter__()
    except LeftOut as reason:
        options.notes.append(f"{subject}: uvloop is left out: {reason}")
        yield _none
        return
    try:
        yield lambda name: {f"on {worker.about}": partial(worker.measure, name, 1)}
    finally:
        await worker.__aexit__()


def _none(name: str) -> Mapping[str, Measure]:  # noqa: ARG001 - the same for every case
    return {}


async def _serve(subject: Subject, options: Options) -> None:
    """Measures the cases that it is asked for; they are asked for in their order."""
    loop, answers, cases = asyncio.get_running_loop(), protocol.opened(), subject(options)
    case: Case | None = None
    protocol.answer(answers, {"ready": f"uvloop {version('uvloop')}"})
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name = json.loads(line)["work"]
        while case is None or case.name != name:
            case = await anext(cases)
        protocol.answer(answers, {"figure": await case.ours()})
    await cases.aclose()


def main(subject: str, folder: str, size: str) -> None:
    """Runs the process beside."""
    options = Options(folder=Path(folder), quick=size == "QUICK", peers=Peers(notes=[]))
    made: Subject = import_module(f"bench.{subject}").subject
    with asyncio.Runner(loop_factory=import_module("uvloop").new_event_loop) as runner:
        runner.run(_serve(made, options))


if __name__ == "__main__":
    main(*sys.argv[1:])
