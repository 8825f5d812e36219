"""The thread of a system's event loop, and the doors into it from other threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast, overload

from daicho.errors import SystemStopped, WrongThread

P = ParamSpec("P")
T = TypeVar("T")


class LoopThread:
    """Where a system lives: one loop, in one thread."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.thread_id: int | None = None
        """The loop's thread; None while the system does not run."""
        self._loop: asyncio.AbstractEventLoop | None = None
        # What other threads wait for. The loop may end without telling them.
        self._calls: dict[concurrent.futures.Future[Any], object] = {}

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.thread_id is not None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it runs on."""
        if self._loop is None:
            raise SystemStopped(self.address)
        return self._loop

    def call_soon_threadsafe(self, function: Callable[..., object], *args: object) -> None:
        """Calls something on the loop's thread, from any thread.

        Raises:
            SystemStopped: The system does not run.
        """
        if self._loop is None or self.thread_id is None:
            raise SystemStopped(self.address)
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError as error:  # the loop was closed in between
            raise SystemStopped(self.address) from error

    @overload
    def from_thread(
        self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...

    @overload
    def from_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...

    def from_thread(
        self, function: Callable[P, Awaitable[T] | T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Calls something on the loop's thread from another one, and waits for what it returns.

        ``system.from_thread(system.root.ask, pid, message)`` is an ask for synchronous code. What
        is awaitable is awaited there; what is raised there is raised here.

        Raises:
            WrongThread: This is the loop's thread, which would wait for itself.
            SystemStopped: The system does not run, or its loop ended meanwhile.
        """
        if threading.get_ident() == self.thread_id:
            raise WrongThread(
                "from_thread is for other threads; here, call or await the function itself"
            )

        if self._loop is None or self.thread_id is None:
            raise SystemStopped(self.address)

        async def call() -> T:
            result = function(*args, **kwargs)
            if inspect.isawaitable(result):
                return cast("T", await result)
            return result

        calling = call()
        try:
            answer = asyncio.run_coroutine_threadsafe(calling, self._loop)
        except RuntimeError as error:  # the loop was closed in between
            calling.close()
            raise SystemStopped(self.address) from error
        self._calls[answer] = calling
        try:
            return answer.result()
        except concurrent.futures.CancelledError as error:
            if self.running:
                raise
            raise SystemStopped(self.address) from error
        finally:
            del self._calls[answer]

    def check_thread(self) -> None:
        """Raises ``WrongThread`` on any other thread than the loop's, while there is one."""
        if threading.get_ident() != self.thread_id and self.thread_id is not None:
            raise WrongThread(
                "an actor system and all that belongs to it are for the thread of its loop; from"
                " other threads use root.send, or system.from_thread(function, …)"
            )

    def _enter(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.thread_id = threading.get_ident()

    def _leave(self) -> None:
        self.thread_id = None
        # The end itself may be such a call, and goes on.
        task = asyncio.current_task()
        own = None if task is None else task.get_coro()
        for answer, calling in tuple(self._calls.items()):
            if calling is not own:
                answer.cancel()
