"""Who an actor is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from daicho.actor.signals import Signal


class Process(Protocol):
    """What stands behind a PID: something that takes messages."""

    def deliver(self, item: object) -> None:
        """Takes a message of a user: bare, or in an Envelope where it has a sender or headers."""
        ...

    def signal(self, signal: Signal) -> None:
        """Takes a message of the actor model itself; these come before those of users."""
        ...


class PID:
    """The address of an actor: what others hold instead of the actor itself.

    Two PIDs are equal when address and id are; they can be keys, be copied and be pickled. A PID
    outlives its actor: what is sent to a stopped one is a dead letter, and a new actor of the same
    name is reached by the old PID.
    """

    __slots__ = ("_process", "address", "id")

    def __init__(self, address: str, id: str, process: Process | None = None) -> None:  # noqa: A002
        self.address = address
        self.id = id
        # Where messages go, without a look-up; None once that ended or if nobody has looked yet.
        self._process = process

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PID):
            return NotImplemented
        return self is other or (self.id == other.id and self.address == other.address)

    def __hash__(self) -> int:
        return hash((self.address, self.id))

    def __str__(self) -> str:
        return f"{self.address}/{self.id}"

    def __repr__(self) -> str:
        return f"PID({self.address!r}, {self.id!r})"

    # A copy of a message must not copy the actors that it names.

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[PID], tuple[str, str]]:
        return PID, (self.address, self.id)
