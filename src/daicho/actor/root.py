"""The door through which the rest of the program reaches the actors."""

# The modules of this package share what it keeps to itself.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import get_ident
from typing import TYPE_CHECKING

from daicho.actor.cell import Cell
from daicho.actor.envelope import Envelope, enveloped
from daicho.actor.props import (
    Props,
    Sender,
    SenderMiddleware,
    SpawnMiddleware,
    compose,
    leave,
)
from daicho.actor.verbs import Verbs
from daicho.errors import SystemStopped, WrongThread

if TYPE_CHECKING:
    from daicho.actor.pid import PID
    from daicho.actor.system import ActorSystem
    from daicho.actor.timers import Timer


class Root(Verbs):
    """The context of everything that is not an actor.

    ``send`` may be called from any thread. Everything else belongs to the thread of the loop; from
    other threads, go through :meth:`ActorSystem.from_thread`.
    """

    __slots__ = ("_sender_chain", "_sender_middleware", "_spawn_middleware", "_system")

    def __init__(
        self,
        system: ActorSystem,
        sender_middleware: Sequence[SenderMiddleware] = (),
        spawn_middleware: Sequence[SpawnMiddleware] = (),
    ) -> None:
        self._system = system
        self._sender_middleware = sender_middleware
        self._sender_chain: Sender | None = compose(leave, sender_middleware)
        self._spawn_middleware = spawn_middleware

    def with_sender_middleware(self, *middleware: SenderMiddleware) -> Root:
        """Another root of the same system, whose messages go through this middleware instead."""
        return Root(self._system, middleware, self._spawn_middleware)

    def with_spawn_middleware(self, *middleware: SpawnMiddleware) -> Root:
        """Another root of the same system, which spawns through this middleware instead."""
        return Root(self._system, self._sender_middleware, middleware)

    def send(
        self, target: PID, message: object, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Sends a message and expects no reply; from any thread.

        Messages of one thread arrive in the order sent. What goes wrong with one from another
        thread than the loop's makes it a dead letter.

        Raises:
            MailboxFull: The target's mailbox is bounded and full, and its policy is to fail or to
                wait.
            SystemStopped: The system does not run.
        """
        item = message if headers is None else Envelope(message, None, headers)
        if get_ident() != self._system.thread_id:
            self._system.call_soon_threadsafe(self._emit_or_bury, target, item)
            return
        process = target._process
        if type(process) is Cell and self._sender_chain is None:
            # Without the three calls that it takes otherwise.
            queue = process.queue
            if queue is not None:
                queue.append(item)
                return
        self._emit(target, item)

    def _emit(self, target: PID, item: object) -> None:
        if self._sender_chain is None:
            (target._process or self._system.process(target)).deliver(item)
        else:
            self._sender_chain(self, target, enveloped(item))

    def _emit_or_bury(self, target: PID, item: object) -> None:
        try:
            self._emit(target, item)
        except Exception as error:  # noqa: BLE001 - the thread that sent it has gone on
            self._system.dead_letters.letter(target, item, str(error) or repr(error), error)

    def _leave(self, target: PID, item: object) -> None:
        self._system.deliver(target, item)

    async def _leave_when_room(self, target: PID, item: object) -> None:
        self._check_thread()
        room = self._system.offer(target, item)
        if room is not None:
            await room

    def _act(self, action: Callable[[], None]) -> None:
        self._check_thread()
        action()

    def _spawn(self, props: Props, name: str) -> PID:
        self._check_thread()
        return self._system.spawn_child(props, name, None, self._spawn_middleware)

    def _chain(self) -> Sender | None:
        return self._sender_chain

    def _may_wait(self) -> None:
        # Nothing is held here, so a reply can always come.
        if get_ident() != self._system.thread_id:
            self._check_thread()

    def _check_thread(self) -> None:
        if self._system.thread_id is None:
            raise SystemStopped(self._system.address)
        if get_ident() != self._system.thread_id:
            raise WrongThread(
                "apart from send, root belongs to the loop's thread;"
                " from another, use system.from_thread(system.root.ask, …)"
            )

    def _keep(self, timer: Timer) -> Timer:
        self._check_thread()
        timer.start()
        return timer
