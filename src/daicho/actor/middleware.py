"""Middleware that is of use to many: logging, and handing middleware down to children."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from daicho.actor.context import Context

if TYPE_CHECKING:
    from daicho.actor.envelope import Envelope
    from daicho.actor.pid import PID
    from daicho.actor.props import (
        ContextDecorator,
        Props,
        Receiver,
        ReceiverMiddleware,
        Sender,
        SenderMiddleware,
        Spawner,
        SpawnMiddleware,
    )
    from daicho.actor.verbs import Verbs

log = logging.getLogger("daicho.actor.messages")


def log_received(logger: logging.Logger = log, *, level: int = logging.DEBUG) -> ReceiverMiddleware:
    """Logs each message before the actor handles it, those about its own life among them."""

    def wrap(receiver: Receiver) -> Receiver:
        def receive(ctx: Context, envelope: Envelope) -> Awaitable[object] | None:
            logger.log(level, "%s received %r from %s", ctx.self, envelope.message, envelope.sender)
            return receiver(ctx, envelope)

        return receive

    return wrap


def log_sent(logger: logging.Logger = log, *, level: int = logging.DEBUG) -> SenderMiddleware:
    """Logs each message before it leaves, with whoever sends it and wants the reply."""

    def wrap(sender: Sender) -> Sender:
        def send(origin: Verbs, target: PID, envelope: Envelope) -> None:
            who = origin.self if isinstance(origin, Context) else "root"
            logger.log(
                level, "%s sends %r to %s for %s", who, envelope.message, target, envelope.sender
            )
            sender(origin, target, envelope)

        return send

    return wrap


def propagate(
    *,
    receiver_middleware: Sequence[ReceiverMiddleware] = (),
    sender_middleware: Sequence[SenderMiddleware] = (),
    context_decorators: Sequence[ContextDecorator] = (),
) -> SpawnMiddleware:
    """Hands middleware down to every actor that is spawned below, outside of what it has itself.

    To log whole trees: ``root.with_spawn_middleware(propagate(receiver_middleware=[…]))``.
    """

    def wrap(spawner: Spawner) -> Spawner:
        def spawn(props: Props, id: str, parent: Context | None) -> PID:  # noqa: A002
            heir = props.with_options(
                receiver_middleware=(*receiver_middleware, *props.receiver_middleware),
                sender_middleware=(*sender_middleware, *props.sender_middleware),
                context_decorators=(*context_decorators, *props.context_decorators),
                spawn_middleware=(wrap, *props.spawn_middleware),
            )
            return spawner(heir, id, parent)

        return spawn

    return wrap
