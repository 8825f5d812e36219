"""Every error that Daicho raises, in one tree.

    DaichoError
    ├── ActorError
    │   ├── NameTaken                 the name belongs to a living actor
    │   ├── Overloaded                a limit is reached, and nothing was done
    │   │   ├── MailboxFull           a bounded mailbox has no room
    │   │   └── StashFull             a stash has no room
    │   ├── HeldRequest               an ask that would wait for the end of its own handler
    │   ├── NotAlive                  an actor at its end wants to spawn
    │   ├── SystemStopped             the actor system is shutting down or gone
    │   ├── WrongThread               what belongs to one thread was used from another
    │   └── RequestError              why a request got no reply
    │       ├── NoSuchActor           nobody has that PID
    │       ├── AskTimeout            no reply in time
    │       ├── HandlerFailed         the handler raised before it replied
    │       └── UnexpectedReply       the reply is not of the expected type
    ├── EventError
    │   ├── UnknownEventType          a stored type name that this program has no class for
    │   ├── UndecodableEvent          stored bytes that are not of that type
    │   ├── UnencodableEvent          an object that cannot become an event
    │   ├── DuplicateEventType        two classes want one name
    │   └── BadSchema                 versions and upcasters that do not fit together
    ├── JournalError
    │   ├── ConcurrencyConflict       another writer was there first
    │   │   └── KeyTaken              another writer stored a reply under that key first
    │   ├── SliceLost                 another owner has claimed the slice of the stream
    │   ├── PositionTaken             the journal has come to that position already
    │   ├── Unsupported               this journal does not offer that
    │   ├── NotChained                this journal keeps no chain of hashes
    │   ├── HistoryWentBack           what a reader has read is not there any more
    │   ├── JournalClosed             used before it was opened or after it was closed
    │   ├── MovingError               a journal could not be moved
    │   │   ├── JournalsDiffer        a journal does not hold what another one holds
    │   │   ├── SourceTruncated       streams lost events while the journal was moved
    │   │   ├── TargetExists          a file is there already
    │   │   └── BadExport             a file is no export, or it was damaged
    │   └── StoreError                what the world did to a store
    │       ├── JournalUnavailable    it did not answer; what was under way may be stored
    │       │   ├── JournalUnreachable nothing could be asked of it
    │       │   ├── JournalRefused    it answered that it did not do it; nothing was stored
    │       │   ├── JournalLocked     another process holds it
    │       │   └── JournalGone       its file was deleted or replaced while it was open
    │       ├── JournalFull           no room is left
    │       ├── JournalReadOnly       it can be read, not written
    │       ├── JournalCorrupt        its bytes contradict themselves
    │       │   └── ChainBroken       history is not what its chain of hashes says
    │       ├── NotAJournal           the file or schema belongs to something else
    │       └── JournalTooNew         written by a later version of Daicho
    ├── PersistenceError
    │   ├── NoStreamName              an anonymous actor that persists
    │   ├── NotPersistent             a Mixin without its middleware, or the reverse
    │   ├── PersistRefused            persist was called where it cannot be
    │   ├── PersistFailed             an append failed; the actor goes back to what is stored
    │   └── RecoveryFailed            the state could not be rebuilt
    ├── EntityError
    │   ├── BadEntity                 a class that cannot be an entity
    │   ├── BadId                     an id that cannot name an entity
    │   ├── UnknownEntity             an entity type that the application was not opened with
    │   ├── UnknownCommand            an entity that has no handler for the command
    │   ├── UnhandledEvent            an event that the entity has no handler for
    │   ├── KeyReused                 an idempotency key that belongs to another command
    │   ├── NoSuchVersion             a version that the entity has not reached, or has no more
    │   └── Rejected                  the entity says no, and nothing has changed
    ├── MissingExtra                  a part whose packages are not installed
    └── BadUrl                        a URL that names no journal

Errors carry their data as attributes, and their text says what to do. What the caller did wrong and
what the world did are both raised; what is a bug of Daicho itself is an ``AssertionError``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self, cast

if TYPE_CHECKING:
    from daicho.actor.pid import PID


class DaichoError(Exception):
    """The root of every error that Daicho raises."""


# --- actors ---------------------------------------------------------------------------------------


class ActorError(DaichoError):
    """Something about actors and their messages."""


class NameTaken(ActorError):
    """A living actor has that name already; ``pid`` is its PID."""

    def __init__(self, pid: PID) -> None:
        super().__init__(
            f"the name {pid.id!r} belongs to a living actor; use its PID or another name"
        )
        self.pid = pid


class Overloaded(ActorError):
    """A limit is reached: the message was refused at once, and nothing of it was done.

    ``what`` is full, ``limit`` is how many messages it holds. The text says what to do: mostly to
    come again later, for it has room as soon as something of what waits is done.
    """

    def __init__(self, what: str, limit: int, advice: str) -> None:
        super().__init__(f"{what} holds {limit} messages, its limit; {advice}")
        self.what = what
        self.limit = limit


class MailboxFull(Overloaded):
    """A bounded mailbox had no room; the message was not delivered."""

    def __init__(self, pid: PID, capacity: int, advice: str) -> None:
        super().__init__(f"the mailbox of {pid}", capacity, advice)
        self.pid = pid
        self.capacity = capacity


class StashFull(Overloaded):
    """The actor's stash had no room for the message."""

    def __init__(self, pid: PID, capacity: int) -> None:
        super().__init__(f"the stash of {pid}", capacity, "unstash earlier or raise stash_capacity")
        self.pid = pid
        self.capacity = capacity


