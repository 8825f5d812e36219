"""The other packages, each in a process of its own and in an environment of their own.

``requirements/peers.txt`` pins them and ``scripts/bench`` installs them beside this checkout's own
environment, so that nothing they need can get in the way of anything here. Where they are missing,
the run says so and goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from bench.harness import LeftOut, Measure
from bench.worker import ROOT, Worker

WORKS = {
    "pykka": {"tell", "ask", "idle"},
    "async-pykka": {"tell", "ask", "idle"},
    "thespian": {"tell", "ask", "idle"},
    "eventsourcing": {"durable", "replay"},
}
"""What each of them does of the works that are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Those that can be measured."""

    notes: list[str]
    """Where it says who is left out."""
    python: Path | None = None
    """Of their environment; None if there is none."""
    installed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Their versions, and which ``python`` it is."""

    @asynccontextmanager
    async def team(self, work: str, place: Path | str) -> AsyncIterator[Team]:
        """Those who do a work, started; they end with the block.

        What they store they store in a folder, or on the server of a URL.
        """
        team = Team()
        async with AsyncExitStack() as stack:
            for name in self._doing(work):
                try:
                    worker = self._worker(name, place)
                    team.workers.append(await stack.enter_async_context(worker))
                except LeftOut as reason:
                    self.notes.append(f"{work}: {name} is left out: {reason}")
            yield team

    def afresh(self, work: str, folder: Path, counts: Mapping[str, int]) -> dict[str, Measure]:
        """Those who do a work, each time in a process that did nothing before."""

        def side(name: str) -> Measure:
            async def measure() -> float:
                async with self._worker(name, folder) as worker:
                    return await worker.measure(work, counts[name])

            return measure

        return {f"{name} {self.installed[name]}": side(name) for name in self._doing(work)}

    def _doing(self, work: str) -> list[str]:
        if self.python is None:
            return []
        return [name for name, works in WORKS.items() if work in works and name in self.installed]

    def _worker(self, name: str, place: Path | str) -> Worker:
        assert self.python is not None
        module = f"bench.peers.{name.replace('-', '_')}_worker"
        return Worker(self.python, module, [str(place)])


@dataclass(frozen=True, slots=True)
class Team:
    """Workers that wait."""

    workers: list[Worker] = field(default_factory=list[Worker])

    def sides(self, work: str, count: int) -> dict[str, Measure]:
        """Each of them doing so much of a work."""
        return {worker.about: partial(worker.measure, work, count) for worker in self.workers}


def found(python: Path | None, notes: list[str]) -> Peers:
    """The peers in an environment, with a note for each that is not there."""
    if python is None:
        notes.append("no peer was measured: their environment is not there")
        return Peers(notes=notes)
    try:
        said = subprocess.run(
            [str(python), "-m", "bench.peers.protocol", *WORKS],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        notes.append(f"no peer was measured: {python.name} of their environment fails: {error}")
        return Peers(notes=notes)
    installed = cast("dict[str, str]", json.loads(said))
    notes += [
        f"{name} was not measured: it is not there for {installed['python']}"
        for name in WORKS
        if name not in installed
    ]
    return Peers(notes=notes, python=python, installed=installed)
