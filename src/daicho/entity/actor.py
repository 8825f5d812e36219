"""The actor around an entity: it carries the entity through one message after another."""

# The modules of this package share what they keep to themselves.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, cast

from daicho.actor import ActorFailed, Context, Directive, RequestFailed, Stopped
from daicho.entity.copies import COPIERS, Copier, awaited
from daicho.entity.entity import AnyEntity
from daicho.entity.memory import memory_of, restore
from daicho.entity.messages import Internal, Request, Versioned
from daicho.entity.stored import decode_reply, encode_reply, id_of
from daicho.errors import KeyReused, NoSuchVersion, Rejected
from daicho.journal import Reply
from daicho.persistence.event_sourced import LIFE
from daicho.persistence.messages import ReplayComplete
from daicho.persistence.mixin import Replayed
from daicho.persistence.settings import MAX_UNCOMMITTED

if TYPE_CHECKING:
    from daicho.entity.directory import Directory
    from daicho.entity.kind import Kind
    from daicho.persistence.recorder import Recorder

log = logging.getLogger("daicho.entity")

BEGIN = object()
"""What an entity without a snapshot is replayed from."""

_OF_LIFE = LIFE | {ReplayComplete}


class EntityActor(Replayed):
    """One incarnation of an entity."""

    # There may be a hundred thousand of them, so what is known elsewhere is not kept here too.
    __slots__ = ("_directory", "_entity", "_interesting", "_kind", "_recent")

    def __init__(self, kind: Kind, directory: Directory) -> None:
        self._kind = kind
        self._directory = directory
        self._entity: AnyEntity | None = None
        # What keyed commands of this incarnation came to, as many as can be on their way.
        self._recent: dict[str, Reply] | None = None
        # Whether an event of the message at hand is one that somebody waits for.
        self._interesting = False

    # --- history ----------------------------------------------------------------------------------

    def replay(self, message: object) -> None:
        """See ``Replayed``."""
        # Here rather than in Started, so that what a class makes of it is a failed recovery.
        stream = self._event_sourced.stream
        self._entity = entity = self._kind.cls(id_of(stream))
        entity._stream = stream  # the same text, so that it is there once
        if message is not BEGIN:
            entity.version = self._event_sourced.version
            restore(entity, message, self._directory.schema)

    def replay_events(self, events: Sequence[object]) -> None:
        """See ``Replayed``."""
        entity, handlers = self.entity, self._kind.events
        version = entity.version
        try:
            for event in events:
                entity.version = version = version + 1
                apply = handlers.get(type(event))
                if apply is not None:
                    apply(entity, event)
                else:
                    entity._replay(event)
        finally:
            self._event_sourced.version = version

    def memory(self) -> object:
        """See ``Replayed``."""
        return memory_of(self.entity, self._directory.schema.encode)

    @property
    def entity(self) -> AnyEntity:
        """The entity, once its recovery has begun."""
        assert self._entity is not None, "an entity decides about nothing before its recovery"
        return self._entity

    @property
    def unasked(self) -> int:
        """How many messages wait for the journal for whose reply nobody waits."""
        return 0 if self._entity is None else self._event_sourced.unasked

    # --- messages ---------------------------------------------------------------------------------

    def receive(self, ctx: Context) -> Awaitable[object] | None:
        """Handles a command, or what a layer has to say."""
        message = ctx.message
        handler = self._kind.commands.get(type(message))
        if handler is not None:
            return self._decide(handler, message)
        if isinstance(message, Internal):
            return self._decide(self._internal, message)
        if isinstance(message, Request):
            return self._request(message)
        self._live(message)
        return None

    def _live(self, message: object) -> None:
        match message:
            case Stopped():
                self._directory.ended(self._event_sourced.stream)
            case _ if type(message) not in _OF_LIFE:
                self._unhandled(message)
            case _:
                pass

    def _unhandled(self, message: object) -> None:
        error = self.entity._unknown(message)
        ctx = self._event_sourced.ctx
        if ctx.asker is None:
            ctx.system.dead_letters.letter(ctx.self, message, str(error), error)
        else:
            self._answer_failed(error)

    def _internal(self, entity: AnyEntity, message: object) -> object:
        return cast("Internal", message).decide(entity, self._directory.schema)

    def _decide(
        self,
        handler: Callable[..., object],
        command: object,
        finish: Callable[[object], None] | None = None,
    ) -> Awaitable[object] | None:
        """Lets the entity decide, and says what came of it: by ``finish``, or as it is."""
        entity = self._entity or self.entity
        entity._turn = self
        try:
            reply = handler(entity, command)
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            entity._turn = None
            self._failed(error)
            return None
        copier = COPIERS[type(reply)]
        if copier is awaited:
            return self._decide_later(cast("Awaitable[object]", reply), finish)
        entity._turn = None
        self._end(reply, copier, finish)
        return None

    async def _decide_later(
        self, pending: Awaitable[object], finish: Callable[[object], None] | None
    ) -> None:
        try:
            reply = await pending
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            self.entity._turn = None
            self._failed(error)
            return
        except BaseException:
            self.entity._turn = None
            raise
        self.entity._turn = None
        self._end(reply, COPIERS[type(reply)], finish)

    def _end(
        self, reply: object, copier: Copier | None, finish: Callable[[object], None] | None
    ) -> None:
        recorder = self._event_sourced
        if not recorder.ready:
            return  # a commit failed meanwhile: the message is handled again, or told why not
        try:
            if copier is not None:
                reply = copier(reply)
            if finish is not None:
                finish(reply)
            elif self._event_sourced.ctx.asker is not None:
                self._event_sourced.ctx.respond(reply)
        except Exception as error:  # noqa: BLE001 - the reply cannot be given, so nothing is done
            self._failed(error)
            return
        if recorder.snapshot_wanted:
            self._take_snapshot()
        if self._interesting:
            self._interesting = False
            self._event_sourced.ctx._act(self._directory.wake)

    def _take_snapshot(self) -> None:
        try:
            state = self.entity.state
            if type(state) is not self._kind.state:
                raise TypeError(  # noqa: TRY301 - a snapshot that no recovery would take
                    f"the state is a {type(state).__qualname__}, not a"
                    f" {self._kind.state.__qualname__} as the class says"
                )
            self._event_sourced.persist_snapshot(self.memory())
        except Exception as error:  # noqa: BLE001 - promise 8: it is reported, and nothing else
            self._event_sourced.report_snapshot(error)

    def _failed(self, error: Exception) -> None:
        """The command came to an error: a rejection changes nothing, all else begins anew."""
        recorder = self._event_sourced
        self._interesting = False
        if not recorder.ready:
            return
        if isinstance(error, Rejected) and not recorder.persisted:
            self._answer_failed(error)
            return
        ctx, stream = self._event_sourced.ctx, self._event_sourced.stream
        log.warning(
            "%s begins anew after %r: %r", stream, type(ctx.message).__name__, error,
            exc_info=error,
        )  # fmt: skip
        failed = ActorFailed(ctx.self, error, ctx.message, Directive.RESTART)
        ctx.system.event_stream.publish(failed)
        if ctx.sender is not None:
            ctx.system.deliver_or_bury(ctx.sender, RequestFailed(error, ctx.message))
        recorder.discard(error)

    def _answer_failed(self, error: Exception) -> None:
        """An error that changes nothing; it leaves as a reply does."""
        ctx = self._event_sourced.ctx
        if ctx.asker is None:
            log.warning("%s: nobody asked, so nobody hears: %s", self._event_sourced.stream, error)
        else:
            ctx.respond(RequestFailed(error, ctx.message))

    # --- requests with more than a command --------------------------------------------------------

    def _request(self, request: Request) -> Awaitable[object] | None:
        request.tries += 1
        if self._event_sourced.version < request.after_version:
            self._catch_up(request)
            return None
        if request.key is None:
            return self._decide_request(request)
        known = None if self._recent is None else self._recent.get(request.key)
        if known is not None:
            self._repeat(request, known)
            return None
        lookup, request.lookup = request.lookup, None
        if lookup is None or not lookup.done():
            return self._look_up(request, lookup)
        return self._go_on(request, lookup)

    def _catch_up(self, request: Request) -> None:
        if request.tries == 1:
            self._event_sourced.handle_again()
            return
        reason = (
            f"the journal has it at version {self._event_sourced.version};"
            " the token is of another journal, or this one lags behind"
        )
        self._answer_failed(
            NoSuchVersion(self._event_sourced.stream, request.after_version, reason)
        )

    async def _look_up(self, request: Request, lookup: asyncio.Future[Reply | None] | None) -> None:
        assert request.key is not None
        if lookup is None:
            # It is handled again: another process may have been faster with this very key.
            looking = self._directory.journal.load_reply(self._event_sourced.stream, request.key)
            lookup = asyncio.ensure_future(looking)
        await asyncio.wait((lookup,))
        pending = self._go_on(request, lookup)
        if pending is not None:
            await pending

    def _go_on(
        self, request: Request, lookup: asyncio.Future[Reply | None]
    ) -> Awaitable[object] | None:
        """What is stored under the key is known now."""
        try:
            known = lookup.result()
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            self._answer_failed(error)
            return None
        if known is not None:
            self._repeat(request, known)
            return None
        return self._decide_request(request)

    def _decide_request(self, request: Request) -> Awaitable[object] | None:
        command = request.command
        handler: Callable[..., object] | None = self._kind.commands.get(type(command))
        if handler is None and isinstance(command, Internal):
            handler = self._internal
        if handler is None:
            self._answer_failed(self.entity._unknown(command))
            return None
        if request.key is not None:
            handler = _rejection_as_reply(handler, self._event_sourced)
        return self._decide(handler, command, lambda reply: self._settle(request, reply))

    def _settle(self, request: Request, reply: object) -> None:
        """Gives the reply of a request; what a keyed command came to is stored with its events."""
        recorder = self._event_sourced
        if request.key is not None:
            type_name, payload = encode_reply(self._directory.schema, reply)
            stored = Reply(
                request.key,
                request.digest,
                type_name,
                payload,
                recorder.version,
                self.now_us,
            )
            recorder.record_reply(stored)
            self._note(stored)
        self._give(request, reply, recorder.version)

    def _repeat(self, request: Request, known: Reply) -> None:
        """Gives again what the key's command came to."""
        if known.command != request.digest:
            self._answer_failed(KeyReused(self._event_sourced.stream, known.key))
            return
        try:
            reply = decode_reply(self._directory.schema, known.type_name, known.payload)
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            self._answer_failed(error)
            return
        self._give(request, reply, known.version)

    def _give(self, request: Request, reply: object, version: int) -> None:
        if isinstance(reply, Rejected):
            self._answer_failed(reply)
        elif self._event_sourced.ctx.asker is not None:
            self._event_sourced.ctx.respond(
                Versioned(reply, version) if request.versioned else reply
            )

    def _note(self, reply: Reply) -> None:
        if self._recent is None:
            self._recent = {}
        recent = self._recent
        recent[reply.key] = reply
        # An entity lets no more messages be on their way, so what goes here is stored already.
        if len(recent) > MAX_UNCOMMITTED:
            del recent[next(iter(recent))]

    # --- what the entity sees ---------------------------------------------------------------------

    @property
    def now_us(self) -> int:
        """See ``Turn``."""
        return self._directory.clock.now_us()

    def record(self, event: object) -> None:
        """See ``Turn``."""
        self._event_sourced.record(event)
        if type(event) in self._directory.interesting:
            self._interesting = True

    def encode(self, message: object) -> tuple[str, bytes]:
        """See ``Turn``."""
        return self._directory.schema.encode(message)


def _rejection_as_reply(
    handler: Callable[..., object], recorder: Recorder
) -> Callable[[AnyEntity, object], object]:
    """The handler, returning what it rejects: that is what the command's key will stand for."""

    def decide(entity: AnyEntity, command: object) -> object:
        try:
            reply = handler(entity, command)
        except Rejected as rejection:
            if recorder.persisted:
                raise
            return rejection
        if hasattr(reply, "__await__"):
            return later(cast("Awaitable[object]", reply))
        return reply

    async def later(pending: Awaitable[object]) -> object:
        try:
            return await pending
        except Rejected as rejection:
            if recorder.persisted:
                raise
            return rejection

    return decide
