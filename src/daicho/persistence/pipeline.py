"""Output commit: the messages of one actor whose events are not durable yet, and what they say.

    handler ──▶ gathering   events and effects of the message that is being handled, after those of
                  │         the messages before it
                  │ the message is done, and the journal is ready for the next append
                  ▼
                sent        one write
                  │ the journal has it
                  ▼
    replies, sends, spawns and publications leave; whoever awaits ``persist`` goes on

What a message without events of its own tells others is held with what came before it. If a commit
fails, nothing that is held leaves: who asked gets the error, and everything later goes the same
way, because it was decided on what is not stored. Unless another writer was faster, and the actor
wants its messages again: then they are handled anew, with what is stored, and nobody hears of it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from daicho.actor import Envelope, RequestFailed
from daicho.actor.ask import is_awaited
from daicho.actor.outbox import Outbox
from daicho.errors import ConcurrencyConflict, PersistFailed
from daicho.journal import Appended, NewEvent, Outcome, Reply, Snapshot, Write
from daicho.persistence.commit import Committer

if TYPE_CHECKING:
    from daicho.actor.cell import Cell

TRAVELS_BYTES = 65_536
"""A snapshot up to this size is stored in the transaction of its events, which spares it one of its
own. A larger one follows when they are stored: it is an aid, and they must not wait for it, nor
fail because there is no room for it."""

# A named tuple's own constructor is a Python function, and takes three times as long.
_new_write: Callable[[tuple[object, ...]], Write] = partial(cast("Any", tuple).__new__, Write)


class Batch(Outbox):
    """Messages of one actor whose events go to the journal in one write; it holds what they say.

    The last of them may be open: it is still being handled. The journal does not wait for it, and
    if it fails its part is taken out; so it is marked where it begins.
    """

    __slots__ = (
        "_pipeline",
        "asked",
        "askers",
        "ended",
        "events",
        "expected_version",
        "mark",
        "messages",
        "replies",
        "snapshot",
        "submitted",
        "travelled",
    )

    def __init__(self, pipeline: Pipeline, expected_version: int) -> None:
        super().__init__()
        self._pipeline = pipeline
        self.expected_version = expected_version
        self.events: list[NewEvent] = []
        self.replies: list[Reply] | None = None
        """What keyed commands came to, if there are any; stored with the events."""
        self.mark: tuple[int, int, int, Snapshot | None] | None = None
        """Events, replies, effects and the snapshot before the open message; None without one."""
        self.messages = 0
        self.askers: list[Envelope] = []
        """Who hears of a failure: what they asked."""
        self.asked: list[int] = []
        """For each of them the first version that it was about."""
        self.snapshot: Snapshot | None = None
        """Stored with the events; after them if it is large or they were on their way already."""
        self.travelled: Snapshot | None = None
        """The snapshot that is stored with the events."""
        self.submitted = False
        self.ended: asyncio.Future[None] | None = None
        """For those who wait until the journal has answered, whatever it says."""

    def cut(self) -> Batch:
        """Takes out what the open message did so far, as a batch of its own."""
        if self.mark is None:
            raise AssertionError("no message is open")
        events, replies, effects, snapshot = self.mark
        self.mark = None
        self.sealed = True
        part = Batch(self._pipeline, self.expected_version + events)
        part.mark = 0, 0, 0, None
        part.events = self.events[events:]
        del self.events[events:]
        if self.replies is not None:
            part.replies = self.replies[replies:]
            del self.replies[replies:]
        part.effects = self.effects[effects:]
        del self.effects[effects:]
        if self.snapshot is not snapshot:
            part.snapshot, self.snapshot = self.snapshot, snapshot
        return part

    def take(self) -> Write | None:
        """See ``commit.Submitted``."""
        return self._pipeline.take(self)

    def leave_snapshot(self) -> None:
        """See ``commit.Submitted``."""
        self.travelled = None

    def settle(self, outcome: Outcome | Exception) -> None:
        """See ``commit.Submitted``."""
        self._pipeline.settle(self, outcome)


class Pipeline(ABC):
    """The batches of one actor, from its handler to the journal; its heir handles the messages."""

    __slots__ = (
        "_cell",
        "_committer",
        "_sent",
        "broken",
        "gathering",
        "messages",
        "stream",
        "version",
    )

    _cell: Cell
    _committer: Committer

    def __init__(self) -> None:
        self.stream = ""
        """The name of its stream; empty before the actor has begun."""
        self.version = 0
        """The version of the state in memory, stored or on its way."""
        # At most two: one that is stored and not told yet, one that the journal is writing.
        self._sent: tuple[Batch, ...] = ()
        self.gathering: Batch | None = None
        """What the journal has not taken yet. The cell's outbox, if there is one."""
        self.messages = 0
        """How many messages wait for the journal."""
        self.broken: Exception | None = None
        """Why nothing that this incarnation does can leave any more."""

    @abstractmethod
    def _durable(self, batch: Batch) -> None:
        """A batch is stored, and what it held has left."""

    @abstractmethod
    def _again(self, error: Exception, items: list[Envelope]) -> bool:
        """Takes the messages of a failed commit that are to be handled again, or says no."""

    @abstractmethod
    def _failed(self, error: Exception) -> None:
        """A commit failed; everything is given up."""

    @property
    def last(self) -> Batch | None:
        """The newest batch that is not known to be durable."""
        return self.gathering or (self._sent[-1] if self._sent else None)

    @property
    def unasked(self) -> int:
        """How many messages wait for the journal for whose reply nobody waits."""
        batches = self._sent if self.gathering is None else (*self._sent, self.gathering)
        asked = sum(is_awaited(item.asker) for batch in batches for item in batch.askers)
        return self.messages - asked

    def begin_message(self) -> Batch:
        """A message begins to persist."""
        batch = self.gathering
        if batch is None:
            batch = self.gathering = self._cell.outbox = Batch(self, self.version)
        replies = 0 if batch.replies is None else len(batch.replies)
        batch.mark = len(batch.events), replies, len(batch.effects), batch.snapshot
        batch.sealed = False
        return batch

    def end_message(self) -> None:
        """The open message is done: what it persisted goes to the journal."""
        batch = self.gathering
        if batch is None:
            raise AssertionError("no message is open")
        batch.mark = None
        batch.sealed = True
        if not batch.submitted:
            batch.submitted = True
            self._committer.submit(batch)

    def roll_back(self, error: Exception) -> None:
        """Forgets what the open message did."""
        batch = self.gathering
        if batch is None:
            raise AssertionError("no message is open")
        part = batch.cut()
        if not (batch.events or batch.replies):
            self.gathering = None
            self._cell.outbox = self.last
        part.refuse(self._cell.system, error)
        self.version = part.expected_version

    def take(self, batch: Batch) -> Write | None:
        """The journal is ready for a batch."""
        if batch is not self.gathering:
            return None  # it was given up, perhaps by an incarnation before this one
        if batch.mark is None:
            self.gathering = None
        else:
            self.gathering = self._cell.outbox = batch.cut()
        self._sent = (*self._sent, batch) if self._sent else (batch,)
        snapshot = batch.snapshot
        if snapshot is not None and len(snapshot.payload) <= TRAVELS_BYTES:
            batch.travelled = snapshot
        replies = batch.replies or ()
        return _new_write(
            (self.stream, batch.expected_version, batch.events, None, replies, batch.travelled)
        )

    def settle(self, batch: Batch, outcome: Outcome | Exception) -> None:
        """The journal has answered for a batch."""
        if type(outcome) is Appended:
            self._release(batch)
        elif batch is self.gathering or batch in self._sent:
            assert not isinstance(outcome, Appended)
            self._fail(outcome)

    def _release(self, batch: Batch) -> None:
        first, *others = self._sent
        if first is not batch:
            raise AssertionError("a batch was stored before the one that was sent before it")
        self._sent = tuple(others)
        self.messages -= batch.messages
        cell = self._cell
        if cell.outbox is batch:
            cell.outbox = None
        try:
            batch.release(cell.system)
        finally:
            _end(batch)
            self._durable(batch)

    def _fail(self, error: Exception) -> None:
        """Gives up everything: nothing leaves, and who asked or waits gets the error.

        Who asked gets none where the message is to be handled again.
        """
        self.broken = error
        batches, self._sent = [*self._sent], ()
        if self.gathering is not None:
            batches.append(self.gathering)
            self.gathering = None
        self.messages = 0
        # What the actor still says, before it begins anew.
        self._cell.outbox = Outbox()
        if self._again(error, [item for batch in batches for item in batch.askers]):
            for batch in batches:
                batch.forget()
                _end(batch)
        else:
            for batch in batches:
                self._refuse(batch)
                _end(batch)
        self._failed(error)

    def _refuse(self, batch: Batch) -> None:
        system = self._cell.system
        for item, version in zip(batch.askers, batch.asked, strict=True):
            if item.sender is not None:
                failed = RequestFailed(self.error_for(version), item.message)
                system.deliver_or_bury(item.sender, failed)
        batch.refuse(system, self.error_for(batch.expected_version + 1))

    def error_for(self, version: int) -> Exception:
        """What those hear who wanted something stored from this version on."""
        if self.broken is None:
            raise AssertionError("nothing has failed")
        if isinstance(self.broken, ConcurrencyConflict):
            return self.broken
        return PersistFailed(self.stream, version, self.broken)

    async def durable(self, version: int) -> None:
        """Waits until everything that is closed by now is durable.

        Raises:
            ConcurrencyConflict: It will not be: another writer was there first.
            PersistFailed: It will not be; the error names ``version``.
        """
        last = self.last
        if last is not None:
            await _ended(last)
        if self.broken is not None:
            raise self.error_for(version)

    async def room(self, limit: int) -> None:
        """Waits until fewer than ``limit`` messages wait for the journal, or none ever will."""
        while self.messages >= limit:
            oldest = self._sent[0] if self._sent else self.gathering
            if oldest is None:
                raise AssertionError("messages wait, and nothing is on its way")
            await _ended(oldest)

    async def idle(self) -> None:
        """Waits until the journal has answered for everything."""
        while (last := self.last) is not None:
            await _ended(last)


async def _ended(batch: Batch) -> None:
    if batch.ended is None:
        batch.ended = asyncio.get_running_loop().create_future()
    # Several may wait for one batch; one of them may be cancelled.
    await asyncio.shield(batch.ended)


def _end(batch: Batch) -> None:
    if batch.ended is not None:
        batch.ended.set_result(None)
