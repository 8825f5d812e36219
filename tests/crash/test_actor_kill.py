"""Promises 3, 6 and 12 for the death of a process: an acknowledged command survives SIGKILL.

A child runs actors under load and prints each command that it has the reply to; it is killed, and
the next one goes on where it was. What was printed must be stored, whole and once, and each actor
must come back with what its stream adds up to.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daicho import persistence
from daicho.actor import ActorSystem, Props
from daicho.journal import SqliteJournal
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.support.journals import stored
from tests.support.ledgers import Ledger, total
from wallet.v1 import ReceiveMoney

ROUNDS = 6 * TIMES
ACTORS = 6
PARTS = 3
"""Events of a command; its number times this, and so on, are their amounts."""

CHILD = """
import asyncio, itertools, sys
from daicho import persistence
from daicho.actor import ActorSystem, Props
from daicho.journal import SqliteJournal
from daicho.persistence import RequestSnapshot, Retention, every
from wallet.v1 import ReceiveMoney, Wallet

path, actors, parts, first = sys.argv[1], *map(int, sys.argv[2:])

class Wallets(persistence.Mixin):
    def __init__(self):
        self.total = 0

    def receive(self, ctx):
        match ctx.message:
            case int() as number:
                for amount in range(number * parts, (number + 1) * parts):
                    self.total += amount
                    self.persist_receive(ReceiveMoney(amount=amount))
                ctx.respond(self.total)
            case ReceiveMoney() as event:
                self.total += event.amount
            case Wallet() as state:
                self.total = state.deposit
            case RequestSnapshot():
                self.persist_snapshot(Wallet(deposit=self.total))

async def client(system, pid, numbers):
    for number in numbers:
        await system.root.ask(pid, number)
        print(pid.id, number, flush=True)

async def main():
    async with SqliteJournal(path) as journal, ActorSystem() as system:
        using = persistence.using(journal, snapshot=every(10), retention=Retention(2))
        props = Props(Wallets, receiver_middleware=[using])
        pids = [system.root.spawn_named(props, f"wallet{n}") for n in range(actors)]
        numbers = itertools.count(first)
        await asyncio.gather(*(client(system, pid, numbers) for pid in pids for _ in range(20)))

asyncio.run(main())
"""


def load_and_kill(path: Path, first: int, lines: int) -> list[tuple[str, int]]:
    """Kills a child after so many replies; what it printed: actors and numbers of commands."""
    replies: list[tuple[str, int]] = []
    arguments = [sys.executable, "-c", CHILD, str(path), str(ACTORS), str(PARTS), str(first)]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child, child.stdout as output:
        for count, line in enumerate(output):
            # A line that the kill cut short tells nothing.
            if line.endswith("\n"):
                actor, number = line.split()
                replies.append((actor, int(number)))
            if count == lines:
                child.kill()
    assert child.returncode == -signal.SIGKILL
    return replies


@pytest.mark.crash
async def test_an_acknowledged_command_survives_kill_9_and_the_actor_remembers_it(
    tmp_path: Path, tried: Try
) -> None:
    path = tmp_path / "journal.db"
    seed = seeded(4)
    chance = random.Random(seed)
    acknowledged: list[tuple[str, int]] = []
    for round_ in range(ROUNDS):
        # Numbers are never used twice; a round does not come so far.
        acknowledged += load_and_kill(path, round_ * 1_000_000, chance.randrange(1_500))
        async with SqliteJournal(path) as journal, ActorSystem() as system:
            using = persistence.using(journal)
            props = Props(Ledger, receiver_middleware=[using])
            for actor in range(ACTORS):
                name = f"wallet{actor}"
                records = await stored(journal, name)
                assert [record.version for record in records] == list(range(1, len(records) + 1))
                amounts = [ReceiveMoney.FromString(record.payload).amount for record in records]
                commands = [amount // PARTS for amount in amounts[::PARTS]]
                # Whole commands, none twice, and all that were acknowledged.
                assert amounts == [n * PARTS + part for n in commands for part in range(PARTS)]
                assert len(set(commands)) == len(commands)
                assert {number for who, number in acknowledged if who == name} <= {*commands}
                pid = system.root.spawn_named(props, name)
                assert await total(system, pid) == sum(amounts)
    assert acknowledged
    tried(Tried("kill -9 of actors", ROUNDS, seed, len(acknowledged)))