class HeldRequest(ActorError):
    """An ``ask`` in a handler whose messages are held until it ends: it would wait for itself."""

    def __init__(self, pid: PID) -> None:
        super().__init__(
            f"{pid} waits for another while its own messages wait for the end of this handler;"
            " 'await self.persist()' first, or use request_future with reenter_after, or watch"
        )
        self.pid = pid


class NotAlive(ActorError):
    """An actor that is restarting, stopping or gone wants to spawn."""

    def __init__(self, pid: PID) -> None:
        super().__init__(f"{pid} is restarting or has stopped; only a living actor spawns")
        self.pid = pid


class SystemStopped(ActorError):
    """The actor system does not run (any more)."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"actor system {address!r} is not running; use it, or the application around it, inside"
            " its 'async with'"
        )
        self.address = address


class WrongThread(ActorError):
    """A call came from a thread where it cannot work."""


class RequestError(ActorError):
    """A request that ended without its reply; ``pid`` is who was asked."""

    def __init__(self, pid: PID, text: str) -> None:
        super().__init__(text)
        self.pid = pid


class NoSuchActor(RequestError):
    """Nobody has that PID: it never lived here, or it has stopped."""

    def __init__(self, pid: PID) -> None:
        super().__init__(
            pid, f"no actor {pid}: it has stopped or never lived here; spawn it before asking"
        )


class AskTimeout(RequestError):
    """No reply within ``timeout`` seconds; the request may still be handled later."""

    def __init__(self, pid: PID, timeout: float) -> None:
        super().__init__(
            pid, f"{pid} did not reply within {timeout:g} s; it may still handle the request later"
        )
        self.timeout = timeout


class HandlerFailed(RequestError):
    """The handler raised before it replied; ``__cause__`` is what it raised."""

    def __init__(self, pid: PID, cause: BaseException) -> None:
        super().__init__(pid, f"{pid} failed while it handled the request: {cause!r}")
        self.__cause__ = cause


class UnexpectedReply(RequestError):
    """The reply is not of the type that the caller expected; ``reply`` is what came."""

    def __init__(self, pid: PID, expected: type, reply: object) -> None:
        super().__init__(
            pid, f"{pid} replied with {type(reply).__name__}, expected was {expected.__name__}"
        )
        self.expected = expected
        self.reply = reply


# --- events ---------------------------------------------------------------------------------------


class EventError(DaichoError):
    """Something about the names and the bytes of events."""


class UnknownEventType(EventError):
    """A stored type name that this program has no class for."""

    def __init__(self, type_name: str) -> None:
        super().__init__(
            f"no class is known for the event type {type_name!r};"
            " import the module that defines it, or register it (an alias, if it was renamed)"
        )
        self.type_name = type_name


class UndecodableEvent(EventError):
    """Stored bytes that are not a message of their type."""

    def __init__(self, type_name: str, reason: str) -> None:
        super().__init__(f"stored bytes are not a {type_name!r}: {reason}")
        self.type_name = type_name
        self.reason = reason


class UnencodableEvent(EventError):
    """An object that cannot be stored as an event or a snapshot."""

    def __init__(self, cls: type, reason: str) -> None:
        super().__init__(f"{cls.__qualname__} cannot be stored: {reason}")
        self.cls = cls
        self.reason = reason


class DuplicateEventType(EventError):
    """Two classes want one type name."""

    def __init__(self, type_name: str, existing: type, new: type) -> None:
        super().__init__(
            f"the event type {type_name!r} is {existing.__qualname__} already,"
            f" {new.__qualname__} needs another name"
        )
        self.type_name = type_name
        self.existing = existing
        self.new = new


class BadSchema(EventError):
    """Versions and upcasters of stored types do not fit together; ``problems`` says where."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the schema cannot be used: " + "; ".join(problems))
        self.problems = tuple(problems)


