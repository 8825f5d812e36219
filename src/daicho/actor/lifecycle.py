"""The life of an actor: what each signal does to a cell.

    NEW ── Start ──▶ ALIVE ── Stop ──▶ STOPPING ─ Stopping, children ─▶ ENDING ─ Stopped ─▶ STOPPED
                      │  ▲                                                ▲
                   Restart │                                              │
                      ▼  │                                                │
                    RESTARTING ─ Restarting, children, a new object, Started
                      └── Stop ───────────────────────────────────────────┘

A cell handles one signal at a time. Where a signal runs a handler of the user that may have to be
awaited, the rest of what it does is a step of its own, put before everything else in the queue of
signals.

While an actor is suspended, because it failed and its supervisor has not decided, it handles
neither messages nor what happens to others: the ends of those that it watches are told when it
goes on.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daicho.actor.envelope import message_of, sender_of
from daicho.actor.extras import IdleWatch
from daicho.actor.messages import (
    ActorFailed,
    PoisonPill,
    ReceiveTimeout,
    RequestFailed,
    Restarting,
    Started,
    Stopped,
    Stopping,
    Terminated,
)
from daicho.actor.signals import (
    Bury,
    ChildEnded,
    Ended,
    Failure,
    Finalize,
    Idle,
    Passivate,
    Reincarnate,
    Restart,
    Resume,
    Signal,
    Start,
    Stop,
    StopChildren,
    Unwatch,
    Watch,
)
from daicho.actor.supervision import Directive
from daicho.errors import DaichoError, HandlerFailed, NoSuchActor

if TYPE_CHECKING:
    from daicho.actor.cell import Cell
    from daicho.actor.pid import PID
    from daicho.actor.system import ActorSystem

log = logging.getLogger("daicho.actor")

Pending = Awaitable[object] | None


class State(enum.IntEnum):
    """Where an actor is in its life."""

    NEW = 0
    """Made, not started: messages wait."""
    ALIVE = 1
    RESTARTING = 2
    """Its object has had its last message; its children are stopping."""
    STOPPING = 3
    """It was told; its children are stopping."""
    ENDING = 4
    """It has had its last message."""
    STOPPED = 5


def handle(cell: Cell, signal: Signal) -> Pending:
    """Does what the signal says; returns what has to be awaited before the next message."""
    match signal:
        case Start():
            return _start(cell)
        case Stop():
            return _stop(cell, signal)
        case Restart():
            return _restart(cell, signal)
        case Resume():
            return _resume(cell, signal)
        case Watch():
            cell.more().watchers[signal.watcher] = signal
        case Unwatch():
            cell.more().watchers.pop(signal.watcher, None)
        case Failure():
            cell.supervise(signal)
        case Ended():
            return _ended(cell, signal)
        case ChildEnded():
            return _child_ended(cell, signal)
        case _:
            return _step(cell, signal)
    return None


def _step(cell: Cell, signal: Signal) -> Pending:
    match signal:
        case StopChildren():
            _stop_children(cell)
        case Reincarnate():
            return _reincarnate(cell)
        case Finalize():
            cell.state = State.ENDING
            cell.next_step(Bury())
            return tell(cell, Stopped())
        case Bury():
            bury(cell)
        case Passivate():
            return _stop(cell, Stop()) if is_idle(cell) else None
        case Idle():
            return _idle(cell)
        case _:  # pragma: no cover - there is no other
            raise AssertionError(f"a signal that nobody knows: {signal!r}")
    return None


def tell(cell: Cell, message: object) -> Pending:
    """Lets the actor, if there is one, handle a message about its own life."""
    return cell.tell(message) if cell.incarnated else None


def too_late(system: ActorSystem, pid: PID, signal: Signal) -> None:
    """A signal for who is gone. Only a watcher needs an answer."""
    if isinstance(signal, Watch):
        system.process(signal.watcher).signal(Ended(Terminated(pid), signal))


# --- beginning and being idle ---------------------------------------------------------------------


def _start(cell: Cell) -> Pending:
    cell.state = State.ALIVE
    cell.suspended = False
    seconds = cell.props.passivate_after
    if seconds is not None:
        cell.more().passivation = IdleWatch(
            cell.system.loop, seconds, lambda: _offer_passivation(cell)
        )
    return tell(cell, Started())


def _offer_passivation(cell: Cell) -> None:
    # A message may come between this and the signal's turn: that is why both look.
    if not cell.busy and is_idle(cell):
        cell.signal(Passivate())


def is_idle(cell: Cell) -> bool:
    """Whether an actor has nothing to do, now or later, but to wait for messages."""
    extras = cell.more()
    return (
        cell.state is State.ALIVE
        and not cell.suspended
        and not cell.mailbox_size
        and not extras.stash
        and not extras.children
        and not extras.reentering
        and cell.outbox is None
    )


def _idle(cell: Cell) -> Pending:
    # It may have been cancelled, or the actor may have failed, since the time was over.
    if cell.suspended or cell.more().receive_timeout is None:
        return None
    return tell(cell, ReceiveTimeout())


# --- failing --------------------------------------------------------------------------------------


def fail(cell: Cell, error: BaseException) -> None:
    """A handler raised: who waits for its reply learns it, and the supervisor decides."""
    message, item = cell.message, cell.envelope()
    cell.forget_message()
    fail_request(cell.system, item, HandlerFailed(cell.self, error))
    if cell.state is State.ALIVE:
        cell.suspended = True
        cell.report_failure(error, message)
        return
    # It is ending anyway; a supervisor has nothing to decide.
    log.error("%s failed on %r, of its end", cell.self, message, exc_info=error)
    directive = Directive.RESTART if cell.state is State.RESTARTING else Directive.STOP
    cell.system.event_stream.publish(ActorFailed(cell.self, error, message, directive))


def cancelled(cell: Cell) -> None:
    """The task that ran the handler was cancelled from outside: the program is ending."""
    item = cell.envelope()
    cell.forget_message()
    fail_request(cell.system, item, NoSuchActor(cell.self))
    cell.signal(Stop())


def interrupted(cell: Cell, error: BaseException) -> None:
    """A handler raised what no supervisor decides about, such as KeyboardInterrupt."""
    item = cell.envelope()
    cell.forget_message()
    fail_request(cell.system, item, HandlerFailed(cell.self, error))
    cell.signal(Stop(error))


def fail_request(system: ActorSystem, item: object, error: BaseException) -> None:
    """Tells who waits for the reply to a message that there will be none."""
    sender = sender_of(item)
    if sender is not None:
        system.deliver_or_bury(sender, RequestFailed(error, message_of(item)))


def _resume(cell: Cell, resume: Resume) -> Pending:
    if not _is_meant(cell, resume):
        return None
    if not cell.incarnated:
        return _restart(cell, Restart(resume.incarnation))  # there is nothing to go on with
    cell.suspended = False
    cell.resume_escalated()
    _catch_up(cell)
    return None


def _is_meant(cell: Cell, decision: Resume | Restart) -> bool:
    """Whether a supervisor's decision is about this incarnation and still open."""
    return (
        cell.state is State.ALIVE
        and decision.incarnation == cell.incarnation
        and cell.more().restart_timer is None
    )


