"""Runs of a whole application by chance: one integer gives all that happens in one.

A run is processes that live and die on one journal, clients that talk to them, a journal that fails
now and then, a clock that jumps, and an order in which all of it happens. Everything is drawn from
the run's seed, so what failed once fails again.

    class Shop(Simulation, entities=[Order, Stock]):
        async def act(self, app, chance, client): ...
        async def check(self, app): ...

    ``daicho sim shop.simulation:Shop --runs 1000``
"""

from daicho.testing.simulation.plan import SOME_FAULTS, Plan
from daicho.testing.simulation.running import Run, run
from daicho.testing.simulation.shrinking import shrink
from daicho.testing.simulation.world import Simulation

__all__ = ["SOME_FAULTS", "Plan", "Run", "Simulation", "run", "shrink"]
