"""The names of ``daicho.actor`` are a promise: a change of this list is a change for users."""

from __future__ import annotations

import types

import daicho.actor

NAMES = [
    "PID",
    "Actor",
    "ActorFailed",
    "ActorSystem",
    "AddRoutee",
    "AllForOne",
    "AlwaysRestart",
    "Behavior",
    "Bounded",
    "Broadcast",
    "BroadcastMessage",
    "ChildFailure",
    "ConsistentHash",
    "Context",
    "ContextDecorator",
    "ContextView",
    "Continuation",
    "DeadLetter",
    "Directive",
    "Envelope",
    "EventStream",
    "ExponentialBackoff",
    "GetRoutees",
    "NotInfluenceReceiveTimeout",
    "OneForOne",
    "Overflow",
    "PoisonPill",
    "Props",
    "PropsOptions",
    "RandomChoice",
    "ReceiveTimeout",
    "Receiver",
    "ReceiverMiddleware",
    "RemoveRoutee",
    "RequestFailed",
    "Restarting",
    "Root",
    "RoundRobin",
    "Routees",
    "Routing",
    "Sender",
    "SenderMiddleware",
    "ShutdownReport",
    "SpawnMiddleware",
    "Spawner",
    "Started",
    "Stopped",
    "Stopping",
    "Subscription",
    "Supervisor",
    "SupervisorStrategy",
    "Terminated",
    "Throttle",
    "Timer",
    "Undrained",
    "Valve",
    "log_received",
    "log_sent",
    "propagate",
    "run_in_thread",
]


def test_the_names_are_these() -> None:
    assert daicho.actor.__all__ == NAMES


def test_every_name_is_there_and_nothing_else_is() -> None:
    public = {
        name
        for name, value in vars(daicho.actor).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public == set(NAMES)


def test_every_class_says_what_it_promises() -> None:
    for name in NAMES:
        value = getattr(daicho.actor, name)
        if isinstance(value, type):
            assert value.__doc__, name
