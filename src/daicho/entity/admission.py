"""How much may wait for the entities of an application, in all.

To count each message as it comes and as it ends would be a price for each. So what comes is let in
on credit, which costs one comparison. When that is used up, somebody looks at what still waits, and
gives as much credit as there is room.

What waits is known without a look at every mailbox where somebody waits for it: those are the asks.
The others are commands that were told, and those that were asked by who gave up; they are counted
where they are, but only when so many came that it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from daicho.actor import ActorSystem, Envelope, Started
from daicho.actor.ask import is_awaited
from daicho.actor.cell import Cell
from daicho.entity.actor import EntityActor
from daicho.errors import Overloaded

_MATTERS = 8
"""Where more than this part of the limit is free for certain, nobody looks into mailboxes."""

_AGAIN_S = 0.02
"""While it is full, mailboxes are looked into so often: it takes up to some milliseconds."""


class Admission:
    """Lets messages in, or says that there is no room; it belongs to the loop's thread.

    Args:
        system: Whose asks they are.
        limit: How many may wait.
        unasked: Counts those that wait without anybody who waits for their reply.
    """

    __slots__ = ("_full", "_given_up", "_limit", "_system", "_told", "_unasked", "credit")

    def __init__(self, system: ActorSystem, limit: int, unasked: Callable[[], int]) -> None:
        self._system = system
        self._limit = limit
        self._unasked = unasked
        self.credit = 0
        """So many may come before somebody looks; who takes of it needs no call for that."""
        self._told = 0
        self._given_up = 0
        self._full = False

    def ask(self) -> None:
        """Lets in a message whose reply somebody will wait for.

        Raises:
            Overloaded: There is no room.
        """
        if self.credit > 0:
            self.credit -= 1
        else:
            self.look()

    def tell(self) -> None:
        """Lets in a message for whose reply nobody waits.

        Raises:
            Overloaded: There is no room.
        """
        self.ask()
        self._told += 1

    def look(self) -> None:
        """Lets in a message when the credit is used up.

        Raises:
            Overloaded: There is no room.
        """
        self._system.check_thread()
        if not self._full:
            room = self._room()
            if room > 0:
                self.credit = room - 1
                return
            # Before the loop had its turn there is no more room than now.
            self._full = True
            loop = self._system.loop
            if self._told:
                loop.call_later(_AGAIN_S, self._look_again)
            else:
                loop.call_soon(self._look_again)
        raise Overloaded(
            "this application", self._limit, "try again when some are done, or raise max_waiting"
        )

    def _look_again(self) -> None:
        self._full = False

    def _room(self) -> int:
        deadlines = self._system.deadlines
        asked = deadlines.waiting
        self._told += deadlines.given_up - self._given_up
        self._given_up = deadlines.given_up
        if self._told and self._limit - asked - self._told <= self._limit // _MATTERS:
            self._told = self._unasked()
        return self._limit - asked - self._told


def unasked(cells: Iterable[Cell]) -> int:
    """How many messages these entities have for whose reply nobody waits."""
    count = 0
    for cell in cells:
        if cell.queue:
            count += of_nobody(cell.queue)
        message = cell.message
        # What is handled at the moment, perhaps for ever; a recovery is no message of anybody.
        if message is not None and type(message) is not Started:
            count += not is_awaited(cell.asker)
        actor: object = cell.actor if cell.incarnated else None
        if isinstance(actor, EntityActor):
            count += actor.unasked
    return count


def of_nobody(items: Iterable[object]) -> int:
    """How many of what a mailbox holds nobody waits for."""
    return sum(type(item) is not Envelope or not is_awaited(item.asker) for item in items)
