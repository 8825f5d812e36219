"""The layer that people write: entities, their commands and events, and how they are reached."""

from daicho.entity.clock import Clock, SystemClock
from daicho.entity.entity import Entity
from daicho.entity.fields import MISSING, Difference
from daicho.entity.handlers import CommandHandler, EventHandler, command, event
from daicho.entity.history import Change
from daicho.entity.messages import Token
from daicho.entity.ref import Answer, Ref

__all__ = [
    "MISSING",
    "Answer",
    "Change",
    "Clock",
    "CommandHandler",
    "Difference",
    "Entity",
    "EventHandler",
    "Ref",
    "SystemClock",
    "Token",
    "command",
    "event",
]
