"""One run: processes that live and die on one journal, and clients that talk to them."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import daicho.app
from daicho.app import App
from daicho.errors import DaichoError
from daicho.journal import Journal, MemoryJournal
from daicho.testing.faults import Faults
from daicho.testing.simulation.clock import SimulatedClock
from daicho.testing.simulation.invariants import Reader, check_journal
from daicho.testing.simulation.line import Line
from daicho.testing.simulation.loop import SimulatedLoop
from daicho.testing.simulation.plan import Plan
from daicho.testing.simulation.world import Simulation

_LIFE_S = 4.0
"""Processes that are going to die live up to so long, in the loop's time."""

_LONGEST_LIFE_S = 600.0
"""The last ones end when the clients have done all, and after so long in any case: a call of the
journal may never end."""

_STARTS_S = 30.0
"""Who starts a process waits so long before starting it anew."""

_THINKS_S = 0.3
"""A client waits up to so long before it acts."""

_SETTLES_S = 3_600.0
"""What has not settled an hour after the last fault never will."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run went."""

    plan: Plan
    happened: Sequence[str]
    """What was done and what failed, in order, each with the loop's time in seconds."""
    failure: str | None
    """What did not hold, and where that was found; None if all did."""


def run(simulation: type[Simulation], plan: Plan) -> Run:
    """Runs a plan. The same plan always runs in the same way."""
    machine = _Machine(simulation(), plan)
    try:
        with (
            _drawn_from(plan),
            asyncio.Runner(loop_factory=lambda: SimulatedLoop(plan.chance("order"))) as runner,
        ):
            runner.run(machine.run())
    except Exception as error:  # noqa: BLE001 - whatever it is, the run has failed
        # The last places are those of the simulation; before them are the loop's.
        told = "".join(traceback.format_exception(error, limit=-3))
        return Run(plan, machine.happened, told)
    return Run(plan, machine.happened, None)


@contextmanager
def _drawn_from(plan: Plan) -> Generator[None]:
    """What is drawn from the module ``random`` itself, such as a back-off, is of the seed too."""
    state = random.getstate()
    random.seed(plan.chance("others").getrandbits(64))
    try:
        yield
    finally:
        random.setstate(state)


class _Machine:
    """The machine on which the processes live."""

    def __init__(self, world: Simulation, plan: Plan) -> None:
        self.happened: list[str] = []
        self._world = world
        self._plan = plan
        self._left = [plan.actions] * plan.clients
        self._draws = [plan.chance("client", client) for client in range(plan.clients)]
        self._thinks = [plan.chance("thinks", client) for client in range(plan.clients)]

    async def run(self) -> None:
        self._world.note = self._note  # type: ignore[method-assign]
        async with MemoryJournal() as journal, Reader(journal) as reader:
            for life in range(self._plan.crashes):
                await self._live(journal, life, self._plan.chance("lasts", life).random() * _LIFE_S)
            await self._live(journal, self._plan.crashes, _LONGEST_LIFE_S)
            await self._look(journal)
            await check_journal(journal, reader, self._world.entities, self._world.schema)

    async def _live(self, journal: Journal, life: int, lasts_s: float) -> None:
        """Lets processes live until the clients have done all, or so long; then they die."""
        lines = self._lines(journal, life)
        living = asyncio.create_task(self._serve(lines))
        await asyncio.wait([living], timeout=lasts_s)
        if not living.done():
            self._note("all processes die")
        for line in lines:
            line.cut()
        if living.done():
            living.result()
            return
        living.cancel()
        # What a dead process would still say or do reaches nobody.
        with suppress(asyncio.CancelledError, DaichoError):
            await living

    async def _look(self, journal: Journal) -> None:
        """Lets everything settle where nothing fails, and looks at what has become of it."""
        self._note("nothing fails any more")
        line = Line(journal, seed=0, faults=Faults(), note=self._note)
        async with self._app(line) as app, asyncio.timeout(_SETTLES_S):
            await app.settled()
            await self._world.check(app)

    def _lines(self, journal: Journal, life: int) -> list[Line]:
        return [
            Line(
                journal,
                seed=self._plan.chance("faults", life, process).getrandbits(64),
                faults=self._plan.taking_effect,
                note=partial(self._note_of, process),
            )
            for process in range(self._plan.processes)
        ]

    @asynccontextmanager
    async def _opened(self, line: Line) -> AsyncGenerator[App]:
        """An application, as somebody starts it until it has started."""
        while True:
            app = self._app(line)
            try:
                async with asyncio.timeout(_STARTS_S):
                    await app.__aenter__()
            except (DaichoError, TimeoutError) as error:
                self._note(f"a process does not start: {_said(error)}")
                await asyncio.sleep(_THINKS_S)
                continue
            break
        try:
            yield app
        finally:
            # What fails here failed while it was closed, and the next one begins with what is
            # stored.
            with suppress(DaichoError):
                await app.__aexit__(None, None, None)

    def _app(self, journal: Journal) -> App:
        world = self._world
        return daicho.app.open(
            journal, entities=world.entities, schema=world.schema, clock=SimulatedClock()
        )

    async def _serve(self, lines: Sequence[Line]) -> None:
        async with AsyncExitStack() as stack:
            apps = [await stack.enter_async_context(self._opened(line)) for line in lines]
            async with asyncio.TaskGroup() as clients:
                for client in range(self._plan.clients):
                    clients.create_task(self._act(apps[client % len(apps)], client))

    async def _act(self, app: App, client: int) -> None:
        while self._left[client]:
            await asyncio.sleep(self._thinks[client].random() * _THINKS_S)
            # Before, because one that dies in the middle of an action does not know what became of
            # it and takes the next one.
            self._left[client] -= 1
            try:
                await self._world.act(app, self._draws[client], client)
            except DaichoError as error:
                self._note(f"client {client}: {_said(error)}")

    def _note_of(self, process: int, text: str) -> None:
        self._note(f"process {process}: {text}")

    def _note(self, text: str) -> None:
        self.happened.append(f"{asyncio.get_running_loop().time():9.3f}  {text}")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
