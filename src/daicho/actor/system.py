"""The actor system: who lives, how they are reached, and how all of it ends."""

# The modules of this package share what it keeps to itself.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Self, TypeVar, cast

from daicho.actor import lifecycle
from daicho.actor.ask import Ask, Deadlines
from daicho.actor.bounded import BoundedCell
from daicho.actor.cell import Cell
from daicho.actor.context import Context
from daicho.actor.dead_letters import DeadEnd, DeadLetters
from daicho.actor.event_stream import EventStream
from daicho.actor.lifecycle import State
from daicho.actor.loop_thread import LoopThread
from daicho.actor.messages import PoisonPill
from daicho.actor.pid import PID, Process
from daicho.actor.props import Props, SenderMiddleware, Spawner, SpawnMiddleware
from daicho.actor.root import Root
from daicho.actor.shutdown import ShutdownReport, Undrained
from daicho.actor.signals import Failure, Start, Stop
from daicho.actor.supervision import OneForOne, SupervisorStrategy
from daicho.actor.supervisor import supervise
from daicho.actor.turn import LoopTurn, turn_of
from daicho.errors import (
    ActorError,
    MailboxFull,
    NameTaken,
    NoSuchActor,
    NotAlive,
    SystemStopped,
)

T = TypeVar("T")
log = logging.getLogger("daicho.actor")

FORCED_END_SECONDS = 1.0
"""How long a shutdown waits for handlers that it has cancelled."""


