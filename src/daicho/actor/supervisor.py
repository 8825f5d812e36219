"""How a strategy's decision is carried out, for an actor's children and for those at the top."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from daicho.actor.messages import ActorFailed
from daicho.actor.signals import Failure, Restart, Resume, Stop
from daicho.actor.supervision import ChildFailure, Directive, SupervisorStrategy

if TYPE_CHECKING:
    from daicho.actor.cell import Cell
    from daicho.actor.pid import PID
    from daicho.actor.system import ActorSystem

log = logging.getLogger("daicho.actor")


def supervise(
    system: ActorSystem,
    strategy: SupervisorStrategy,
    children: Callable[[], tuple[Cell, ...]],
    failure: Failure,
    escalate: Callable[[], None],
) -> None:
    """Lets the strategy decide about a child that failed.

    A strategy that fails itself stops the child.
    """
    cell = failure.child
    if system.find_cell(cell.self) is not cell:
        return  # it has been stopped meanwhile
    supervisor = _Supervisor(system, children, failure, escalate)
    child = ChildFailure(cell.self, failure.error, failure.message, cell.more().statistics)
    try:
        strategy.handle_failure(supervisor, child)
    except Exception:
        log.exception("the supervisor strategy %r failed; %s is stopped", strategy, cell.self)
        supervisor.stop_children(child, cell.self)


class _Supervisor:
    """See ``supervision.Supervisor``."""

    def __init__(
        self,
        system: ActorSystem,
        children: Callable[[], tuple[Cell, ...]],
        failure: Failure,
        escalate: Callable[[], None],
    ) -> None:
        self._system = system
        self._children = children
        self._failure = failure
        self._escalate = escalate

    @property
    def children(self) -> tuple[PID, ...]:
        return tuple(cell.self for cell in self._children())

    def now(self) -> float:
        return self._system.loop.time()

    def resume(self, failure: ChildFailure) -> None:
        self._publish(failure, Directive.RESUME)
        self._failure.child.signal(Resume(self._failure.incarnation))

    def restart(self, failure: ChildFailure, *children: PID, delay: float = 0.0) -> None:
        self._publish(failure, Directive.RESTART)
        for cell in self._cells(children):
            # A decision is about an incarnation: of two that fail together, and whose strategy
            # restarts both, neither is restarted twice.
            failed = cell is self._failure.child
            restart = Restart(self._failure.incarnation if failed else cell.incarnation)
            if delay:
                self._system.loop.call_later(delay, cell.signal, restart)
            else:
                cell.signal(restart)

    def stop_children(self, failure: ChildFailure, *children: PID) -> None:
        self._publish(failure, Directive.STOP)
        for cell in self._cells(children):
            cell.signal(Stop(failure.error))

    def escalate(self, failure: ChildFailure) -> None:
        self._publish(failure, Directive.ESCALATE)
        self._escalate()

    def _cells(self, children: tuple[PID, ...]) -> list[Cell]:
        found = (self._system.find_cell(child) for child in children)
        return [cell for cell in found if cell is not None]

    def _publish(self, failure: ChildFailure, directive: Directive) -> None:
        log.error(
            "%s failed on %r: %s",
            failure.child,
            failure.message,
            directive.value,
            exc_info=failure.error,
        )
        self._system.event_stream.publish(
            ActorFailed(failure.child, failure.error, failure.message, directive)
        )
