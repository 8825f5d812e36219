"""An actor system for programs that have no event loop of their own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future

from daicho.actor.system import ActorSystem


@contextlib.contextmanager
def run_in_thread(make: Callable[[], ActorSystem] = ActorSystem) -> Generator[ActorSystem]:
    """Runs an actor system on a loop in a thread of its own, for synchronous code.

    Inside the block use ``system.root.send`` and ``system.from_thread``; leaving it shuts the
    system down, and raises what the loop's thread raised::

        with run_in_thread() as system:
            pid = system.from_thread(system.root.spawn, Props(Wallet))
            balance = system.from_thread(system.root.ask, pid, GetBalance())
    """
    ready: Future[tuple[ActorSystem, Callable[[], object]]] = Future()
    ended: Future[None] = Future()

    async def live() -> None:
        loop, leave = asyncio.get_running_loop(), asyncio.Event()
        async with make() as system:
            ready.set_result((system, lambda: loop.call_soon_threadsafe(leave.set)))
            await leave.wait()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            (ended if ready.done() else ready).set_exception(error)
        else:
            ended.set_result(None)

    thread = threading.Thread(target=run, name="daicho-actors")
    thread.start()
    try:
        system, leave = ready.result()
        try:
            yield system
        finally:
            # Should the loop have ended before, what ended it is raised below.
            with contextlib.suppress(RuntimeError):
                leave()
            ended.result()
    finally:
        thread.join()
