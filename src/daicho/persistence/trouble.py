"""What few actors have: what to remember of failures and of other writers, made when it is needed.

An actor that has no trouble at all stays small, and there may be a hundred thousand of them.
"""

from __future__ import annotations

from daicho.actor import Envelope, ExponentialBackoff
from daicho.errors import ConcurrencyConflict
from daicho.journal import MAX_VERSION, Snapshot

_AFTER_CONFLICT = ExponentialBackoff(initial=0.001, maximum=0.1, jitter=0.8)
"""The other writer has just written and may do so again; who waits a different time each time finds
its moment."""


class Trouble:
    """What an actor has to remember until all is well again."""

    __slots__ = (
        "attempts",
        "conflict",
        "conflicts",
        "failures",
        "remembered",
        "retries",
        "usable",
    )

    def __init__(self) -> None:
        self.failures = 0
        """Commits that failed in a row."""
        self.attempts = 0
        """Recoveries that failed in a row."""
        self.conflicts = 0
        """How often in a row another writer was faster."""
        self.conflict: ConcurrencyConflict | None = None
        """The newest of these, while messages are to be handled again."""
        self.retries: list[Envelope] = []
        """The messages that are to be handled again."""
        self.usable = MAX_VERSION
        """The newest snapshots are of no use beyond this version."""
        self.remembered: Snapshot | None = None
        """The state as it was last recovered, while another writer is about: then the next recovery
        reads what came since alone."""

    @property
    def pause_s(self) -> float:
        """How long to wait after a conflict."""
        return _AFTER_CONFLICT.delay(self.conflicts)

    def again(self, error: Exception, items: list[Envelope], most: int) -> bool:
        """Keeps the messages of a failed commit to be handled again, or says no.

        That is after a conflict, unless there were so many in a row.
        """
        if not isinstance(error, ConcurrencyConflict) or self.conflicts >= most:
            self.conflict = None
            # Whatever comes next has had no attempt yet.
            self.conflicts = 0
            return False
        self.conflict = error
        # What waits there already is a later message, which wanted to be handled again by itself.
        self.retries = items + self.retries
        return True

    def take_retries(self) -> list[Envelope]:
        """The messages that are to be handled again, which it then forgets."""
        retries, self.retries = self.retries, []
        return retries

    def recovered(self) -> None:
        """The state is that of the journal."""
        self.attempts = 0
        self.usable = MAX_VERSION
