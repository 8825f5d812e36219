"""Several entities: processes that react to events and send commands, each once in effect."""

from daicho.process.courier import Courier
from daicho.process.handlers import (
    ReactionHandler,
    RejectionHandler,
    ReplyHandler,
    on_rejection,
    on_reply,
    reaction,
)
from daicho.process.lanes import DeliveryFailed
from daicho.process.process import Process
from daicho.process.source import Source

__all__ = [
    "Courier",
    "DeliveryFailed",
    "Process",
    "ReactionHandler",
    "RejectionHandler",
    "ReplyHandler",
    "Source",
    "on_rejection",
    "on_reply",
    "reaction",
]
