from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import daicho.testing
from daicho.errors import JournalFull, JournalUnavailable
from daicho.journal import (
    Appended,
    Journal,
    MemoryJournal,
    NewEvent,
    Snapshot,
    SqliteJournal,
    Write,
)
from daicho.journal.offers import append_now_of
from daicho.testing import Fault, FaultJournal, Faults
from daicho.testing.virtual_time import VirtualTimeLoop

EVENTS = [NewEvent("e", b"%d" % number, bytes(16), number) for number in range(3)]


def write(stream: str, expected_version: int = 0) -> Write:
    return Write(stream, expected_version, EVENTS)


async def version(journal: FaultJournal, stream: str) -> int:
    """What is stored, asked behind the journal's back."""
    return (await journal.inner.stream_info(stream)).version


def kinds(journal: FaultJournal) -> list[Fault]:
    return [each.fault for each in journal.happened]


# --- one kind after the other ---------------------------------------------------------------------


async def test_what_fails_before_is_not_stored_and_says_so() -> None:
    async with FaultJournal(faults=Faults(before=1)) as journal:
        with pytest.raises(JournalFull, match="append failed before anything was done"):
            await journal.append([write("a")])
        with pytest.raises(JournalUnavailable):
            await journal.stream_info("a")
        assert await version(journal, "a") == 0


async def test_what_fails_after_is_stored_and_nobody_knows() -> None:
    async with FaultJournal(faults=Faults(after=1)) as journal:
        with pytest.raises(JournalUnavailable):
            await journal.append([write("a")])
        assert await version(journal, "a") == 3


async def test_what_fails_half_way_has_stored_its_first_writes_whole() -> None:
    found: Counter[int] = Counter()
    for seed in range(40):
        async with FaultJournal(seed=seed, faults=Faults(middle=1)) as journal:
            with pytest.raises(JournalUnavailable):
                await journal.append([write(name) for name in "abc"])
            versions = [await version(journal, name) for name in "abc"]
            assert versions == sorted(versions, reverse=True)
            assert set(versions) <= {0, 3}
            found[versions.count(3)] += 1
            assert str(journal.happened[0]) == (
                f"1. append failed half way: after {versions.count(3)} of 3 writes"
            )
    assert found.keys() == {0, 1, 2, 3}


async def test_what_is_never_right_is_refused_as_a_whole_half_way_too() -> None:
    for seed in range(10):
        async with FaultJournal(seed=seed, faults=Faults(middle=1)) as journal:
            with pytest.raises(ValueError, match="no events and no replies"):
                await journal.append([write("a"), Write("b", 0, [])])
            assert await version(journal, "a") == 0


@pytest.mark.parametrize(("faults", "stored_meanwhile"), [(Faults(slow=1), 0), (Faults(late=1), 3)])
async def test_what_is_slow_begins_late_and_what_is_late_ends_late(
    faults: Faults, stored_meanwhile: int
) -> None:
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        assert await version(journal, "a") == stored_meanwhile

    async with FaultJournal(faults=faults, sleep=sleep) as journal:
        [outcome] = await journal.append([write("a")])
        assert isinstance(outcome, Appended)
    assert len(pauses) == 1
    assert 0 < pauses[0] <= 1


async def test_a_lost_connection_comes_back_after_some_calls() -> None:
    lost: set[int] = set()
    for seed in range(40):
        async with FaultJournal(seed=seed, faults=Faults(lost=1, most_lost_calls=3)) as journal:
            with pytest.raises(JournalUnavailable, match="append lost the connection"):
                await journal.append([write("a")])
            journal.faults = Faults()
            before, failed = await version(journal, "a"), 0
            while True:
                try:
                    await journal.append([write("a", before)])
                    break
                except JournalUnavailable:
                    failed += 1
                    assert await version(journal, "a") == before
            lost.add(failed)
    assert lost == {0, 1, 2, 3}


async def test_a_lost_connection_is_back_when_the_journal_is_opened_again() -> None:
    journal = FaultJournal(seed=1, faults=Faults(lost=1, most_lost_calls=1_000))
    async with journal:
        for _ in range(2):
            with pytest.raises(JournalUnavailable):
                await journal.stream_info("a")
    journal.faults = Faults()
    async with journal:
        await journal.append([write("a")])


def test_silence_ends_when_whoever_waits_has_had_enough() -> None:
    async def main() -> set[int]:
        found: set[int] = set()
        for seed in range(20):
            async with FaultJournal(seed=seed, faults=Faults(silent=1)) as journal:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(journal.append([write("a")]), 3_600)
                found.add(await version(journal, "a"))
                assert kinds(journal) == [Fault.SILENT]
        return found

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(main()) == {0, 3}


async def test_reading_fails_at_any_page() -> None:
    pages: set[int] = set()
    for seed in range(60):
        async with FaultJournal(seed=seed) as journal:
            await journal.append([write("a")])
            journal.faults = Faults(before=0.3)
            seen = 0
            try:
                async for page in journal.read("a", page_size=1):
                    seen += len(page)
            except JournalUnavailable:
                pages.add(seen)
    assert pages == {0, 1, 2, 3}


