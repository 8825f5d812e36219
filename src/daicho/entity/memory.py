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


def restore(entity: AnyEntity, snapshot: object, codec: Codec) -> None:
    """Lets the entity have a decoded snapshot.

    Raises:
        UndecodableEvent: It is, or holds, something else than a state of the entity.
    """
    state = snapshot
    if isinstance(snapshot, EntitySnapshot):
        state = codec.decode(snapshot.state_type, snapshot.state)
        entity._pending = Pending(snapshot.last_number, snapshot.pending)
    if type(state) is not entity._kind_of_this().state:
        found = type(state).__qualname__
        raise UndecodableEvent(found, f"it is not the state of {entity._kind_of_this().name}")
    entity.state = state
