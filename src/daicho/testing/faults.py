"""What can go wrong on the way to a store, and how often it does."""

from __future__ import annotations

import enum
import random

from daicho._frozen import frozen


class Fault(enum.Enum):
    """A way in which a call of a journal goes wrong."""

    BEFORE = "failed before anything was done"
    """What changes something raises ``JournalFull``, so it is known that nothing was stored; what
    reads raises ``JournalUnavailable``."""
    AFTER = "failed after it was done"
    """``JournalUnavailable``: stored, and nobody knows."""
    MIDDLE = "failed half way"
    """``JournalUnavailable``, of an append alone: its first writes are stored, some or none or all
    of them, and each by itself."""
    SLOW = "took its time and was done then"
    LATE = "was done, and the answer took its time"
    LOST = "lost the connection"
    """``JournalUnavailable``, for this call, which may have been done, and for some more, which are
    not, or until the journal is opened again."""
    SILENT = "never answered"
    """It may have been done. It ends when whoever waits is cancelled."""


_SHARES = tuple(Fault)


@frozen(kw_only=True)
class Faults:
    """How often each kind of fault comes: the share of the calls, 0 to 1.

    Raises:
        ValueError: A share is below 0, all of them are above 1, or a limit is below 0.
    """

    before: float = 0.0
    after: float = 0.0
    middle: float = 0.0
    slow: float = 0.0
    late: float = 0.0
    lost: float = 0.0
    silent: float = 0.0
    longest_pause_s: float = 1.0
    """What is slow or late takes up to so many seconds longer."""
    most_lost_calls: int = 5
    """A lost connection comes back after at most so many calls that failed."""

    def __post_init__(self) -> None:
        shares = self._shares
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise ValueError(f"the shares of faults are 0 to 1, and at most 1 together: {self}")
        if self.longest_pause_s < 0 or self.most_lost_calls < 0:
            raise ValueError(f"a limit of faults is not below 0: {self}")

    @classmethod
    def each(cls, share: float) -> Faults:
        """Every kind, each of them so often.

        Raises:
            ValueError: All of them together are above 1.
        """
        return cls(
            before=share,
            after=share,
            middle=share,
            slow=share,
            late=share,
            lost=share,
            silent=share,
        )

    @property
    def _shares(self) -> tuple[float, ...]:
        return (
            self.before,
            self.after,
            self.middle,
            self.slow,
            self.late,
            self.lost,
            self.silent,
        )

    def drawn(self, chance: random.Random) -> Fault | None:
        """What goes wrong with the next call; one draw, whatever comes of it."""
        left = chance.random()
        for fault, share in zip(_SHARES, self._shares, strict=True):
            if left < share:
                return fault
            left -= share
        return None


@frozen(kw_only=True)
class Happened:
    """A call that went wrong."""

    call: int
    """Its number among all calls of the journal, from 1."""
    method: str
    fault: Fault
    detail: str

    def __str__(self) -> str:
        return f"{self.call}. {self.method} {self.fault.value}{self.detail and ': '}{self.detail}"
