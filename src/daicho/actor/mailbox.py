"""What a mailbox does when it is full.

An unbounded mailbox is a deque inside the actor's cell, made by the first message and dropped when
the last one is handled, so an idle actor has none. A bounded one is the same with a limit.
"""

from __future__ import annotations

import enum

from daicho._frozen import frozen


class Overflow(enum.Enum):
    """What becomes of a message for a full mailbox."""

    WAIT = "wait"
    """``ask`` and ``send_wait`` wait for room, first come, first served.

    A plain ``send`` cannot wait: it raises ``MailboxFull``, also while others wait.
    """
    DROP_NEWEST = "drop newest"
    """The message becomes a dead letter."""
    DROP_OLDEST = "drop oldest"
    """The first message of the mailbox becomes a dead letter and makes room."""
    FAIL = "fail"
    """The sender gets ``MailboxFull``."""


@frozen
class Bounded:
    """A mailbox for at most ``capacity`` messages of users.

    Those of the actor model, ``PoisonPill`` among them, always have room, and so have messages that
    were let in before: what is unstashed, and what ``reenter_after`` goes on with.
    """

    capacity: int
    overflow: Overflow = Overflow.WAIT

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"a mailbox holds at least one message, not {self.capacity}")
