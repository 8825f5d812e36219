"""When a snapshot is due, and how many are kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol

from daicho._frozen import frozen


class LastSnapshot:
    """The newest snapshot of an actor: its version (0 if there is none), and how long ago."""

    __slots__ = ("_clock", "_since", "version")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self.version = 0

    @property
    def seconds_ago(self) -> float:
        """Seconds since it was taken or, before the first in this process, since the recovery."""
        return self._clock() - self._since

    def taken(self, version: int) -> None:
        """Another one was taken, now."""
        self.version = version
        self._since = self._clock()


class SnapshotStrategy(Protocol):
    """Decides after each event whether the actor is asked for a snapshot."""

    def due(self, event: object, version: int, last: LastSnapshot) -> bool:
        """Whether a snapshot is due now that ``event`` is recorded under ``version``.

        What it raises is published as ``SnapshotFailed``, and means no.
        """
        ...


@frozen
class _Every:
    interval: int

    def due(self, event: object, version: int, last: LastSnapshot) -> bool:  # noqa: ARG002
        return self.interval > 0 and version % self.interval == 0


@frozen
class _EverySeconds:
    seconds: float

    def due(self, event: object, version: int, last: LastSnapshot) -> bool:  # noqa: ARG002
        return last.seconds_ago >= self.seconds


@frozen
class _OnType:
    types: tuple[type, ...]

    def due(self, event: object, version: int, last: LastSnapshot) -> bool:  # noqa: ARG002
        return isinstance(event, self.types)


@frozen
class _When:
    predicate: Callable[[object, int], bool]

    def due(self, event: object, version: int, last: LastSnapshot) -> bool:  # noqa: ARG002
        return self.predicate(event, version)


@frozen
class _AnyOf:
    strategies: tuple[SnapshotStrategy, ...]

    def due(self, event: object, version: int, last: LastSnapshot) -> bool:
        return any(strategy.due(event, version, last) for strategy in self.strategies)


NEVER: SnapshotStrategy = _Every(0)
"""No snapshots."""


def every(events: int) -> SnapshotStrategy:
    """A snapshot at each version that ``events`` divides; 0 or less means never."""
    return _Every(events)


def every_seconds(seconds: float) -> SnapshotStrategy:
    """A snapshot at the first event that comes ``seconds`` or more after the last snapshot."""
    if not seconds > 0:
        raise ValueError(f"the time between snapshots is positive, not {seconds!r}")
    return _EverySeconds(seconds)


def on_type(*types: type) -> SnapshotStrategy:
    """A snapshot after each event of one of these types."""
    if not types:
        raise ValueError("on_type needs a type")
    return _OnType(types)


def when(predicate: Callable[[object, int], bool]) -> SnapshotStrategy:
    """A snapshot after each event for which ``predicate(event, version)`` holds."""
    return _When(predicate)


def any_of(*strategies: SnapshotStrategy) -> SnapshotStrategy:
    """A snapshot whenever one of these strategies wants one."""
    return _AnyOf(strategies)


@frozen
class Retention:
    """What is kept of a stream once a new snapshot is stored: the newest ``snapshots``.

    With ``truncate_events`` the events that the oldest of these contains are deleted too. History
    is then gone, and so is the full replay that a damaged snapshot could fall back to. A process
    that has not come so far will not react to what is deleted.
    """

    snapshots: int
    truncate_events: bool = False

    def __post_init__(self) -> None:
        if self.snapshots < 1:
            raise ValueError(f"at least one snapshot is kept, not {self.snapshots}")


KEEP_ALL = Retention(sys.maxsize)
"""Every snapshot is kept."""
