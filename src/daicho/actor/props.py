"""How an actor is made."""

# The modules of this package share what it keeps to itself.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack, cast

from daicho.actor.mailbox import Bounded
from daicho.actor.supervision import OneForOne, SupervisorStrategy

if TYPE_CHECKING:
    from daicho.actor.context import Context
    from daicho.actor.envelope import Envelope
    from daicho.actor.pid import PID
    from daicho.actor.verbs import Verbs


class Actor(Protocol):
    """Something that handles messages, one at a time, with a plain or an ``async`` method."""

    def receive(self, ctx: Context, /) -> object:
        """Handles ``ctx.message``; what is awaitable is awaited before the next message."""
        ...


Receiver = Callable[["Context", "Envelope"], "Awaitable[object] | None"]
"""Handles an envelope; returns something to await before the next message, or None."""

ReceiverMiddleware = Callable[[Receiver], Receiver]
"""Wraps a receiver. It is called once for each actor, so what it makes belongs to that actor."""

Sender = Callable[["Verbs", "PID", "Envelope"], None]
"""Lets an envelope leave for a PID."""

SenderMiddleware = Callable[[Sender], Sender]
"""Wraps a sender."""

Spawner = Callable[["Props", str, "Context | None"], "PID"]
"""Starts an actor with an id for a parent (None at the top) and returns its PID."""

SpawnMiddleware = Callable[[Spawner], Spawner]
"""Wraps a spawner."""

ContextDecorator = Callable[["Context"], "Context"]
"""Gives the actor's handlers another view of their context; see ``ContextView``."""


def compose(sender: Sender, middleware: Sequence[SenderMiddleware]) -> Sender | None:
    """The chain of sender middleware, the first outermost; None if there is none."""
    if not middleware:
        return None
    for wrap in reversed(middleware):
        sender = wrap(sender)
    return sender


def leave(origin: Verbs, target: PID, envelope: Envelope) -> None:
    """The end of every sender chain."""
    departures = origin.system.departures
    if departures is None:
        origin._leave(target, envelope)
    else:
        departures.append((target, envelope))


class _FunctionActor:
    """An actor that is one function."""

    __slots__ = ("receive",)

    # An attribute rather than a method, so that a call is one call.
    receive: Callable[[Context], object]

    def __init__(self, receive: Callable[[Context], object]) -> None:
        self.receive = receive


class PropsOptions(TypedDict, total=False):
    """What can be said of an actor beside how it is made; see ``Props``."""

    receiver_middleware: Sequence[ReceiverMiddleware]
    sender_middleware: Sequence[SenderMiddleware]
    spawn_middleware: Sequence[SpawnMiddleware]
    context_decorators: Sequence[ContextDecorator]
    mailbox: Bounded | None
    supervisor: SupervisorStrategy
    stash_capacity: int
    passivate_after: float | None


@dataclass(frozen=True, slots=True)
class Props:
    """How an actor is made: from a class or a factory, called without arguments.

    It is called for every incarnation. Props can be shared by any number of actors. Of several
    middlewares or decorators the first is the outermost.
    """

    producer: Callable[[], Actor]
    _: dataclasses.KW_ONLY
    receiver_middleware: Sequence[ReceiverMiddleware] = ()
    sender_middleware: Sequence[SenderMiddleware] = ()
    spawn_middleware: Sequence[SpawnMiddleware] = ()
    """Wraps how this actor spawns its children."""
    context_decorators: Sequence[ContextDecorator] = ()
    mailbox: Bounded | None = None
    """Unbounded if None."""
    supervisor: SupervisorStrategy = dataclasses.field(default_factory=OneForOne)
    """What becomes of this actor's children when they fail."""
    stash_capacity: int = 1_000
    passivate_after: float | None = None
    """Stops the actor when it has been idle for so many seconds.

    Never while something is left to do: a message in its mailbox or its stash, a continuation of
    ``reenter_after``, a child, something held that may not leave yet, a failure not decided.
    """

    sender_chain: Sender | None = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_types()
        if self.stash_capacity < 1:
            raise ValueError(f"a stash holds at least one message, not {self.stash_capacity}")
        if self.passivate_after is not None and not self.passivate_after > 0:
            raise ValueError(
                f"an idle time is a positive number of seconds, not {self.passivate_after!r}"
            )
        object.__setattr__(self, "sender_chain", compose(leave, self.sender_middleware))

    def _check_types(self) -> None:
        """Refuses what is easily given by mistake, before it fails far from here."""
        if not callable(self.producer):
            raise TypeError(
                f"Props takes a class or a factory, not a {type(self.producer).__name__}:"
                " Props(Wallet), or Props(lambda: Wallet(…))"
            )
        for name in ("receiver_middleware", "sender_middleware", "spawn_middleware"):
            if not isinstance(getattr(self, name), Sequence):
                raise TypeError(f"{name} is a list of middleware: {name}=[…]")
        if not hasattr(self.supervisor, "handle_failure"):
            raise TypeError(
                f"a supervisor is a strategy such as OneForOne(), not {self.supervisor!r}"
            )

    @staticmethod
    def from_function(
        receive: Callable[[Context], object], /, **options: Unpack[PropsOptions]
    ) -> Props:
        """An actor that is one function, plain or ``async``, called with each message's context."""
        # pyright takes an attribute that can be called for a method that would be bound.
        return Props(lambda: cast("Actor", _FunctionActor(receive)), **options)

    def with_options(self, **options: Unpack[PropsOptions]) -> Props:
        """The same with other options."""
        return dataclasses.replace(self, **options)
