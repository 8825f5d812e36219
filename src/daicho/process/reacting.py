"""Reactions of processes to the events of others.

An instance hears of events in the order of the journal. So each process type has a follower of its
own, which puts every event into the lanes of the instances that it is for, and goes on. Where that
cannot be told, because the event cannot be decoded or what says the id raises, the follower waits
until it can be: any later event might be for the same instance. Other process types go on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from daicho._frozen import frozen
from daicho.entity.history import parts_of
from daicho.entity.stored import address_of, digest_of
from daicho.errors import Rejected
from daicho.journal import Record
from daicho.process import v1
from daicho.process.kind import ProcessKind, Reactor
from daicho.process.lanes import Delivery
from daicho.process.messages import Reaction
from daicho.process.office import Office, key_of
from daicho.process.source import Source

log = logging.getLogger("daicho.process")


@frozen
class _Part:
    """What an instance is told of an event, which upcasters may have made several of."""

    reactor: Reactor
    event: object
    number: int


class _OfEvent(Delivery):
    """Something that is to be done about an event, for one process type."""

    __slots__ = ("kind", "office", "record")

    def __init__(
        self, office: Office, kind: ProcessKind, record: Record, not_before: float
    ) -> None:
        super().__init__(record.position, not_before)
        self.office = office
        self.kind = kind
        self.record = record

    @property
    def what(self) -> str:
        """See ``Delivery``."""
        return f"event {self.record.version} ({self.record.type_name})"


class Reacting(_OfEvent):
    """An event on its way to an instance of the process that reacts to it."""

    __slots__ = ("_id", "_parts")

    def __init__(self, placing: Placing, id_: str, parts: list[_Part]) -> None:
        super().__init__(placing.office, placing.kind, placing.record, placing.not_before)
        self._id = id_
        self._parts = parts

    @property
    def lane(self) -> tuple[str, str]:
        """See ``Delivery``; an instance hears of events one after the other."""
        return "", self.way[1]

    @property
    def way(self) -> tuple[str, str]:
        """See ``Delivery``."""
        return self.record.stream, f"{self.kind.name}:{self._id}"

    async def deliver(self) -> None:
        """See ``Delivery``."""
        record, office = self.record, self.office
        ref = office.ref(self.kind.name, self._id)
        digest = digest_of(record.type_name, record.payload)
        for part in self._parts:
            mark = f"@{record.version}" + (f".{part.number}" if part.number else "")
            message = Reaction(part.reactor.function, part.event)
            outcome = await office.ask(ref, message, key_of(record.stream, mark), digest)
            if isinstance(outcome, Rejected):
                log.warning(
                    "process %s %r passes over event %d of %r: %s",
                    self.kind.name, self._id, record.version, record.stream, outcome,
                )  # fmt: skip


class Placing(_OfEvent):
    """An event on its way into the lanes of the instances that it is for."""

    __slots__ = ()

    @property
    def lane(self) -> tuple[str, str]:
        """See ``Delivery``; no event overtakes one that is not placed."""
        return "?", self.kind.name

    @property
    def way(self) -> tuple[str, str]:
        """See ``Delivery``."""
        return self.record.stream, f"{self.kind.name}:?"

    async def deliver(self) -> None:
        """See ``Delivery``."""
        self.place()

    def place(self) -> None:
        """Puts it into the lanes; what keeps it from being decoded or told an id is raised."""
        record, office = self.record, self.office
        entity, id_ = address_of(record.stream) or ("", record.stream)
        # A process that heard of what it did itself would go round in a circle.
        if entity == self.kind.name:
            return
        source = Source(record.stream, entity, id_, record.version, record.position, record.time)
        told: dict[str, list[_Part]] = {}
        for instance, part in self._parts(source):
            told.setdefault(instance, []).append(part)
        for instance, parts in told.items():
            office.lanes.add(Reacting(self, instance, parts))

    def _parts(self, source: Source) -> Iterator[tuple[str, _Part]]:
        event = self.office.schema.decode(self.record.type_name, self.record.payload)
        for number, part in enumerate(parts_of(event)):
            reactor = self.kind.reactions.get(type(part))
            id_ = None if reactor is None else reactor.which(part, source)
            if reactor is not None and id_ is not None:
                yield id_, _Part(reactor, part, number)


class News:
    """The events that one process type reacts to.

    Args:
        office: The application.
        kind: The process type.
    """

    def __init__(self, office: Office, kind: ProcessKind) -> None:
        self._office = office
        self._kind = kind
        # By the stored names of events, how far they were read when this began.
        self._since = dict.fromkeys(office.schema.names_leading_to(kind.reactions), 0)
        self._unplaced: Placing | None = None
        """The newest event that could not be placed at once."""

    @property
    def type_names(self) -> list[str]:
        """The stored names of what the process reacts to."""
        return sorted(self._since)

    @property
    def reactions(self) -> set[tuple[str, str]]:
        """The process type, with each stored name of what it reacts to."""
        return {(self._kind.name, name) for name in self._since}

    @property
    def classes(self) -> set[type]:
        """What the process reacts to."""
        return {*self._kind.reactions}

    def warn(self) -> None:
        """Says in the log what events may be deleted before they are reacted to."""
        for kind in self._office.directory.kinds.values():
            both = self._kind.reactions.keys() & kind.events.keys()
            if both and kind is not self._kind and kind.cls.retention.truncate_events:
                log.warning(
                    "process %s reacts to %s of %s, whose retention deletes events: one that is"
                    " deleted before it was reacted to never is; keep the events, by"
                    " Retention(…, truncate_events=False), or many snapshots",
                    self._kind.name, ", ".join(sorted(each.__name__ for each in both)), kind.name,
                )  # fmt: skip

    def begin(self, following: Iterable[v1.Following]) -> int:
        """Takes how far each reaction has read; returns how far all of them have.

        One of which nothing is known begins with the journal's first event, so that it does not
        matter when a process was written.
        """
        for each in following:
            if each.process == self._kind.name and each.type_name in self._since:
                self._since[each.type_name] = each.position
        return min(self._since.values(), default=0)

    async def take(self, record: Record) -> None:
        """Takes an event; waits for room first, and until it is known which instances it is for."""
        if record.position <= self._since[record.type_name]:
            return
        await self._office.lanes.room()
        self._place(record, self._office.not_before(record))
        if self._unplaced is not None:
            await self._unplaced.over.wait()
            self._unplaced = None

    async def restore(self, unreacted: Iterable[v1.Unreacted]) -> None:
        """Takes what was not reacted to at a checkpoint."""
        journal, name = self._office.journal, self._kind.name
        for each in unreacted:
            if each.process != name or each.type_name not in self._since:
                continue  # of another process, perhaps of another program
            pages = journal.read(each.stream, from_version=each.version, to_version=each.version)
            records = [record async for page in pages for record in page]
            for record in records:
                self._place(record, 0.0)
            if not records:
                log.error(
                    "process %s will not react to event %d of %r, which was deleted before",
                    name, each.version, each.stream,
                )  # fmt: skip

    def following(self, position: int) -> list[v1.Following]:
        """How far each reaction has read when the journal was read up to a position."""
        return [
            v1.Following(process=self._kind.name, type_name=name, position=max(read, position))
            for name, read in self._since.items()
        ]

    def unreacted(self, position: int) -> list[v1.Unreacted]:
        """What is not over of what was read up to a position, for a checkpoint."""
        # One event may be on its way to several instances.
        waiting = {
            item.position: item.record
            for item in self._office.lanes
            if isinstance(item, _OfEvent) and item.kind is self._kind and item.position <= position
        }
        return [
            v1.Unreacted(
                process=self._kind.name,
                type_name=record.type_name,
                stream=record.stream,
                version=record.version,
            )
            for _, record in sorted(waiting.items())
        ]

    def _place(self, record: Record, not_before: float) -> None:
        placing = Placing(self._office, self._kind, record, not_before)
        waits = self._unplaced is not None and not self._unplaced.over.is_set()
        if waits or not _is_placed(placing):
            self._unplaced = placing
            self._office.lanes.add(placing)


def _is_placed(placing: Placing) -> bool:
    try:
        placing.place()
    except Exception:  # noqa: BLE001 - it is raised again in a lane, where it is told to all
        return False
    return True
