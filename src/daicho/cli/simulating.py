"""Many runs of a simulation, one seed after another."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from daicho.cli.named import named
from daicho.cli.values import BadName
from daicho.testing.simulation import Plan, Run, Simulation, run, shrink

_LAST_LINES = 200
"""So much is printed of what happened."""


def simulation_named(name: str) -> type[Simulation]:
    """The simulation that a name stands for.

    Raises:
        BadName: There is no such name, or it stands for something else.
    """
    found = named(name)
    if not (isinstance(found, type) and issubclass(found, Simulation)):
        raise BadName(f"{name} is no simulation; name a class that inherits Simulation")
    if missing := sorted(found.__abstractmethods__):
        raise BadName(f"{name} says nothing of {' and '.join(missing)}; write {missing[0]}(…)")
    return found


def chosen(**options: int | None) -> Plan:
    """A plan with what was given; without a seed, with a new one."""
    given: dict[str, Any] = {name: each for name, each in options.items() if each is not None}
    return replace(Plan(seed=secrets.randbits(32)), **given)


def simulate(
    simulation: type[Simulation], plan: Plan, runs: int, progress: Callable[[str], None]
) -> Run | None:
    """Runs that many seeds, from the plan's on; the first one that fails, made small, or None."""
    # What is logged about faults is what was asked for.
    logging.getLogger("daicho").addHandler(logging.NullHandler())
    for number in range(runs):
        progress(f"{number:,} of {runs:,} runs")
        found = run(simulation, replace(plan, seed=plan.seed + number))
        if found.failure is not None:
            progress(f"seed {found.plan.seed} failed; looking for a smaller run")
            return shrink(simulation, found)
    return None


def report(failed: Run) -> str:
    """What a person reads of a run that failed."""
    plan = failed.plan
    kinds = ", ".join(kind.value for kind in plan.shown_kinds)
    which = f"some {kinds}" if kinds else "none failed"
    found = (
        f"seed {plan.seed} failed. The smallest run of it that still does: clients"
        f" {plan.clients}, actions of each {plan.actions}, processes {plan.processes}, crashes"
        f" {plan.crashes}. Of the journal's calls {which}."
    )
    lines = list(failed.happened[-_LAST_LINES:])
    if len(failed.happened) > _LAST_LINES:
        lines.insert(0, f"({len(failed.happened) - _LAST_LINES:,} lines before)")
    return "\n".join([found, "", *lines, "", (failed.failure or "").rstrip()])
