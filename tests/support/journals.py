"""A journal that does what a test wants: a real engine inside, and a hand on its door."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Self, cast

from daicho.journal import (
    MAX_VERSION,
    PAGE_SIZE,
    Feature,
    Journal,
    Loaded,
    MemoryJournal,
    NewEvent,
    Outcome,
    Record,
    Reply,
    Snapshot,
    StreamInfo,
    Write,
)
from daicho.journal.port import append_now_of

Edit = Callable[[Record], Record | None]
"""What a reader sees in place of a record; None where it sees nothing."""


@dataclass(slots=True)
class Fault:
    """An error that the next calls of a kind end in."""

    error: BaseException
    times: int
    after: bool = False
    """Whether it comes when the thing is done."""


def _at_once(append: Coroutine[object, None, list[Outcome]]) -> list[Outcome]:
    """The outcomes of an engine that has no ``append_now``, and never waits."""
    try:
        append.send(None)
    except StopIteration as done:
        return cast("list[Outcome]", done.value)
    raise AssertionError("the engine inside waits")


class FaultJournal:
    """Keeps what its inner engine keeps; holds, fails, and counts as it is told.

    Args:
        inner: The engine; one in memory if None.
    """

    def __init__(self, inner: Journal | None = None) -> None:
        self.inner: Journal = MemoryJournal() if inner is None else inner
        self.appends: list[list[Write]] = []
        """What each append was given, in order."""
        self.reads = 0
        """How many recoveries began to read."""
        self.edit: Edit | None = None
        """Changes what readers see."""
        self.faults: dict[str, Fault] = {}
        self._is_open = True
        # Appends that are held, the oldest first, and whether there is one.
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held = asyncio.Event()

    # --- what a test says -------------------------------------------------------------------------

    def hold(self) -> None:
        """Lets no append begin from now on."""
        self._is_open = False

    async def held(self) -> None:
        """Waits until an append is held."""
        await asyncio.wait_for(self._held.wait(), 20)

    def release(self) -> None:
        """Lets appends go on."""
        self._is_open = True
        while self._waiting:
            self._let_pass()

    async def let_one_pass(self) -> None:
        """Lets the append go on that is held, and holds the next one."""
        self._let_pass()
        await self.held()

    def _let_pass(self) -> None:
        passing = self._waiting.popleft()
        if not self._waiting:
            self._held.clear()
        # Whoever waited may have been cancelled, or its loop may have ended.
        if not (passing.done() or passing.get_loop().is_closed()):
            passing.set_result(None)

    def fail(self, what: str, error: BaseException, *, times: int = 1, after: bool = False) -> None:
        """Lets the next calls of the method ``what`` raise, before or after they have worked."""
        self.faults[what] = Fault(error, times, after)

    def cut_off(self) -> None:
        """Nothing reaches the engine any more, as if the process had died."""
        self.inner = MemoryJournal()  # never opened
        self.faults.clear()
        self.release()

    def events(self) -> int:
        """How many events it was given, stored or not."""
        return sum(len(write.events) for writes in self.appends for write in writes)

    # --- the port ---------------------------------------------------------------------------------

    @property
    def features(self) -> frozenset[Feature]:
        return self.inner.features

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        self.appends.append(list(writes))
        if not self._is_open:
            held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(held)
            self._held.set()
            await held
        self._fault("append", after=False)
        outcomes = await self.inner.append(writes)
        self._fault("append", after=True)
        return outcomes

    def append_at_once(self, writes: Sequence[Write]) -> list[Outcome] | None:
        """What a test makes its ``append_now``, for a journal that can."""
        if not self._is_open:
            return None
        self.appends.append(list(writes))
        self._fault("append", after=False)
        append_now = append_now_of(self.inner)
        outcomes = _at_once(self.inner.append(writes)) if append_now is None else append_now(writes)
        if outcomes is None:
            self.appends.pop()
        else:
            self._fault("append", after=True)
        return outcomes

    async def read(
        self,
        stream: str,
        *,
        from_version: int = 1,
        to_version: int = MAX_VERSION,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Sequence[Record]]:
        self.reads += 1
        self._fault("read", after=False)
        async for page in self.inner.read(
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
        for what in ("stream_info", "load_snapshot", "read", "load"):
            self._fault(what, after=False)
        found = await self.inner.load(stream, max_snapshot=max_snapshot, page_size=page_size)
        await asyncio.sleep(0)
        return found._replace(page=self._edited(found.page))

    def _edited(self, page: Sequence[Record]) -> Sequence[Record]:
        if self.edit is None:
            return page
        return [record for record in map(self.edit, page) if record is not None]

    def read_all(
        self,
        *,
        after_position: int = 0,
        page_size: int = PAGE_SIZE,
        type_names: Collection[str] | None = None,
    ) -> AsyncIterator[Sequence[Record]]:
        return self.inner.read_all(
            after_position=after_position, page_size=page_size, type_names=type_names
        )

    async def last_position(self) -> int:
        self._fault("last_position", after=False)
        return await self.inner.last_position()

    async def stream_info(self, stream: str) -> StreamInfo:
        self._fault("stream_info", after=False)
        return await self.inner.stream_info(stream)

    async def list_streams(
        self, prefix: str = "", *, after: str = "", limit: int = PAGE_SIZE
    ) -> list[StreamInfo]:
        return await self.inner.list_streams(prefix, after=after, limit=limit)

    async def load_snapshot(
        self, stream: str, *, max_version: int = MAX_VERSION
    ) -> Snapshot | None:
        self._fault("load_snapshot", after=False)
        return await self.inner.load_snapshot(stream, max_version=max_version)

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        self._fault("save_snapshot", after=False)
        await self.inner.save_snapshot(snapshot)

    async def list_snapshots(self, stream: str) -> list[Snapshot]:
        self._fault("list_snapshots", after=False)
        return await self.inner.list_snapshots(stream)

    async def delete_snapshots(self, stream: str, *, max_version: int) -> int:
        self._fault("delete_snapshots", after=False)
        return await self.inner.delete_snapshots(stream, max_version=max_version)

    async def truncate(self, stream: str, *, to_version: int) -> int:
        self._fault("truncate", after=False)
        return await self.inner.truncate(stream, to_version=to_version)

    async def load_reply(self, stream: str, key: str) -> Reply | None:
        self._fault("load_reply", after=False)
        return await self.inner.load_reply(stream, key)

    async def prune_replies(
        self, *, before_us: int, limit: int = PAGE_SIZE, keep_prefix: str = ""
    ) -> int:
        self._fault("prune_replies", after=False)
        return await self.inner.prune_replies(
            before_us=before_us, limit=limit, keep_prefix=keep_prefix
        )

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.inner.__aexit__(*exc_info)

    def _fault(self, what: str, *, after: bool) -> None:
        fault = self.faults.get(what)
        if fault is None or fault.after is not after:
            return
        self.faults[what] = replace(fault, times=fault.times - 1)
        if fault.times == 1:
            del self.faults[what]
        raise fault.error


async def stored(journal: Journal, stream: str) -> list[Record]:
    """All events of a stream."""
    return [record async for page in journal.read(stream) for record in page]


async def foreign_append(journal: Journal, stream: str, *events: tuple[str, bytes]) -> None:
    """What another program writes behind an actor's back."""
    version = (await journal.stream_info(stream)).version
    new = [NewEvent(name, payload, bytes(16), 0) for name, payload in events]
    outcome = (await journal.append([Write(stream, version, new)]))[0]
    assert not isinstance(outcome, Exception), outcome
