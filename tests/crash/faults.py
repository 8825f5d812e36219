"""What a disk can do otherwise than it should while it has power.

One of these is what ``Disk.faults`` has. It is asked before each thing that SQLite wants of the
disk, and told by the test when time goes on.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod

SECTOR_BYTES = 512

ODDS = {
    "open": 40,
    "size": 100,
    "read": 500,
    "write": 300,
    "truncate": 2,
    "sync": 4,
    "lock": 15,
    "unlock": 15,
    "delete": 3,
}
"""One of so many fails, where it may fail at all. Each is chosen so that some succeed between two
that fail: what never works shows little of what comes after."""


class Faults:
    """Nothing goes wrong. The heirs say what does."""

    def __init__(self) -> None:
        self.struck = 0
        """How often the disk did something wrong."""
        self.refused = 0
        """How often something was refused because of that, as the test says."""

    def strikes(self, what: str) -> bool:
        """Whether it fails this time; what is one of those of ``ODDS``."""
        return False

    def room_bytes(self, growth: int) -> int:
        """How much of a write that makes a file larger there is room for, of what it grows by."""
        return growth

    def read(self, data: bytes, before: bytes) -> bytes:
        """What a read gives, if the disk has ``data``, and had ``before`` in its place before."""
        return data

    def go_on(self) -> None:
        """Something new is begun."""

    def told(self) -> None:
        """Something was refused because of them."""
        self.refused += 1


class Failing(Faults):
    """Now and then the disk says that it has failed."""

    def __init__(self, chance: random.Random, *what: str) -> None:
        super().__init__()
        self._chance = chance
        self._what = what

    def strikes(self, what: str) -> bool:
        strikes = what in self._what and not self._chance.randrange(ODDS[what])
        self.struck += strikes
        return strikes


class Broken(Faults):
    """The disk fails each time."""

    def __init__(self, *what: str) -> None:
        super().__init__()
        self._what = what

    def strikes(self, what: str) -> bool:
        strikes = what in self._what
        self.struck += strikes
        return strikes


class Full(Faults):
    """From time to time there is little room, and then none, until some things were refused."""

    ONE_OF = 6
    MOST_BYTES = 20_000
    MOST_REFUSALS = 3

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self._room: int | None = None
        self._refusals = 0

    def room_bytes(self, growth: int) -> int:
        if self._room is None:
            return growth
        room = min(growth, self._room)
        self._room -= room
        self.struck += room < growth
        return room

    def go_on(self) -> None:
        if self._room is None and not self._chance.randrange(self.ONE_OF):
            self._room = self._chance.randrange(self.MOST_BYTES)
            self._refusals = self._chance.randint(1, self.MOST_REFUSALS)

    def told(self) -> None:
        super().told()
        self._refusals -= 1
        if self._refusals <= 0:
            self._room = None


class Misreading(Faults, ABC):
    """Now and then it gives something else than it has, and says nothing of that."""

    ONE_OF = 8

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def read(self, data: bytes, before: bytes) -> bytes:
        if not data or self._chance.randrange(self.ONE_OF):
            return data
        found = self._instead(data, before)
        self.struck += found != data
        return found

    @abstractmethod
    def _instead(self, data: bytes, before: bytes) -> bytes:
        """What it gives instead, where there was something else before."""


class Short(Misreading):
    """Of what is asked it gives the beginning."""

    def _instead(self, data: bytes, before: bytes) -> bytes:
        return data[: self._chance.randrange(len(data))]


class Torn(Misreading):
    """Some of the sectors are as they were before they were written last."""

    def _instead(self, data: bytes, before: bytes) -> bytes:
        return b"".join(
            self._chance.choice((data, before))[at : at + SECTOR_BYTES]
            for at in range(0, len(data), SECTOR_BYTES)
        )
