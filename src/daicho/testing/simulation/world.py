"""What a team writes to have its entities simulated."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from daicho.app import App
from daicho.entity.entity import AnyEntity
from daicho.events import Schema


class Simulation(ABC):
    """Entities, what clients do with them, and what must hold then.

    A run makes one object of the class. Its clients call :meth:`act`, in an order and among faults
    that the run's seed gives; the processes in which the applications live die and begin anew. At
    the end all faults are over, everything has settled, and :meth:`check` is called.

    A heir keeps in itself what its clients were told, so that :meth:`check` can hold it against
    what is stored.
    """

    entities: ClassVar[Sequence[type[AnyEntity]]] = ()
    """The classes of entities and processes that live in it."""
    schema: ClassVar[Schema | None] = None

    def __init_subclass__(
        cls, *, entities: Iterable[type[AnyEntity]] = (), schema: Schema | None = None
    ) -> None:
        """Makes a simulation of some entities; an heir that names none has those of its base.

        Args:
            entities: The classes of entities and processes that live in it.
            schema: As with ``daicho.open``.
        """
        super().__init_subclass__()
        cls.entities = tuple(entities) or cls.entities
        cls.schema = schema or cls.schema

    @abstractmethod
    async def act(self, app: App, chance: random.Random, client: int) -> None:
        """Does one thing as a client would.

        Args:
            app: The application of the process that the client talks to.
            chance: Draws what to do; nothing else may, or the seed would not give the run.
            client: Which one it is, from 0 on.

        What it raises of ``DaichoError`` is noted, and the client goes on: the outcome is not
        known, as it is in life. It is cancelled where the process dies. Any other error fails the
        run.
        """

    @abstractmethod
    async def check(self, app: App) -> None:
        """Raises ``AssertionError`` if something does not hold."""

    def note(self, text: str) -> None:
        """Adds a line to what is printed of a run that fails.

        Raises:
            RuntimeError: Nothing is running.
        """
        raise RuntimeError(f"nothing is running that could note {text!r}")
