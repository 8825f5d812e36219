"""Given what has happened, when a command comes, then this follows: the unit test of an entity."""

# What a timer's command is handled with is the entity package's own business.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Generic, NoReturn, Self, TypeVar

from daicho.entity.entity import AnyEntity, Entity
from daicho.entity.messages import Fire
from daicho.errors import Rejected
from daicho.events import Schema
from daicho.process import Source
from daicho.process.kind import ProcessKind
from daicho.process.messages import Reaction
from daicho.testing.clock import START, microseconds, moment
from daicho.testing.leaving import Sent, Timer, name_of, sent_of, timer_of
from daicho.testing.stage import Result, Stage
from daicho.testing.text import differing_text, event_text, list_text, same, shown
from daicho.testing.unseen import Failure

E = TypeVar("E", bound=AnyEntity)


def given(
    entity: type[E],
    *events: object,
    id: str = "test",  # noqa: A002
    at: datetime = START,
    schema: Schema | None = None,
    roundtrip: bool = True,
) -> Given[E]:
    """An entity to which these events have happened; go on with ``.when(command)``.

    There is no event loop and no journal: an entity is decided with in microseconds, by the rules
    that hold in an application. Whatever is to be stored goes through the codec and back, and after
    each message the state is compared with what the events come to, so that a test finds what would
    otherwise be found when the entity recovers.

    Args:
        entity: The class.
        events: Its history. Those of old versions are read as upcasters make them.
        id: The entity's id.
        at: What time it is for the entity; it stands still until ``.at(…)``.
        schema: Stored names, versions and upcasters, as for ``daicho.open``.
        roundtrip: False: nothing goes through the codec, and the state is not compared; for
            commands and events that are never stored.

    Raises:
        AssertionError: An event does not come back from the codec as it was.
        BadSchema: As with ``daicho.open``.
        TypeError: ``entity`` is no class of entities.
        UnhandledEvent: The entity has no handler for one of the events.
        ValueError: ``at`` has no zone.
    """
    _refuse_what_is_no_entity(entity)
    stage = Stage(
        entity,
        id,
        schema=schema or Schema(),
        now_us=microseconds(at),
        roundtrip=roundtrip,
    )
    stage.begin(events)
    return Given(stage)


def _refuse_what_is_no_entity(entity: object) -> None:
    if not (isinstance(entity, type) and issubclass(entity, Entity)):
        raise TypeError(f"given takes a class that inherits daicho.Entity, not {entity!r}")


