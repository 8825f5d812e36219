"""A journal in a file: whole, or it is said where it is not."""

from __future__ import annotations

import io
import zlib
from collections.abc import AsyncIterator
from struct import pack

import pytest

from daicho.errors import BadExport, JournalCorrupt, JournalsDiffer, SourceTruncated
from daicho.journal import Journal, MemoryJournal, StreamInfo
from daicho.moving import Counts, Export, Progress, copy, export, import_, look_over
from daicho.moving.frames import MAGIC, Writer
from daicho.moving.v1 import Event, Frame, Header, Portion, Trailer
from tests.support.journals import FaultJournal
from tests.support.moving import append, everything_in, fill, snapshot


@pytest.fixture(params=[False, True], ids=["plain", "chained"])
async def source(request: pytest.FixtureRequest) -> AsyncIterator[MemoryJournal]:
    async with MemoryJournal(chained=request.param) as journal:
        await fill(journal)
        yield journal


@pytest.fixture
async def target() -> AsyncIterator[MemoryJournal]:
    async with MemoryJournal() as journal:
        yield journal


async def exported(journal: Journal) -> bytes:
    file = io.BytesIO()
    await export(journal, file)
    return file.getvalue()


def opened(content: bytes) -> Export:
    return Export(io.BytesIO(content), "a file")


