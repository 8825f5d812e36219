"""Commands and timers that entities let go: what is pending, and its delivery."""

# The modules of these packages share what they keep to themselves.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from google.protobuf.message import DecodeError

from daicho.actor import ExponentialBackoff
from daicho.entity.messages import Fire, Internal
from daicho.entity.stored import digest_of, escaped
from daicho.entity.v1 import EntitySnapshot, Outgoing, Settled
from daicho.journal import Record
from daicho.process import v1
from daicho.process.lanes import Delivery
from daicho.process.messages import Outcome
from daicho.process.office import Office, key_of

log = logging.getLogger("daicho.process")

_OUTGOING = Outgoing.DESCRIPTOR.full_name
_SETTLED = Settled.DESCRIPTOR.full_name
_SNAPSHOT = EntitySnapshot.DESCRIPTOR.full_name

TYPE_NAMES = (_OUTGOING, _SETTLED)
"""What is stored of outgoing commands."""

_BACKOFF = ExponentialBackoff(initial=0.05, maximum=10.0)

_FEW = 64
"""So many alarms that are over do not matter."""


class _Pending(Delivery):
    """Something that an entity let go.

    Args:
        office: The application.
        saved: What it is, and where it comes from.
        not_before: When it is tried first, in seconds of the loop's clock.
    """

    __slots__ = ("_office", "saved")

    def __init__(self, office: Office, saved: v1.Pending, not_before: float) -> None:
        super().__init__(saved.position, not_before)
        self._office = office
        self.saved = saved
        """As a checkpoint has it."""

    async def _come_back(self, message: Internal) -> None:
        """Tells the sender what came of it."""
        sender = self._office.ref_of(self.saved.sender)
        await self._office.tell(sender, message, self.saved.version)


class Sent(_Pending):
    """A command on its way from one entity to another, and its outcome on the way back.

    An answer is what the target stored under the command's key: a reply or a rejection. Everything
    else is not, be it that the journal is away, that the handler fails, or that this program knows
    the target or the command not at all: another version of it may. So it is tried again.
    """

    __slots__ = ()

    @property
    def lane(self) -> tuple[str, str]:
        """See ``Delivery``."""
        return self.way

    @property
    def what(self) -> str:
        """See ``Delivery``."""
        return f"command {self.saved.outgoing.number} ({self.saved.outgoing.command_type})"

    @property
    def way(self) -> tuple[str, str]:
        """See ``Delivery``."""
        outgoing = self.saved.outgoing
        return self.saved.sender, f"{outgoing.target_entity}:{escaped(outgoing.target_id)}"

    async def deliver(self) -> None:
        """See ``Delivery``."""
        outgoing, office = self.saved.outgoing, self._office
        target = office.ref(outgoing.target_entity, outgoing.target_id)
        command = office.schema.decode(outgoing.command_type, outgoing.command)
        key = key_of(self.saved.sender, f"#{outgoing.number}")
        # Of the bytes as they are: later versions of the program may write the command otherwise.
        digest = digest_of(outgoing.command_type, outgoing.command)
        reply = await office.ask(target, command, key, digest)
        await self._come_back(Outcome(outgoing.number, reply))


class Timer(_Pending):
    """A timer of an entity. Those of one entity do not wait for one another."""

    __slots__ = ()

    @property
    def lane(self) -> tuple[str, int]:
        """See ``Delivery``."""
        return self.saved.sender, self.saved.outgoing.number

    @property
    def what(self) -> str:
        """See ``Delivery``."""
        return f"timer {self.saved.outgoing.timer!r}"

    @property
    def way(self) -> tuple[str, str]:
        """See ``Delivery``."""
        return self.saved.sender, self.saved.sender

    async def deliver(self) -> None:
        """See ``Delivery``."""
        await self._come_back(Fire(self.saved.outgoing.number))