def _catch_up(cell: Cell) -> None:
    """Puts what happened to others meanwhile before all else, in its order."""
    extras = cell.more()
    for signal in reversed(extras.postponed):
        cell.next_step(signal)
    extras.postponed.clear()


# --- restarting -----------------------------------------------------------------------------------


def _restart(cell: Cell, restart: Restart) -> Pending:
    if not _is_meant(cell, restart):
        return None
    cell.state = State.RESTARTING
    cell.suspended = True
    cell.more().cancel_time()
    cell.next_step(StopChildren())
    return tell(cell, Restarting())


def _reincarnate(cell: Cell) -> Pending:
    extras = cell.more()
    cell.state = State.ALIVE
    cell.forget_message()
    extras.incarnation += 1
    # The children of the old object are none of the new one's business.
    extras.postponed = [signal for signal in extras.postponed if isinstance(signal, Ended)]
    extras.escalated.clear()
    try:
        cell.incarnate()
    except Exception as error:  # noqa: BLE001 - it is reported
        fail(cell, error)
        return None
    cell.suspended = False
    cell.unstash()
    _catch_up(cell)
    return tell(cell, Started())


# --- stopping -------------------------------------------------------------------------------------


def poisoned(cell: Cell) -> Pending:
    """The actor has handled all that came before a ``PoisonPill``.

    In a shutdown it first lets its children handle what they have, handles what they tell it, and
    goes on with what somebody waits for. Children that it spawns from here on are not waited for:
    a parent that replaces each child that ends would never come to its own end.
    """
    extras = cell.more()
    if cell.system.closing and extras.draining is None:
        extras.draining = dict(extras.children)
        for child in extras.draining:
            cell.system.deliver_or_bury(child, PoisonPill())
    if extras.draining or (cell.system.closing and extras.owed_replies):
        return None
    return _stop(cell, Stop())


