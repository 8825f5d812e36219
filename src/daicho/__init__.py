"""Event-sourced actors: state that survives crashes, replays in order, and explains itself.

The names that most programs need are here, and are loaded when they are first used, so that whoever
needs only a part does not wait for the rest. Everything else is in the packages: ``daicho.actor``,
``daicho.events``, ``daicho.journal``, ``daicho.persistence`` and ``daicho.errors``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daicho import persistence
    from daicho.actor import (
        PID,
        Actor,
        ActorFailed,
        ActorSystem,
        AllForOne,
        Bounded,
        Context,
        DeadLetter,
        Directive,
        Envelope,
        EventStream,
        ExponentialBackoff,
        OneForOne,
        PoisonPill,
        Props,
        ReceiveTimeout,
        RequestFailed,
        Restarting,
        Root,
        Started,
        Stopped,
        Stopping,
        Terminated,
        run_in_thread,
    )
    from daicho.app import App, open  # noqa: A004 - as daicho.open it reads as it should
    from daicho.entity import Answer, Entity, Ref, Token, command, event
    from daicho.errors import (
        ActorError,
        AskTimeout,
        ConcurrencyConflict,
        DaichoError,
        EntityError,
        EventError,
        HandlerFailed,
        JournalError,
        NoSuchActor,
        PersistenceError,
        PersistFailed,
        RecoveryFailed,
        Rejected,
    )
    from daicho.events import (
        Codec,
        ProtobufCodec,
        Schema,
        TypeRegistry,
        stored_as,
        upcast,
        upcast_bytes,
    )
    from daicho.journal import Journal, MemoryJournal, SqliteJournal
    from daicho.persistence import Retention, every

__all__ = [
    "PID",
    "Actor",
    "ActorError",
    "ActorFailed",
    "ActorSystem",
    "AllForOne",
    "Answer",
    "App",
    "AskTimeout",
    "Bounded",
    "Codec",
    "ConcurrencyConflict",
    "Context",
    "DaichoError",
    "DeadLetter",
    "Directive",
    "Entity",
    "EntityError",
    "Envelope",
    "EventError",
    "EventStream",
    "ExponentialBackoff",
    "HandlerFailed",
    "Journal",
    "JournalError",
    "MemoryJournal",
    "NoSuchActor",
    "OneForOne",
    "PersistFailed",
    "PersistenceError",
    "PoisonPill",
    "Props",
    "ProtobufCodec",
    "ReceiveTimeout",
    "RecoveryFailed",
    "Ref",
    "Rejected",
    "RequestFailed",
    "Restarting",
    "Retention",
    "Root",
    "Schema",
    "SqliteJournal",
    "Started",
    "Stopped",
    "Stopping",
    "Terminated",
    "Token",
    "TypeRegistry",
    "command",
    "event",
    "every",
    "open",
    "persistence",
    "run_in_thread",
    "stored_as",
    "upcast",
    "upcast_bytes",
]

# From the lightest to the heaviest; no name is in two of them.
_PACKAGES = ("errors", "actor", "events", "journal", "persistence", "entity", "app")


if not TYPE_CHECKING:
    # To a type checker this would mean that every name is there.

    def __getattr__(name: str) -> object:
        if name in __all__:
            for package in _PACKAGES:
                module = import_module(f"daicho.{package}")
                if name == package:
                    return module
                if hasattr(module, name):
                    value: object = getattr(module, name)
                    globals()[name] = value
                    return value
        raise AttributeError(f"module 'daicho' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
