"""What a cell knows of its actor's life: its object, its children, and their failures.

What each signal does to it is in ``lifecycle``, how signals and messages come in ``cell``.
"""

# The modules of this package share what it keeps to itself.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, cast

from daicho.actor.context import Context
from daicho.actor.lifecycle import State
from daicho.actor.signals import Failure, Restart, Resume, Signal, Start, Stop
from daicho.actor.supervisor import supervise

if TYPE_CHECKING:
    from daicho.actor.cell import Cell
    from daicho.actor.extras import Extras
    from daicho.actor.pid import PID
    from daicho.actor.props import Props
    from daicho.actor.system import ActorSystem


class Living(Context):
    """The part of a cell that outlives its messages."""

    __slots__ = ("state", "suspended")

    def __init__(self, system: ActorSystem, props: Props, pid: PID, parent: PID | None) -> None:
        super().__init__(system, props, pid, parent)
        self.state = State.NEW
        self.suspended = True
        """Whether messages wait: it has not begun, or it failed and nobody has decided yet."""

    @abstractmethod
    def signal(self, signal: Signal) -> None:
        """Takes a message of the actor model."""

    # --- its object -------------------------------------------------------------------------------

    def incarnate(self) -> None:
        """Makes the object that handles messages; raises what making it raises."""
        self._actor = None
        actor = self._props.producer()
        if not hasattr(actor, "receive"):
            raise TypeError(
                f"a {type(actor).__name__} has no receive method, so it is no actor;"
                " for a function use Props.from_function"
            )
        self._actor = actor

    def restart_after(self, delay: float) -> None:
        """Handles nothing more with this incarnation and begins anew after ``delay`` seconds.

        For who knows that the actor's memory must not be trusted any more. Until then neither
        Resume nor Restart of its supervisor has an effect; Stop has. Called again, it counts anew.
        """
        if self.state is not State.ALIVE:
            return  # this incarnation is over already
        self.suspended = True
        extras = self.more()
        if extras.restart_timer is not None:
            extras.restart_timer.cancel()
        extras.restart_timer = self._system.loop.call_later(delay, self._restart_by_itself)

    def _restart_by_itself(self) -> None:
        self.more().restart_timer = None
        self.signal(Restart(self.incarnation))

    # --- its children and failures ----------------------------------------------------------------

    def adopt(self, child: Cell) -> None:
        """Starts a child, now or when what is held may leave."""
        self.more().children[child.self] = child
        if self.outbox is None:
            child.signal(Start())
        else:
            self.outbox.hold_action(
                lambda: child.signal(Start()), lambda error: child.signal(Stop(error))
            )

    def report_failure(self, error: BaseException, message: object) -> None:
        """Asks the supervisor what is to be done."""
        failure = Failure(cast("Cell", self), self.incarnation, error, message)
        if self.parent is None:
            self._system.supervise_top(failure)
        else:
            self._system.process(self.parent).signal(failure)

    def supervise(self, failure: Failure) -> None:
        """Decides what is to be done about a child that failed."""

        def escalate() -> None:
            self.suspended = True
            self.more().escalated.append(failure)
            self.report_failure(failure.error, failure.message)

        supervise(
            self._system,
            self._props.supervisor,
            lambda: tuple(self.more().children.values()),
            failure,
            escalate,
        )

    def resume_escalated(self) -> None:
        """Lets children go on whose failures were made this actor's own, as it goes on itself."""
        extras = self.more()
        for failure in extras.escalated:
            failure.child.signal(Resume(failure.incarnation))
        extras.escalated.clear()

    # --- looking in -------------------------------------------------------------------------------

    @property
    def view(self) -> Context:
        """What the actor's handlers see of it."""
        extras = self._extras
        return self if extras is None or extras.view is None else extras.view

    @property
    def props(self) -> Props:
        """How it was made."""
        return self._props

    @property
    def incarnated(self) -> bool:
        """Whether there is an object to handle messages: none after its producer failed."""
        return self._actor is not None

    @property
    def incarnation(self) -> int:
        """How many objects handled messages before the present one."""
        return 0 if self._extras is None else self._extras.incarnation

    def more(self) -> Extras:
        """Its rarer belongings, made when they are first needed."""
        return self._more()
