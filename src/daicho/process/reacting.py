"""Reactions of processes to the events of others."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class _Part:
    """What an instance is told of an event, which upcasters may have made several of."""

    id: str
    reactor: Reactor
    event: object
    number: int


class Reacting(Delivery):
    """An event on its way to the process that reacts to it."""

    __slots__ = ("_parts", "kind", "office", "record", "source")

    def __init__(
        self, office: Office, kind: ProcessKind, record: Record, not_before: float
    ) -> None:
        super().__init__(record.position, not_before)
        self.office = office
        self.kind = kind
        self.record = record
        entity, id_ = address_of(record.stream) or ("", record.stream)
        self.source = Source(
            record.stream, entity, id_, record.version, record.position, record.time
        )
        try:
            self._parts: list[_Part] | None = self._find()
        except Exception:  # noqa: BLE001 - it is raised again where it is told to all
            self._parts = None

    @property
    def concerns_nobody(self) -> bool:
        """Whether no instance is to hear of it."""
        return self._parts == []

    @property
    def lane(self) -> tuple[str, str]:
        """See ``Delivery``; an instance hears of events in the order of the journal."""
        # If it is not known which instance it is for, whatever follows of its stream waits.
        return ("", self.way[1]) if self._parts else self.way

    @property
    def what(self) -> str:
        """See ``Delivery``."""
        return f"event {self.record.version} ({self.record.type_name})"

    @property
    def way(self) -> tuple[str, str]:
        """See ``Delivery``."""
        id_ = self._parts[0].id if self._parts else "?"
        return self.record.stream, f"{self.kind.name}:{id_}"

    async def deliver(self) -> None:
        """See ``Delivery``."""
        record, office = self.record, self.office
        if self._parts is None:
            self._parts = self._find()
        digest = digest_of(record.type_name, record.payload)
        for part in self._parts:
            mark = f"@{record.version}" + (f".{part.number}" if part.number else "")
            ref = office.ref(self.kind.name, part.id)
            message = Reaction(part.reactor.function, part.event)
            outcome = await office.ask(ref, message, key_of(record.stream, mark), digest)
            if isinstance(outcome, Rejected):
                log.warning(
                    "process %s %r passes over event %d of %r: %s",
                    self.kind.name, part.id, record.version, record.stream, outcome,
                )  # fmt: skip

    def _find(self) -> list[_Part]:
        event = self.office.schema.decode(self.record.type_name, self.record.payload)
        found: list[_Part] = []
        for number, part in enumerate(parts_of(event)):
            reactor = self.kind.reactions.get(type(part))
            id_ = None if reactor is None else reactor.which(part, self.source)
            if reactor is not None and id_ is not None:
                found.append(_Part(id_, reactor, part, number))
        return found


class News:
    """The events that processes react to.

    Args:
        office: The application.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._kinds = {
            name: kind
            for name, kind in office.directory.kinds.items()
            if isinstance(kind, ProcessKind)
        }
        # By the stored names of events, how far each process has read them when this began.
        self._since: dict[str, dict[str, int]] = {}
        for name, kind in self._kinds.items():
            for type_name in office.schema.names_leading_to(kind.reactions):
                self._since.setdefault(type_name, {})[name] = 0

    @property
    def type_names(self) -> list[str]:
        """The stored names of what processes react to."""
        return sorted(self._since)

    @property
    def reactions(self) -> set[tuple[str, str]]:
        """Process types, each with a stored name of what it reacts to."""
        return {(process, name) for name, since in self._since.items() for process in since}

    @property
    def classes(self) -> set[type]:
        """What processes react to."""
        return {event for kind in self._kinds.values() for event in kind.reactions}

    def begin(self, following: Iterable[v1.Following]) -> int:
        """Takes how far each reaction has read; returns how far all of them have.

        One of which nothing is known begins with the journal's first event, so that it does not
        matter when a process was written.
        """
        for each in following:
            since = self._since.get(each.type_name, {})
            if each.process in since:
                since[each.process] = each.position
        return min((read for since in self._since.values() for read in since.values()), default=0)

    async def take(self, record: Record) -> None:
        """Takes an event, and waits for room first."""
        for process, read in self._since[record.type_name].items():
            if record.position > read:
                await self._office.lanes.room()
                self._add(self._kinds[process], record, self._office.not_before(record))

    async def restore(self, unreacted: Iterable[v1.Unreacted]) -> None:
        """Takes what was not reacted to at a checkpoint."""
        journal = self._office.journal
        for each in unreacted:
            if each.process not in self._since.get(each.type_name, {}):
                continue  # of another program
            kind = self._kinds[each.process]
            pages = journal.read(each.stream, from_version=each.version, to_version=each.version)
            records = [record async for page in pages for record in page]
            for record in records:
                self._add(kind, record, 0.0)
            if not records:
                log.error(
                    "process %s will not react to event %d of %r, which was deleted before",
                    kind.name, each.version, each.stream,
                )  # fmt: skip

    def following(self, position: int) -> list[v1.Following]:
        """How far each reaction has read when the journal was read up to a position."""
        return [
            v1.Following(process=process, type_name=type_name, position=max(read, position))
            for type_name, since in self._since.items()
            for process, read in since.items()
        ]

    def unreacted(self) -> list[v1.Unreacted]:
        """What was read and is not over, for a checkpoint."""
        waiting = sorted(
            (item for item in self._office.lanes if isinstance(item, Reacting)),
            key=lambda item: item.position,
        )
        return [
            v1.Unreacted(
                process=item.kind.name,
                type_name=item.record.type_name,
                stream=item.record.stream,
                version=item.record.version,
            )
            for item in waiting
        ]

    def _add(self, kind: ProcessKind, record: Record, not_before: float) -> None:
        item = Reacting(self._office, kind, record, not_before)
        # A process that heard of what it did itself would go round in a circle.
        if item.source.entity != kind.name and not item.concerns_nobody:
            self._office.lanes.add(item)
