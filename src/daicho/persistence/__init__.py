"""Event-sourced actors: their events are durable before anyone hears of them."""

from daicho.persistence.messages import ReplayComplete, RequestSnapshot, SnapshotFailed
from daicho.persistence.mixin import Mixin
from daicho.persistence.snapshots import (
    LastSnapshot,
    Retention,
    SnapshotStrategy,
    any_of,
    every,
    every_seconds,
    on_type,
    when,
)
from daicho.persistence.using import using

__all__ = [
    "LastSnapshot",
    "Mixin",
    "ReplayComplete",
    "RequestSnapshot",
    "Retention",
    "SnapshotFailed",
    "SnapshotStrategy",
    "any_of",
    "every",
    "every_seconds",
    "on_type",
    "using",
    "when",
]
