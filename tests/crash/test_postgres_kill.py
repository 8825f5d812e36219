"""Promises 11 and 12 on PostgreSQL: SIGKILL of the server and of its client takes nothing back.

A child loads a server and writes down what it learned. In each round the server is killed with all
of its processes and started again; the child has to go on by itself; then it is killed too. What it
has written down has to be there, once, and who asks all of it again gets the same answers.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import daicho
from daicho.app import journal_of
from daicho.journal import Journal, verify
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.crash.keyed_wallets import CLIENTS, Outcomes, Wallet, check_history, settle
from tests.crash.postgres_load import STREAMS
from tests.support.journals import stored
from tests.support.mortal_server import MortalServer

ROOT = Path(__file__).parents[2]
ROUNDS = 2 * TIMES
LONGEST_PAUSE_S = 0.1
TOLD = {"JournalUnavailable", "AskTimeout"}


class Heard:
    """A child, and what it has written down."""

    def __init__(self, child: subprocess.Popen[bytes], notes: Path) -> None:
        self.child = child
        self._notes = notes

    def lines(self) -> list[list[str]]:
        """All of them; one that the kill cut short tells nothing."""
        whole, _, _ = self._notes.read_text().rpartition("\n")
        return [line.split() for line in whole.splitlines()]

    def acknowledged(self) -> int:
        return sum(1 for what, *_ in self.lines() if what != "told")

    async def more(self, count: int) -> None:
        """Returns when so many more answers have come."""
        wanted = self.acknowledged() + count
        while self.acknowledged() < wanted:
            assert self.child.poll() is None, "the child gave up"
            await asyncio.sleep(0.01)

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()
        assert self.child.returncode == -signal.SIGKILL

    def outcomes(self) -> Outcomes:
        found = [words[1:] for words in self.lines() if words[0] == "wallet"]
        return {int(number): (int(version), int(deposit)) for number, version, deposit in found}

    def versions(self) -> dict[str, int]:
        return {words[1]: int(words[2]) for words in self.lines() if words[0] == "bare"}

    def told(self) -> list[str]:
        return [words[1] for words in self.lines() if words[0] == "told"]


@contextmanager
def load(url: str, first: int, notes: Path) -> Iterator[Heard]:
    """A child whose commands are numbered from ``first``; it is killed in the end."""
    arguments = [sys.executable, "-m", "tests.crash.postgres_load", url, str(first)]
    with notes.open("wb") as output, subprocess.Popen(arguments, stdout=output, cwd=ROOT) as child:
        try:
            yield Heard(child, notes)
        finally:
            child.kill()


async def check_streams(journal: Journal, versions: dict[str, int]) -> None:
    """Whole writes of two, in order and without a gap, as far as was acknowledged and further."""
    for number in range(STREAMS):
        stream = f"bare-{number}"
        found = [record.payload for record in await stored(journal, stream)]
        assert found == [b"%d" % (n + 1) for n in range(len(found))]
        assert len(found) % 2 == 0
        assert len(found) >= versions[stream]


@pytest.mark.crash
@pytest.mark.parametrize("chained", ["no", "yes"])
async def test_what_was_acknowledged_survives_kill_9_of_the_server_and_of_its_client_in_turn(
    tmp_path: Path, mortal: MortalServer, mortal_url: str, tried: Try, chained: str
) -> None:
    seed = seeded(500)
    chance = random.Random(seed)
    outcomes: Outcomes = {}
    versions: dict[str, int] = {}
    first, told = 1, 0
    url = f"{mortal_url}&chained={chained}"
    for _ in range(ROUNDS):
        with load(url, first, tmp_path / "notes") as heard:
            await heard.more(chance.randrange(1, 300))
            await asyncio.sleep(chance.random() * LONGEST_PAUSE_S)
            mortal.kill()
            mortal.start()
            # More than can have been on their way to the notes: the child goes on by itself.
            await heard.more(2 * CLIENTS + chance.randrange(300))
            await asyncio.sleep(chance.random() * LONGEST_PAUSE_S)
            heard.kill()
        assert {*heard.told()} <= TOLD
        told += len(heard.told())
        answered = heard.outcomes()
        versions |= heard.versions()
        after = max(answered, default=first - 1) + CLIENTS + 3
        async with (
            daicho.open(url, entities=[Wallet], ask_timeout_s=120) as app,
            journal_of(url) as journal,
        ):
            await check_history(app, outcomes | answered)
            await check_streams(journal, versions)
            # Everything of this round again, and something of the others.
            others = chance.sample([*outcomes], min(len(outcomes), 200))
            outcomes |= answered
            await settle(app, outcomes, [*range(first, after), *others])
            if chained == "yes":
                await verify(journal)
        first = after
    fault = f"kill -9 of a PostgreSQL server and of its client in turn, chained={chained}"
    acknowledged = len(outcomes) + sum(versions.values()) // 2
    tried(Tried(fault, 2 * ROUNDS, seed, acknowledged, told=told))
