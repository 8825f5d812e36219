"""Any history, moved through every engine and a file, is what it was."""

from __future__ import annotations

import asyncio
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daicho.errors import JournalsDiffer
from daicho.journal import Journal, MemoryJournal, NewEvent, Reply, SqliteJournal, Write
from daicho.moving import Export, copy, export, import_
from tests.support.moving import Everything, everything_in, snapshot

STREAMS = st.sampled_from(["a", "a/b", "b", "台帳", "\U0010ffff"])
TEXTS = st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5)
TIMES_US = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
EVENTS = st.builds(
    NewEvent,
    st.sampled_from(["t", "t.v1.Ü"]),
    st.binary(max_size=20),
    st.binary(min_size=16, max_size=16),
    TIMES_US,
    TEXTS,
    TEXTS,
    TEXTS,
)
REPLIES = st.builds(
    Reply,
    st.sampled_from(["k", "kk", "é"]),
    st.binary(min_size=1, max_size=64),
    st.just("r"),
    st.binary(max_size=20),
    st.integers(0, 2**63 - 1),
    TIMES_US,
)
APPENDS = st.tuples(
    st.just("append"), STREAMS, st.lists(EVENTS, max_size=4), st.lists(REPLIES, max_size=1)
)
TRUNCATIONS = st.tuples(st.just("truncate"), STREAMS, st.integers(0, 6))
SNAPSHOTS = st.tuples(st.just("snapshot"), STREAMS, st.integers(0, 2**40), st.binary(max_size=9))
FORGETTING = st.tuples(st.just("forget"), STREAMS, st.integers(0, 2**63 - 1))
PRUNING = st.tuples(st.just("prune"), TIMES_US)
STEP = APPENDS | TRUNCATIONS | SNAPSHOTS | FORGETTING | PRUNING
HISTORIES = st.lists(STEP, max_size=25)

Step = tuple[object, ...]


async def live(journal: Journal, history: list[Step], *, forget: bool) -> None:
    for step in history:
        match step:
            case ("append", str(stream), list(events), list(replies)) if events or replies:
                version = (await journal.stream_info(stream)).version
                # A key that is taken refuses the write, which is a history too.
                await journal.append([Write(stream, version, events, replies=replies)])
            case ("truncate", str(stream), int(to_version)):
                version = (await journal.stream_info(stream)).version
                await journal.truncate(stream, to_version=min(to_version, version))
            case ("snapshot", str(stream), int(version), bytes(payload)):
                await journal.save_snapshot(snapshot(stream, version, payload))
            case ("forget", str(stream), int(version)) if forget:
                await journal.delete_snapshots(stream, max_version=version)
            case ("prune", int(before_us)) if forget:
                await journal.prune_replies(before_us=before_us)
            case _:
                pass


async def through_a_file(source: Journal, target: Journal) -> None:
    file = io.BytesIO()
    written = await export(source, file)
    file.seek(0)
    assert await import_(Export(file, "a file"), target) == written


async def has_nothing_in_common(source: Journal, target: Journal) -> bool:
    """Whether the target holds something, and no event that the source has still."""
    there, here = await everything_in(target), await everything_in(source)
    if there.last_position:
        return not here.records or here.records[0].position > there.last_position
    return bool(here.records and (there.snapshots or there.replies))


async def moved(histories: list[list[Step]], *, chained: bool) -> list[tuple[Everything, ...]]:
    """What there is at each station after each history, which the next one follows."""
    found: list[tuple[Everything, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        async with (
            MemoryJournal(chained=chained) as first,
            MemoryJournal() as last,
            SqliteJournal(path, synchronous="NORMAL") as middle,
        ):
            for number, history in enumerate(histories):
                # What is forgotten after it was moved stays where it was moved to.
                await live(first, history, forget=not number)
                if await has_nothing_in_common(first, middle):
                    # Nothing would show that it is the same journal.
                    before = await everything_in(middle)
                    with pytest.raises(JournalsDiffer):
                        await copy(first, middle)
                    assert await everything_in(middle) == before
                    break
                await copy(first, middle)
                await through_a_file(middle, last)
                found.append(
                    (
                        await everything_in(first),
                        await everything_in(middle),
                        await everything_in(last),
                    )
                )
    return found


@settings(deadline=None, max_examples=80)
@given(st.lists(HISTORIES, min_size=1, max_size=3), st.booleans())
def test_any_history_is_what_it_was_wherever_it_is_moved(
    histories: list[list[Step]],
    chained: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    for first, middle, last in asyncio.run(moved(histories, chained=chained)):
        assert middle == first
        assert last == first
