"""What carries an entity through messages in a test: no loop, no journal, the same rules.

pytest leaves these functions out of what it prints: who looks for an error has not written them.
For the same reason what the codec refuses is told without the codec's own way there.
"""

# What a stage does to an entity is the entity package's own business.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from inspect import isawaitable
from typing import Generic, NamedTuple, TypeVar

from daicho.entity.copies import COPIERS
from daicho.entity.entity import AnyEntity
from daicho.entity.history import parts_of
from daicho.entity.messages import Internal
from daicho.entity.stored import decode_reply, encode_reply
from daicho.entity.v1 import Outgoing, Settled
from daicho.errors import EventError, Rejected
from daicho.events import Schema
from daicho.process.messages import Outcome as Settling
from daicho.testing.text import differing_text, same, shown

E = TypeVar("E", bound=AnyEntity)


class _Kept(NamedTuple):
    """Something that has happened to the entity, as a journal would keep it."""

    event: object
    stored: tuple[str, bytes] | None
    """None where nothing goes through the codec."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one message."""

    message: str
    """The message, for whoever reads why a test failed."""
    reply: object = None
    error: Exception | None = None
    events: tuple[object, ...] = ()
    """What it emitted, without what the layer itself records."""
    outgoing: tuple[Outgoing, ...] = ()
    """The commands that it let go, and the timers that it set."""
    cancelled: frozenset[str] = frozenset()
    """The timers that it cancelled and did not set anew."""
    discarded: int = 0
    """How many events it had emitted when it failed."""


