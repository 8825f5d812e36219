"""One event-sourced actor from its beginning to its end: what ``using`` puts around its handler."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from contextlib import nullcontext

from daicho.actor import (
    ActorFailed,
    Context,
    Directive,
    Envelope,
    RequestFailed,
    Restarting,
    Started,
    Stopped,
    Stopping,
)
from daicho.actor.lifecycle import State
from daicho.actor.outbox import Outbox
from daicho.actor.signals import Stop
from daicho.errors import (
    JournalUnavailable,
    NoStreamName,
    NoSuchActor,
    NotPersistent,
    PersistRefused,
    RecoveryFailed,
)
from daicho.events import Several
from daicho.journal import MAX_VERSION, Snapshot
from daicho.persistence.commit import committer_of
from daicho.persistence.messages import ReplayComplete
from daicho.persistence.mixin import Mixin, Replayed
from daicho.persistence.recorder import Recorder
from daicho.persistence.recovery import SnapshotRefused, done, recover
from daicho.persistence.settings import Settings

log = logging.getLogger("daicho.persistence")

LIFE = frozenset((Started, Stopping, Stopped, Restarting))
"""Messages about the actor's own life."""


class EventSourced(Recorder):
    """An actor's stream, over all its incarnations: the middleware that ``using`` makes of it.

    Each begins with what is stored. Where that cannot be reached, or a snapshot has spoiled the
    object, it ends before its first message and the next one tries: so children and timers end
    with it, and whoever wants the actor to stop is heard in between.
    """

    __slots__ = ()

    def __call__(self, ctx: Context, envelope: Envelope) -> Awaitable[object] | None:
        """See ``using``. The receiver is the object itself: a bound method would be one more."""
        if type(envelope.message) in LIFE:
            return self._live(ctx, envelope)
        if self.ready:
            return self.handle(envelope)
        return self.hold_back(envelope)

    def _live(self, ctx: Context, envelope: Envelope) -> Awaitable[object] | None:
        match envelope.message:
            case Started():
                return self._start(ctx, envelope)
            case Stopping() if self.stream:
                return self.stop(envelope)
            case Stopped() if self.stream:
                return self.stopped(envelope)
            case _:
                return self._receiver(ctx, envelope)

    async def _start(self, ctx: Context, envelope: Envelope) -> None:
        """Brings an incarnation to the state that is stored; messages wait meanwhile."""
        try:
            if not self.stream:
                self._begin(ctx)
            await self.prepare()
        except Exception as error:  # noqa: BLE001 - it is reported
            _give_up(ctx, envelope, error)
            return
        # What the handler makes of Started is for the supervisor, as with every actor.
        await done(self._receiver(ctx, envelope))
        try:
            recovered = await self.recover()
        except RecoveryFailed as error:
            _give_up(ctx, envelope, error)
            return
        if recovered:
            await done(self.handle(Envelope(ReplayComplete())))

    def _begin(self, ctx: Context) -> None:
        """Gets to know its actor.

        Raises:
            NoStreamName: Nobody has named the stream.
        """
        self.stream = _stream_name(self._settings, ctx)
        self.version = 0
        self.ctx = ctx
        self._cell = ctx.system.cell(ctx.self)
        self._committer = committer_of(self._settings.journal)

    def hold_back(self, envelope: Envelope) -> Awaitable[object] | None:
        """Takes a message although this incarnation must not handle any."""
        if self._cell.state is not State.ALIVE:
            # The end of a child, told to an actor that is ending too.
            return self._receiver(self.ctx, envelope)
        # A supervisor said that the actor should go on. It does, but not with this memory.
        self._cell.put_first([envelope])
        self._begin_anew()
        return None

    # --- beginning --------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Ends what the incarnation before this one left, and makes itself known to the new one.

        Raises:
            NotPersistent: The actor is no ``Mixin``.
        """
        self.ready = False
        if self._keeper is not None:
            self._keeper.asking = False
        self.recovering = True
        await self.idle()
        self._refuse_what_is_left()
        self.broken = None
        trouble = self._trouble
        if trouble is not None:
            trouble.conflict = None
            if trouble.retries:
                self._cell.put_first([*trouble.take_retries()])
        self._cell.outbox = None
        self.version = 0
        actor: object = self.ctx.actor
        if not isinstance(actor, Mixin | Replayed):
            raise NotPersistent(
                f"{type(actor).__qualname__} does not inherit persistence.Mixin;"
                " let it, or take persistence.using from its props"
            )
        actor._event_sourced = self  # pyright: ignore[reportPrivateUsage]

    async def recover(self) -> bool:
        """Says whether the state is that of the journal now; if not, another object will try.

        Raises:
            RecoveryFailed: None of them could.
        """
        cell, trouble = self._cell, self._trouble
        usable = MAX_VERSION if trouble is None else trouble.usable
        remembered = None if trouble is None else trouble.remembered
        cell.outbox = outbox = Outbox()
        try:
            async with self._settings.recoveries or nullcontext():
                snapshot_version = await recover(self._settings, self, usable, remembered)
        except SnapshotRefused as refused:
            self.trouble.usable = refused.version - 1
            self.trouble.remembered = None
            cell.restart_after(0.0)
            return False
        except JournalUnavailable as error:
            self._try_again(error)
            return False
        finally:
            cell.outbox = None
            outbox.refuse(cell.system, _leaves_nothing(self.stream))
        if self.stopping:
            return False
        if trouble is not None:
            trouble.recovered()
            trouble.remembered = self._memory() if trouble.conflicts else None
        if self._settings.snapshot is not None:
            self.keeper.last.taken(snapshot_version)
        self.recovering = False
        self.ready = True
        return True

    def _try_again(self, error: JournalUnavailable) -> None:
        cell = self._cell
        if self.trouble.attempts + 1 >= self._settings.recovery_attempts:
            raise RecoveryFailed(self.stream, None, None, error) from error
        log.warning("%s cannot recover %r yet: %s", cell.self, self.stream, error)
        cell.system.event_stream.publish(
            ActorFailed(cell.self, error, Started(), Directive.RESTART)
        )
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.trouble.attempts += 1
        self._cell.restart_after(self._settings.backoff.delay(self.trouble.attempts))

    def _memory(self) -> Snapshot | None:
        """The state as it is now, if the actor tells it."""
        actor: object = self.ctx.actor
        if not self.version or not isinstance(actor, Replayed):
            return None
        return self.snapshot_of(actor.memory())

    # --- being recovered --------------------------------------------------------------------------

    def apply(self, message: object) -> Awaitable[object] | None:
        """See ``recovery.Incarnation``."""
        actor: object = self.ctx.actor
        if isinstance(actor, Replayed):
            actor.replay(message)
            return None
        return self._receiver(self.ctx, Envelope(message))

    def apply_events(self, events: Sequence[object]) -> Awaitable[object] | None:
        """See ``recovery.Incarnation``."""
        actor: object = self.ctx.actor
        if isinstance(actor, Replayed):
            actor.replay_events(events)
            return None
        return self._apply_one_by_one(events)

    async def _apply_one_by_one(self, events: Sequence[object]) -> None:
        for event in events:
            self.version += 1
            for part in event.events if type(event) is Several else (event,):
                await done(self._receiver(self.ctx, Envelope(part)))

    def snapshot_failed(self, snapshot: Snapshot, error: Exception) -> None:
        """See ``recovery.Incarnation``."""
        self.keeper.failed(snapshot.stream, snapshot.version, error)

    @property
    def stopping(self) -> bool:
        """See ``recovery.Incarnation``."""
        return any(isinstance(signal, Stop) for signal in self._cell.signals or ())

    # --- ending -----------------------------------------------------------------------------------

    async def stop(self, envelope: Envelope) -> None:
        """The actor stops when what it persisted is stored, its snapshots included."""
        try:
            if self.ready:
                await done(self.handle(envelope))
            else:
                await done(self._receiver(self.ctx, envelope))
        finally:
            await self._settled()

    async def stopped(self, envelope: Envelope) -> None:
        """The actor's last message."""
        self.ready = False
        try:
            await done(self._receiver(self.ctx, envelope))
        finally:
            await self._settled()
            self._refuse_what_is_left()
            self._refuse_retries()

    def _refuse_retries(self) -> None:
        """Messages that were to be handled again, and will not be."""
        trouble = self._trouble
        if trouble is None:
            return
        error = trouble.conflict or NoSuchActor(self._cell.self)
        for item in trouble.take_retries():
            if item.sender is not None:
                failed = RequestFailed(error, item.message)
                self._cell.system.deliver_or_bury(item.sender, failed)

    async def _settled(self) -> None:
        await self.idle()
        if self._keeper is not None:
            await self._keeper.idle()

    def _refuse_what_is_left(self) -> None:
        """What the actor said after a commit had failed."""
        outbox, trouble = self._cell.outbox, self._trouble
        if outbox is None:
            return
        if trouble is not None and trouble.conflict is not None:
            outbox.forget()
        else:
            outbox.refuse(self._cell.system, self.error_for(self.version + 1))


def _give_up(ctx: Context, envelope: Envelope, error: Exception) -> None:
    """Stops the actor: another incarnation would meet the same, so no supervisor is asked."""
    log.error("%s stops: %s", ctx.self, error)
    failed = ActorFailed(ctx.self, error, envelope.message, Directive.STOP)
    ctx.system.event_stream.publish(failed)
    ctx.system.cell(ctx.self).stop_because(error)


def _stream_name(settings: Settings, ctx: Context) -> str:
    if callable(settings.stream):
        return settings.stream(ctx)
    if settings.stream is not None:
        return settings.stream
    if "$" in ctx.self.id:
        raise NoStreamName(ctx.self)
    return ctx.self.id


def _leaves_nothing(stream: str) -> PersistRefused:
    return PersistRefused(f"{stream!r} was recovering: nothing leaves an actor meanwhile")
