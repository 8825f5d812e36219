"""Promises 11 and 12 for the death of a process: a command under a key is done once, whatever died.

A child asks wallets under keys and prints what it learned; it is killed. What was printed must be
stored, and whoever then asks all of it again, what was answered and what was not, finds each
command done once and each answer the one that was given.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import daicho
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.crash.keyed_wallets import CLIENTS, Outcomes, Wallet, check_history, settle

ROUNDS = 6 * TIMES
ROOT = Path(__file__).parents[2]


def load_and_kill(url: str, first: int, lines: int) -> Outcomes:
    """Kills a child after so many answers; what it printed."""
    answered: Outcomes = {}
    arguments = [sys.executable, "-m", "tests.crash.keyed_wallets", url, str(first)]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None
    with child, child.stdout as output:
        for count, line in enumerate(output):
            # A line that the kill cut short tells nothing.
            if line.endswith("\n"):
                number, version, deposit = map(int, line.split())
                answered[number] = version, deposit
            if count == lines:
                child.kill()
    assert child.returncode == -signal.SIGKILL
    return answered


@pytest.mark.crash
async def test_a_command_under_a_key_is_done_once_though_its_process_was_killed(
    tmp_path: Path, tried: Try
) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    seed = seeded(11)
    chance = random.Random(seed)
    outcomes: Outcomes = {}
    first = 1
    unanswered = 0
    for _ in range(ROUNDS):
        answered = load_and_kill(url, first, chance.randrange(1_500))
        # Numbers are taken in their order: no more can have been asked than were answered and are
        # under way, and two answers that the kill kept from being printed.
        after = max(answered, default=first - 1) + CLIENTS + 3
        async with daicho.open(url, entities=[Wallet]) as app:
            stored = await check_history(app, outcomes | answered)
            unanswered += sum(1 for n in range(first, after) if n in stored and n not in answered)
            # Everything of this round again, and something of the others.
            others = chance.sample([*outcomes], min(len(outcomes), 200))
            outcomes |= answered
            await settle(app, outcomes, [*range(first, after), *others])
        first = after
    assert len(outcomes) == first - 1
    # Some had been done whose answers nobody heard: those are what keys are for.
    assert unanswered
    tried(Tried("kill -9 of entities that are asked under keys", ROUNDS, seed, len(outcomes)))
