"""One event-sourced actor from its beginning to its end: what ``using`` puts around its handler."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from daicho.actor import (
    ActorFailed,
    Context,
    Directive,
    Envelope,
    Receiver,
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
from daicho.journal import MAX_VERSION, Snapshot
from daicho.persistence.messages import ReplayComplete
from daicho.persistence.mixin import Mixin, Replayed
from daicho.persistence.recorder import Recorder
from daicho.persistence.recovery import SnapshotRefused, done, recover
from daicho.persistence.settings import Settings

log = logging.getLogger("daicho.persistence")

LIFE = frozenset((Started, Stopping, Stopped, Restarting))
"""Messages about the actor's own life."""


class EventSourced(Recorder):
    """An actor's stream, over all its incarnations.

    Each begins with what is stored. Where that cannot be reached, or a snapshot has spoiled the
    object, it ends before its first message and the next one tries: so children and timers end
    with it, and whoever wants the actor to stop is heard in between.
    """

    __slots__ = ("_apply", "_attempts", "_remembered", "_usable")

    def __init__(self, settings: Settings, receiver: Receiver, ctx: Context, stream: str) -> None:
        super().__init__(settings, receiver, ctx, stream)
        self._apply: Callable[[object], Awaitable[object] | None] = self._through_handler
        # Recoveries that failed in a row.
        self._attempts = 0
        # The newest snapshots are of no use beyond this version.
        self._usable = MAX_VERSION
        # The state as it was last recovered, while another writer is about: then the next recovery
        # reads what came since alone.
        self._remembered: Snapshot | None = None

    def hold_back(self, envelope: Envelope) -> Awaitable[object] | None:
        """Takes a message although this incarnation must not handle any."""
        if self._cell.state is not State.ALIVE:
            # The end of a child, told to an actor that is ending too.
            return self._receiver(self._ctx, envelope)
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
        self.ready = self._asking = False
        self.recovering = True
        await self._pipeline.idle()
        self._refuse_what_is_left()
        self._pipeline.broken = None
        self._conflict = None
        if self._retries:
            retries, self._retries = self._retries, []
            self._cell.put_first([*retries])
        self._cell.outbox = None
        self.version = 0
        actor: object = self._ctx.actor
        if not isinstance(actor, Mixin):
            raise NotPersistent(
                f"{type(actor).__qualname__} does not inherit persistence.Mixin;"
                " let it, or take persistence.using from its props"
            )
        actor._event_sourced = self  # pyright: ignore[reportPrivateUsage]
        self._apply = actor.replay if isinstance(actor, Replayed) else self._through_handler

    async def recover(self) -> bool:
        """Says whether the state is that of the journal now; if not, another object will try.

        Raises:
            RecoveryFailed: None of them could.
        """
        cell = self._cell
        cell.outbox = outbox = Outbox()
        try:
            async with self._settings.recoveries or nullcontext():
                snapshot_version = await recover(
                    self._settings, self, self._usable, self._remembered
                )
        except SnapshotRefused as refused:
            self._usable = refused.version - 1
            self._remembered = None
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
        self._attempts = 0
        self._usable = MAX_VERSION
        self._last_snapshot.taken(snapshot_version)
        self._remembered = self._memory() if self._conflicts else None
        self.recovering = False
        self.ready = True
        return True

    def _try_again(self, error: JournalUnavailable) -> None:
        cell = self._cell
        if self._attempts + 1 >= self._settings.recovery_attempts:
            raise RecoveryFailed(self.stream, None, None, error) from error
        log.warning("%s cannot recover %r yet: %s", cell.self, self.stream, error)
        cell.system.event_stream.publish(
            ActorFailed(cell.self, error, Started(), Directive.RESTART)
        )
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._attempts += 1
        self._cell.restart_after(self._settings.backoff.delay(self._attempts))

    def _memory(self) -> Snapshot | None:
        """The state as it is now, if the actor tells it."""
        actor: object = self._ctx.actor
        if not self.version or not isinstance(actor, Replayed):
            return None
        state = actor.memory()
        type_name, payload = self._settings.codec.encode(state)
        return Snapshot(
            stream=self.stream,
            version=self.version,
            type_name=type_name,
            payload=payload,
            time_us=self._settings.clock_us(),
        )

    # --- being recovered --------------------------------------------------------------------------

    def apply(self, message: object) -> Awaitable[object] | None:
        """See ``recovery.Incarnation``."""
        return self._apply(message)

    def _through_handler(self, message: object) -> Awaitable[object] | None:
        return self._receiver(self._ctx, Envelope(message))

    def snapshot_failed(self, snapshot: Snapshot, error: Exception) -> None:
        """See ``recovery.Incarnation``."""
        self._keeper.failed(snapshot.stream, snapshot.version, error)

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
                await done(self._receiver(self._ctx, envelope))
        finally:
            await self._settled()

    async def stopped(self, envelope: Envelope) -> None:
        """The actor's last message."""
        self.ready = False
        try:
            await done(self._receiver(self._ctx, envelope))
        finally:
            await self._settled()
            self._refuse_what_is_left()
            self._refuse_retries()

    def _refuse_retries(self) -> None:
        """Messages that were to be handled again, and will not be."""
        retries, self._retries = self._retries, []
        error = self._conflict or NoSuchActor(self._cell.self)
        for item in retries:
            if item.sender is not None:
                failed = RequestFailed(error, item.message)
                self._cell.system.deliver_or_bury(item.sender, failed)

    async def _settled(self) -> None:
        await self._pipeline.idle()
        await self._keeper.idle()

    def _refuse_what_is_left(self) -> None:
        """What the actor said after a commit had failed."""
        outbox = self._cell.outbox
        if outbox is not None and self._conflict is not None:
            outbox.forget()
        elif outbox is not None:
            outbox.refuse(self._cell.system, self._pipeline.error_for(self.version + 1))


