"""Messages of the actor model itself. They come before those of users and are seen by no handler.

The last group are the steps of a life: a step that runs a handler which has to be awaited puts the
step after it at the front of the queue, so that life goes on when the handler is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daicho._frozen import frozen

if TYPE_CHECKING:
    from daicho.actor.cell import Cell
    from daicho.actor.messages import Terminated
    from daicho.actor.pid import PID


# --- what an actor is told to do ------------------------------------------------------------------


@frozen
class Start:
    """Begin: the actor may handle messages from now on."""


@frozen
class Stop:
    """Stop after the message that is being handled; ``reason`` is None unless an error is why."""

    reason: BaseException | None = None


@frozen
class Restart:
    """Go on with a new incarnation, if this one is still the ``incarnation`` that is meant."""

    incarnation: int


@frozen
class Resume:
    """Go on as if nothing had happened, if this is still the ``incarnation`` that is meant."""

    incarnation: int


@frozen
class Passivate:
    """Stop, if really nothing is left to do."""


@frozen
class Idle:
    """No message came for as long as the receive timeout."""


# --- what actors tell each other ------------------------------------------------------------------


@frozen(eq=False)
class Watch:
    """Tell ``watcher`` when you stop.

    The answer names this very object. So an answer that comes after the watcher has changed its
    mind, or to an earlier actor of the same name, is told from the one that is waited for.
    """

    watcher: PID


@frozen
class Unwatch:
    """Do not tell ``watcher``."""

    watcher: PID


@frozen(eq=False)
class Ended:
    """The answer to a ``watch``."""

    terminated: Terminated
    watch: Watch


@frozen(eq=False)
class ChildEnded:
    """A child has stopped; ``watch`` is its parent's, if that watched it besides."""

    terminated: Terminated
    child: Cell
    watch: Watch | None


@frozen(eq=False)
class Failure:
    """A child failed in its ``incarnation`` and waits for what is to be done."""

    child: Cell
    incarnation: int
    error: BaseException
    message: object


# --- the steps of a life --------------------------------------------------------------------------


@frozen
class StopChildren:
    """Step: the handler of ``Stopping`` or ``Restarting`` is done."""


@frozen
class Reincarnate:
    """Step: the children of a restarting actor have stopped."""


@frozen
class Finalize:
    """Step: the children of a stopping actor have stopped."""


@frozen
class Bury:
    """Step: the handler of ``Stopped`` is done."""


Signal = (
    Start | Stop | Restart | Resume | Passivate | Idle
    | Watch | Unwatch | Ended | ChildEnded | Failure
    | StopChildren | Reincarnate | Finalize | Bury
)  # fmt: skip
