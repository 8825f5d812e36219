"""Where an event comes from that a process reacts to."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Source(NamedTuple):
    """The place of an event in the history of the entity that it happened to."""

    stream: str
    entity: str
    """The entity type that it happened to."""
    id: str
    """The id of that entity."""
    version: int
    """The version of the entity that the event led to."""
    position: int
    """Its position in the whole journal."""
    time: datetime
    """When it happened, in UTC."""
