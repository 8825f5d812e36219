"""What can be wrong between a journal and a program, each with its place and what to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(ABC):
    """Something that is stored and that this program does not cope with, or not in the same way."""

    kind: ClassVar[str]
    """What sort of problem it is, for programs."""
    advice: ClassVar[str]
    """What to do."""
    is_warning: ClassVar[bool] = False
    """Whether entities work all the same."""

    stream: str
    """Where it is, or where it was seen first."""
    version: int
    """At which version of that stream."""

    @property
    def group(self) -> tuple[object, ...]:
        """Problems that are equal in this are one problem, seen several times."""
        return (self.kind, self.stream, self.version)

    @property
    @abstractmethod
    def text(self) -> str:
        """What is wrong, without where and what to do."""

    @property
    def details(self) -> tuple[str, ...]:
        """More to look at, line by line."""
        return ()

    @property
    def place(self) -> str:
        """The stream and the version, on one line whatever the stream's name is."""
        return f"{self.stream if self.stream.isprintable() else ascii(self.stream)}@{self.version}"

    def __str__(self) -> str:
        return f"{self.place}: {self.text}; {self.advice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Problem):
    """A problem that one cause makes at many places."""

    count: int = 1
    """How many events, snapshots, commands or streams have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndecodableType(Counted):
    """Events of a stored type that the program cannot decode; ``count`` is of events."""

    kind = "undecodable-type"
    advice = "import its module, register it in the schema (an alias, too), or write an upcaster"

    type_name: str
    reason: str
    """What the codec says of the first one."""

    @property
    def group(self) -> tuple[object, ...]:
        """See ``Problem``."""
        return (self.kind, self.type_name)

    @property
    def text(self) -> str:
        """See ``Problem``."""
        return (
            f"{self.type_name!r} ({plural(self.count, 'event')}) cannot be decoded: {self.reason}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnhandledType(Counted):
    """Events that their entity has no handler for; ``count`` is of events."""

    kind = "unhandled-type"
    advice = "keep a handler for every event that was ever stored, or let an upcaster end it"

    entity: str
    type_name: str
    event: str
    """The class that the event is read as."""

    @property
    def group(self) -> tuple[object, ...]:
        """See ``Problem``."""
        return (self.kind, self.entity, self.type_name)

    @property
    def text(self) -> str:
        """See ``Problem``."""
        events = plural(self.count, "event")
        reason = f"{self.entity} has no event handler for {self.event}"
        return f"{self.type_name!r} ({events}) cannot be applied: {reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingHandler(Counted):
    """Events whose handler raises; ``count`` is of streams, as each ends at the first of them."""

    kind = "failing-handler"
    advice = "an event has happened; let its handler bear whatever is stored"

    entity: str
    type_name: str
    error: str
    """What the handler raised first."""

    @property
    def group(self) -> tuple[object, ...]:
        """See ``Problem``."""
        return (self.kind, self.entity, self.type_name)

    @property
    def text(self) -> str:
        """See ``Problem``."""
        streams = plural(self.count, "stream")
        reason = f"the handler of {self.type_name!r} raised {self.error}"
        return f"{self.entity} ({streams}) cannot be folded: {reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEntityType(Counted):
    """Streams of an entity type that the program was not given; ``count`` is of streams."""

    kind = "unknown-entity-type"
    advice = "name its class among the entities"

    entity: str
    """Empty for streams that are no entity's."""

    @property
    def group(self) -> tuple[object, ...]:
        """See ``Problem``."""
        return (self.kind, self.entity)

    @property
    def text(self) -> str:
        """See ``Problem``."""
        if self.entity:
            return f"no class is known for {self.entity!r} ({plural(self.count, 'stream')})"
        return f"the name is no entity's ({plural(self.count, 'stream')})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Problem):
    """Events that are missing in the middle or at the end of a stream, from ``version`` on."""

    kind = "gap"
    advice = "the journal is damaged; restore it from a backup"

    to_version: int
    """The last one that is missing."""

    @property
    def text(self) -> str:
        """See ``Problem``."""
        if self.to_version == self.version:
            return "this event is missing"
        return f"the events up to version {self.to_version} are missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBeginning(Problem):
    """A stream that cannot be folded from any point, so the entity cannot be recovered."""

    kind = "no-beginning"
    advice = "let the program read the snapshots again, for instance with an upcaster of the state"

    reason: str

    @property
    def text(self) -> str:
        """See ``Problem``."""
        return f"the state cannot be rebuilt: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotAhead(Problem):
    """A snapshot of a version that its stream has not reached."""

    kind = "snapshot-ahead"
    advice = "events are lost, or it was put there by hand; restore the journal, or delete it"

    stream_version: int

    @property
    def text(self) -> str:
        """See ``Problem``."""
        return f"there is a snapshot, but the stream is at version {self.stream_version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableSnapshot(Counted):
    """Snapshots that cannot be used; ``count`` is of snapshots. The events before them are."""

    kind = "unreadable-snapshot"
    advice = "nothing need be done: it costs a longer replay until the next one is stored"
    is_warning = True

    entity: str
    type_name: str
    reason: str

    @property
    def group(self) -> tuple[object, ...]:
        """See ``Problem``."""
        return (self.kind, self.entity, self.type_name)

    @property
    def text(self) -> str:
        """See ``Problem``."""
        snapshots = f"{self.type_name!r} ({plural(self.count, 'snapshot')} of {self.entity})"
        return f"{snapshots} cannot be read: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeliverable(Counted):
    """Commands that are to leave, now or when a timer is due, and that nobody handles any more."""

    kind = "undeliverable"
    advice = "keep the command and its handler until the last one is delivered"

    target: str
    """The entity type that they go to."""
    type_name: str
    reason: str

    @property
    def group(self) -> tuple[object, ...]:
        """See ``Problem``."""
        return (self.kind, self.target, self.type_name)

    @property
    def text(self) -> str:
        """See ``Problem``."""
        commands = f"{self.type_name!r} ({plural(self.count, 'command')} to {self.target})"
        return f"{commands} cannot be delivered: {self.reason}"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A place where two states differ, as text."""

    path: str
    stored: str
    replayed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDiffers(Problem):
    """The events come to another state than the snapshot that was stored at that version."""

    kind = "state-differs"
    advice = "a handler does otherwise than before: make it a new event, or drop the snapshots"

    stored: str
    """The snapshot's state."""
    replayed: str
    """What this program makes of the events."""
    fields: tuple[FieldDifference, ...]

    @property
    def text(self) -> str:
        """See ``Problem``."""
        fields = "; ".join(
            f"{each.path or 'it'} was {each.stored}, is {each.replayed}" for each in self.fields
        )
        return f"the state is another one than the snapshot: {fields}"

    @property
    def details(self) -> tuple[str, ...]:
        """See ``Problem``."""
        return (f"stored:   {self.stored}", f"replayed: {self.replayed}")


def plural(count: int, thing: str) -> str:
    """A number of things."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
