"""Starting: whole processes, from their start to what they were started for."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

from bench.harness import Case, Clock, Goal, Measure, Options

TIMES = 3
"""Processes in a round, one after another; their mean counts."""

PROGRAM = """
import asyncio
import sys

import daicho
from wallet.v1 import ReceiveMoney, Wallet


class Account(daicho.Entity[Wallet], name="account"):
    @daicho.command
    def receive(self, command: ReceiveMoney) -> Wallet:
        self.emit(command)
        return self.state

    @daicho.event
    def received(self, event: ReceiveMoney) -> None:
        self.state.deposit += event.amount


async def main() -> None:
    async with daicho.open(f"sqlite:///{sys.argv[1]}", entities=[Account]) as app:
        alice = app.entity(Account, "alice")
        balance = await alice.ask(Account.receive, ReceiveMoney(amount=12_000))
        print(balance.deposit, flush=True)


asyncio.run(main())
"""


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """A line for the first reply, and one for each program's help."""
    times = 1 if options.quick else TIMES
    bare = _started(times, sys.executable, "-c", "print()")
    against = "a Python that prints an empty line"
    programs = Path(sys.executable).parent
    yield Case(
        name="start: to the first durable reply",
        unit="ms",
        ours=_started(times, sys.executable, "-c", PROGRAM, str(options.folder / "start.db")),
        limit=bare,
        against=against,
        goals=[Goal(of="figure", at_most=400)],
        less_is_better=True,
    )
    for name in ("daicho", "wallet"):
        yield Case(
            name=f"start: {name} --help",
            unit="ms",
            ours=_started(times, str(programs / name), "--help"),
            limit=bare,
            against=against,
            goals=[Goal(of="figure", at_most=250)],
            less_is_better=True,
        )


def _started(times: int, *command: str) -> Measure:
    """The time from the start of a process to the first line that it prints, in milliseconds."""

    # What is installed is compiled already, so these may keep what they compile even where this run
    # itself is told to keep nothing. The first round, which does not count, makes up for changes.
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    async def run() -> float:
        seconds = 0.0
        for _ in range(times):
            with Clock() as clock:
                process = await asyncio.create_subprocess_exec(
                    *command, env=environment, stdout=asyncio.subprocess.PIPE
                )
                assert process.stdout is not None
                first = await process.stdout.readline()
            seconds += clock.seconds
            await process.communicate()
            if not first or process.returncode:
                raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        return seconds / times * 1_000

    return run