# --- the journal ----------------------------------------------------------------------------------


class JournalError(DaichoError):
    """Something about the store of events and snapshots."""


class ConcurrencyConflict(JournalError):
    """The stream is not at the version that the writer expected: another writer was there first.

    Nothing of the refused write was stored.
    """

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(
            f"stream {stream!r} is at version {actual}, the writer expected {expected};"
            " read it again and decide anew"
        )
        self.stream = stream
        self.expected = expected
        self.actual = actual


class KeyTaken(ConcurrencyConflict):
    """Another writer stored a reply under that key first; nothing of the refused write was stored.

    The stream may be at the version that the writer expected all the same.
    """

    def __init__(self, stream: str, expected: int, actual: int, key: str) -> None:
        super().__init__(stream, expected, actual)
        text = f"stream {stream!r} has a reply under the key {key!r} already"
        self.args = (f"{text}; give that instead of doing the command again",)
        self.key = key


class SliceLost(JournalError):
    """The slice of the stream has another epoch than the write names; nothing of it was stored.

    Somebody claimed the slice later, and owns what is in it. ``epoch`` is the one that the write
    named, ``current`` that of the slice.
    """

    def __init__(self, stream: str, slice_: int, epoch: int, current: int) -> None:
        super().__init__(
            f"the slice {slice_} of stream {stream!r} is at epoch {current}, the writer owned it at"
            f" epoch {epoch}; leave the stream to the owner of now"
        )
        self.stream = stream
        self.slice = slice_
        self.epoch = epoch
        self.current = current


class PositionTaken(JournalError):
    """The journal has come to the position of an event that is to be restored, or beyond it.

    Nothing of it was stored.
    """

    def __init__(self, position: int, last: int) -> None:
        super().__init__(
            f"an event of position {position} cannot be restored, because the journal has come to"
            f" position {last}; restore what follows that"
        )
        self.position = position
        self.last = last


class Unsupported(JournalError):
    """A part of the port that this journal cannot offer; ``reason`` says why."""

    def __init__(self, journal: str, feature: str, reason: str) -> None:
        super().__init__(f"{journal} does not offer {feature}: {reason}")
        self.journal = journal
        self.feature = feature
        self.reason = reason


class NotChained(JournalError):
    """The journal keeps no chain of hashes, so nothing can be verified by one."""

    def __init__(self, journal: str) -> None:
        super().__init__(
            f"{journal} keeps no chain of hashes; 'daicho chain' begins one, and so does"
            " the option chained=yes"
        )
        self.journal = journal