def _stop(cell: Cell, stop: Stop) -> Pending:
    before = cell.state
    if before >= State.STOPPING:
        return None
    extras = cell.more()
    extras.stop_reason = stop.reason
    extras.cancel_time()
    if extras.passivation is not None:
        extras.passivation.cancel()
    cell.suspended = True
    if before is not State.ALIVE:
        # A new one was never told that it started, so it is not told that it stops; of one that
        # restarts, the old object has had its last message already.
        cell.state = State.ENDING
        _advance(cell)
        return None
    cell.state = State.STOPPING
    cell.next_step(StopChildren())
    _catch_up(cell)
    return tell(cell, Stopping())


def _stop_children(cell: Cell) -> None:
    for child in tuple(cell.more().children.values()):
        child.signal(Stop())
    _advance(cell)


def _advance(cell: Cell) -> None:
    """Goes on with an end that waits for the children, once there are none."""
    if cell.children:
        return
    match cell.state:
        case State.RESTARTING:
            cell.next_step(Reincarnate())
        case State.STOPPING:
            cell.next_step(Finalize())
        case State.ENDING:
            cell.next_step(Bury())
        case _:
            pass


def _ended(cell: Cell, signal: Ended) -> Pending:
    extras = cell.more()
    who = signal.terminated.who
    if extras.watching.get(who) is not signal.watch:
        return None  # it does not want to know any more
    if cell.suspended and cell.state <= State.RESTARTING:
        extras.postponed.append(signal)
        return None
    del extras.watching[who]
    return _tell_end(cell, signal.terminated)


def _child_ended(cell: Cell, signal: ChildEnded) -> Pending:
    extras = cell.more()
    who = signal.terminated.who
    # Another child may have taken the name meanwhile; that one stays.
    if extras.children.get(who) is signal.child:
        del extras.children[who]
        _advance(cell)
    if extras.draining and extras.draining.get(who) is signal.child:
        del extras.draining[who]
        cell.go_on_draining()
    if cell.suspended and cell.state is State.ALIVE:
        extras.postponed.append(signal)
        return None
    if signal.watch is not None and extras.watching.get(who) is signal.watch:
        del extras.watching[who]
    return _tell_end(cell, signal.terminated)


def _tell_end(cell: Cell, terminated: Terminated) -> Pending:
    if cell.state in (State.ALIVE, State.STOPPING):
        return tell(cell, terminated)
    return None  # it has had its last message


def bury(cell: Cell) -> None:
    """The end: what it leaves becomes dead letters, and who wants to know is told."""
    if cell.state is State.STOPPED:
        return
    extras = cell.more()
    cell.state = State.STOPPED
    cell.system.forget(cell)
    reason = "the actor has stopped" if extras.stop_reason is None else str(extras.stop_reason)
    for item in cell.take_all(_end_error(cell)):
        cell.system.dead_letters.letter(cell.self, item, reason, _end_error(cell))
    for target in extras.watching:
        cell.system.process(target).signal(Unwatch(cell.self))
    ended = Terminated(cell.self, extras.stop_reason)
    parents = None if cell.parent is None else extras.watchers.pop(cell.parent, None)
    for watcher, watch in extras.watchers.items():
        cell.system.process(watcher).signal(Ended(ended, watch))
    if cell.parent is not None:
        cell.system.process(cell.parent).signal(ChildEnded(ended, cell, parents))
    # What came while it handled Stopped has its answer now.
    late, cell.signals = cell.signals, None
    for signal in late or ():
        cell.signal(signal)


def _end_error(cell: Cell) -> DaichoError:
    """What those hear who wait for an actor that has ended."""
    reason = cell.more().stop_reason
    if isinstance(reason, DaichoError):
        return reason
    error = NoSuchActor(cell.self)
    error.__cause__ = reason
    return error
