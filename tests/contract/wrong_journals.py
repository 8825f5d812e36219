"""Journals as somebody outside may write them: right ones, and each of the others wrong in one way.

A project in a temporary folder has them tested; see ``test_the_contract_finds_mistakes.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Self

from daicho.errors import ConcurrencyConflict, KeyTaken
from daicho.journal import (
    MAX_VERSION,
    PAGE_SIZE,
    Appended,
    Feature,
    Loaded,
    MemoryJournal,
    Outcome,
    Parcel,
    Record,
    StreamInfo,
    Write,
    checks,
)
from daicho.journal.offers import Tell


class Right(MemoryJournal):
    """Nothing is wrong with it."""


class RightAtOnce(MemoryJournal):
    """Nor with this one, which need not wait."""

    def append_now(self, writes: Sequence[Write]) -> list[Outcome] | None:
        self._check_open()
        checks.writes(repr(self), self.features, writes)
        return [self._store(write) for write in writes]


# --- appending ------------------------------------------------------------------------------------


class LosesAnEventBesideAConflict(MemoryJournal):
    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        outcomes = await super().append(writes)
        if any(isinstance(outcome, ConcurrencyConflict) for outcome in outcomes):
            for write, outcome in zip(writes, outcomes, strict=True):
                if isinstance(outcome, Appended) and write.events:
                    self._streams[write.stream].records.pop()
        return outcomes


class RaisesAConflict(MemoryJournal):
    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        outcomes = await super().append(writes)
        for outcome in outcomes:
            if isinstance(outcome, ConcurrencyConflict):
                raise outcome
        return outcomes


class StoresHalfOfACancelledAppend(MemoryJournal):
    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        outcomes: list[Outcome] = await super().append([])
        checks.writes(repr(self), self.features, writes)
        for write in writes:
            outcomes += await super().append([write])
            await asyncio.sleep(0)
        return outcomes


class ComparesVersionsBeforeItStores(MemoryJournal):
    """And lets others in between the two."""

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        before = [await self.stream_info(write.stream) for write in writes]
        await asyncio.sleep(0)
        for number, (write, info) in enumerate(zip(writes, before, strict=True)):
            if write.expected_version == info.version and len(writes) == 1:
                now = await self.stream_info(write.stream)
                writes = [*writes[:number], write._replace(expected_version=now.version)]
        return await super().append(writes)


class CutsNames(MemoryJournal):
    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        return await super().append(
            [write._replace(stream=write.stream.strip()) for write in writes]
        )


class CutsPayloads(MemoryJournal):
    def _store(self, write: Write) -> Outcome:
        events = [event._replace(payload=event.payload[:65_536]) for event in write.events]
        return super()._store(write._replace(events=events))


class WrongAtOnce(RightAtOnce):
    """Only the way that few writes take is wrong: it compares no versions."""

    def append_now(self, writes: Sequence[Write]) -> list[Outcome] | None:
        if len(writes) != 1 or not writes[0].events:
            return None
        checks.writes(repr(self), self.features, writes)
        version = self._info(writes[0].stream).version
        return super().append_now([writes[0]._replace(expected_version=version)])


class RightSoon(MemoryJournal):
    """This one is right: it tells the end of each append by itself."""

    def append_soon(self, writes: Sequence[Write], tell: Tell) -> None:
        self._check_open()
        checks.writes(repr(self), self.features, writes)
        outcomes = [self._store(write) for write in writes]
        asyncio.get_running_loop().call_soon(tell, outcomes)


class TellsTooSoon(RightSoon):
    def append_soon(self, writes: Sequence[Write], tell: Tell) -> None:
        if len(writes) > 1:
            tell([self._store(write) for write in writes])
        else:
            super().append_soon(writes, tell)


# --- positions ------------------------------------------------------------------------------------


class OrdersPositionsByStream(MemoryJournal):
    async def _all_pages(
        self, after_position: int, page_size: int, type_names: Collection[str] | None
    ) -> AsyncIterator[Sequence[Record]]:
        async for page in super()._all_pages(after_position, page_size, type_names):
            yield sorted(page)


class UsesPositionsAgain(MemoryJournal):
    async def truncate(self, stream: str, *, to_version: int) -> int:
        count = await super().truncate(stream, to_version=to_version)
        self._last_position = self._log[-1].position if self._log else 0
        return count


class ReadsOnAndOn(MemoryJournal):
    """It follows the journal instead of ending at what was stored when it began."""

    async def _all_pages(
        self, after_position: int, page_size: int, type_names: Collection[str] | None
    ) -> AsyncIterator[Sequence[Record]]:
        for _ in range(20):
            async for page in super()._all_pages(after_position, page_size, type_names):
                after_position = page[-1].position
                yield page


# --- reading --------------------------------------------------------------------------------------


class LeavesOutTheEndOfAPage(MemoryJournal):
    async def _pages(
        self, stream: str, from_version: int, to_version: int, page_size: int
    ) -> AsyncIterator[Sequence[Record]]:
        async for page in super()._pages(stream, from_version, to_version, page_size):
            yield page[:-1] if len(page) == page_size > 1 else page


class HasRoomForFewReaders(MemoryJournal):
    """A reader that stops half way keeps others out."""

    _readers = 0

    async def _pages(
        self, stream: str, from_version: int, to_version: int, page_size: int
    ) -> AsyncIterator[Sequence[Record]]:
        if self._readers == 5:
            raise RuntimeError("too many readers")
        self._readers += 1
        try:
            async for page in super()._pages(stream, from_version, to_version, page_size):
                yield page
        finally:
            self._readers -= 1


class LoadsWhatIsOfTwoMoments(MemoryJournal):
    async def load(
        self, stream: str, *, max_snapshot: int = MAX_VERSION, page_size: int = PAGE_SIZE
    ) -> Loaded:
        before = await super().load(stream, max_snapshot=max_snapshot, page_size=page_size)
        await asyncio.sleep(0)
        after = await super().load(stream, max_snapshot=max_snapshot, page_size=page_size)
        return after._replace(info=before.info)


# --- keeping --------------------------------------------------------------------------------------


class ForgetsVersionsThatWereTruncated(MemoryJournal):
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._streams = {name: stream for name, stream in self._streams.items() if stream.records}
        return self


class KeepsSnapshotsOfRefusedWrites(MemoryJournal):
    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        outcomes = await super().append(writes)
        for write in writes:
            if write.snapshot is not None:
                await self.save_snapshot(write.snapshot)
        return outcomes


class ForgetsKeysWhenItIsClosed(MemoryJournal):
    async def __aexit__(self, *exc_info: object) -> None:
        self._replies.clear()


class StoresEventsUnderATakenKey(MemoryJournal):
    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        outcomes = await super().append(writes)
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, KeyTaken) and write.events:
                await super().append([write._replace(replies=())])
        return outcomes


class LinksEventsAnew(MemoryJournal):
    async def truncate(self, stream: str, *, to_version: int) -> int:
        count = await super().truncate(stream, to_version=to_version)
        if self._chain is not None:
            await self.begin_chain(anew=True)
        return count


class LinksWhatItRefused(MemoryJournal):
    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        outcomes = await super().append(writes)
        if self._chain is not None and any(isinstance(o, ConcurrencyConflict) for o in outcomes):
            self._chain.add(self._chain.next(self._log[-1:]))
        return outcomes


class TakesWhatIsNotAsItsLinkSays(MemoryJournal):
    async def restore(self, parcel: Parcel) -> None:
        await super().restore(parcel._replace(links=()))


class IsAnotherOneEachTime(MemoryJournal):
    async def __aenter__(self) -> Self:
        self._incarnations = MemoryJournal()._incarnations
        return await super().__aenter__()


class NeverEnds(MemoryJournal):
    """It can be used when it is closed."""

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self


# --- what is offered ------------------------------------------------------------------------------


class SaysLessThanItDoes(MemoryJournal):
    """Asking for what it does not offer has to be refused."""

    @property
    def features(self) -> frozenset[Feature]:
        return super().features - {Feature.TRUNCATE}


class SaysMoreThanItDoes(MemoryJournal):
    async def truncate(self, stream: str, *, to_version: int) -> int:
        return 0


class SaysNothingOfItsAppendNow(RightAtOnce):
    """The suite does not know that it has one."""


class ForgetsWhatIsThere(MemoryJournal):
    async def stream_info(self, stream: str) -> StreamInfo:
        info = await super().stream_info(stream)
        return info._replace(truncated_to=0)
