"""What the courier tells a process."""

# The modules of these packages share what they keep to themselves.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import logging
from collections.abc import Callable

from daicho.entity.entity import AnyEntity, finished
from daicho.entity.messages import Internal
from daicho.entity.v1 import Settled
from daicho.errors import Rejected
from daicho.events import Codec
from daicho.process.kind import ProcessKind

log = logging.getLogger("daicho.process")


class Reaction(Internal):
    """An event that a process reacts to; asked under a key, so that it is handled once."""

    __slots__ = ("event", "function")

    def __init__(self, function: Callable[..., object], event: object) -> None:
        self.function = function
        self.event = event

    async def decide(self, entity: AnyEntity, codec: Codec) -> None:  # noqa: ARG002
        """See the class."""
        await finished(self.function(entity, self.event))


class Outcome(Internal):
    """What became of a command that a process sent; settled in one write with what follows.

    One that is settled already does nothing.
    """

    __slots__ = ("number", "reply")

    def __init__(self, number: int, reply: object) -> None:
        self.number = number
        self.reply = reply
        """The reply, or the ``Rejected`` that came in its place."""

    async def decide(self, entity: AnyEntity, codec: Codec) -> None:
        """See the class."""
        item = entity._pending.items.get(self.number) if entity._pending else None
        if item is None:
            return
        rejected = isinstance(self.reply, Rejected)
        command = codec.decode(item.command_type, item.command)
        kind = entity._kind_of_this()
        assert isinstance(kind, ProcessKind), "only processes send commands"
        handler = (kind.rejections if rejected else kind.replies).get(type(command))
        if handler is not None:
            await finished(handler(entity, command, self.reply))
        elif rejected:
            log.warning(
                "process %s %r has no on_rejection for %s, and %s %r said: %s",
                kind.name, entity.id, item.command_type, item.target_entity, item.target_id,
                self.reply,
            )  # fmt: skip
        entity._settle(
            self.number, Settled.OUTCOME_REJECTED if rejected else Settled.OUTCOME_REPLIED
        )