class Alarms:
    """Timers that are not due; the clock says when they are."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._heap: list[tuple[int, int, Timer]] = []
        self._order = itertools.count()
        self._earlier = asyncio.Event()
        self._over = 0

    def add(self, timer: Timer) -> None:
        """Takes one until it is due."""
        due_us = timer.saved.outgoing.due_us
        heapq.heappush(self._heap, (due_us, next(self._order), timer))
        if self._heap[0][2] is timer:
            self._earlier.set()

    def settled(self) -> None:
        """One is over, perhaps before it is due; those that are many are forgotten."""
        self._over += 1
        if self._over > max(_FEW, len(self._heap) // 2):
            self._heap = [entry for entry in self._heap if not entry[2].over.is_set()]
            heapq.heapify(self._heap)
            self._over = 0

    def ring(self) -> None:
        """Lets those go that are due, in the order in which they were."""
        now_us = self._office.clock.now_us()
        while self._heap and self._heap[0][0] <= now_us:
            timer = heapq.heappop(self._heap)[2]
            if not timer.over.is_set():
                self._office.lanes.add(timer)

    async def run(self) -> None:
        """Rings whenever one is due, until it is cancelled."""
        failures = 0
        while True:
            self._earlier.clear()
            try:
                self.ring()
                await self._rest()
            except Exception as error:  # noqa: BLE001 - clocks are of users; the timers stay
                failures += 1
                delay = _BACKOFF.delay(failures)
                log.warning("the clock fails timers, next try in %.3g s: %r", delay, error)
                await asyncio.sleep(delay)
            else:
                failures = 0

    async def _rest(self) -> None:
        """Waits until the first of them is due, or another one is the first."""
        loop = asyncio.get_running_loop()
        waits: list[asyncio.Task[object]] = [loop.create_task(self._earlier.wait())]
        if self._heap:
            waits.append(loop.create_task(self._sleep(self._heap[0][0])))
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        for wait in done:
            wait.result()

    async def _sleep(self, until_us: int) -> None:
        await self._office.clock.sleep_until(until_us)
        now_us = self._office.clock.now_us()
        if now_us < until_us:
            raise RuntimeError(f"sleep_until({until_us}) returned at {now_us}")


class Post:
    """What was let go and is not settled.

    It may also hold something that is settled already: where that was read in between, or deleted
    before it was read. To deliver it once more does nothing.

    Nothing of it is delivered before ``start``: as long as the past is being read, what settles a
    command may be yet to come.
    """

    def __init__(self, office: Office) -> None:
        self.alarms = Alarms(office)
        self._office = office
        self._pending: dict[tuple[str, int], Sent | Timer] = {}
        self._started = False

    def __len__(self) -> int:
        return len(self._pending)

    async def take(self, record: Record) -> None:
        """Takes an event of an outgoing command."""
        try:
            if record.type_name == _OUTGOING:
                outgoing = Outgoing.FromString(record.payload)
                pending = _pending(record.stream, record.version, outgoing, record.position)
                self._add(pending, self._office.not_before(record))
            else:
                self._settled(record.stream, Settled.FromString(record.payload).number)
        except DecodeError:
            # Its entity cannot be recovered either, and says so to whoever asks it.
            log.exception("event %d of %r is passed over", record.version, record.stream)

    def start(self) -> None:
        """The past is read: what is pending now is to be delivered."""
        self._started = True
        # What was recalled is not in the order of the journal; numbers are, for each sender.
        for item in sorted(self._pending.values(), key=lambda each: each.saved.outgoing.number):
            self._begin(item)

    def save(self) -> list[v1.Pending]:
        """What is pending, for a checkpoint."""
        return [item.saved for item in self._pending.values() if not item.over.is_set()]

    def restore(self, pending: Iterable[v1.Pending]) -> None:
        """Takes what was pending at a checkpoint."""
        for each in pending:
            self._add(each, 0.0)

    async def recall(self) -> None:
        """Takes what only snapshots know any more, of entities that delete their old events.

        An event may be deleted before this courier, or the one that stored the checkpoint, has
        read it. So this is done at every start.
        """
        after = ""
        while infos := await self._office.journal.list_streams(after=after):
            after = infos[-1].stream
            for info in infos:
                if info.truncated_to:
                    await self._recall(info.stream)

    async def _recall(self, stream: str) -> None:
        version, pending = await self._remembered(stream)
        if not pending:
            return
        settled: set[int] = set()
        async for page in self._office.journal.read(stream, from_version=version + 1):
            settled |= {*_settled_by(page)}
        self.restore(
            _pending(stream, version, outgoing)
            for outgoing in pending
            if outgoing.number not in settled and (stream, outgoing.number) not in self._pending
        )

    async def _remembered(self, stream: str) -> tuple[int, Sequence[Outgoing]]:
        """The version and the pending commands of the newest snapshot that can be read."""
        found = await self._office.journal.load_snapshot(stream)
        while found is not None and found.type_name == _SNAPSHOT:
            try:
                return found.version, EntitySnapshot.FromString(found.payload).pending
            except DecodeError:
                log.exception("snapshot %d of %r is passed over", found.version, stream)
            before = found.version - 1
            found = await self._office.journal.load_snapshot(stream, max_version=before)
        return 0, ()

    def _add(self, pending: v1.Pending, not_before: float) -> None:
        kind = Timer if pending.outgoing.due_us else Sent
        item = kind(self._office, pending, not_before)
        self._pending[pending.sender, pending.outgoing.number] = item
        if self._started:
            self._begin(item)

    def _begin(self, item: Sent | Timer) -> None:
        # What a program of other entity types let go is only kept, so that no checkpoint lacks it.
        if self._office.kind_of_stream(item.saved.sender) is None:
            return
        if isinstance(item, Timer):
            self.alarms.add(item)
        else:
            self._office.lanes.add(item)

    def _settled(self, sender: str, number: int) -> None:
        item = self._pending.pop((sender, number), None)
        if item is None:
            return
        item.over.set()
        if isinstance(item, Timer):
            self.alarms.settled()


def _pending(sender: str, version: int, outgoing: Outgoing, position: int = 0) -> v1.Pending:
    if outgoing.due_us:
        outgoing.ClearField("command")  # which its entity knows
    return v1.Pending(sender=sender, position=position, outgoing=outgoing, version=version)


def _settled_by(records: Iterable[Record]) -> Iterator[int]:
    for record in records:
        if record.type_name == _SETTLED:
            with suppress(DecodeError):  # its entity cannot be recovered, and says so
                yield Settled.FromString(record.payload).number
