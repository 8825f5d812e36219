"""Who lives: entities are activated by their first message and passivated when they are not used.

An entity is an actor at the top of the system, named for its stream, so there is one of it here.
It leaves when it has not been used for a while, or when too many live and it was used longest ago;
never while it has something to do. What comes while it is leaving waits, and wakes the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import TypeVar, cast

from daicho.actor import PID, ActorSystem, Context, Envelope, ExponentialBackoff, Props
from daicho.actor.ask import EndOfActor
from daicho.actor.cell import Cell
from daicho.actor.lifecycle import State, is_idle
from daicho.actor.signals import Passivate
from daicho.entity.actor import BEGIN, EntityActor
from daicho.entity.admission import Admission, of_nobody, unasked
from daicho.entity.clock import Clock
from daicho.entity.entity import AnyEntity
from daicho.entity.kind import Kind
from daicho.entity.limits import Limits
from daicho.errors import BadEntity, MailboxFull, NameTaken, SystemStopped, UnknownEntity
from daicho.events import Schema
from daicho.journal import Journal
from daicho.persistence import using
from daicho.persistence.settings import MAX_UNCOMMITTED
from daicho.persistence.snapshots import KEEP_ALL, NEVER

T = TypeVar("T")

_LOOKED_AT = 32
"""How many of those used longest ago are looked at for one that may leave, each time one comes."""

_LEAVE_TOGETHER = 32
"""So many make room at once, or a hundredth of ``max_live`` where that is less. Those used longest
ago stand behind the holes of those that moved, and to come to them takes up to 70 µs."""

_SAME_TIME = 0.01
"""Entities used within this part of ``passivate_after_s`` share the time at which they were, a
number of 24 bytes, and leave that much later."""

_BEGIN_TOGETHER = 64
"""So many begin to live before others have their turn."""

_SWEPT_AT_ONCE = 1_000
"""So many are asked to leave before others have their turn."""

_SWEEP_S = 0.5
"""While too many live, those that have become idle are asked to leave so often."""


class Address(PID):
    """The PID of an entity, shown as the entity is known: ``wallet:alice``.

    Its id is the name of the entity's stream, and no text of its own beside it, which would be 63
    bytes or more. So an actor that somebody spawns under that name is in the entity's way, and
    ``NameTaken`` says so.
    """

    __slots__ = ("used",)

    def __init__(self, address: str, stream: str) -> None:
        super().__init__(address, stream)
        self.used = 0.0
        """When the living entity had its last message, in the loop's seconds, rounded up."""

    def __str__(self) -> str:
        return self.id


class _Expected:
    """What waits for an entity to come: its turn to begin, or the end of the one before it."""

    __slots__ = ("items", "kind")

    def __init__(self, kind: Kind, items: list[Envelope]) -> None:
        self.kind = kind
        self.items = items


