"""``daicho.moving.copy``: what was there is there, wherever it was stopped."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from daicho.errors import (
    JournalCorrupt,
    JournalsDiffer,
    SourceTruncated,
    StoreError,
    Unsupported,
)
from daicho.journal import (
    Journal,
    MemoryJournal,
    Parcel,
    Record,
    Snapshot,
    SqliteJournal,
    StreamInfo,
    Write,
    verify,
)
from daicho.moving import Counts, Progress, contents, copy
from daicho.testing.around import JournalAround
from tests.support.journals import FaultJournal
from tests.support.moving import append, event, everything_in, fill, reply, snapshot
from wallet.article_journal import ArticleJournal

T = TypeVar("T")


@pytest.fixture(params=["memory", "sqlite"])
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    journal: Journal = (
        MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "target.db")
    )
    async with journal:
        yield journal


@pytest.fixture(params=[False, True], ids=["plain", "chained"])
async def source(request: pytest.FixtureRequest) -> AsyncIterator[MemoryJournal]:
    async with MemoryJournal(chained=request.param) as journal:
        await fill(journal)
        yield journal


async def test_everything_arrives_as_it_was(source: Journal, target: Journal) -> None:
    moved = await copy(source, target)
    assert await everything_in(target) == await everything_in(source)
    assert moved.counts == Counts(events=9, snapshots=3, replies=6, truncated=3)
    assert (moved.last_position, moved.is_all) == (16, True)


async def test_a_copy_goes_on_as_its_source_would(source: Journal, target: Journal) -> None:
    await copy(source, target)
    for stream in ("whole", "begun", "gone", "last"):
        assert await append(target, stream, 1) == await append(source, stream, 1)
    assert await everything_in(target) == await everything_in(source)


async def test_a_journal_of_nothing_can_be_copied(target: Journal) -> None:
    async with MemoryJournal() as source:
        moved = await copy(source, target)
    assert moved.counts == Counts()
    assert await target.last_position() == 0


async def test_copies_of_one_content_have_one_digest(source: Journal, tmp_path: Path) -> None:
    async with SqliteJournal(tmp_path / "a.db") as there, MemoryJournal() as back:
        digests = {(await copy(source, there)).digest, (await copy(there, back)).digest}
        assert len(digests) == 1
        await there.save_snapshot(snapshot("begun", 4, b"another"))
        async with MemoryJournal() as other:
            assert (await copy(there, other)).digest not in digests


async def test_what_came_since_is_brought_when_it_is_done_again(
    source: Journal, target: Journal
) -> None:
    await copy(source, target)
    await append(source, "whole", 3, replies=True)
    await append(source, "new", 2)
    # More is gone than the copy ever had.
    await append(source, "begun", 4)
    await source.truncate("begun", to_version=7)
    await source.truncate("whole", to_version=4)
    await source.save_snapshot(snapshot("begun", 4, b"better"))
    await copy(source, target)
    assert await everything_in(target) == await everything_in(source)


async def test_what_is_there_already_is_not_stored_again(source: Journal) -> None:
    async with MemoryJournal() as inner:
        await copy(source, inner)
        again = Restored(inner)
        await copy(source, again)
        assert [parcel for parcel in again.parcels if parcel.records] == []
        assert [parcel for parcel in again.parcels if parcel.snapshots or parcel.replies] == []


async def test_snapshots_and_replies_that_the_source_has_forgotten_stay(
    source: Journal, target: Journal
) -> None:
    await copy(source, target)
    before = await everything_in(target)
    await source.delete_snapshots("begun", max_version=2)
    await source.prune_replies(before_us=30)
    await copy(source, target)
    assert await everything_in(target) == before


class Restored(FaultJournal):
    """Remembers what it was given, and stops before or after one of the steps."""

    def __init__(self, inner: Journal, *, stop_at: int = -1, after: bool = False) -> None:
        super().__init__(inner)
        self.parcels: list[Parcel] = []
        self._stop_at = stop_at
        self._after = after

    async def restore(self, parcel: Parcel) -> None:
        stops = len(self.parcels) == self._stop_at
        if stops and not self._after:
            raise InterruptedError
        self.parcels.append(parcel)
        await super().restore(parcel)
        if stops:
            raise InterruptedError


@pytest.mark.parametrize("after", [False, True])
async def test_it_goes_on_where_it_was_stopped(
    source: Journal, target: Journal, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    for page in ("_PAGE", "_PAGE_OF_SNAPSHOTS"):
        monkeypatch.setattr(contents, page, 2)
    expected = await everything_in(source)
    stops = 0
    while True:
        # One that stops before a step has done the others, so the next one has fewer to do.
        stopping = Restored(target, stop_at=3, after=after)
        try:
            await copy(source, stopping)
            break
        except InterruptedError:
            stops += 1
            there = await everything_in(target)
            assert there.records == expected.records[: len(there.records)]
            # Nothing that rests on an event is there before it.
            if there.snapshots or there.replies:
                assert there.records == expected.records
            assert stops < 50
    assert stops >= 3
    assert await everything_in(target) == expected
    moved = await copy(source, target)
    assert moved.counts == Counts(events=9, snapshots=3, replies=6, truncated=3)


# --- a source that goes on ------------------------------------------------------------------------


class Busy(FaultJournal):
    """Something happens in it when it is asked for its snapshots, after the events were read."""

    def __init__(self, inner: Journal, *happens: Callable[[], Awaitable[object]]) -> None:
        super().__init__(inner)
        self._happens = list(happens)

    async def list_all_snapshots(
        self, *, after: tuple[str, int] = ("", 0), limit: int = 1_000
    ) -> list[Snapshot]:
        while self._happens:
            await self._happens.pop(0)()
        return await super().list_all_snapshots(after=after, limit=limit)


async def test_a_reply_never_comes_without_the_events_that_it_rests_on(
    source: Journal, target: Journal
) -> None:
    before = await everything_in(source)
    busy = Busy(
        source,
        lambda: append(source, "whole", 1, replies=True),
        lambda: append(source, "brand new", 1, replies=True),
        lambda: source.save_snapshot(snapshot("whole", 8)),
        lambda: source.save_snapshot(snapshot("brand new", 1)),
        lambda: source.save_snapshot(snapshot("a courier", 18)),
    )
    moved = await copy(busy, target)
    assert not moved.is_all
    assert await everything_in(target) == before
    assert (await copy(source, target)).is_all
    assert await everything_in(target) == await everything_in(source)


async def test_what_rests_on_events_that_are_there_comes_along_however_busy_it_is(
    source: Journal, target: Journal
) -> None:
    busy = Busy(source, lambda: append(source, "whole", 1), lambda: append(source, "x", 1))
    await source.save_snapshot(snapshot("whole", 7))
    before = await everything_in(source)
    await copy(busy, target)
    assert await everything_in(target) == before


async def test_what_is_truncated_while_it_is_copied_makes_no_gap(
    source: MemoryJournal, target: Journal
) -> None:
    class Truncating(FaultJournal):
        """Loses events between the reading of the truncations and that of the events."""

        async def list_streams(
            self, prefix: str = "", *, after: str = "", limit: int = 1_000
        ) -> list[StreamInfo]:
            found = await super().list_streams(prefix, after=after, limit=limit)
            await source.truncate("whole", to_version=3)
            await source.truncate("begun", to_version=4)
            return found

    await copy(Truncating(source), target)
    assert (await target.stream_info("whole")) == StreamInfo("whole", 7, 3)
    await copy(source, target)
    assert await everything_in(target) == await everything_in(source)


async def test_what_is_truncated_while_it_is_copied_again_goes(
    source: MemoryJournal, target: Journal
) -> None:
    class Truncating(FaultJournal):
        async def list_streams(
            self, prefix: str = "", *, after: str = "", limit: int = 1_000
        ) -> list[StreamInfo]:
            found = await super().list_streams(prefix, after=after, limit=limit)
            await source.truncate("whole", to_version=6)
            return found

    await copy(source, target)
    await copy(Truncating(source), target)
    assert await everything_in(target) == await everything_in(source)


# --- what is refused ------------------------------------------------------------------------------


async def test_a_journal_that_holds_something_else_is_left_as_it_is(
    source: Journal, target: Journal
) -> None:
    await append(target, "another", 3)
    before = await everything_in(target)
    with pytest.raises(JournalsDiffer, match="at position 1 it has another event") as raised:
        await copy(source, target)
    assert raised.value.journal == repr(target)
    assert await everything_in(target) == before


async def test_a_journal_of_snapshots_or_replies_alone_is_left_as_it_is(
    source: Journal, target: Journal
) -> None:
    for use in (
        lambda: target.append([Write("s", 0, [], replies=[reply("k")])]),
        lambda: target.save_snapshot(snapshot("s", 1)),
    ):
        await use()
        before = await everything_in(target)
        with pytest.raises(JournalsDiffer, match="it has snapshots or replies, and no events"):
            await copy(source, target)
        assert await everything_in(target) == before


async def test_a_copy_that_has_gone_on_by_itself_is_left_as_it_is(
    source: Journal, target: Journal
) -> None:
    await copy(source, target)
    await append(target, "whole", 1)
    before = await everything_in(target)
    with pytest.raises(JournalsDiffer, match="come to position 17, the other to 16 only"):
        await copy(source, target)
    await append(source, "begun", 3)
    with pytest.raises(JournalsDiffer, match="position 17"):
        await copy(source, target)
    assert await everything_in(target) == before


async def test_an_event_that_differs_is_named(source: Journal, target: Journal) -> None:
    async with MemoryJournal() as other:
        await copy(source, other)
        records = (await everything_in(other)).records
        for number, record in enumerate(records):
            changed = [*records]
            changed[number] = record._replace(payload=b"changed")
            async with MemoryJournal() as tampered:
                info = {s.stream: s.truncated_to for s in await other.list_streams()}
                gone = {stream: version for stream, version in info.items() if version}
                await tampered.restore(Parcel(gone, changed, last_position=16))
                with pytest.raises(JournalsDiffer, match=f"position {record.position} it has"):
                    await copy(source, tampered)


async def test_what_a_journal_does_not_keep_is_found(source: Journal) -> None:
    def forget(parcel: Parcel) -> Parcel:
        return parcel._replace(records=parcel.records[:-1], snapshots=parcel.snapshots[:-1])

    class Forgetful(FaultJournal):
        async def restore(self, parcel: Parcel) -> None:
            await super().restore(forget(parcel))

    async with MemoryJournal() as inner:
        # Where there is a link, the event that it lacks is found as one that is gone.
        is_chained = await source.root() is not None
        what = "its stream 'whole' is at version 7" if is_chained else "position 14 is not there"
        with pytest.raises(JournalsDiffer, match=what):
            await copy(source, Forgetful(inner))


async def test_a_source_with_a_gap_is_called_corrupt(target: Journal) -> None:
    class Gappy(FaultJournal):
        def read_all(self, **options: object) -> AsyncIterator[Sequence[Record]]:
            return self._without(super().read_all(**options))  # type: ignore[arg-type]

        async def _without(
            self, pages: AsyncIterator[Sequence[Record]]
        ) -> AsyncIterator[Sequence[Record]]:
            async for page in pages:
                yield [record for record in page if record.version not in (2, 3)]

    async with MemoryJournal() as inner:
        await append(inner, "s", 5)
        with pytest.raises(JournalCorrupt, match="the events 2 to 3 of the stream 's' are missing"):
            await copy(Gappy(inner), target)


async def test_what_an_engine_cannot_give_or_take_is_said(
    source: Journal, target: Journal, tmp_path: Path
) -> None:
    async with ArticleJournal(tmp_path / "article.db") as article:
        with pytest.raises(Unsupported, match="taking what another journal has stored"):
            await copy(source, article)
        with pytest.raises(Unsupported, match="positions in the whole journal"):
            await copy(article, target)


async def test_an_error_of_the_store_comes_through(source: Journal) -> None:
    async with MemoryJournal() as inner:
        faulty = FaultJournal(inner)
        faulty.fail("restore", StoreError("disk", "is gone"))
        with pytest.raises(StoreError, match="is gone"):
            await copy(source, faulty)


async def test_whoever_waits_hears_how_far_it_has_come(source: Journal, target: Journal) -> None:
    seen: list[Progress] = []
    moved = await copy(source, target, progress=seen.append)
    assert seen[-1].counts == moved.counts
    assert {each.last_position for each in seen} == {16}
    assert [each.position for each in seen] == sorted(each.position for each in seen)


async def test_large_events_come_in_portions(
    target: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_PARCEL_BYTES", 100)
    async with MemoryJournal() as source:
        for version, size in enumerate((10, 500, 60, 60, 30, 1)):
            payload = event(version)._replace(payload=bytes(size))
            await source.append([Write("s", version, [payload])])
        seen: list[Progress] = []
        await copy(source, target, progress=seen.append)
        assert [each.counts.events for each in seen] == [1, 2, 3, 6]
        assert await everything_in(target) == await everything_in(source)


async def test_a_journal_that_is_not_chained_takes_none_that_is(
    source: MemoryJournal, target: Journal
) -> None:
    if await source.root() is not None:
        pytest.skip("it is chained already")
    await copy(source, target)
    before = await everything_in(target)
    await source.begin_chain()
    with pytest.raises(JournalsDiffer, match="its events are not chained, those of the other are"):
        await copy(source, target)
    assert await everything_in(target) == before


async def test_a_chain_that_was_begun_at_another_time_is_told(
    source: MemoryJournal, target: Journal
) -> None:
    if await source.root() is not None:
        pytest.skip("it is chained already")
    await target.begin_chain()
    await copy(source, target)
    await source.truncate("whole", to_version=3)
    await source.begin_chain()
    with pytest.raises(JournalsDiffer, match="its chain comes to the root"):
        await copy(source, target)


@pytest.mark.parametrize("seed", range(20))
async def test_truncating_meanwhile_spoils_no_copy(
    target: Journal, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whatever is truncated when, the copy is right or refused, and the next one is right."""
    monkeypatch.setattr(contents, "_PAGE", 4)
    chance = random.Random(seed)
    async with MemoryJournal(chained=bool(seed % 2)) as source:
        streams = [f"s{number}" for number in range(5)]
        for _ in range(40):
            await append(source, chance.choice(streams), 1)

        async def truncate() -> None:
            stream = chance.choice(streams)
            version = (await source.stream_info(stream)).version
            await source.truncate(stream, to_version=chance.randint(0, version))

        class Truncated(JournalAround):
            async def _pass(self, method: str, work: Callable[[], Awaitable[T]]) -> T:
                if chance.random() < 0.3:
                    await truncate()
                return await work()

        try:
            await copy(Truncated(source), target)
        except SourceTruncated:
            pass
        else:
            for info in await source.list_streams():
                assert (await target.stream_info(info.stream)).version == info.version
        await copy(source, target)
        assert await everything_in(target) == await everything_in(source)
        if seed % 2:
            await verify(target)
