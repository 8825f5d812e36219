"""One message at a time: actors, how they are reached, supervised, routed and ended."""

from daicho.actor.behavior import Behavior
from daicho.actor.context import Context, ContextView
from daicho.actor.continuation import Continuation
from daicho.actor.envelope import Envelope
from daicho.actor.event_stream import EventStream, Subscription
from daicho.actor.mailbox import Bounded, Overflow
from daicho.actor.messages import (
    ActorFailed,
    DeadLetter,
    NotInfluenceReceiveTimeout,
    PoisonPill,
    ReceiveTimeout,
    RequestFailed,
    Restarting,
    Started,
    Stopped,
    Stopping,
    Terminated,
)
from daicho.actor.middleware import log_received, log_sent, propagate
from daicho.actor.pid import PID
from daicho.actor.props import (
    Actor,
    ContextDecorator,
    Props,
    PropsOptions,
    Receiver,
    ReceiverMiddleware,
    Sender,
    SenderMiddleware,
    Spawner,
    SpawnMiddleware,
)
from daicho.actor.root import Root
from daicho.actor.routers import (
    AddRoutee,
    Broadcast,
    BroadcastMessage,
    ConsistentHash,
    GetRoutees,
    RandomChoice,
    RemoveRoutee,
    RoundRobin,
    Routees,
    Routing,
)
from daicho.actor.shutdown import ShutdownReport, Undrained
from daicho.actor.supervision import (
    AllForOne,
    AlwaysRestart,
    ChildFailure,
    Directive,
    ExponentialBackoff,
    OneForOne,
    Supervisor,
    SupervisorStrategy,
)
from daicho.actor.system import ActorSystem
from daicho.actor.threads import run_in_thread
from daicho.actor.throttle import Throttle, Valve
from daicho.actor.timers import Timer

__all__ = [
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
