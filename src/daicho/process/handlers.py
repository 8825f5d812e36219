"""What marks the methods of a process: reactions, and what hears of the outcome of a command."""

from __future__ import annotations

import inspect
import types
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, get_args, overload

from daicho.entity.handlers import Handler
from daicho.errors import BadEntity, Rejected
from daicho.process.source import Source

P = TypeVar("P")
C = TypeVar("C")
R = TypeVar("R")

Which = Callable[[C, Source], str | None]
"""Says which instance an event belongs to, by its id; None if to none."""


class ReactionHandler(Handler, Generic[P, C]):
    """A method that reacts to events of other entities; see :func:`reaction`."""

    kind = "reaction"

    def __init__(self, function: Callable[[P, C], Awaitable[None] | None]) -> None:
        super().__init__(function)
        self.which: Which[C] | None = None

    def id(self, function: Which[C]) -> Which[C]:
        """Marks what says which instance an event belongs to.

        It gets the event and its ``Source``, and returns the id of the process, or None for an
        event that concerns none. It must give the same answer each time, so it looks at nothing
        else. A static method, so that type checkers know that it has no ``self``.
        """
        self.which = function
        return function

    @overload
    def __get__(self, instance: None, owner: type) -> ReactionHandler[P, C]: ...

    @overload
    def __get__(self, instance: P, owner: type) -> Callable[[C], Awaitable[None] | None]: ...

    def __get__(
        self, instance: P | None, owner: type
    ) -> ReactionHandler[P, C] | Callable[[C], Awaitable[None] | None]:
        return self if instance is None else types.MethodType(self.function, instance)

    def handled(self, entity: str) -> tuple[type, ...]:
        """See :meth:`Handler.handled`.

        Raises:
            BadEntity: Also if nothing says which instance an event belongs to.
        """
        found = super().handled(entity)
        if self.which is None:
            raise BadEntity(
                entity,
                f"reaction {self.name} does not say which instance an event belongs to; write after"
                f" it: @{self.name}.id @staticmethod def _(event: {found[0].__name__}, source:"
                " Source) -> str | None",
            )
        if _arity(self.which) != 2:
            raise BadEntity(
                entity,
                f"what says the id for reaction {self.name} takes the event and its source:"
                f" def _(event: {found[0].__name__}, source: Source) -> str | None",
            )
        return found


class ReplyHandler(Handler, Generic[P, C, R]):
    """A method that hears of the reply to a command; see :func:`on_reply`."""

    kind = "reply"
    arity = 2

    def __init__(self, function: Callable[[P, C, R], Awaitable[None] | None]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, instance: None, owner: type) -> ReplyHandler[P, C, R]: ...

    @overload
    def __get__(self, instance: P, owner: type) -> Callable[[C, R], Awaitable[None] | None]: ...

    def __get__(
        self, instance: P | None, owner: type
    ) -> ReplyHandler[P, C, R] | Callable[[C, R], Awaitable[None] | None]:
        return self if instance is None else types.MethodType(self.function, instance)

    def replies(self, entity: str) -> tuple[type, ...]:
        """The classes that the annotation of the reply names, as far as it names classes."""
        *_, reply = inspect.signature(self.function).parameters.values()
        if reply.annotation is inspect.Parameter.empty:
            return ()
        resolved = self._resolved(reply.annotation, entity)
        return tuple(part for part in (resolved, *get_args(resolved)) if isinstance(part, type))


class RejectionHandler(Handler, Generic[P, C]):
    """A method that hears that a command was rejected; see :func:`on_rejection`."""

    kind = "rejection"
    arity = 2

    def __init__(self, function: Callable[[P, C, Rejected], Awaitable[None] | None]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, instance: None, owner: type) -> RejectionHandler[P, C]: ...

    @overload
    def __get__(
        self, instance: P, owner: type
    ) -> Callable[[C, Rejected], Awaitable[None] | None]: ...

    def __get__(
        self, instance: P | None, owner: type
    ) -> RejectionHandler[P, C] | Callable[[C, Rejected], Awaitable[None] | None]:
        return self if instance is None else types.MethodType(self.function, instance)


def reaction(function: Callable[[P, C], Awaitable[None] | None]) -> ReactionHandler[P, C]:
    """Marks the method that reacts to events of the type that its parameter names.

    It is called once in effect for each such event of any entity but those of its own type, in the
    order of the journal, from the journal's first event on. It emits events, sends commands and
    sets timers; all that is stored together. Beside it belongs what says which instance an event
    is for::

        @daicho.reaction
        def requested(self, event: TransferRequested) -> None: ...

        @requested.id
        @staticmethod
        def _(event: TransferRequested, source: daicho.Source) -> str | None:
            return event.transfer_id
    """
    return ReactionHandler(function)


def on_reply(function: Callable[[P, C, R], Awaitable[None] | None]) -> ReplyHandler[P, C, R]:
    """Marks the method that hears of the reply to a command that the process sent.

    It is found by the annotation of its first parameter, the command; the second one is the reply.
    What it emits and sends is stored together with the fact that the command is settled, so it runs
    once in effect. Without such a method a reply only settles its command.
    """
    return ReplyHandler(function)


def on_rejection(
    function: Callable[[P, C, Rejected], Awaitable[None] | None],
) -> RejectionHandler[P, C]:
    """Marks the method that hears that a command which the process sent was rejected.

    As :func:`on_reply`; the second parameter is the ``Rejected`` that the target raised. This is
    where what was done before is made good. Without such a method a rejection is logged, and only
    settles its command.
    """
    return RejectionHandler(function)


def _arity(function: Callable[..., object]) -> int:
    return len(inspect.signature(function).parameters)
