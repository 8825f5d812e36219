"""Event-sourced actors: state that survives crashes, replays in order, and explains itself.

The names that most programs need are here, and are loaded when they are first used, so that whoever
needs only a part does not wait for the rest. Everything else is in the packages: ``daicho.actor``,
``daicho.events``, ``daicho.journal``, ``daicho.persistence``, ``daicho.entity``,
``daicho.process``, ``daicho.app``, ``daicho.check``, ``daicho.testing`` and ``daicho.errors``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daicho import persistence
    from daicho.actor import (
        PID,
        Actor,
        ActorSystem,
        Context,
        DeadLetter,
        OneForOne,
        PoisonPill,
        Props,
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
        Schema,
        stored_as,
        upcast,
        upcast_bytes,
    )
    from daicho.journal import Journal, MemoryJournal, SqliteJournal
    from daicho.persistence import Retention, every
    from daicho.process import Process, Source, on_rejection, on_reply, reaction

__all__ = [
    "PID",
    "Actor",
    "ActorError",
    "ActorSystem",
    "Answer",
    "App",
    "AskTimeout",
    "ConcurrencyConflict",
    "Context",
    "DaichoError",
    "DeadLetter",
    "Entity",
    "EntityError",
    "EventError",
    "HandlerFailed",
    "Journal",
    "JournalError",
    "MemoryJournal",
    "NoSuchActor",
    "OneForOne",
    "PersistFailed",
    "PersistenceError",
    "PoisonPill",
    "Process",
    "Props",
    "RecoveryFailed",
    "Ref",
    "Rejected",
    "Retention",
    "Schema",
    "Source",
    "SqliteJournal",
    "Started",
    "Stopped",
    "Stopping",
    "Terminated",
    "Token",
    "command",
    "event",
    "every",
    "on_rejection",
    "on_reply",
    "open",
    "persistence",
    "reaction",
    "run_in_thread",
    "stored_as",
    "upcast",
    "upcast_bytes",
]

# From the lightest to the heaviest; no name is in two of them.
_PACKAGES = (
    "errors",
    "actor",
    "events",
    "journal",
    "persistence",
    "entity",
    "process",
    "app",
)


if not TYPE_CHECKING:
    # To a type checker this would mean that every name is there.

    def __getattr__(name: str) -> object:
        if name == "__version__":
            return import_module("importlib.metadata").version("daicho")
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
