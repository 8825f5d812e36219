"""How the end of an actor system went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daicho._frozen import frozen

if TYPE_CHECKING:
    from daicho.actor.pid import PID


@frozen
class Undrained:
    """An actor that had not stopped in time: what it was at, and how many messages it left."""

    pid: PID
    handling: object
    """The message that it was handling; None if it was between two."""
    waiting: int


@frozen
class ShutdownReport:
    """How a shutdown went."""

    stopped: int
    """Actors that handled everything they had and stopped."""
    undrained: tuple[Undrained, ...]
    """Actors that did not; their messages became dead letters."""
