"""What an entity has let go, as a test sees it: timers, and commands to others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from daicho.entity.entity import AnyEntity
from daicho.entity.v1 import Outgoing
from daicho.events import Codec
from daicho.testing.clock import moment
from daicho.testing.text import shown


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that has not fired."""

    name: str
    command: object
    """What the entity will be sent."""
    due: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """A command that a process has sent."""

    entity: str
    """The stored name of the entity type that it goes to."""
    id: str
    command: object

    def __str__(self) -> str:
        return f"{self.entity} {self.id!r}: {shown(self.command)}"


def timer_of(codec: Codec, item: Outgoing) -> Timer:
    """A timer, as it is stored."""
    return Timer(item.timer, codec.decode(item.command_type, item.command), moment(item.due_us))


def sent_of(codec: Codec, item: Outgoing) -> Sent:
    """A command to another entity, as it is stored."""
    command = codec.decode(item.command_type, item.command)
    return Sent(item.target_entity, item.target_id, command)


def name_of(entity: type[AnyEntity] | str) -> str:
    """The stored name of an entity type."""
    if isinstance(entity, str):
        return entity
    return entity._kind_of_this().name  # pyright: ignore[reportPrivateUsage]
