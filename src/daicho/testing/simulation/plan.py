"""What a run is made of: a seed, and how much of everything."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

from daicho._frozen import frozen
from daicho.testing.faults import Fault, Faults

SOME_FAULTS = Faults(
    before=0.03,
    after=0.03,
    middle=0.02,
    slow=0.2,
    late=0.05,
    lost=0.02,
    silent=0.005,
    longest_pause_s=0.3,
)
"""What goes wrong where nobody says how much: a third of the calls."""


@frozen(kw_only=True)
class Only(Faults):
    """Some kinds of faults, drawn as if all were there, so that the others come as they did."""

    kinds: frozenset[Fault] = frozenset(Fault)

    def drawn(self, chance: random.Random) -> Fault | None:
        """See ``Faults``."""
        fault = Faults.drawn(self, chance)
        return fault if fault in self.kinds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run; whoever has it can run it again.

    What is drawn by chance for one purpose, such as what a client does, does not depend on how
    often it was drawn for another. So a run with less of something resembles the one with more.
    """

    seed: int
    """Gives the order of what is ready at once, the faults, the crashes, and what clients draw."""
    clients: int = 4
    """How many act at once."""
    actions: int = 12
    """How often each of them acts."""
    crashes: int = 2
    """How often the processes die and begin anew."""
    processes: int = 2
    """How many applications work on one journal."""
    kinds: frozenset[Fault] = frozenset(Fault)
    """The ways in which the journal fails; what is drawn of another one does not happen."""
    faults: Faults = SOME_FAULTS
    """How often the journal fails, in which way."""

    def chance(self, *purpose: object) -> random.Random:
        """What draws for a purpose."""
        return random.Random(repr((self.seed, *purpose)))  # noqa: S311 - no secrets

    @property
    def shown_kinds(self) -> list[Fault]:
        """The kinds in the order in which they are always named."""
        return [kind for kind in Fault if kind in self.kinds]

    @property
    def taking_effect(self) -> Faults:
        """The faults, of which only some kinds happen."""
        values = {each.name: getattr(self.faults, each.name) for each in fields(self.faults)}
        return Only(**values, kinds=self.kinds)

    def smaller(self) -> list[Plan]:
        """Plans with less of one thing, the boldest first; the seed is the same."""
        return [
            *(replace(self, crashes=less) for less in _less(self.crashes, 0)),
            *(replace(self, processes=less) for less in _less(self.processes, 1)),
            *(replace(self, clients=less) for less in _less(self.clients, 1)),
            *(replace(self, actions=less) for less in _less(self.actions, 1)),
            *(replace(self, kinds=self.kinds - {kind}) for kind in self.shown_kinds),
        ]


def _less(value: int, least: int) -> list[int]:
    """Smaller values, from the least on: halves of the way."""
    found: list[int] = []
    step = value - least
    while step > 0:
        found.append(value - step)
        step //= 2
    return found
