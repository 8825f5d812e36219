"""How an event-sourced actor comes to its snapshots: when it is asked for one, and how it answers.

Nothing here decides about the events: a snapshot that cannot be taken or stored costs time alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from inspect import isawaitable

from daicho.actor import Context, Envelope, Receiver
from daicho.errors import PersistRefused
from daicho.journal import Snapshot, checks
from daicho.persistence.messages import RequestSnapshot
from daicho.persistence.pipeline import Pipeline
from daicho.persistence.settings import Settings
from daicho.persistence.snapshot_keeper import SnapshotKeeper
from daicho.persistence.snapshots import SnapshotStrategy


class Snapshotting(Pipeline):
    """Asks the handler for a snapshot, in the middle of a message or after it."""

    __slots__ = (
        "_handling",
        "_keeper",
        "_missing",
        "_receiver",
        "_settings",
        "ctx",
        "ready",
    )

    ctx: Context
    """What its handlers see."""

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        super().__init__()
        self._settings = settings
        self._receiver = receiver
        self._keeper: SnapshotKeeper | None = None
        self.ready = False
        """Whether this incarnation's memory is that of the journal and of what is on its way."""
        # Whether the handler is busy with a message.
        self._handling = False
        # Whether a wait for durability was cancelled: what it waited for may be missing in memory.
        self._missing = False

    @property
    def keeper(self) -> SnapshotKeeper:
        """What stores its snapshots, made when it is first needed."""
        keeper = self._keeper
        if keeper is None:
            settings = self._settings
            keeper = self._keeper = SnapshotKeeper(
                self._cell, settings.journal, settings.retention, settings.clock
            )
        return keeper

    @property
    def snapshot_wanted(self) -> bool:
        """Whether a snapshot is due after an event that was taken with ``record``."""
        return self._keeper is not None and self._keeper.wanted

    @property
    def asking(self) -> bool:
        """Whether the handler is being asked for a snapshot."""
        return self._keeper is not None and self._keeper.asking

    def persist_snapshot(self, state: object) -> None:
        """See ``Mixin.persist_snapshot``."""
        if self._missing or not (self.ready and (self._handling or self.asking)):
            raise self._refusal()
        if not self.version:
            raise PersistRefused(f"{self.stream!r} has no events yet that a snapshot could hold")
        snapshot, keeper = self.snapshot_of(state), self.keeper
        keeper.wanted = False
        keeper.last.taken(self.version)
        try:
            # Now, because the journal would refuse the events that it travels with.
            checks.snapshot(snapshot)
        except ValueError as error:
            keeper.failed(self.stream, self.version, error)
            return
        holder = self.last
        if holder is None:
            keeper.keep(snapshot, is_stored=False)
        else:
            holder.snapshot = snapshot

    def snapshot_of(self, state: object) -> Snapshot:
        """The state as the snapshot of the current version.

        Raises:
            UnencodableEvent: It cannot be stored.
        """
        type_name, payload = self._settings.codec.encode(state)
        return Snapshot(
            stream=self.stream,
            version=self.version,
            type_name=type_name,
            payload=payload,
            time_us=self._settings.clock_us(),
        )

    def report_snapshot(self, error: Exception) -> None:
        """A snapshot that was wanted could not be taken; only time is lost by that."""
        self.keeper.wanted = False
        self.keeper.failed(self.stream, self.version, error)

    @abstractmethod
    def _refusal(self) -> Exception:
        """Why nothing can be persisted now."""

    def _is_due(self, strategy: SnapshotStrategy, events: Sequence[object], version: int) -> bool:
        """Whether a snapshot is due after any of the events that follow ``version``."""
        due = False
        for after, event in enumerate(events, version + 1):
            try:
                due = strategy.due(event, after, self.keeper.last) or due
            except Exception as error:  # noqa: BLE001 - promise 8: it is reported, and nothing else
                self.keeper.failed(self.stream, after, error)
        return due

    def _ask_for_snapshot(self) -> None:
        """Asks in the middle of a handler; message and sender are the same afterwards."""
        ctx, keeper = self.ctx, self.keeper
        message, sender, headers = ctx.message, ctx.sender, ctx.headers
        keeper.asking, self._handling = True, False
        try:
            pending = self._receiver(ctx, Envelope(RequestSnapshot()))
        except Exception as error:  # noqa: BLE001 - promise 8: it is reported, and nothing else
            keeper.failed(self.stream, self.version, error)
            return
        finally:
            keeper.asking, self._handling = False, True
            ctx.message, ctx.sender, ctx.headers = message, sender, headers
        if pending is not None and isawaitable(pending):
            # An async handler cannot run inside another; its turn is when this one is done.
            keeper.late_answer = pending
            keeper.due = True

    async def _answer_late(self) -> None:
        """Asks when the handler is done, or lets it answer now that was asked in the middle."""
        ctx, keeper = self.ctx, self.keeper
        keeper.due = False
        pending, keeper.late_answer = keeper.late_answer, None
        message, sender, headers = ctx.message, ctx.sender, ctx.headers
        envelope = Envelope(RequestSnapshot())
        ctx.message, ctx.sender, ctx.headers = envelope.message, None, None
        try:
            if pending is None:
                pending = self._receiver(ctx, envelope)
            if pending is not None and isawaitable(pending):
                await pending
        except Exception as error:  # noqa: BLE001 - promise 8: it is reported, and nothing else
            if self.ready:
                keeper.failed(self.stream, self.version, error)
        finally:
            keeper.asking = False
            ctx.message, ctx.sender, ctx.headers = message, sender, headers
        await self.room(self._settings.max_uncommitted)
