"""A process's way to the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Self, TypeVar

from daicho.errors import JournalClosed, StoreError
from daicho.journal import Journal, Write
from daicho.testing.fault_journal import FaultJournal
from daicho.testing.faults import Fault, Faults

T = TypeVar("T")


class Line(FaultJournal):
    """A journal that fails, and that a dead process reaches no more.

    Opening and closing it leaves the journal inside as it is: that outlives the process.

    Args:
        inner: The journal, open.
        seed: As with ``FaultJournal``.
        faults: As with ``FaultJournal``.
        note: Is told what goes wrong.
    """

    def __init__(
        self, inner: Journal, *, seed: int, faults: Faults, note: Callable[[str], None]
    ) -> None:
        super().__init__(inner, seed=seed, faults=faults)
        self._tell = note
        self._is_cut = False
        self._dead = asyncio.Event()

    def cut(self) -> None:
        """The process is dead: nothing that it still does reaches the journal."""
        self._is_cut = True
        self._dead.set()
        self.calm()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        pass

    async def _go(
        self, method: str, work: Callable[[], Awaitable[T]], writes: Sequence[Write]
    ) -> T:
        def alive() -> Awaitable[T]:
            # What was slow may come here when the process has died.
            self._check_alive()
            return work()

        self._check_alive()
        return await super()._go(method, alive, writes)

    async def _end(self, method: str, fault: Fault) -> StoreError:
        if fault is Fault.SILENT:
            # Nobody who died goes on waiting.
            await self._dead.wait()
            self._check_alive()
        return await super()._end(method, fault)

    def _check_alive(self) -> None:
        if self._is_cut:
            raise JournalClosed(repr(self))

    def _note(self, method: str, fault: Fault, detail: str) -> None:
        super()._note(method, fault, detail)
        self._tell(str(self.happened[-1]))