class HistoryWentBack(JournalError):
    """What a reader has read is not in the journal any more: a backup has taken its place.

    ``position`` is how far the reader had come. Up to ``common`` it has read what is still there;
    what it made of later events has to be undone.
    """

    def __init__(self, journal: str, position: int, common: int) -> None:
        super().__init__(
            f"{journal} does not hold all that was read up to position {position}: its history went"
            f" back, and is known to be the same up to {common}; undo what came of the events after"
            f" {common}, and read on from there"
        )
        self.journal = journal
        self.position = position
        self.common = common


class JournalClosed(JournalError):
    """The journal was used before it was opened or after it was closed."""

    def __init__(self, journal: str) -> None:
        super().__init__(f"{journal} is not open; use it inside its 'async with'")
        self.journal = journal


class MovingError(JournalError):
    """A journal could not be moved to another place."""


class JournalsDiffer(MovingError):
    """A journal does not hold the beginning of another one; ``difference`` is the first found."""

    def __init__(self, journal: str, difference: str) -> None:
        super().__init__(
            f"{journal} holds something else than what is moved: {difference};"
            " move into an empty journal, or into one that was not used since it was moved before"
        )
        self.journal = journal
        self.difference = difference


class SourceTruncated(MovingError):
    """Streams were truncated while a journal was moved, so what has arrived may have gaps."""

    def __init__(self, journal: str) -> None:
        super().__init__(
            f"streams of {journal} were truncated while it was moved;"
            " do it again, or move a backup of it"
        )
        self.journal = journal


class TargetExists(MovingError):
    """A file is there already, and was not to be overwritten."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} exists, and was left as it is; name another file")
        self.name = name


class BadExport(MovingError):
    """A file is no export of a journal, is cut short or was changed; ``at_byte`` says where."""

    def __init__(self, name: str, at_byte: int, reason: str) -> None:
        super().__init__(
            f"{name}, byte {at_byte:,}: {reason};"
            " name a file that 'daicho export' has written, or another copy of it"
        )
        self.name = name
        self.at_byte = at_byte
        self.reason = reason


class StoreError(JournalError):
    """What the world did to a store; ``store`` names it, ``reason`` is its own word for it.

    ``advice`` says what to do; an engine that knows better than the class says it.
    """

    advice = ""

    def __init__(self, store: str, reason: str, *, advice: str | None = None) -> None:
        if advice is not None:
            self.advice = advice
        super().__init__(f"{store}: {reason}" + (f"; {self.advice}" if self.advice else ""))
        self.store = store
        self.reason = reason


class JournalUnavailable(StoreError):
    """The store did not do what was asked; what was under way may be stored or not."""

    advice = "read the stream again to learn what is stored"


class JournalUnreachable(JournalUnavailable):
    """The store was not reached, so nothing was asked of it, and nothing was stored."""

    advice = "look whether the address is right, the server runs, and this machine may reach it"


class JournalRefused(JournalUnavailable):
    """The store answered that it did not do what was asked, so nothing was stored.

    It took too long, others were in the way, or it has another reason, which it gives.
    """

    advice = "nothing was stored; try again, if that is no reason against it"


class JournalLocked(JournalUnavailable):
    """Another process held the store for longer than the busy timeout; nothing was stored."""

    advice = "another process holds it; let that finish, or raise the busy timeout"


class JournalGone(JournalUnavailable):
    """The store's file was deleted, moved or replaced while it was open.

    Nothing is acknowledged any more. What was acknowledged before is in the file that was there.
    """

    advice = "close the journal, put its file back, or a backup, and open it again"


class JournalFull(StoreError):
    """No room is left; nothing of the transaction was stored."""

    advice = "nothing of this transaction was stored; make room and try again"


class JournalReadOnly(StoreError):
    """The store can be read, not written."""

    advice = (
        "give this user the right to write the file and its folder, and open it without read_only"
    )


class JournalCorrupt(StoreError):
    """The store's bytes contradict themselves."""

    advice = "restore it from a backup; do not write to it"