class Middleware:
    """What ``using`` puts around an actor's handler."""

    __slots__ = ("_event_sourced", "_receiver", "_settings")

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        self._settings = settings
        self._receiver = receiver
        self._event_sourced: EventSourced | None = None

    def receive(self, ctx: Context, envelope: Envelope) -> Awaitable[object] | None:
        """See ``using``."""
        event_sourced = self._event_sourced
        if envelope.message.__class__ in LIFE:
            return self._live(ctx, envelope)
        if event_sourced is None:
            raise AssertionError("Started is the first message of every actor")
        if event_sourced.ready:
            return event_sourced.handle(envelope)
        return event_sourced.hold_back(envelope)

    def _live(self, ctx: Context, envelope: Envelope) -> Awaitable[object] | None:
        event_sourced = self._event_sourced
        match envelope.message:
            case Started():
                return self._start(ctx, envelope)
            case Stopping() if event_sourced is not None:
                return event_sourced.stop(envelope)
            case Stopped() if event_sourced is not None:
                return event_sourced.stopped(envelope)
            case _:
                return self._receiver(ctx, envelope)

    async def _start(self, ctx: Context, envelope: Envelope) -> None:
        """Brings an incarnation to the state that is stored; messages wait meanwhile."""
        event_sourced = self._event_sourced
        try:
            if event_sourced is None:
                stream = _stream_name(self._settings, ctx)
                event_sourced = EventSourced(self._settings, self._receiver, ctx, stream)
                self._event_sourced = event_sourced
            await event_sourced.prepare()
        except Exception as error:  # noqa: BLE001 - it is reported
            _give_up(ctx, envelope, error)
            return
        # What the handler makes of Started is for the supervisor, as with every actor.
        await done(self._receiver(ctx, envelope))
        try:
            recovered = await event_sourced.recover()
        except RecoveryFailed as error:
            _give_up(ctx, envelope, error)
            return
        if recovered:
            await done(event_sourced.handle(Envelope(ReplayComplete())))


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
