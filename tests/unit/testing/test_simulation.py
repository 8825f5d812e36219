"""Runs by chance: one integer gives a run, and what is wrong is found and made small."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import daicho
from daicho.errors import PersistFailed
from daicho.testing.faults import Fault
from daicho.testing.simulation import Plan, Run, Simulation, run, shrink

ROOT = Path(__file__).parents[3]


@daicho.stored_as("simulated.count")
@dataclass
class Count:
    amount: int = 0


@daicho.stored_as("simulated.add")
@dataclass(frozen=True)
class Add:
    amount: int


@daicho.stored_as("simulated.added")
@dataclass(frozen=True)
class Added:
    amount: int


class Counter(daicho.Entity[Count], name="simulated-counter"):
    snapshot = daicho.every(2)

    @daicho.command
    def add(self, command: Add) -> int:
        self.emit(Added(command.amount))
        return self.state.amount

    @daicho.event
    def added(self, event: Added) -> None:
        self.state.amount += event.amount


class Counting(Simulation, entities=[Counter]):
    """Adds one at a time."""

    def __init__(self) -> None:
        self.most = 0

    async def act(self, app: daicho.App, chance: random.Random, client: int) -> None:
        amount = chance.randint(1, 3)
        reply = await app.entity(Counter, "c").ask(Counter.add, Add(amount))
        self.note(f"client {client} adds {amount}: {reply}")
        self.most = max(self.most, reply)

    async def check(self, app: daicho.App) -> None:
        assert (await app.entity(Counter, "c").at()).amount >= self.most


class AskingAgain(Counting):
    """The mistake of a client: what failed may have been done, and is done again without a key."""

    def __init__(self) -> None:
        self.sum = 0

    async def act(self, app: daicho.App, chance: random.Random, client: int) -> None:
        ref = app.entity(Counter, "c")
        try:
            await ref.ask(Counter.add, Add(1))
        except PersistFailed:
            await ref.ask(Counter.add, Add(1))
        self.sum += 1

    async def check(self, app: daicho.App) -> None:
        assert (await app.entity(Counter, "c").at()).amount == self.sum, "done twice"


LUCK = random.Random(1)


class Forgetful(daicho.Entity[Count], name="simulated-forgetful"):
    """The mistake of an entity: what an event comes to is not the same each time."""

    snapshot = daicho.every(2)

    @daicho.command
    def add(self, command: Add) -> int:
        self.emit(Added(command.amount))
        return self.state.amount

    @daicho.event
    def added(self, event: Added) -> None:
        self.state.amount += event.amount + LUCK.randint(0, 1)


class Guessing(Counting, entities=[Forgetful]):
    async def act(self, app: daicho.App, chance: random.Random, client: int) -> None:
        await app.entity(Forgetful, "c").ask(Forgetful.add, Add(1))

    async def check(self, app: daicho.App) -> None:
        pass


class Broken(Counting):
    async def act(self, app: daicho.App, chance: random.Random, client: int) -> None:
        raise ZeroDivisionError("a bug of the simulation itself")


def first_failure(simulation: type[Simulation]) -> Run:
    for seed in range(100):
        found = run(simulation, Plan(seed=seed))
        if found.failure is not None:
            return found
    raise AssertionError("no seed has found it")


def test_a_run_is_its_seed() -> None:
    runs = [run(Counting, Plan(seed=5)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].failure is None
    assert len({run(Counting, Plan(seed=seed)).happened[0] for seed in range(10)}) > 1


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_run_is_the_same_in_another_process(hash_seed: str) -> None:
    program = (
        "from tests.unit.testing.test_simulation import *\n"
        "print('\\n'.join(run(Counting, Plan(seed=5)).happened))"
    )
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert ended.stdout.splitlines() == list(run(Counting, Plan(seed=5)).happened)


def test_what_is_right_holds_whatever_happens() -> None:
    for seed in range(30):
        found = run(Counting, Plan(seed=seed))
        assert found.failure is None, found


def test_processes_die_and_the_journal_fails() -> None:
    happened = "\n".join(
        line for seed in range(5) for line in run(Counting, Plan(seed=seed)).happened
    )
    assert "all processes die" in happened
    assert "PersistFailed" in happened


def test_a_client_that_asks_again_without_a_key_is_found_and_what_matters_is_left() -> None:
    found = first_failure(AskingAgain)
    small = shrink(AskingAgain, found)
    assert small.failure is not None
    assert "done twice" in small.failure
    assert small.plan.seed == found.plan.seed
    assert (small.plan.crashes, small.plan.processes) == (0, 1)
    # Only a commit that is stored and yet fails can bring it about.
    assert small.plan.kinds & {Fault.AFTER, Fault.MIDDLE, Fault.LOST}
    assert len(small.plan.kinds) <= 3
    assert len(small.happened) < len(found.happened)


def test_an_entity_whose_events_do_not_come_to_the_same_is_found() -> None:
    found = shrink(Guessing, first_failure(Guessing))
    assert found.failure is not None
    assert "simulated-forgetful" in found.failure


def test_a_mistake_of_the_simulation_itself_is_told_with_where_it_is() -> None:
    failure = run(Broken, Plan(seed=1)).failure
    assert failure is not None
    assert "a bug of the simulation itself" in failure
    assert "test_simulation.py" in failure


def test_a_plan_shrinks_towards_nothing_and_keeps_its_seed() -> None:
    plan = Plan(seed=9)
    while smaller := plan.smaller():
        assert all(each.seed == 9 and each != plan for each in smaller)
        plan = smaller[-1]
    assert plan == replace(
        Plan(seed=9), clients=1, actions=1, crashes=0, processes=1, kinds=frozenset()
    )


def test_nothing_can_be_noted_where_nothing_runs() -> None:
    with pytest.raises(RuntimeError, match="nothing is running"):
        Counting().note("something")
