"""Promises 11 and 12 for the death of a process: a command under a key is done once, whatever died.

A child asks wallets under keys and prints what it learned; it is killed. What was printed must be
stored, and whoever then asks all of it again, what was answered and what was not, finds each
command done once and each answer the one that was given.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import daicho
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.crash.keyed_wallets import CLIENTS, WALLETS, Wallet, outcome
from wallet.v1 import ReceiveMoney

ROUNDS = 6 * TIMES
ROOT = Path(__file__).parents[2]

Outcomes = dict[int, tuple[int, int]]
"""Of the command of each number: the version at which it came, and the deposit then."""


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


async def check_history(app: daicho.App, outcomes: Outcomes) -> Counter[int]:
    """Compares all wallets with the outcomes; how often each command's event is stored."""
    stored: Counter[int] = Counter()
    for wallet in range(WALLETS):
        ref = app.entity(Wallet, f"w{wallet}")
        deposits = [0]
        done: dict[int, int] = {}
        async for change in ref.history():
            assert change.version == len(deposits)
            assert isinstance(change.event, ReceiveMoney)
            number = change.event.amount
            stored[number] += 1
            deposits.append(deposits[-1] + number)
            done[number] = change.version
        assert (await ref.at()).deposit == deposits[-1]
        for number, (version, deposit) in outcomes.items():
            if number % WALLETS == wallet:
                assert deposits[version] == deposit
                assert done.get(number) == (version if number % 5 else None)
    return stored


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
            again = [*range(first, after), *chance.sample([*outcomes], min(len(outcomes), 200))]
            found = await asyncio.gather(*(outcome(app, number) for number in again))
            for number, (version, deposit) in zip(again, found, strict=True):
                known = (outcomes | answered).get(number)
                assert known in {None, (version, deposit)}
                answered[number] = version, deposit
            outcomes |= answered
            stored = await check_history(app, outcomes)
            assert stored == {number: 2 for number in outcomes if number % 5}
        first = after
    assert len(outcomes) == first - 1
    # Some had been done whose answers nobody heard: those are what keys are for.
    assert unanswered
    tried(Tried("kill -9 of entities that are asked under keys", ROUNDS, seed, len(outcomes)))
