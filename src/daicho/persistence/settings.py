"""What ``using`` was told, and what it takes where it was not told."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable

from daicho._frozen import frozen
from daicho.actor import Context, ExponentialBackoff
from daicho.events import Codec
from daicho.journal import Journal
from daicho.persistence.snapshots import Retention, SnapshotStrategy

MAX_UNCOMMITTED = 10_000
"""Messages of one actor that wait for the disk; beyond that the actor waits too."""

RECOVERY_ATTEMPTS = 8
"""How often a recovery is tried whose journal does not answer."""


class EventIds:
    """Event ids, 16 bytes: 8 that are drawn at random for this process, then a counter.

    Drawing all of them at random costs more than all the rest of recording an event.
    """

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._prefix = os.urandom(8)
        self._numbers = itertools.count(1)

    def __call__(self) -> bytes:
        """Another one."""
        return self._prefix + next(self._numbers).to_bytes(8, "big")


def now_us() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000


next_event_id = EventIds()


@frozen(kw_only=True)
class Settings:
    """See ``using``."""

    journal: Journal
    codec: Codec
    stream: str | Callable[[Context], str] | None
    snapshot: SnapshotStrategy | None
    retention: Retention | None
    initial: Callable[[], object] | None
    backoff: ExponentialBackoff
    clock: Callable[[], float]
    clock_us: Callable[[], int]
    event_ids: Callable[[], bytes]
    max_uncommitted: int
    recovery_attempts: int
    conflict_attempts: int
    recoveries: asyncio.Semaphore | None