class ActorSystem(LoopThread):
    """A world of actors on one event loop.

    Used as ``async with ActorSystem() as system``; leaving it shuts down. Nothing but ``root.send``
    and ``from_thread`` may be used from another thread than the loop's.
    """

    turn: LoopTurn
    """At whose end asks are told of their replies; there is one once the system is entered."""

    def __init__(
        self,
        *,
        address: str = "local",
        ask_timeout: float = 5.0,
        shutdown_timeout: float = 10.0,
        guardian: SupervisorStrategy | None = None,
        sender_middleware: Sequence[SenderMiddleware] = (),
        spawn_middleware: Sequence[SpawnMiddleware] = (),
    ) -> None:
        """Makes a system that begins with ``async with``.

        Args:
            address: What this system's PIDs begin with.
            ask_timeout: Seconds that an ``ask`` waits which does not say.
            shutdown_timeout: Seconds that leaving ``async with`` gives the actors to handle what
                they have.
            guardian: What becomes of actors at the top when they fail; ``OneForOne()`` if None.
            sender_middleware: Wraps what ``root`` sends.
            spawn_middleware: Wraps how ``root`` spawns.
        """
        super().__init__(address)
        self.ask_timeout = ask_timeout
        self.root = Root(self, sender_middleware, spawn_middleware)
        self.event_stream = EventStream(self)
        self.dead_letters = DeadLetters(self)
        self.shutdown_timeout = shutdown_timeout
        self.closing = False
        """Whether it is shutting down."""
        self.departures: list[tuple[PID, object]] | None = None
        """Where the sender middleware of a ``send_wait`` leaves its messages; None otherwise."""
        self.context = contextvars.Context()
        """The context variables that handlers begin with: those of who entered the system."""
        self._guardian = guardian or OneForOne()
        self._cells: dict[str, Cell] = {}
        self._ended = 0
        self.now: Callable[[], float] = self._no_time
        """The loop's time in seconds."""
        self.numbers = itertools.count(1)
        """For names that nobody has had."""
        self.deadlines = Deadlines(self)
        """The timeouts of asks."""
        self._all_gone: asyncio.Future[None] | None = None
        self.spare_queues: list[deque[object]] = []
        """Empty queues of actors that sleep, for the next that wakes."""
        # A loop remembers its tasks weakly; what a continuation waits for must not be collected.
        self._awaited: dict[asyncio.Future[object], bool] = {}

    # --- its life ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._loop is not None:
            raise ActorError("an ActorSystem is entered once; make another")
        self._enter()
        self.turn = turn_of(self.loop)
        # The usual loop asks the monotonic clock, through a function; a test's has its own.
        clock = getattr(self.loop.time, "__func__", None)
        usual = clock is asyncio.BaseEventLoop.time
        self.now = time.monotonic if usual else self.loop.time
        self.context = contextvars.copy_context()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.shutdown()

    def _no_time(self) -> float:
        raise SystemStopped(self.address)

    async def shutdown(self, timeout: float | None = None) -> ShutdownReport:
        """Lets all actors handle what they have, stops them, and says which could not.

        New actors at the top are refused from now on; actors may still spawn children. An actor
        stops when it has handled its mailbox, its children have stopped in the same way, and it has
        gone on with what somebody waits for. After ``timeout`` seconds (``shutdown_timeout`` if
        None) handlers that still run are cancelled, and what waits becomes dead letters.

        Raises:
            ActorError: It is awaited in a handler, which would wait for its own end.
        """
        running = asyncio.current_task(self.loop)
        if any(cell.task is running for cell in self._cells.values()):
            raise ActorError("a handler that awaits the shutdown waits for itself; use a task")
        self.closing, ended = True, self._ended
        for cell in tuple(self._cells.values()):
            cell.recover()
        for cell in self._top():
            self.deliver_or_bury(cell.self, PoisonPill())
        try:
            await self._wait_until_empty(self.shutdown_timeout if timeout is None else timeout)
            report = ShutdownReport(
                self._ended - ended,
                tuple(Undrained(c.self, c.message, c.mailbox_size) for c in self._cells.values()),
            )
            if report.undrained:
                pids = ", ".join(str(actor.pid) for actor in report.undrained)
                log.warning("shutdown could not drain: %s", pids)
                await self._end_by_force()
        finally:
            self._leave_behind()
        return report

    async def _wait_until_empty(self, timeout: float) -> None:
        if self._cells:
            if self._all_gone is None:
                self._all_gone = self.loop.create_future()
            await asyncio.wait([self._all_gone], timeout=timeout)

    async def _end_by_force(self) -> None:
        """Cancels handlers and stops actors."""
        for cell in tuple(self._cells.values()):
            if cell.task is not None:
                cell.task.cancel()
            cell.signal(Stop())
        await asyncio.sleep(0)  # what was cancelled before it began is done now
        for cell in tuple(self._cells.values()):
            cell.recover()
        await self._wait_until_empty(FORCED_END_SECONDS)
        for cell in self._cells.values():
            log.error("%s ignores its cancellation and is left behind", cell.self)

    def _leave_behind(self) -> None:
        """The very end: nobody waits any more, neither for a reply nor for the end of an actor."""
        for cell in tuple(self._cells.values()):
            if cell.task is not None:
                cell.task.cancel()
            cell.more().stop_reason = SystemStopped(self.address)
            lifecycle.bury(cell)
        self.deadlines.close(SystemStopped(self.address))
        for future, own in tuple(self._awaited.items()):
            if own:
                future.cancel()
        self._leave()

    # --- who lives --------------------------------------------------------------------------------

    @property
    def actor_count(self) -> int:
        """Actors that live."""
        return len(self._cells)

    def pid(self, id: str) -> PID:  # noqa: A002
        """The PID of an id in this system, living or not."""
        cell = self._cells.get(id)
        return PID(self.address, id) if cell is None else cell.self

    def is_alive(self, pid: PID) -> bool:
        """Whether an actor of that PID lives here."""
        return pid.address == self.address and pid.id in self._cells

    def find_cell(self, pid: PID) -> Cell | None:
        """The cell behind a PID, for what extends the actor model."""
        return self._cells.get(pid.id) if pid.address == self.address else None

    def cell(self, pid: PID) -> Cell:
        """The cell behind a PID.

        Raises:
            NoSuchActor: Nobody has that PID.
        """
        cell = self.find_cell(pid)
        if cell is None:
            raise NoSuchActor(pid)
        return cell

    def next_id(self, prefix: str) -> str:
        """An id that nobody has had."""
        return f"{prefix}{next(self.numbers):x}"

    def forget(self, cell: Cell) -> None:
        """An actor has stopped: its name is free, its PID leads nowhere."""
        if self._cells.get(cell.self.id) is cell:
            del self._cells[cell.self.id]
            self._ended += 1
        cell.self._process = None
        if not self._cells and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)

    def _top(self) -> list[Cell]:
        return [cell for cell in self._cells.values() if cell.parent is None]

    # --- spawning ---------------------------------------------------------------------------------

    def spawn_child(
        self,
        props: Props,
        id: str,  # noqa: A002
        parent: Context | None,
        middleware: Sequence[SpawnMiddleware] = (),
    ) -> PID:
        """Starts an actor, through the spawn middleware of whoever spawns it."""
        spawner: Spawner = self._spawn
        for wrap in reversed(middleware):
            spawner = wrap(spawner)
        return spawner(props, id, parent)

    def spawn_as(self, props: Props, pid: PID) -> PID:
        """Starts an actor at the top whose PID is this object, past all spawn middleware.

        For a layer that keeps something of its own in the PIDs of its actors.
        """
        return self._spawn(props, pid.id, None, pid)

    def _spawn(
        self,
        props: Props,
        id: str,  # noqa: A002
        parent: Context | None,
        pid: PID | None = None,
    ) -> PID:
        if self._loop is None or self.thread_id is None or (self.closing and parent is None):
            raise SystemStopped(self.address)
        if not isinstance(props, Props):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"spawn takes Props, not {props!r}: spawn(Props(…))")
        adoptive = None if parent is None else self._adoptive(parent)
        taken = self._cells.get(id)
        if taken is not None:
            raise NameTaken(taken.self)
        pid = pid or PID(self.address, id)
        kind = Cell if props.mailbox is None else BoundedCell
        cell = kind(self, props, pid, None if parent is None else parent.self)
        # The name is taken before the producer runs: that may spawn, too.
        self._cells[id], pid._process = cell, cell
        try:
            cell.incarnate()
        except BaseException:
            cell.parent = None  # whose child it has never been
            lifecycle.bury(cell)
            raise
        if adoptive is None:
            cell.signal(Start())
        else:
            adoptive.adopt(cell)
        return pid

    def _adoptive(self, parent: Context) -> Cell:
        cell = self.find_cell(parent.self)
        # Who holds the context of a stopped actor must not get children in its successor's name.
        if cell is None or cell.self is not parent.self or cell.state is not State.ALIVE:
            raise NotAlive(parent.self)
        return cell

    def supervise_top(self, failure: Failure) -> None:
        """Decides about an actor at the top; what escalates from there stops it."""
        supervise(
            self,
            self._guardian,
            lambda: tuple(self._top()),
            failure,
            lambda: failure.child.signal(Stop(failure.error)),
        )

    # --- messages ---------------------------------------------------------------------------------

    def process(self, pid: PID) -> Process:
        """What stands behind a PID: an actor, a waiting ask, or a dead end."""
        if pid._process is not None:
            return pid._process
        cell = self.find_cell(pid)
        if cell is None:
            return DeadEnd(self, pid)
        pid._process = cell
        return cell

    def deliver(self, target: PID, item: object) -> None:
        """Puts a message into a mailbox."""
        (target._process or self.process(target)).deliver(item)

    def deliver_or_bury(self, target: PID, item: object) -> None:
        """Puts a message into a mailbox; where there is no room, it is a dead letter."""
        try:
            self.deliver(target, item)
        except MailboxFull as error:
            self.dead_letters.letter(target, item, str(error), error)

    def offer(self, target: PID, item: object) -> asyncio.Future[None] | None:
        """Puts a message into a mailbox; returns a future of its room if it has to wait."""
        process = self.process(target)
        if isinstance(process, Cell):
            return process.offer(item)
        process.deliver(item)
        return None

    @contextlib.contextmanager
    def capture_departures(self) -> Generator[list[tuple[PID, object]]]:
        """Inside, what passes a sender chain is not delivered, but noted."""
        before, self.departures = self.departures, []
        try:
            yield self.departures
        finally:
            self.departures = before

    def keep(self, future: asyncio.Future[T], *, own: bool) -> None:
        """Remembers what a continuation waits for; at the very end, cancels its ``own``."""
        kept = cast("asyncio.Future[object]", future)
        self._awaited[kept] = own
        kept.add_done_callback(self._awaited.pop)

    def new_ask(self, target: PID, expected: type | None, timeout: float | None, now: float) -> Ask:
        """Waits for a reply until ``timeout`` seconds from now (``ask_timeout`` if None)."""
        seconds = self.ask_timeout if timeout is None else timeout
        return self.deadlines.new_ask(target, expected, seconds, now)

    def is_ask(self, pid: PID) -> bool:
        """Whether the PID is that of a waiting ask."""
        return isinstance(pid._process, Ask)

    def fail_ask(self, pid: PID, error: BaseException) -> None:
        """Ends an ask with an error; does nothing for other PIDs."""
        if isinstance(pid._process, Ask):
            pid._process.fail(error)
