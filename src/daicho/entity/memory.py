"""All that an entity remembers: as a snapshot, and from one."""

# The modules of this package share what they keep to themselves.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable

from daicho.entity.entity import AnyEntity
from daicho.entity.pending import Pending
from daicho.entity.v1 import EntitySnapshot
from daicho.errors import UndecodableEvent
from daicho.events import Codec


def memory_of(entity: AnyEntity, encode: Callable[[object], tuple[str, bytes]]) -> object:
    """A snapshot of the entity: its state, together with what it has under way, if it ever had."""
    pending = entity._pending
    if pending is None:
        return entity.state
    type_name, payload = encode(entity.state)
    return EntitySnapshot(
        state_type=type_name,
        state=payload,
        last_number=pending.last_number,
        pending=pending.items.values(),
    )


def restore(entity: AnyEntity, message: object, codec: Codec) -> None:
    """Lets the entity have a decoded snapshot or event.

    Raises:
        UndecodableEvent: A snapshot holds something else than a state of the entity.
        UnhandledEvent: It has no handler for the event.
    """
    if message.__class__ is entity._kind_of_this().state:
        entity.state = message
    elif isinstance(message, EntitySnapshot):
        state = codec.decode(message.state_type, message.state)
        if state.__class__ is not entity._kind_of_this().state:
            reason = f"it is read as {type(state).__qualname__}, which is not the entity's state"
            raise UndecodableEvent(message.state_type, reason)
        entity.state = state
        entity._pending = Pending(message.last_number, message.pending)
    else:
        entity._replay(message)