class Given(Generic[E]):
    """An entity with a past; see :func:`given`."""

    def __init__(self, stage: Stage[E]) -> None:
        self._stage = stage

    @property
    def entity(self) -> E:
        """The entity as it is now, for what the assertions here do not say."""
        return self._stage.entity

    @property
    def timers(self) -> dict[str, Timer]:
        """The timers that are set, by name."""
        pending = self._stage.entity._pending
        items = pending.items.values() if pending else ()
        return {each.timer: timer_of(self._stage.schema, each) for each in items if each.timer}

    def at(self, time: datetime) -> Self:
        """From here on it is this time; timers do not fire by themselves.

        Raises:
            ValueError: The time has no zone.
        """
        self._stage.now_us = microseconds(time)
        return self

    def when(self, command: object) -> Outcome[E]:
        """Lets the entity decide about a command; say what is expected of it next.

        An error of the entity is kept for ``rejected`` or ``raises``, and makes all else that is
        expected fail. Where nothing is, a test under pytest fails too, and elsewhere there is a
        ``RuntimeWarning``.

        Raises:
            AssertionError: What would be stored is not what is in memory, or the message before
                failed and nothing expected that.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        return Outcome(self._stage, self._stage.command(command))

    def when_due(self, timer: str) -> Outcome[E]:
        """Lets the time of a timer have come: its command is handled, as the application does it.

        Raises:
            AssertionError: There is no such timer, or as with :meth:`when`.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        pending = self._stage.entity._pending
        number = pending.timer(timer) if pending else None
        if pending is None or number is None:
            self._fail(f"no timer {timer!r} is to fire; {self._timers_text()}")
        stage = self._stage
        stage.now_us = max(stage.now_us, pending.items[number].due_us)
        return Outcome(stage, stage.internal(Fire(number), f"timer {timer!r}"))

    def when_event(self, event: object, *, source: Source | None = None) -> Outcome[E]:
        """Lets something have happened to another entity that this process reacts to.

        Args:
            event: What has happened.
            source: Where; unless given, the first event of an entity ``other`` of id ``test``.

        Raises:
            AssertionError: The process has no reaction to it, or it is for another instance, or as
                with :meth:`when`.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        stage = self._stage
        kind = stage.kind
        reactor = kind.reactions.get(type(event)) if isinstance(kind, ProcessKind) else None
        if reactor is None:
            self._fail(f"it has no reaction to {shown(event)}")
        place = source or Source("other:test", "other", "test", 1, 1, moment(stage.now_us))
        instance = reactor.which(event, place)
        if instance != stage.entity.id:
            whose = f"of instance {instance!r}; say given(…, id={instance!r})"
            self._fail(f"{shown(event)} is {'of no instance' if instance is None else whose}")
        return Outcome(stage, stage.event_of_another(Reaction(reactor.function, event), event))

    def when_reply(self, command: object, reply: object = None) -> Outcome[E]:
        """Lets a command that this process has sent be done, with that reply.

        Raises:
            AssertionError: No such command is under way, or as with :meth:`when`.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        text = f"the reply {shown(reply)} to {shown(command)}"
        return Outcome(self._stage, self._stage.outcome(self._number_of(command), reply, text))

    def when_rejected(self, command: object, rejection: Rejected) -> Outcome[E]:
        """Lets a command that this process has sent be rejected.

        Raises:
            AssertionError: No such command is under way, or as with :meth:`when`.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        text = f"the rejection of {shown(command)} ({rejection})"
        return Outcome(self._stage, self._stage.outcome(self._number_of(command), rejection, text))

    def state(self, expected: object) -> Self:
        """The state is equal to this one.

        Raises:
            AssertionError: It differs; the text says in which fields.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        actual: object = self._stage.entity.state
        if not same(expected, actual):
            self._fail(f"the state is another one\n{differing_text(expected, actual)}")
        return self

    # --- for those who go on from here ------------------------------------------------------------

    def _expect_nothing_open(self) -> None:
        """A history is no failure."""

    def _fail(self, text: str, cause: Exception | None = None) -> NoReturn:
        __tracebackhide__ = True
        raise AssertionError(self._text(text)) from cause

    def _text(self, text: str) -> str:
        return f"{self._stage.kind.name} {self._stage.entity.id!r}: {text}"

    def _number_of(self, command: object) -> int:
        __tracebackhide__ = True
        pending = self._stage.entity._pending
        under_way = [
            (item.number, sent_of(self._stage.schema, item))
            for item in (pending.items.values() if pending else ())
            if not item.timer
        ]
        number = next((number for number, sent in under_way if same(sent.command, command)), None)
        if number is None:
            others = "".join(f"\n    {each}" for _, each in under_way)
            found = f"under way are:{others}" if others else "none is"
            self._fail(f"the command {shown(command)} is not under way; {found}")
        return number

    def _timers_text(self) -> str:
        names = ", ".join(repr(name) for name in self.timers)
        return f"set are: {names}" if names else "none is set"


