"""The stream that a journal is exported to, from ``proto/daicho/moving/v1/moving.proto``."""

from daicho.moving.v1.moving_pb2 import (
    Event,
    Frame,
    Header,
    Incarnation,
    Link,
    Portion,
    Reply,
    Snapshot,
    Trailer,
    Truncation,
)

__all__ = [
    "Event",
    "Frame",
    "Header",
    "Incarnation",
    "Link",
    "Portion",
    "Reply",
    "Snapshot",
    "Trailer",
    "Truncation",
]
