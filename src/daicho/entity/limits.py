"""What bounds the entities of one process."""

from __future__ import annotations

from daicho._frozen import frozen


@frozen(kw_only=True)
class Limits:
    """What bounds the entities of one process."""

    max_live: int = 100_000
    """How many live at once; more only while all of them have something to do."""
    passivate_after_s: float = 300.0
    """One that was not used for so many seconds leaves."""
    max_recoveries: int = 64
    """How many are recovered at once; the others wait for their turn."""
    max_waiting: int = 100_000
    """How many messages may wait for all of them."""
    max_mailbox: int = 10_000
    """How many may wait for one of them, and as many again for its journal."""
    conflict_attempts: int = 100
    """How often in a row a command is decided again because another process was faster."""

    def __post_init__(self) -> None:
        for name, value in (
            ("max_live", self.max_live),
            ("max_recoveries", self.max_recoveries),
            ("max_waiting", self.max_waiting),
            ("max_mailbox", self.max_mailbox),
        ):
            if value < 1:
                raise ValueError(f"{name} is {value}, at least 1 is needed")
        if self.conflict_attempts < 0:
            raise ValueError(f"conflict_attempts is {self.conflict_attempts}, at least 0 is needed")
        if not self.passivate_after_s > 0:
            raise ValueError(
                f"passivate_after_s is a positive number of seconds, not {self.passivate_after_s!r}"
            )