class Stage(Generic[E]):
    """One entity and its history; the ``Turn`` of its messages."""

    def __init__(
        self,
        cls: type[E],
        id: str,  # noqa: A002
        *,
        schema: Schema,
        now_us: int,
        roundtrip: bool,
    ) -> None:
        self._cls = cls
        self._id = id
        self._roundtrip = roundtrip
        self._history: list[_Kept] = []
        self._recorded: list[object] = []
        self.kind = cls._kind_of_this()
        self.schema = schema
        self.now_us = now_us
        if roundtrip:
            for stored in self.kind.types:
                schema.register(stored)
            schema.validate()
        self.entity = cls(id)

    # --- the entity's past ------------------------------------------------------------------------

    def begin(self, events: Iterable[object]) -> None:
        """Lets events have happened.

        Raises:
            AssertionError: One of them does not come back from the codec as it was.
            Exception: What the entity makes of one of them; a note says which.
        """
        __tracebackhide__ = True
        for number, event in enumerate(events, 1):
            kept = self._keep(event)
            # What is of an old version is there to become something else.
            if self._roundtrip and self.schema.is_current(type(event)):
                self._check_roundtrip("the event", event)
            self._history.append(kept)
            try:
                self._replay(self.entity, kept)
            except Exception as error:
                error.add_note(f"while event {number} was given: {shown(event)}")
                raise

    def _keep(self, event: object) -> _Kept:
        __tracebackhide__ = True
        if not self._roundtrip:
            return _Kept(event, None)
        try:
            return _Kept(event, self.schema.encode(event))
        except EventError as error:
            raise AssertionError(_not_stored("the event", event, error)) from None

    def _replay(self, entity: E, kept: _Kept) -> None:
        __tracebackhide__ = True
        message = kept.event if kept.stored is None else self.schema.decode(*kept.stored)
        entity.version += 1
        for each in parts_of(message):
            entity._replay(each)

    def _from_history(self) -> E:
        __tracebackhide__ = True
        entity = self._cls(self._id)
        for kept in self._history:
            self._replay(entity, kept)
        return entity

    # --- one message ------------------------------------------------------------------------------

    def command(self, command: object) -> Result:
        """Lets the entity decide about a command."""
        __tracebackhide__ = True
        handler = self.kind.commands.get(type(command))
        if handler is None:
            return Result(shown(command), error=self.entity._unknown(command))
        if self._roundtrip:
            self._check_roundtrip("the command", command)
        return self.handle(handler, command, shown(command))

    def event_of_another(self, reaction: Internal, event: object) -> Result:
        """Lets a process react to what has happened elsewhere."""
        __tracebackhide__ = True
        if self._roundtrip:
            self._check_roundtrip("the event", event)
        return self.internal(reaction, shown(event))

    def outcome(self, number: int, reply: object, text: str) -> Result:
        """Lets a process hear of a command that it has sent."""
        __tracebackhide__ = True
        if self._roundtrip:
            try:
                reply = decode_reply(self.schema, *encode_reply(self.schema, reply))
            except EventError as error:
                raise AssertionError(_not_stored("the reply", reply, error)) from None
        return self.internal(Settling(number, reply), text)

    def internal(self, message: Internal, text: str) -> Result:
        """Lets the entity decide about what a layer has to say."""
        __tracebackhide__ = True

        def decide(entity: AnyEntity, _: object) -> object:
            __tracebackhide__ = True
            return message.decide(entity, self.schema)

        return self.handle(decide, message, text)

    def handle(self, handler: Callable[..., object], message: object, text: str) -> Result:
        """Lets a handler have the entity and a message, and what it does be stored or not.

        Raises:
            AssertionError: What is stored would be another thing than what is in memory.
        """
        __tracebackhide__ = True
        entity = self.entity
        self._recorded = []
        timers = _timers(entity)
        entity._turn = self
        try:
            reply = finish(handler(entity, message))
            copier = COPIERS[type(reply)]
            reply = reply if copier is None else copier(reply)
        except Exception as error:  # noqa: BLE001 - the test says which error it expects
            result = self._failed(error, text)
        else:
            result = self._done(reply, text, timers)
        finally:
            entity._turn = None
        if self._roundtrip:
            self._check_state(text)
        return result

    def _done(self, reply: object, text: str, timers: dict[int, str]) -> Result:
        recorded = tuple(self._recorded)
        outgoing = tuple(each for each in recorded if isinstance(each, Outgoing))
        timers |= {each.number: each.timer for each in outgoing}
        cancelled = {
            timers[each.number]
            for each in recorded
            if isinstance(each, Settled) and each.outcome == Settled.OUTCOME_CANCELLED
        }
        self._history += (self._keep(event) for event in recorded)
        if self._roundtrip:
            for event in recorded:
                self._check_roundtrip("the event", event)
        return Result(
            text,
            reply,
            events=tuple(each for each in recorded if not isinstance(each, Outgoing | Settled)),
            outgoing=outgoing,
            cancelled=frozenset(cancelled - {*_timers(self.entity).values()}),
        )

    def _failed(self, error: Exception, text: str) -> Result:
        if self._recorded or not isinstance(error, Rejected):
            self.entity = self._from_history()
        return Result(text, error=error, discarded=len(self._recorded))

    # --- the turn of the entity -------------------------------------------------------------------

    def record(self, event: object) -> None:
        """See ``Turn``."""
        __tracebackhide__ = True
        if self._roundtrip:
            self.schema.encode(event)
        self._recorded.append(event)

    def encode(self, message: object) -> tuple[str, bytes]:
        """See ``Turn``."""
        __tracebackhide__ = True
        return self.schema.encode(message)

    # --- the round trip ---------------------------------------------------------------------------

    def _check_roundtrip(self, what: str, value: object) -> None:
        __tracebackhide__ = True
        try:
            back = self.schema.decode(*self.schema.encode(value))
        except EventError as error:
            raise AssertionError(_not_stored(what, value, error)) from None
        if not same(value, back):
            raise AssertionError(
                f"{what} {shown(value)} comes back from the codec as something else;"
                f" fix its fields, or let it be with roundtrip=False\n{differing_text(value, back)}"
            )

    def _check_state(self, text: str) -> None:
        __tracebackhide__ = True
        self._check_roundtrip("the state", self.entity.state)
        replayed = self._from_history()
        if not same(replayed.state, self.entity.state):
            raise AssertionError(
                f"after {text} the state is another one than its events come to, so it would be"
                " lost with the memory; change it in event handlers alone\n"
                + differing_text(replayed.state, self.entity.state)
            )


def _timers(entity: AnyEntity) -> dict[int, str]:
    """The names of the timers that are set, by their numbers."""
    items = entity._pending.items if entity._pending else {}
    return {number: item.timer for number, item in items.items() if item.timer}


def _not_stored(what: str, value: object, error: EventError) -> str:
    return f"{what} {shown(value)}: {error}; if it is never stored, say roundtrip=False"


def finish(pending: object) -> object:
    """The result of a handler; one that is ``async`` runs to its end on a loop of its own."""
    __tracebackhide__ = True
    if not isawaitable(pending):
        return pending
    work = _wait(pending)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work)
    # A loop that runs already, as in an async test, cannot run another one inside.
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(copy_context().run, _run, work).result()


def _run(work: Coroutine[object, object, object]) -> object:
    __tracebackhide__ = True
    # With a factory the runner leaves the thread's own event loop alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


async def _wait(pending: Awaitable[object]) -> object:
    __tracebackhide__ = True
    return await pending
