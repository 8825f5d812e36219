"""What the actor model tells an actor, and what it publishes on the event stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daicho._frozen import frozen

if TYPE_CHECKING:
    from daicho.actor.pid import PID
    from daicho.actor.supervision import Directive


# --- what an actor receives about its own life ----------------------------------------------------


@frozen
class Started:
    """The first message of every incarnation."""


@frozen
class Stopping:
    """The actor will stop; its children still live."""


@frozen
class Stopped:
    """The last message: the children have stopped, nothing else comes."""


@frozen
class Restarting:
    """The last message of an incarnation that failed; the next one gets ``Started``."""


@frozen
class ReceiveTimeout:
    """No message came for as long as ``set_receive_timeout`` said."""


class NotInfluenceReceiveTimeout:
    """A base for messages that do not count as activity for the receive timeout."""

    __slots__ = ()


# --- what an actor receives about others ----------------------------------------------------------


@frozen
class Terminated:
    """An actor that this one watches, or a child, has stopped.

    ``reason`` is None unless an error stopped it.
    """

    who: PID
    reason: BaseException | None = None


@frozen
class RequestFailed:
    """A request of this actor gets no reply, and why. An ``ask`` raises the error instead."""

    error: BaseException
    message: object


# --- what one sends to an actor -------------------------------------------------------------------


@frozen
class PoisonPill:
    """Stops the actor when it has handled what came before."""


# --- what is published on the event stream --------------------------------------------------------


@frozen
class DeadLetter:
    """A message that was not handled, whom it was for and why it got no further."""

    pid: PID
    message: object
    sender: PID | None
    reason: str


@frozen
class ActorFailed:
    """A handler raised, and what is done about it."""

    pid: PID
    error: BaseException
    message: object
    directive: Directive
