"""Where every chain of receivers ends: at the actor itself."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, cast

from daicho.actor.continuation import Continuation
from daicho.errors import ActorError, HandlerFailed

if TYPE_CHECKING:
    from daicho.actor.context import Context
    from daicho.actor.envelope import Envelope


def receive_envelope(ctx: Context, envelope: Envelope) -> Awaitable[object] | None:
    """Lets the actor handle what has come through the middleware."""
    ctx.message = envelope.message
    ctx.asker = envelope.asker
    ctx.headers = envelope.headers
    message = envelope.message
    if type(message) is Continuation:
        return _continue(ctx, message)
    return ctx._actor.receive(ctx)  # type: ignore[union-attr, return-value]


def _continue(ctx: Context, continuation: Continuation) -> Awaitable[object] | None:
    ctx.message = continuation.message
    cell = ctx.system.cell(ctx.self)
    if continuation.incarnation != cell.incarnation:
        reason = "the actor was restarted before it could go on with it"
        error = HandlerFailed(ctx.self, ActorError(reason))
        ctx.system.dead_letters.letter(ctx.self, cell.envelope(), reason, error)
        return None
    return cast("Awaitable[object] | None", continuation.callback(continuation.future))
