"""What becomes of an actor whose handler raised.

The actor that failed handles nothing until its supervisor, the parent, has decided. Actors at the
top have the system's guardian for a parent.
"""

from __future__ import annotations

import enum
import random
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from daicho._frozen import frozen

if TYPE_CHECKING:
    from daicho.actor.pid import PID


class Directive(enum.Enum):
    """What a supervisor can do."""

    RESUME = "resume"
    """Go on with the next message; the state stays."""
    RESTART = "restart"
    """Go on with a new incarnation; the mailbox stays."""
    STOP = "stop"
    """Stop for good."""
    ESCALATE = "escalate"
    """Fail too, and let the next supervisor up decide."""


Decider = Callable[[BaseException], Directive]
"""Chooses by the error."""


def always_restart(_: BaseException) -> Directive:
    """The decider that is used where none is given."""
    return Directive.RESTART


class RestartStatistics:
    """When an actor failed, in seconds of the loop's clock; kept over its restarts."""

    __slots__ = ("_times",)

    LIMIT = 1_000
    """Older failures than so many are forgotten."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=self.LIMIT)

    def record(self, now: float) -> None:
        """Counts a failure."""
        self._times.append(now)

    def count(self, within: float | None, now: float) -> int:
        """Failures in the last ``within`` seconds; all if None."""
        if within is None:
            return len(self._times)
        return sum(1 for time in self._times if now - time <= within)

    @property
    def last(self) -> float | None:
        """When it failed last."""
        return self._times[-1] if self._times else None

    def reset(self) -> None:
        """Forgets all failures."""
        self._times.clear()


@frozen
class ChildFailure:
    """A child that failed: with what, at which message, and how often before."""

    child: PID
    error: BaseException
    message: object
    statistics: RestartStatistics


class Supervisor(Protocol):
    """What a strategy can tell the children of a supervisor.

    Each call is published as ``ActorFailed``.
    """

    @property
    def children(self) -> tuple[PID, ...]:
        """The children that live."""
        ...

    def now(self) -> float:
        """Seconds of the loop's clock."""
        ...

    def resume(self, failure: ChildFailure) -> None:
        """Lets the child go on."""
        ...

    def restart(self, failure: ChildFailure, *children: PID, delay: float = 0.0) -> None:
        """Restarts these children after ``delay`` seconds."""
        ...

    def stop_children(self, failure: ChildFailure, *children: PID) -> None:
        """Stops these children; the failure is the reason that others learn."""
        ...

    def escalate(self, failure: ChildFailure) -> None:
        """Makes the failure the supervisor's own."""
        ...


class SupervisorStrategy(Protocol):
    """Decides what becomes of children that fail."""

    def handle_failure(self, supervisor: Supervisor, failure: ChildFailure) -> None:
        """Decides, and tells the supervisor."""
        ...


def _apply(
    strategy: OneForOne | AllForOne,
    supervisor: Supervisor,
    failure: ChildFailure,
    affected: tuple[PID, ...],
) -> None:
    match strategy.decider(failure.error):
        case Directive.RESUME:
            supervisor.resume(failure)
        case Directive.ESCALATE:
            supervisor.escalate(failure)
        case Directive.STOP:
            supervisor.stop_children(failure, *affected)
        case Directive.RESTART:
            failure.statistics.record(supervisor.now())
            failures = failure.statistics.count(strategy.within, supervisor.now())
            if failures > strategy.max_restarts:
                supervisor.stop_children(failure, *affected)
            else:
                supervisor.restart(failure, *affected)


def _check(max_restarts: int) -> None:
    if not 0 <= max_restarts < RestartStatistics.LIMIT:
        raise ValueError(
            f"max_restarts is {max_restarts}, allowed is 0 to {RestartStatistics.LIMIT - 1};"
            " AlwaysRestart has no limit"
        )


@frozen(kw_only=True)
class OneForOne:
    """Deals with the child that failed alone.

    It is restarted up to ``max_restarts`` times within ``within`` seconds (ever, if None), then
    stopped.
    """

    max_restarts: int = 10
    within: float | None = 10.0
    decider: Decider = always_restart

    def __post_init__(self) -> None:
        _check(self.max_restarts)

    def handle_failure(self, supervisor: Supervisor, failure: ChildFailure) -> None:
        """See the class."""
        _apply(self, supervisor, failure, (failure.child,))


@frozen(kw_only=True)
class AllForOne:
    """Deals with all children when one fails: for those that cannot go on without each other.

    They are restarted up to ``max_restarts`` times within ``within`` seconds for each child that
    failed, then stopped.
    """

    max_restarts: int = 10
    within: float | None = 10.0
    decider: Decider = always_restart

    def __post_init__(self) -> None:
        _check(self.max_restarts)

    def handle_failure(self, supervisor: Supervisor, failure: ChildFailure) -> None:
        """See the class."""
        _apply(self, supervisor, failure, supervisor.children)


@frozen
class AlwaysRestart:
    """Restarts the child that failed, at once and for ever."""

    def handle_failure(self, supervisor: Supervisor, failure: ChildFailure) -> None:
        """See the class."""
        supervisor.restart(failure, failure.child)


@frozen(kw_only=True)
class ExponentialBackoff:
    """Restarts the child that failed after a delay that doubles with each failure.

    The n-th failure in a row waits ``initial · 2ⁿ⁻¹`` seconds, at most ``maximum``, less a random
    part of up to ``jitter`` of it, so that many children that failed together do not come back
    together. A child that then lived for ``reset_after`` seconds beyond its delay begins anew.
    """

    initial: float = 0.1
    maximum: float = 30.0
    jitter: float = 0.2
    reset_after: float = 60.0
    source: Callable[[], float] = random.random
    """Where chance comes from: numbers from 0 up to 1."""

    def __post_init__(self) -> None:
        if not 0 < self.initial <= self.maximum:
            raise ValueError("a first delay is positive and at most the maximum")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is a part from 0 to 1, not {self.jitter!r}")

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return self._full_delay(failures) * (1.0 - self.jitter * self.source())

    def _full_delay(self, failures: int) -> float:
        # Beyond 2**62 the maximum has long been reached; the float would overflow at 2**1024.
        return min(self.maximum, self.initial * 2.0 ** min(failures - 1, 62))

    def handle_failure(self, supervisor: Supervisor, failure: ChildFailure) -> None:
        """See the class."""
        statistics, now = failure.statistics, supervisor.now()
        if statistics.last is not None:
            waited = self._full_delay(statistics.count(None, now))
            if now - statistics.last > waited + self.reset_after:
                statistics.reset()
        statistics.record(now)
        delay = self.delay(statistics.count(None, now))
        supervisor.restart(failure, failure.child, delay=delay)