class Pipe(io.BytesIO):
    """Gives what is asked for in small pieces, and cannot go back."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        return super().read(min(size, 7))

    def seekable(self) -> bool:
        return False


async def test_everything_goes_through_a_file_as_it_was(source: Journal, target: Journal) -> None:
    file = io.BytesIO()
    written = await export(source, file)
    read = await import_(Export(Pipe(file.getvalue()), "a pipe"), target)
    assert await everything_in(target) == await everything_in(source)
    assert written == read == look_over(io.BytesIO(file.getvalue()), "a file")
    assert written.counts == Counts(events=9, snapshots=3, replies=6, truncated=3)


async def test_a_copy_and_an_export_have_one_digest(source: Journal, target: Journal) -> None:
    moved = await copy(source, target)
    assert await export(target, io.BytesIO()) == moved


async def test_a_journal_is_exported_the_same_twice(source: Journal) -> None:
    assert await exported(source) == await exported(source)


async def test_a_later_export_brings_what_has_come_since(source: Journal, target: Journal) -> None:
    await import_(opened(await exported(source)), target)
    await append(source, "whole", 3, replies=True)
    await source.truncate("whole", to_version=8)
    await source.save_snapshot(snapshot("whole", 9))
    await import_(opened(await exported(source)), target)
    assert (await target.stream_info("whole")) == StreamInfo("whole", 10, 8)
    kept = {(s.stream, s.version) for s in (await everything_in(target)).snapshots}
    assert ("whole", 9) in kept
    assert (await everything_in(target)).records == (await everything_in(source)).records


async def test_an_older_export_than_what_is_there_is_refused(
    source: Journal, target: Journal
) -> None:
    older = await exported(source)
    await append(source, "whole", 1)
    await copy(source, target)
    before = await everything_in(target)
    with pytest.raises(JournalsDiffer):
        await import_(opened(older), target)
    assert await everything_in(target) == before


async def test_wherever_a_file_is_cut_it_is_found_and_what_is_before_is_taken(
    source: Journal,
) -> None:
    content = await exported(source)
    whole = (await everything_in(source)).records
    sizes = set()
    for end in range(len(content)):
        async with MemoryJournal() as target:
            with pytest.raises(BadExport) as raised:
                await import_(opened(content[:end]), target)
            assert raised.value.name == "a file"
            assert raised.value.at_byte <= end
            there = (await everything_in(target)).records
            assert there == whole[: len(there)]
            sizes.add(len(there))
            # It goes on with the whole file.
            if end % 50 == 0:
                await import_(opened(content), target)
                assert await everything_in(target) == await everything_in(source)
    assert sizes == {0, 9}


async def test_whatever_byte_is_changed_it_is_found(source: Journal) -> None:
    content = bytearray(await exported(source))
    for place in range(len(content)):
        for change in (1, 128):
            content[place] ^= change
            with pytest.raises(BadExport) as raised:
                look_over(io.BytesIO(content), "a file")
            assert raised.value.at_byte <= place
            content[place] ^= change
    assert look_over(io.BytesIO(content), "a file").counts.events == 9


def frames_of(content: bytes) -> list[bytes]:
    """The frames of an export, with their heads."""
    found, place = [], len(MAGIC)
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "little")
        found.append(content[place : place + 8 + size])
        place += 8 + size
    return found


async def test_a_part_that_is_missing_or_elsewhere_is_found(source: Journal) -> None:
    frames = frames_of(await exported(source))
    assert len(frames) == 6 + (await source.root() is not None)
    for number in range(len(frames)):
        missing = frames[:number] + frames[number + 1 :]
        twice = [*frames[:number], frames[number], *frames[number:]]
        moved = [*missing[:2], frames[number], *missing[2:]]
        for changed in (missing, twice, moved):
            if changed != frames:
                with pytest.raises(BadExport):
                    look_over(io.BytesIO(MAGIC + b"".join(changed)), "a file")


async def test_something_behind_the_end_is_found(source: Journal) -> None:
    content = await exported(source)
    for more in (b"\0", content):
        with pytest.raises(BadExport):
            look_over(io.BytesIO(content + more), "a file")


def made(*frames: Frame) -> io.BytesIO:
    file = io.BytesIO()
    writer = Writer(file)
    for frame in frames:
        writer.write(frame)
    file.seek(0)
    return file


HEADER = Frame(header=Header(format=1))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (io.BytesIO(b""), "it is no export of a journal"),
        (io.BytesIO(b"SQLite format 3\0"), "it is no export of a journal"),
        (io.BytesIO(MAGIC), "the file has no header"),
        (made(Frame(trailer=Trailer())), "the file has no header"),
        (made(Frame(header=Header(format=2))), "it is of format 2, this Daicho knows up to 1"),
        (made(HEADER), "the file is cut short"),
        (made(HEADER, HEADER), "this does not belong here"),
        (made(HEADER, Frame()), "this does not belong here"),
        (made(HEADER, Frame(trailer=Trailer(events=1))), "what was read is not what was written"),
        (io.BytesIO(MAGIC + b"\xff" * 8), "no part of it can be as long"),
        (
            io.BytesIO(MAGIC + pack("<II", 1, zlib.crc32(b"\xff", zlib.crc32(MAGIC))) + b"\xff"),
            "a part of it cannot be understood",
        ),
    ],
)
def test_what_is_no_export_is_said(file: io.BytesIO, said: str) -> None:
    with pytest.raises(BadExport, match=said):
        look_over(file, "a file")


async def test_a_file_with_a_gap_in_a_stream_is_called_corrupt(target: Journal) -> None:
    event = Event(stream="s", version=3, position=3, type_name="t", event_id=bytes(16))
    file = made(HEADER, Frame(portion=Portion(events=[event])))
    with pytest.raises(JournalCorrupt, match="the events 1 to 2 of the stream 's' are missing"):
        await import_(Export(file, "a file"), target)
    assert await target.list_streams() == []


async def test_an_export_that_may_have_gaps_is_given_up(source: MemoryJournal) -> None:
    class Truncating(FaultJournal):
        async def list_streams(
            self, prefix: str = "", *, after: str = "", limit: int = 1_000
        ) -> list[StreamInfo]:
            found = await super().list_streams(prefix, after=after, limit=limit)
            await source.truncate("whole", to_version=3)
            return found

    file = io.BytesIO()
    with pytest.raises(SourceTruncated, match="do it again, or move a backup"):
        await export(Truncating(source), file)
    # Nobody can take it for a whole one.
    with pytest.raises(BadExport, match="cut short"):
        look_over(io.BytesIO(file.getvalue()), "a file")


async def test_whoever_waits_hears_how_far_it_has_come(source: Journal) -> None:
    seen: list[Progress] = []
    file = io.BytesIO()
    moved = await export(source, file, progress=seen.append)
    again: list[Progress] = []
    look_over(io.BytesIO(file.getvalue()), "a file", show=again.append)
    assert seen == again
    assert seen[-1].counts == moved.counts
