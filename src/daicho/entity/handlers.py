"""What marks a method as a handler, and how the type that it handles is found."""

from __future__ import annotations

import inspect
import types
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from daicho.errors import BadEntity, Rejected

E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)
C = TypeVar("C")
R = TypeVar("R")
Out = TypeVar("Out")

_NO_MESSAGES = (type(None), object, Any)

_FAR_ENOUGH = 8
"""How many callers are searched for a name that the module of a handler does not have."""


class Handler:
    """A method that handles messages of the types that its parameters name."""

    kind = "handler"
    arity = 1
    """How many parameters follow ``self``; the first of them says what is handled."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.kind} handler {self.function.__qualname__}>"

    def handled(self, entity: str) -> tuple[type, ...]:
        """The classes that it handles, by the annotation of its first parameter.

        Raises:
            BadEntity: There is no annotation that says so, or its parameters are others.
        """
        parameters = [
            parameter
            for parameter in list(inspect.signature(self.function).parameters.values())[1:]
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
        if len(parameters) != self.arity or _asks_for_more(self.function):
            raise BadEntity(
                entity, f"{self.kind} handler {self.name} {_shape(self.kind, self.arity)}"
            )
        annotation: object = parameters[0].annotation
        if annotation is inspect.Parameter.empty:
            raise BadEntity(
                entity,
                f"{self.kind} handler {self.name} does not say what it handles;"
                f" annotate its parameter: def {self.name}(self, {parameters[0].name}: SomeClass)",
            )
        found = _classes(self._resolved(annotation, entity))
        if not found:
            raise BadEntity(
                entity,
                f"{self.kind} handler {self.name} is annotated with {annotation!r};"
                " a class is needed, or several joined by |",
            )
        if Rejected in found:
            raise BadEntity(
                entity,
                f"{self.kind} handler {self.name} would handle Rejected; first comes the command"
                " that was sent, then the rejection",
            )
        return found

    def returned(self, entity: str) -> tuple[type, ...]:
        """The classes that its annotation says it returns; none where it does not say so."""
        annotation: object = inspect.signature(self.function).return_annotation
        if annotation is inspect.Signature.empty:
            return ()
        try:
            resolved = self._resolved(annotation, entity)
        except BadEntity:
            return ()  # for a type checker alone: nothing depends on it here
        return tuple(part for part in (resolved, *get_args(resolved)) if isinstance(part, type))

    def _resolved(self, annotation: object, entity: str) -> object:
        """The annotation itself, where it is written as a string."""
        if not isinstance(annotation, str):
            return annotation

        def holder() -> None: ...

        holder.__annotations__ = {"message": annotation}
        namespace: dict[str, object] = getattr(self.function, "__globals__", {})
        missing: NameError | None = None
        # A class inside a function may name what is local there, which only the frame knows.
        frame = _outside()
        for _ in range(_FAR_ENOUGH):
            if frame is None:
                break
            try:
                return get_type_hints(holder, namespace, dict(frame.f_locals))["message"]
            except NameError as error:
                missing = error
            except Exception as error:
                raise BadEntity(
                    entity,
                    f"{self.kind} handler {self.name} is annotated with {annotation!r}, which"
                    f" cannot be read: {error}; name a class, or several joined by |",
                ) from error
            frame = frame.f_back
        raise BadEntity(
            entity,
            f"{self.kind} handler {self.name} is annotated with {annotation!r}, and {missing};"
            " import the class where the program runs, not under TYPE_CHECKING alone",
        ) from missing


def _outside() -> types.FrameType | None:
    """Where the class is made: the first caller that is none of this library."""
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("daicho."):
        frame = frame.f_back
    return frame


def _asks_for_more(function: Callable[..., object]) -> bool:
    return any(
        parameter.kind in (parameter.VAR_POSITIONAL, parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
        for parameter in inspect.signature(function).parameters.values()
    )


def _shape(kind: str, arity: int) -> str:
    if arity == 1:
        return f"takes self and one {kind}: def …(self, {kind}: SomeClass)"
    return "takes self, the command that was sent, and what came back"


def _classes(annotation: object) -> tuple[type, ...]:
    """A class, or the classes of a union; nothing where it is something else."""
    parts: tuple[object, ...] = (annotation,)
    if get_origin(annotation) in (Union, types.UnionType):
        parts = get_args(annotation)
    # Messages are looked up by their exact class, so what every class is would handle none.
    if all(isinstance(part, type) and part not in _NO_MESSAGES for part in parts):
        return tuple(part for part in parts if isinstance(part, type))
    return ()


class CommandHandler(Handler, Generic[E_contra, C, R, Out]):
    """A method that decides about commands; see :func:`command`.

    ``E`` is its entity, ``C`` the command, ``R`` the reply, and ``Out`` what calling it returns:
    the reply, or something to await for it.
    """

    kind = "command"

    def __init__(self, function: Callable[[E_contra, C], Out]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, instance: None, owner: type) -> CommandHandler[E_contra, C, R, Out]: ...

    @overload
    def __get__(self, instance: E_contra, owner: type) -> Callable[[C], Out]: ...

    def __get__(
        self, instance: E_contra | None, owner: type
    ) -> CommandHandler[E_contra, C, R, Out] | Callable[[C], Out]:
        return self if instance is None else types.MethodType(self.function, instance)


class EventHandler(Handler, Generic[E_contra, C]):
    """A method that applies events; see :func:`event`."""

    kind = "event"

    def __init__(self, function: Callable[[E_contra, C], None]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, instance: None, owner: type) -> EventHandler[E_contra, C]: ...

    @overload
    def __get__(self, instance: E_contra, owner: type) -> Callable[[C], None]: ...

    def __get__(
        self, instance: E_contra | None, owner: type
    ) -> EventHandler[E_contra, C] | Callable[[C], None]:
        return self if instance is None else types.MethodType(self.function, instance)

    def handled(self, entity: str) -> tuple[type, ...]:
        """See :meth:`Handler.handled`."""
        if inspect.iscoroutinefunction(self.function):
            raise BadEntity(
                entity,
                f"event handler {self.name} is async; an event has happened already, so there is"
                " nothing to wait for: take the async away",
            )
        returns: object = inspect.signature(self.function).return_annotation
        if returns not in (inspect.Signature.empty, None, "None"):
            raise BadEntity(
                entity,
                f"event handler {self.name} is annotated to return something, and returns None;"
                f" let it assign the new state: def {self.name}(…) -> None: self.state = …",
            )
        return super().handled(entity)


@overload
def command(
    function: Callable[[E, C], Awaitable[R]],
) -> CommandHandler[E, C, R, Awaitable[R]]: ...


@overload
def command(function: Callable[[E, C], R]) -> CommandHandler[E, C, R, R]: ...


def command(function: Callable[[E, C], object] | None = None) -> object:
    """Marks the method that decides about commands of the type that its parameter names.

    It looks at ``self.state``, raises ``Rejected`` or emits events, and returns the reply, which
    leaves when the events are durable. It may be ``async``; the entity handles nothing else
    meanwhile. It may run again for one command, if another process was faster, so what it does to
    the world outside should bear that.
    """
    if function is None:
        raise TypeError("write @daicho.command without parentheses")
    return CommandHandler[E, C, object, object](function)


def event(function: Callable[[E, C], None]) -> EventHandler[E, C]:
    """Marks the method that applies events of the type that its parameter names.

    It changes ``self.state`` or assigns it, and does nothing else: it runs for each event when that
    is emitted, and again for all of history. So it must not fail, wait, or look at the clock.
    """
    return EventHandler(function)