class Directory:
    """The entities of one application in one process."""

    def __init__(
        self,
        system: ActorSystem,
        journal: Journal,
        schema: Schema,
        clock: Clock,
        classes: Iterable[type[AnyEntity]],
        *,
        limits: Limits | None = None,
    ) -> None:
        self.system = system
        self.journal = journal
        self.schema = schema
        self.clock = clock
        self.limits = limits or Limits()
        self.kinds = _kinds(classes)
        """The entity types, by name."""
        self.interesting: set[type] = set()
        """Classes of events after whose commit ``wake`` is called."""
        self.wake: Callable[[], None] = _nobody_waits
        # Those used longest ago come first.
        self._residents: dict[str, Cell] = {}
        self._expected: dict[str, _Expected] = {}
        # Those of them that wait for their turn, and how many have begun in this one.
        self._line: deque[str] = deque()
        self._begun = 0
        self.admission = Admission(system, self.limits.max_waiting, self._unasked)
        """Says whether there is room for another message, before it is delivered."""
        self._max_mailbox = self.limits.max_mailbox
        self._recoveries = asyncio.Semaphore(self.limits.max_recoveries)
        self._props = {kind.name: self._props_of(kind) for kind in self.kinds.values()}
        self._same_s = self.limits.passivate_after_s * _SAME_TIME
        self._used = 0.0
        self._sweep: asyncio.TimerHandle | None = None
        # A loop remembers its tasks weakly.
        self._tasks: set[asyncio.Task[object]] = set()

    @property
    def live_count(self) -> int:
        """Entities that live in this process."""
        return len(self._residents)

    def kind_of(self, entity: type[AnyEntity] | str) -> Kind:
        """The entity type of a class or a name.

        Raises:
            UnknownEntity: The application was not opened with it.
        """
        if isinstance(entity, str):
            kind = self.kinds.get(entity)
        else:
            kind = getattr(entity, "_kind", None)
            if kind is not None and self.kinds.get(kind.name) is not kind:
                kind = None
        if kind is None:
            name = entity if isinstance(entity, str) else entity.__qualname__
            raise UnknownEntity(name, sorted(self.kinds))
        return kind

    def pid(self, stream: str) -> PID:
        """The PID of the entity of a stream, living or not."""
        return Address(self.system.address, stream)

    # --- messages ---------------------------------------------------------------------------------

    def deliver(self, kind: Kind, stream: str, item: object, now: float) -> None:
        """Lets an entity have a message, now in the loop's seconds; wakes it if need be.

        Raises:
            SystemStopped: The application is closed or closing.
            NameTaken: An actor that is no entity has its name.
            MailboxFull: Too much waits for the entity.
        """
        residents = self._residents
        cell = residents.pop(stream, None)
        if cell is None or cell.state > State.RESTARTING:
            self._deliver_anew(kind, stream, item, now)
            return
        # Behind all others: it was used last.
        residents[stream] = cell
        address = cell.self
        assert type(address) is Address, "an entity's actor has its address for a PID"
        used = self._used
        address.used = used if now <= used else self._rounded_up(now)
        queue = cell.queue
        if queue is None:
            cell.deliver(item)
        elif len(queue) < self._max_mailbox:
            queue.append(item)  # which is all that the cell would do
        else:
            raise self._no_room(address)

    def check_mailbox(self, stream: str) -> None:
        """Raises what ``deliver`` would, for who has something to do before that.

        Raises:
            MailboxFull: Too much waits for the entity.
        """
        expected = self._expected.get(stream)
        cell = self._residents.get(stream)
        items = expected.items if expected else cell.queue if cell else None
        if items is not None and len(items) >= self._max_mailbox:
            raise self._no_room(self.pid(stream))

    def _no_room(self, pid: PID) -> MailboxFull:
        return MailboxFull(
            pid, self._max_mailbox, "try again when some are done, or raise max_mailbox"
        )

    def _unasked(self) -> int:
        """How many messages wait for whose reply nobody waits."""
        coming = sum(of_nobody(each.items) for each in self._expected.values())
        return coming + unasked(self._residents.values())

    def _deliver_anew(self, kind: Kind, stream: str, item: object, now: float) -> None:
        """To an entity that does not live, or is about to leave."""
        envelope = item if isinstance(item, Envelope) else Envelope(item)
        expected = self._expected.get(stream)
        if expected is not None:
            if len(expected.items) >= self._max_mailbox:
                raise self._no_room(self.pid(stream))
            expected.items.append(envelope)
            return
        pid = self.pid(stream)
        cell = self.system.find_cell(pid)
        if cell is None:
            if self._begun < _BEGIN_TOGETHER:
                self._activate(kind, stream, now).deliver(envelope)
            else:
                self._expected[stream] = _Expected(kind, [envelope])
                self._line.append(stream)
            return
        if type(cell.self) is not Address:
            raise NameTaken(cell.self)
        if cell.state <= State.RESTARTING:
            # It was asked to leave and has not looked yet; with a message it will stay.
            self._settle(stream, cell, now)
            self._sweep_later()
            cell.deliver(envelope)
            return
        self._expected[stream] = _Expected(kind, [envelope])
        end = EndOfActor(self.system, pid)
        end.add_done_callback(lambda _: self._left(stream))

    def _activate(self, kind: Kind, stream: str, now: float) -> Cell:
        self._begun += 1
        if self._begun == 1:
            self.system.loop.call_soon(self._begin_others)
        address = Address(self.system.address, stream)
        cell = self.system.cell(self.system.spawn_as(self._props[kind.name], address))
        self._settle(stream, cell, now)
        if len(self._residents) > self.limits.max_live:
            self._make_room()
        self._sweep_later()
        return cell

    def _settle(self, stream: str, cell: Cell, now: float) -> None:
        self._residents[stream] = cell
        _address_of(cell).used = self._rounded_up(now)

    def _rounded_up(self, now: float) -> float:
        """The time that those share that are used now and soon."""
        if now > self._used:
            self._used = now + self._same_s
        return self._used

    def _begin_others(self) -> None:
        """It is the next turn of the loop."""
        self._begun = 0
        for _ in range(min(_BEGIN_TOGETHER, len(self._line))):
            self._come(self._line.popleft())

    def _left(self, stream: str) -> None:
        """An entity has ended for which messages wait."""
        if self._begun < _BEGIN_TOGETHER:
            self._come(stream)
        else:
            self._line.append(stream)

    def _come(self, stream: str) -> None:
        """Lets an entity live for which messages wait."""
        expected = self._expected.pop(stream)
        try:
            cell = self._activate(expected.kind, stream, self.system.now())
        except (NameTaken, SystemStopped) as error:
            for item in expected.items:
                self.system.dead_letters.letter(self.pid(stream), item, str(error), error)
            return
        for item in expected.items:
            cell.deliver(item)

    def ended(self, stream: str) -> None:
        """An entity has had its last message."""
        cell = self._residents.get(stream)
        if cell is not None and cell.state > State.RESTARTING:
            del self._residents[stream]

    # --- passivation ------------------------------------------------------------------------------

    def _make_room(self) -> None:
        """Asks those used longest ago to leave; those that are busy count as used."""
        most = self.limits.max_live
        too_many = len(self._residents) - most + min(_LEAVE_TOGETHER, most // 100)
        now = self.system.now()
        for stream in list(_first(self._residents, _LOOKED_AT + too_many)):
            if too_many <= 0:
                return
            too_many -= self._ask_to_leave(stream, now)

    def _ask_to_leave(self, stream: str, now: float) -> bool:
        cell = self._residents.pop(stream)
        if cell.state > State.RESTARTING:
            return True
        if cell.busy or not is_idle(cell):
            self._settle(stream, cell, now)
            return False
        cell.signal(Passivate())
        return True

    def _sweep_later(self) -> None:
        """Looks again when the one used longest ago will have been idle for long enough."""
        if not self._residents:
            return
        loop = self.system.loop
        when = loop.time() + _SWEEP_S
        if len(self._residents) <= self.limits.max_live:
            oldest = next(iter(self._residents.values()))
            when = max(when, _address_of(oldest).used + self.limits.passivate_after_s)
        if self._sweep is not None:
            if self._sweep.when() <= when:
                return
            self._sweep.cancel()
        self._sweep = loop.call_at(when, self._sweep_now)

    def _sweep_now(self) -> None:
        self._sweep = None
        now = self.system.now()
        oldest = list(islice(self._residents.items(), _SWEPT_AT_ONCE))
        for stream, cell in oldest:
            # Added up as it was for the timer: another sum may come out a little later than now.
            if _address_of(cell).used + self.limits.passivate_after_s > now:
                break
            self._ask_to_leave(stream, now)
        else:
            if oldest and not self.system.closing:
                self._sweep = self.system.loop.call_later(0, self._sweep_now)
                return
        if len(self._residents) > self.limits.max_live:
            self._make_room()
        if not self.system.closing:
            self._sweep_later()

    def keep(self, task: asyncio.Task[T]) -> None:
        """Remembers a task that its caller may not keep."""
        kept = cast("asyncio.Task[object]", task)
        self._tasks.add(kept)
        kept.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        # Looked at, or asyncio would complain of an error that nobody came to ask for.
        _ = task.cancelled() or task.exception()

    def close(self) -> None:
        """Passivates nothing any more; what waits for its turn has it now."""
        while self._line:
            self._come(self._line.popleft())
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _props_of(self, kind: Kind) -> Props:
        cls = kind.cls
        return Props(
            partial(EntityActor, kind, self),
            receiver_middleware=[
                using(
                    self.journal,
                    stream=_stream_of,
                    snapshot=None if cls.snapshot is NEVER else cls.snapshot,
                    retention=None if cls.retention is KEEP_ALL else cls.retention,
                    initial=lambda: BEGIN,
                    codec=self.schema,
                    clock_us=self.clock.now_us,
                    backoff=ExponentialBackoff(initial=0.05, maximum=10.0),
                    conflict_attempts=self.limits.conflict_attempts,
                    recoveries=self._recoveries,
                    max_uncommitted=min(MAX_UNCOMMITTED, self.limits.max_mailbox),
                )
            ],
        )


def _kinds(classes: Iterable[type[AnyEntity]]) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for cls in classes:
        kind = cls._kind_of_this()  # pyright: ignore[reportPrivateUsage]
        other = kinds.get(kind.name)
        if other is not None and other is not kind:
            raise BadEntity(
                kind.name,
                f"{other.cls.__qualname__} and {cls.__qualname__} are both stored under that name;"
                " give one of them another: class …(Entity[…], name='…')",
            )
        kinds[kind.name] = kind
    return kinds


def _first(residents: dict[str, Cell], count: int) -> Iterable[str]:
    for _, stream in zip(range(count), residents, strict=False):
        yield stream


def _address_of(cell: Cell) -> Address:
    address = cell.self
    assert type(address) is Address, "an entity's actor has its address for a PID"
    return address


def _stream_of(ctx: Context) -> str:
    address = ctx.self
    assert type(address) is Address, "an entity's actor has its address for a PID"
    return address.id


def _nobody_waits() -> None:
    """Until somebody follows the journal."""
