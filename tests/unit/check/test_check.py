"""What a program cannot cope with is found before it takes over, and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

import daicho
import daicho.testing
from daicho.check import (
    FailingHandler,
    Gap,
    NoBeginning,
    Progress,
    SnapshotAhead,
    UndecodableType,
    Undeliverable,
    UnhandledType,
    UnknownEntityType,
    UnreadableSnapshot,
    check,
)
from daicho.entity.v1 import Outgoing, Settled
from daicho.errors import BadEntity, BadSchema, JournalUnavailable
from daicho.journal import Journal, MemoryJournal, Snapshot, StreamInfo
from daicho.testing import START, Clock
from tests.support.journals import FaultJournal, foreign_append
from tests.unit.check.shelves import (
    Contents,
    Dust,
    Picky,
    Put,
    Shelf,
    Taken,
    Tidy,
    filled,
    put,
    without,
)
from wallet.v1 import ReceiveMoney


class ReadsAlone(FaultJournal):
    """A journal that fails whoever writes."""

    def __init__(self, inner: Journal) -> None:
        super().__init__(inner)
        for what in ("append", "save_snapshot", "delete_snapshots", "truncate", "prune_replies"):
            self.fail(what, AssertionError(f"{what} was called"), times=1_000_000)


async def test_a_journal_that_the_program_copes_with_is_all_right() -> None:
    async with filled(a="xyz", b="xxxxx", c="") as journal:
        report = await check(ReadsAlone(journal), entities=[Shelf])
    assert report.ok
    assert report.problems == ()
    assert (report.streams, report.events, report.snapshots) == (2, 8, 3)
    assert (report.skipped, report.compared, report.left_out) == (0, 0, 0)


async def test_an_empty_journal_is_all_right() -> None:
    async with MemoryJournal() as journal:
        assert (await check(journal, entities=[Shelf])).ok


async def test_a_type_that_cannot_be_decoded_is_one_problem_with_its_count() -> None:
    async with filled(a="xy") as journal:
        await foreign_append(journal, "shelf:a", ("shelf.gone", b"{}"), ("shelf.gone", b"{}"))
        await foreign_append(journal, "shelf:b", ("shelf.gone", b"{}"))
        report = await check(journal, entities=[Shelf])
    assert not report.ok
    assert report.problems == (
        UndecodableType(
            stream="shelf:a",
            version=3,
            count=3,
            type_name="shelf.gone",
            reason="the program has no class of that name",
        ),
    )


async def test_bytes_that_are_not_of_their_type_are_found() -> None:
    async with filled(a="x") as journal:
        await foreign_append(journal, "shelf:a", ("shelf.put", b'{"item": 5}'))
        [problem] = (await check(journal, entities=[Shelf])).problems
    assert isinstance(problem, UndecodableType)
    assert (problem.stream, problem.version, problem.count) == ("shelf:a", 2, 1)
    assert "$.item" in problem.reason


async def test_an_event_without_a_handler_is_found_with_its_count() -> None:
    journal = MemoryJournal()
    await put(journal, "a", *"xyz")
    async with daicho.testing.app(Shelf, journal=journal) as app:
        for item in "xy":
            await app.entity(Shelf, "a").ask(Shelf.take, Taken(item))
    async with journal:
        report = await check(journal, entities=[Tidy], schema=daicho.Schema([Taken]))
    assert report.problems == (
        UnhandledType(
            stream="shelf:a",
            version=4,
            count=2,
            entity="shelf",
            type_name="shelf.taken",
            event="Taken",
        ),
    )


async def test_a_handler_that_raises_is_found_where_it_does() -> None:
    journal = MemoryJournal()
    await put(journal, "a", "x")
    for id_ in "bc":
        await put(journal, id_, "x", "tea", "tea")
    async with journal:
        report = await check(journal, entities=[Picky])
    assert report.problems == (
        FailingHandler(
            stream="shelf:b",
            version=2,
            count=2,
            entity="shelf",
            type_name="shelf.put",
            error="ValueError('no tea here')",
        ),
    )


async def test_streams_of_an_entity_type_that_is_not_known_are_one_problem() -> None:
    async with filled(a="xyz", b="x") as journal:
        await foreign_append(journal, "plain", (ReceiveMoney.DESCRIPTOR.full_name, b""))
        report = await check(journal, entities=[])
        assert report.problems == (
            UnknownEntityType(stream="plain", version=1, count=1, entity=""),
            UnknownEntityType(stream="shelf:a", version=1, count=2, entity="shelf"),
        )
        assert report.events == 5


async def test_an_entity_type_that_is_not_known_is_placed_at_the_first_event_that_is_left() -> None:
    async with filled(a="xyz") as journal:
        await journal.truncate("shelf:a", to_version=2)
        [problem] = (await check(journal, entities=[])).problems
        assert problem.place == "shelf:a@3"
        await journal.truncate("shelf:a", to_version=3)
        [problem] = (await check(journal, entities=[])).problems
        assert problem.place == "shelf:a@3"


@pytest.mark.parametrize(
    ("lost", "first", "last"), [((2,), 2, 2), ((1, 2), 1, 2), ((4, 5), 4, 5), ((3, 4), 3, 4)]
)
async def test_events_that_are_missing_are_found(
    lost: tuple[int, ...], first: int, last: int
) -> None:
    async with filled(a="vwxyz") as inner:
        journal = FaultJournal(inner)
        journal.edit = without(*lost)
        report = await check(journal, entities=[Shelf])
    assert report.problems == (Gap(stream="shelf:a", version=first, to_version=last),)


async def test_events_that_were_deleted_in_order_are_no_gap() -> None:
    async with filled(a="vwxyz") as journal:
        await journal.truncate("shelf:a", to_version=3)
        report = await check(journal, entities=[Shelf])
    assert report.ok
    assert report.events == 2


async def test_a_stream_that_is_truncated_while_it_is_read_is_no_gap() -> None:
    async with filled(a="vwxyz") as inner:
        stale = await inner.stream_info("shelf:a")
        await inner.truncate("shelf:a", to_version=3)

        class Stale(FaultJournal):
            async def list_streams(
                self, prefix: str = "", *, after: str = "", limit: int = 1
            ) -> list[StreamInfo]:
                return [] if after else [stale]

        assert (await check(Stale(inner), entities=[Shelf])).ok


async def test_a_state_that_nothing_leads_to_any_more_is_found() -> None:
    async with filled(a="vwxyz") as journal:
        await journal.truncate("shelf:a", to_version=3)
        await journal.delete_snapshots("shelf:a", max_version=5)
        [problem] = (await check(journal, entities=[Shelf])).problems
    assert problem == NoBeginning(
        stream="shelf:a",
        version=3,
        reason="the events up to version 3 are deleted, and no snapshot from then on can be read",
    )


async def test_an_initial_state_that_cannot_be_made_is_found() -> None:
    class Broken(Shelf, name="shelf"):
        def initial(self) -> Contents:
            raise ValueError("no shelf")

    async with filled(a="x") as journal:
        [problem] = (await check(journal, entities=[Broken])).problems
    assert problem == NoBeginning(
        stream="shelf:a",
        version=0,
        reason="the initial state cannot be made: ValueError('no shelf')",
    )


async def test_a_snapshot_ahead_of_its_stream_is_found() -> None:
    async with filled(a="xyz") as journal:
        newest = await journal.load_snapshot("shelf:a")
        assert newest is not None
        await journal.save_snapshot(_at(newest, 9))
        report = await check(journal, entities=[Shelf])
    assert report.problems == (SnapshotAhead(stream="shelf:a", version=9, stream_version=3),)


async def test_a_snapshot_that_is_newer_than_the_list_of_streams_is_not_ahead() -> None:
    async with filled(a="xyz") as inner:
        stale = await inner.stream_info("shelf:a")
    await put(inner, "a", "v", "w")
    async with inner:

        class Stale(FaultJournal):
            async def list_streams(
                self, prefix: str = "", *, after: str = "", limit: int = 1
            ) -> list[StreamInfo]:
                return [] if after else [stale]

        report = await check(Stale(inner), entities=[Shelf])
    assert report.ok
    assert report.events == 3


async def test_a_snapshot_that_cannot_be_read_is_a_warning() -> None:
    async with filled(a="xyz", b="xy") as journal:
        for stream in ("shelf:a", "shelf:b"):
            newest = await journal.load_snapshot(stream)
            assert newest is not None
            await journal.save_snapshot(_at(newest, 2, type_name="shelf.old-state"))
        report = await check(journal, entities=[Shelf])
    assert report.ok
    assert report.problems == (
        UnreadableSnapshot(
            stream="shelf:a",
            version=2,
            count=2,
            entity="shelf",
            type_name="shelf.old-state",
            reason="the program has no class of that name",
        ),
    )


async def test_a_timer_whose_command_nobody_handles_any_more_is_found() -> None:
    journal = MemoryJournal()
    async with daicho.testing.app(Shelf, journal=journal) as app:
        for id_ in "ab":
            await app.entity(Shelf, id_).ask(Shelf.dust, Dust())
    async with journal:
        assert (await check(journal, entities=[Shelf], schema=daicho.Schema([Dust]))).ok
        report = await check(journal, entities=[Tidy], schema=daicho.Schema([Dust]))
        [undecodable] = (await check(journal, entities=[Tidy])).problems
    assert report.problems == (
        Undeliverable(
            stream="shelf:a",
            version=1,
            count=2,
            target="shelf",
            type_name="shelf.dust",
            reason="it has no command handler for Dust",
        ),
    )
    assert isinstance(undecodable, Undeliverable)
    assert undecodable.reason == "the program has no class of that name"


async def test_a_command_to_an_entity_type_that_is_not_known_is_found() -> None:
    pending = Outgoing(
        number=1, target_entity="cellar", target_id="a", command_type="shelf.dust", command=b"{}"
    )
    async with MemoryJournal() as journal:
        event = (Outgoing.DESCRIPTOR.full_name, pending.SerializeToString())
        await foreign_append(journal, "shelf:a", event)
        [problem] = (await check(journal, entities=[Shelf])).problems
        settled = Settled(number=1, outcome=Settled.OUTCOME_REPLIED).SerializeToString()
        await foreign_append(journal, "shelf:a", (Settled.DESCRIPTOR.full_name, settled))
        assert (await check(journal, entities=[Shelf])).ok
    assert isinstance(problem, Undeliverable)
    assert (problem.target, problem.reason) == ("cellar", "no class is known for that entity type")


async def test_upcasters_are_part_of_what_a_program_can_read() -> None:
    @daicho.stored_as("shelf.put-of-old")
    @dataclass(frozen=True, slots=True)
    class OldPut:
        item: str

    @daicho.upcast(OldPut, Put)
    def doubled(old: OldPut) -> list[Put]:
        return [Put(old.item), Put(old.item)]

    async with filled(a="x") as journal:
        await foreign_append(journal, "shelf:a", ("shelf.put-of-old", b'{"item":"y"}'))
        report = await check(journal, entities=[Shelf], schema=daicho.Schema(upcasters=[doubled]))
        assert report.ok
        assert not (await check(journal, entities=[Shelf])).ok


@daicho.stored_as("shelf.late", version=3)
@dataclass(frozen=True)
class Late:
    """Versions 1 and 2 of it are not known."""


async def test_a_program_that_could_not_even_open_is_refused() -> None:
    async with MemoryJournal() as journal:
        with pytest.raises(BadEntity):
            await check(journal, entities=[Shelf, Tidy])
        with pytest.raises(BadSchema):
            await check(journal, entities=[Shelf], schema=daicho.Schema([Late]))


async def test_a_journal_that_does_not_answer_ends_the_check() -> None:
    async with filled(a="xyz") as inner:
        journal = FaultJournal(inner)
        journal.fail("load_snapshot", JournalUnavailable("journal", "gone"))
        with pytest.raises(JournalUnavailable):
            await check(journal, entities=[Shelf])


# --- which streams --------------------------------------------------------------------------------


async def test_a_sample_is_of_the_size_that_was_asked_for_and_the_same_for_a_seed() -> None:
    seen: dict[int, set[tuple[int, int]]] = {}
    async with filled(**{f"s{n}": "x" * (n + 1) for n in range(12)}) as journal:
        for seed in (1, 2, 3, 4):
            for _ in range(2):
                report = await check(journal, entities=[Shelf], sample=4, seed=seed)
                assert (report.streams, report.skipped) == (4, 8)
                seen.setdefault(seed, set()).add((report.events, report.snapshots))
        assert (await check(journal, entities=[Shelf], sample=40)).streams == 12
    assert all(len(results) == 1 for results in seen.values())
    assert len(set.union(*seen.values())) > 1


async def test_streams_that_have_not_changed_since_are_skipped() -> None:
    clock, journal = Clock(), MemoryJournal()
    for id_ in ("old", "new", "old-and-new"):
        if id_ == "new":
            clock.advance(timedelta(days=2))
        await put(journal, id_, "x", clock=clock)
        clock.set(START)
    clock.advance(timedelta(days=2))
    await put(journal, "old-and-new", "y", clock=clock)
    async with journal:
        noon = START + timedelta(days=1)
        report = await check(journal, entities=[Shelf], since=noon)
        assert (report.streams, report.events, report.skipped) == (2, 3, 1)
        exactly = START + timedelta(days=2)
        assert (await check(journal, entities=[Shelf], since=exactly)).streams == 2
        # What is deleted has no time, so it is looked at.
        await journal.truncate("shelf:new", to_version=1)
        later = START + timedelta(days=3)
        assert (await check(journal, entities=[Shelf], since=later)).streams == 1


async def test_all_pages_of_streams_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daicho.check.PAGE_SIZE", 2)
    async with filled(**{f"s{n}": "x" for n in range(5)}) as journal:
        assert (await check(journal, entities=[Shelf])).streams == 5


async def test_progress_is_told_and_ends_with_what_was_read() -> None:
    told: list[Progress] = []
    async with filled(a="xyz", b="xy") as journal:
        await foreign_append(journal, "shelf:b", ("shelf.gone", b"{}"))
        await check(journal, entities=[Shelf], progress=told.append)
    assert told == sorted(told)
    assert told[-1] == Progress(streams=2, events=6, problems=1)


async def test_arguments_that_are_never_right_are_refused() -> None:
    async with MemoryJournal() as journal:
        with pytest.raises(ValueError, match="sample is 0"):
            await check(journal, entities=[Shelf], sample=0)
        with pytest.raises(ValueError, match="max_problems is 0"):
            await check(journal, entities=[Shelf], max_problems=0)
        with pytest.raises(ValueError, match="has no zone"):
            await check(journal, entities=[Shelf], since=datetime(2030, 1, 1))  # noqa: DTZ001
        assert (await check(journal, entities=[Shelf], since=datetime(2030, 1, 1, tzinfo=UTC))).ok


def _at(snapshot: Snapshot, version: int, type_name: str | None = None) -> Snapshot:
    return Snapshot(
        stream=snapshot.stream,
        version=version,
        type_name=type_name or snapshot.type_name,
        payload=snapshot.payload,
        time_us=snapshot.time_us,
    )
