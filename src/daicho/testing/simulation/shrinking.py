"""Makes a failing run as small as it gets, so that somebody can read what happened."""

from __future__ import annotations

from daicho.testing.simulation.running import Run, run
from daicho.testing.simulation.world import Simulation

_MOST_RUNS = 200


def shrink(simulation: type[Simulation], failed: Run) -> Run:
    """The smallest run found that still fails, with the seed of the one that did.

    It takes away one thing after another, and keeps each plan that still fails, as delta debugging
    does (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
    """
    left = _MOST_RUNS
    while (smaller := _one_smaller(simulation, failed, left)) is not None:
        failed, left = smaller
    return failed


def _one_smaller(simulation: type[Simulation], failed: Run, left: int) -> tuple[Run, int] | None:
    """A smaller run that fails, and how many more may be tried; None if there is none."""
    for plan in failed.plan.smaller()[:left]:
        left -= 1
        found = run(simulation, plan)
        if found.failure is not None:
            return found, left
    return None