class ChainBroken(JournalCorrupt):
    """History is not what the journal's chain of hashes says, or not what a noted root says.

    ``position`` is that of the first record that is not right, ``what`` says what it is;
    ``stream`` and ``version`` say whose it is, where that is known.
    """

    advice = (
        "find out who changed it, and compare it with a backup; 'daicho chain --anew' takes what is"
        " there as it is"
    )

    def __init__(
        self, store: str, position: int, reason: str, *, stream: str | None = None, version: int = 0
    ) -> None:
        of = "" if stream is None else f", version {version} of stream {stream!r}"
        super().__init__(store, f"position {position}{of}: {reason}")
        self.what = reason
        self.position = position
        self.stream = stream
        self.version = version

    def again(self, store: str | None = None) -> Self:
        """The same, for another one who is to be told, or said of another store."""
        return type(self)(
            store or self.store, self.position, self.what, stream=self.stream, version=self.version
        )


class NotAJournal(StoreError):
    """The file or schema belongs to something else; nothing was changed in it."""

    advice = "name another file"


class JournalTooNew(StoreError):
    """A later version of Daicho wrote it; ``found`` and ``known`` are schema versions."""

    def __init__(self, store: str, found: int, known: int) -> None:
        super().__init__(
            store, f"its schema version is {found}, this Daicho knows up to {known}; upgrade Daicho"
        )
        self.found = found
        self.known = known


# --- persistence ----------------------------------------------------------------------------------


class PersistenceError(DaichoError):
    """Something about an event-sourced actor."""


class NoStreamName(PersistenceError):
    """An actor without a name of its own wants to persist."""

    def __init__(self, pid: PID) -> None:
        super().__init__(
            f"{pid} has no name of its own, so its events would be found by nobody after a restart;"
            " spawn it with spawn_named, or give using(…, stream=…)"
        )
        self.pid = pid


class NotPersistent(PersistenceError):
    """A Mixin without ``persistence.using``, or ``using`` for an actor without the Mixin."""


class PersistRefused(PersistenceError):
    """``persist`` or a request was used at a moment when it cannot work; the text says why."""


class PersistFailed(PersistenceError):
    """Events were not stored; ``__cause__`` says why. The actor goes back to what is stored.

    ``version`` is the version that the first of the events would have had.
    """

    def __init__(self, stream: str, version: int, cause: BaseException) -> None:
        super().__init__(
            f"events from version {version} of stream {stream!r} were not stored: {cause}"
        )
        self.stream = stream
        self.version = version
        self.__cause__ = cause


class RecoveryFailed(PersistenceError):
    """The state could not be rebuilt; ``__cause__`` says why. The actor has stopped.

    ``version`` and ``type_name`` name the event or snapshot that could not be applied; they are
    None where the stream could not be read at all.
    """

    def __init__(
        self, stream: str, version: int | None, type_name: str | None, cause: BaseException
    ) -> None:
        at = "" if version is None else f" at version {version} ({type_name})"
        super().__init__(f"stream {stream!r} cannot be recovered{at}: {cause!r}")
        self.stream = stream
        self.version = version
        self.type_name = type_name
        self.__cause__ = cause


# --- entities -------------------------------------------------------------------------------------


class EntityError(DaichoError):
    """Something about an entity, its commands or its events."""


class BadEntity(EntityError, TypeError):
    """A class cannot be an entity; ``entity`` is its name, the text says what to write."""

    def __init__(self, entity: str, problem: str) -> None:
        super().__init__(f"{entity} cannot be an entity: {problem}")
        self.entity = entity
        self.problem = problem


class BadId(EntityError, ValueError):
    """An id cannot name an entity."""

    def __init__(self, entity: str, id: str, reason: str) -> None:  # noqa: A002
        super().__init__(f"{id!r} cannot name an entity of type {entity!r}: {reason}")
        self.entity = entity
        self.id = id
        self.reason = reason


class UnknownEntity(EntityError):
    """The application was not opened with that entity type."""

    def __init__(self, entity: str, known: Sequence[str]) -> None:
        super().__init__(
            f"this application has no entity type {entity!r}, only {', '.join(known) or 'none'};"
            " name its class in open(…, entities=[…])"
        )
        self.entity = entity
        self.known = tuple(known)


