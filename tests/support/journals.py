"""A journal that does what a test wants: a real engine inside, and a hand on its door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import cast

import daicho.testing
from daicho.errors import JournalUnavailable
from daicho.journal import (
    MAX_VERSION,
    PAGE_SIZE,
    Journal,
    Loaded,
    MemoryJournal,
    NewEvent,
    Outcome,
    Record,
    Write,
)
from daicho.journal.offers import Tell, append_now_of

Edit = Callable[[Record], Record | None]
"""What a reader sees in place of a record; None where it sees nothing."""


def _at_once(append: Coroutine[object, None, list[Outcome]]) -> list[Outcome]:
    """The outcomes of an engine that has no ``append_now``, and never waits."""
    try:
        append.send(None)
    except StopIteration as done:
        return cast("list[Outcome]", done.value)
    raise AssertionError("the engine inside waits")


class FaultJournal(daicho.testing.FaultJournal):
    """The one that users have too; and it counts, changes what readers see, and can be cut off.

    That is of interest to who tests how Daicho itself comes and goes, and too much for anybody
    else. Reading gives way to others between two pages, so that something can happen there.
    """

    def __init__(self, inner: Journal | None = None) -> None:
        super().__init__(inner)
        self.appends: list[list[Write]] = []
        """What each append was given, in order."""
        self.reads = 0
        """How many recoveries began to read."""
        self.edit: Edit | None = None
        """Changes what readers see."""

    def cut_off(self) -> None:
        """Nothing reaches the engine any more, as if the process had died."""
        self.inner = MemoryJournal()  # never opened
        self.planned.clear()
        self.release()

    def events(self) -> int:
        """How many events it was given, stored or not."""
        return sum(len(write.events) for writes in self.appends for write in writes)

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        self.appends.append(list(writes))
        return await super().append(writes)

    def append_at_once(self, writes: Sequence[Write]) -> list[Outcome] | None:
        """What a test makes its ``append_now``, for a journal that can."""
        if not self._is_open:
            return None
        self.appends.append(list(writes))
        self._end_as_planned("append", after=False)
        append_now = append_now_of(self.inner)
        outcomes = _at_once(self.inner.append(writes)) if append_now is None else append_now(writes)
        if outcomes is None:
            self.appends.pop()
        else:
            self._end_as_planned("append", after=True)
        return outcomes

    def append_and_tell(self, writes: Sequence[Write], tell: Tell) -> None:
        """What a test makes its ``append_soon``, for a journal that tells the end by itself."""
        loop = asyncio.get_running_loop()

        async def append() -> None:
            said: list[Outcome] | Exception
            try:
                said = await self.append(writes)
            except Exception as error:  # noqa: BLE001 - it is told
                said = error
            except BaseException:
                # The loop may have no further turn.
                tell(JournalUnavailable(repr(self), "the program ended during the append"))
                raise
            loop.call_soon(tell, said)

        self.telling = loop.create_task(append())

    async def read(
        self,
        stream: str,
        *,
        from_version: int = 1,
        to_version: int = MAX_VERSION,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Sequence[Record]]:
        self.reads += 1
        async for page in super().read(
            stream, from_version=from_version, to_version=to_version, page_size=page_size
        ):
            await asyncio.sleep(0)
            if edited := self._edited(page):
                yield edited

    async def load(
        self, stream: str, *, max_snapshot: int = MAX_VERSION, page_size: int = PAGE_SIZE
    ) -> Loaded:
        self.reads += 1
        # It is all of these at once, so it fails as any of them does.
        for what in ("stream_info", "load_snapshot", "read"):
            self._end_as_planned(what, after=False)
        found = await super().load(stream, max_snapshot=max_snapshot, page_size=page_size)
        await asyncio.sleep(0)
        return found._replace(page=self._edited(found.page))

    def _edited(self, page: Sequence[Record]) -> Sequence[Record]:
        if self.edit is None:
            return page
        return [record for record in map(self.edit, page) if record is not None]


async def stored(journal: Journal, stream: str) -> list[Record]:
    """All events of a stream."""
    return [record async for page in journal.read(stream) for record in page]


async def foreign_append(journal: Journal, stream: str, *events: tuple[str, bytes]) -> None:
    """What another program writes behind an actor's back."""
    version = (await journal.stream_info(stream)).version
    new = [NewEvent(name, payload, bytes(16), 0) for name, payload in events]
    outcome = (await journal.append([Write(stream, version, new)]))[0]
    assert not isinstance(outcome, Exception), outcome
