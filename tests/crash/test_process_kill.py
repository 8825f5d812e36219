"""Processes and timers survive SIGKILL: each step once in effect, whatever was under way.

A child orders transfers between accounts on one journal and prints each order that it has the
reply to; it is killed, and the next one goes on where it was, while others may be at work beside
it. In the end every order that was acknowledged has been carried out, once, and the money in all
accounts is what was put into them.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import daicho
from tests.crash.effort import TIMES, Tried, Try, seeded
from tests.crash.transfers import ENDS, FILLED, Account, Transfer

ROUNDS = 6 * TIMES
CHILD = Path(__file__).parent / "transfers.py"


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of one."""
    return str(request.param)


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """That of a journal that is new."""
    if engine == "PostgreSQL":
        return str(request.getfixturevalue("mortal_url"))
    return f"sqlite:///{tmp_path}/journal.db?synchronous=NORMAL&busy_timeout_s=60"


def start(url: str, first: int) -> subprocess.Popen[str]:
    """A child whose orders are numbered from ``first``."""
    return subprocess.Popen(
        [sys.executable, str(CHILD), url, str(first)], stdout=subprocess.PIPE, text=True
    )


def kill_after(child: subprocess.Popen[str], lines: int) -> list[str]:
    """Kills a child after so many replies; what it printed: the ids of transfers."""
    ordered: list[str] = []
    assert child.stdout is not None
    with child, child.stdout as output:
        for count, line in enumerate(output):
            # A line that the kill cut short tells nothing.
            if line.endswith("\n"):
                ordered.append(line.strip())
            if count == lines:
                child.kill()
    assert child.returncode == -signal.SIGKILL
    return ordered


@pytest.mark.crash
async def test_transfers_and_timers_under_way_at_kill_9_come_to_their_end_once(
    engine: str, url: str, tried: Try
) -> None:
    seed = seeded(6)
    chance = random.Random(seed)
    ordered: list[str] = []
    for round_ in range(ROUNDS):
        # Every other time two at once, and one outlives the other.
        children = [start(url, (2 * round_ + n) * 1_000_000) for n in range(1 + round_ % 2)]
        for child in children:
            ordered += kill_after(child, chance.randrange(20, 200))
    async with daicho.open(url, entities=[Account, Transfer]) as app:
        async with asyncio.timeout(120 * TIMES):
            await app.settled()
        transfers = await app.entities(Transfer, limit=100_000)
        assert {*ordered} <= {*transfers}
        moved: dict[str, int] = {}
        for id_ in transfers:
            state = await app.entity(Transfer, id_).at()
            assert tuple(state.steps) in ENDS
            assert state.reminders <= 1
            if state.steps[-1] == "done":
                moved[state.source] = moved.get(state.source, 0) - state.amount
                moved[state.target] = moved.get(state.target, 0) + state.amount
        accounts = await app.entities(Account)
        balances = {id_: (await app.entity(Account, id_).at()).amount for id_ in accounts}
        filled = {id_: FILLED for id_ in accounts if id_ != "closed"}
        assert balances == {id_: filled.get(id_, 0) + moved.get(id_, 0) for id_ in accounts}
    assert len(ordered) > 100
    kills = ROUNDS + ROUNDS // 2
    fault = f"kill -9 of processes and timers that move money, {engine}"
    tried(Tried(fault, kills, seed, len(ordered)))