# --- chance ---------------------------------------------------------------------------------------


async def nothing(pause_s: float) -> None:
    """Passes no time."""


async def story(seed: int) -> list[str]:
    """What happens to some calls that are the same each time."""
    async with FaultJournal(seed=seed, faults=Faults.each(0.1), sleep=nothing) as journal:
        for number in range(100):
            for call in (journal.append([write(f"{number}")]), journal.stream_info("a")):
                task = asyncio.ensure_future(call)
                await asyncio.sleep(0)
                # In memory all has ended by now but silence.
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return [str(each) for each in journal.happened]


async def test_the_same_seed_brings_back_the_same_faults() -> None:
    first = await story(7)
    assert first == await story(7)
    assert first != await story(8)
    assert len(first) > 50


async def test_every_kind_comes_as_often_as_it_is_to() -> None:
    found = Counter(Faults.each(0.1).drawn(chance) for chance in [random.Random(1)] * 10_000)
    assert found.keys() == {None, *Fault}
    assert all(800 < found[fault] < 1_200 for fault in Fault)


async def test_without_faults_nothing_happens() -> None:
    async with FaultJournal() as journal:
        for number in range(100):
            await journal.append([write(f"{number}")])
        assert journal.happened == []
        assert append_now_of(journal) is None


async def test_nothing_goes_wrong_with_a_journal_that_was_calmed() -> None:
    async with FaultJournal(faults=Faults(lost=1, most_lost_calls=9)) as journal:
        with pytest.raises(JournalUnavailable):
            await journal.append([write("a")])
        journal.fail("append", JournalFull("store", "planned"), times=9)
        journal.hold()
        held = asyncio.create_task(journal.append([write("b")]))
        await journal.held()
        journal.calm()
        assert [type(outcome) for outcome in await held] == [Appended]
        assert len(journal.happened) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"before": -0.1}, {"before": 0.6, "silent": 0.6}, {"longest_pause_s": -1}],
)
def test_shares_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="faults"):
        Faults(**wrong)  # type: ignore[arg-type]


async def fail_a_test(seed: int) -> None:
    async with FaultJournal(seed=seed, faults=Faults(before=1)) as journal:
        for _ in range(102):
            with pytest.raises(JournalFull):
                await journal.append([write("a")])
        raise AssertionError("something was lost")


async def test_an_error_tells_the_seed_and_what_happened() -> None:
    with pytest.raises(AssertionError) as raised:
        await fail_a_test(seed=41)
    [note] = raised.value.__notes__
    lines = note.splitlines()
    assert lines[0] == ("FaultJournal(MemoryJournal(), seed=41) went wrong 102 times in 102 calls:")
    assert lines[1] == "  1. append failed before anything was done: not done"
    assert lines[-1] == "  and 2 more"


async def test_an_error_that_ends_an_application_tells_it_too() -> None:
    journal = FaultJournal(seed=7, faults=Faults(slow=1), sleep=nothing)
    with pytest.raises(ZeroDivisionError) as raised:
        async with daicho.testing.app(journal=journal):
            _ = 1 // 0
    assert raised.value.__notes__ == [journal.story()]


# --- what it promises -----------------------------------------------------------------------------


def memory(path: Path) -> Journal:
    return MemoryJournal()


def sqlite(path: Path) -> Journal:
    return SqliteJournal(path / "journal.db")


async def test_snapshots_and_truncations_go_wrong_like_everything_else() -> None:
    snapshot = Snapshot(stream="a", version=3, type_name="s", payload=b"", time_us=0)
    async with FaultJournal() as journal:
        await journal.append([write("a")])
        journal.faults = Faults(after=1)
        with pytest.raises(JournalUnavailable):
            await journal.save_snapshot(snapshot)
        with pytest.raises(JournalUnavailable):
            await journal.truncate("a", to_version=2)
        journal.calm()
        assert await journal.load_snapshot("a") == snapshot
        assert (await journal.stream_info("a")).truncated_to == 2


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("engine", [memory, sqlite])
async def test_what_it_says_is_stored_is_and_what_it_says_is_not_is_not(
    engine: Callable[[Path], Journal], tmp_path: Path, seed: int
) -> None:
    faults = Faults(before=0.1, after=0.1, middle=0.2, slow=0.1, late=0.1, lost=0.1)
    journal = FaultJournal(engine(tmp_path), seed=seed, faults=faults, sleep=nothing)
    async with journal:
        for number in range(60):
            names = [f"{number}/{part}" for part in range(3)]
            try:
                outcomes = await journal.append([write(name) for name in names])
            except JournalFull:
                expected = {(0, 0, 0)}
            except JournalUnavailable:
                expected = {(0, 0, 0), (3, 0, 0), (3, 3, 0), (3, 3, 3)}
            else:
                assert [type(outcome) for outcome in outcomes] == [Appended] * 3
                expected = {(3, 3, 3)}
            stored = [await version(journal, name) for name in names]
            assert tuple(stored) in expected
        assert set(kinds(journal)) == set(Fault) - {Fault.SILENT}