class UnknownCommand(EntityError):
    """The entity has no handler for the command; nothing has changed."""

    def __init__(self, entity: str, command: type, known: Sequence[str]) -> None:
        super().__init__(
            f"entity type {entity!r} has no command handler for {command.__qualname__}, only for"
            f" {', '.join(known) or 'none'}; write one: @command def …(self, command:"
            f" {command.__name__}) -> …"
        )
        self.entity = entity
        self.command = command
        self.known = tuple(known)


class UnhandledEvent(EntityError):
    """The entity has no handler for an event."""

    def __init__(self, entity: str, event: type) -> None:
        super().__init__(
            f"entity type {entity!r} has no event handler for {event.__qualname__};"
            f" write one: @event def …(self, event: {event.__name__}) -> None"
        )
        self.entity = entity
        self.event = event


class KeyReused(EntityError):
    """The idempotency key belongs to another command; nothing has changed."""

    def __init__(self, stream: str, key: str) -> None:
        super().__init__(
            f"the idempotency key {key!r} of {stream!r} belongs to another command;"
            " a key names one command, so make a new key for this one"
        )
        self.stream = stream
        self.key = key


class NoSuchVersion(EntityError):
    """The stream has not reached the version, or what it was made of is gone."""

    def __init__(self, stream: str, version: int, reason: str) -> None:
        super().__init__(f"{stream!r} cannot be seen at version {version}: {reason}")
        self.stream = stream
        self.version = version
        self.reason = reason


class Rejected(EntityError):
    """The entity says no, and nothing has changed: for a command handler to raise.

    Args:
        reason: What is wrong, for whoever asked.
        data: What belongs to it, and tells rejections apart: JSON values, because under an
            idempotency key it is stored, and has to come back the same.

    Raises:
        TypeError: Some of the data is no JSON value.
    """

    def __init__(self, reason: str, **data: object) -> None:
        for name, value in data.items():
            if not is_json(value):
                raise TypeError(
                    f"{name}={value!r} is no JSON value, and a Rejected may have to be stored;"
                    " write str(…), int(…), a list or a dict"
                )
        super().__init__(reason)
        self.reason = reason
        self.data = data

    def __repr__(self) -> str:
        data = "".join(f", {name}={value!r}" for name, value in self.data.items())
        return f"Rejected({self.reason!r}{data})"

    def __init_subclass__(cls) -> None:
        raise TypeError(
            f"{cls.__qualname__} inherits Rejected, and would come back from under an idempotency"
            " key as a plain one; tell rejections apart by their data: Rejected(…, code='…')"
        )

    def __str__(self) -> str:
        if not self.data:
            return self.reason
        return f"{self.reason} ({', '.join(f'{k}={v!r}' for k, v in self.data.items())})"


def is_json(value: object) -> bool:
    """Whether a value is the same after it was written as JSON and read again."""
    match value:
        case None | bool() | int():
            return True
        case str():
            return all(not "\ud800" <= character <= "\udfff" for character in value)
        case float():
            return math.isfinite(value)
        case list():
            return all(map(is_json, cast("list[object]", value)))
        case dict():
            items = cast("dict[object, object]", value).items()
            return all(
                isinstance(key, str) and is_json(key) and is_json(each) for key, each in items
            )
        case _:
            return False


# --- applications ---------------------------------------------------------------------------------


class MissingExtra(DaichoError, ImportError):
    """A part of Daicho needs packages that are not installed; ``extra`` brings them."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra {extra!r}; install daicho[{extra}]")
        self.what = what
        self.extra = extra


class BadUrl(DaichoError, ValueError):
    """A URL names no journal that Daicho could open."""

    def __init__(self, url: str, reason: str) -> None:
        # A text ends up where a password should not, also one with an '@' in it.
        shown = re.sub(r"(?s)(//[^/@:]*:).*@", r"\1…@", url)
        shown = re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1…", shown)
        super().__init__(f"{shown!r} names no journal: {reason}")
        self.url = url
        self.reason = reason