class Outcome(Given[E]):
    """What came of a message; each method says what is expected of it, and can be followed by more.

    An error that nothing expects (``rejected``, ``raises``) makes every other expectation fail, and
    a test that expects nothing at all, too.
    """

    def __init__(self, stage: Stage[E], result: Result) -> None:
        super().__init__(stage)
        self._result = result
        self._is_open = result.error is not None
        self._failure = None
        if result.error is not None:
            text = f"nothing was expected of it, but {self._ended_in(result.error)}"
            self._failure = Failure(self._text(text), result.error)

    @property
    def events(self) -> tuple[object, ...]:
        """What was emitted, for what the assertions here do not say.

        Raises:
            AssertionError: The message failed, and nothing expected that.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        return self._result.events

    @property
    def reply(self) -> object:
        """What the handler returned, for what the assertions here do not say.

        Raises:
            AssertionError: The message failed, and nothing expected that.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        return self._result.reply

    def then(self, *events: object) -> Self:
        """Exactly these events were emitted, in this order; none, if none is given.

        Raises:
            AssertionError: Others were; the text shows both, and which is the first that differs.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        line = partial(event_text, self._stage.schema)
        text = list_text("emitted events", events, self._result.events, line)
        if text:
            self._fail(text)
        return self

    def replies(self, value: object) -> Self:
        """The reply is equal to this value, and of its class.

        Raises:
            AssertionError: It is another one.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        if not same(value, self._result.reply):
            self._fail(f"the reply is another one\n{differing_text(value, self._result.reply)}")
        return self

    def rejected(self, reason: str | None = None, /, **data: object) -> Self:
        """It was rejected before it had emitted anything, so nothing has changed.

        Args:
            reason: The reason that is given; any if None.
            data: What the rejection carries among its data.

        Raises:
            AssertionError: It was not, or says something else.
        """
        __tracebackhide__ = True
        error = self._looked_at()
        if not isinstance(error, Rejected):
            self._fail_otherwise("a rejection was expected")
        if self._result.discarded:
            self._fail(
                f"it was rejected ({error}) after it had emitted {self._result.discarded} event(s),"
                " so the entity is rebuilt for nothing; decide first, then emit"
            )
        wrong = [] if reason in {None, error.reason} else [(reason, error.reason)]
        wrong += [
            (f"{name}={shown(value)}", _item(error, name))
            for name, value in data.items()
            if name not in error.data or not same(value, error.data[name])
        ]
        if wrong:
            lines = [f"\n    expected {each!s}\n    was      {was}" for each, was in wrong]
            self._fail("the rejection is another one" + "".join(lines))
        self._is_open = False
        return self

    def raises(self, error: type[Exception]) -> Self:
        """It failed with an error of this class; what it had emitted is forgotten.

        Raises:
            AssertionError: It did not, or with another one.
        """
        __tracebackhide__ = True
        if not isinstance(self._looked_at(), error):
            self._fail_otherwise(f"{error.__qualname__} was expected")
        self._is_open = False
        return self

    def sends(self, *commands: tuple[type[AnyEntity] | str, str, object]) -> Self:
        """Exactly these commands were sent to others, in this order; none, if none is given.

        Args:
            commands: For each the entity's class or stored name, its id, and the command.

        Raises:
            AssertionError: Others were; the text shows both.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        schema = self._stage.schema
        expected = [Sent(name_of(entity), id_, command) for entity, id_, command in commands]
        actual = [sent_of(schema, each) for each in self._result.outgoing if not each.timer]
        text = list_text("commands that were sent", expected, actual, str)
        if text:
            self._fail(text)
        return self

    def then_scheduled(
        self,
        name: str,
        command: object,
        *,
        at: datetime | None = None,
        after: timedelta | None = None,
    ) -> Self:
        """This message has set a timer of that name, with this command.

        Args:
            name: The timer's name.
            command: What the entity is sent when it is due.
            at: When it is due.
            after: How long after the time of the message it is due; for either, any time if None.

        Raises:
            AssertionError: It has not, or the timer is another one.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        numbers = [each.number for each in self._result.outgoing if each.timer == name]
        pending = self._stage.entity._pending
        if not numbers or pending is None or pending.timer(name) not in numbers:
            self._fail(
                f"no timer {name!r} was set by {self._result.message}; {self._timers_text()}"
            )
        due = moment(self._stage.now_us) + after if after is not None else at
        expected = Timer(name, command, self.timers[name].due if due is None else due)
        actual = self.timers[name]
        if not same(expected.command, actual.command) or expected.due != actual.due:
            self._fail(f"the timer is another one\n{differing_text(expected, actual)}")
        return self

    def then_cancelled(self, name: str) -> Self:
        """This message has cancelled a timer of that name, and has set no other one.

        Raises:
            AssertionError: It has not.
        """
        __tracebackhide__ = True
        self._expect_nothing_open()
        if name not in self._result.cancelled:
            self._fail(
                f"no timer {name!r} was cancelled by {self._result.message}; {self._timers_text()}"
            )
        return self

    # --- failures ---------------------------------------------------------------------------------

    def _expect_nothing_open(self) -> None:
        __tracebackhide__ = True
        if self._is_open:
            self._looked_at()
            self._fail_otherwise("no error was expected")

    def _looked_at(self) -> Exception | None:
        """The error that it ended in; whatever the test says of it, it knows of it."""
        if self._failure is not None:
            self._failure.is_seen = True
        return self._result.error

    def _fail_otherwise(self, expected: str) -> NoReturn:
        __tracebackhide__ = True
        result = self._result
        if result.error is None:
            emitted = "".join(f"\n    + {shown(each)}" for each in result.events)
            what = f"it emitted{emitted}" if emitted else "it emitted nothing"
            self._fail(f"{expected}, but {result.message} was done, and {what}")
        self._fail(f"{expected}, but {self._ended_in(result.error)}", result.error)

    def _ended_in(self, error: Exception) -> str:
        return f"{self._result.message} ended in {type(error).__qualname__}: {error}"


def _item(error: Rejected, name: str) -> str:
    return f"{name}={shown(error.data[name])}" if name in error.data else f"no {name}"
