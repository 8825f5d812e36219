"""What the events come to is compared with what an earlier program made of them."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.wrappers_pb2 import DoubleValue, FloatValue

import daicho
import daicho.testing
from daicho.check import FieldDifference, StateDiffers, UnreadableSnapshot, replay
from daicho.entity.v1 import EntitySnapshot
from daicho.journal import MAX_VERSION, MemoryJournal, Snapshot
from daicho.testing import Clock
from tests.support.journals import FaultJournal
from tests.unit.check.shelves import Dust, Heavy, Put, Shelf, filled
from wallet.v1 import ReceiveMoney, Wallet


async def test_a_program_that_does_the_same_as_before_is_all_right() -> None:
    async with filled(a="vwxyz", b="x") as journal:
        report = await replay(journal, entities=[Shelf])
    assert report.ok
    assert (report.compared, report.snapshots) == (2, 2)


async def test_a_changed_behaviour_is_listed_by_stream_and_version_with_both_states() -> None:
    async with filled(a="vwxyz", b="xy") as journal:
        report = await replay(journal, entities=[Heavy])
    assert not report.ok
    assert [(each.stream, each.version) for each in report.problems] == [
        ("shelf:a", 2),
        ("shelf:a", 4),
        ("shelf:b", 2),
    ]
    assert report.problems[1] == StateDiffers(
        stream="shelf:a",
        version=4,
        stored="Contents(items=['v', 'w', 'x', 'y'], weight=4)",
        replayed="Contents(items=['v', 'w', 'x', 'y'], weight=8)",
        fields=(FieldDifference("weight", "4", "8"),),
    )


async def test_a_truncated_stream_is_compared_from_its_oldest_snapshot_on() -> None:
    async with filled(a="vwxyz") as journal:
        await journal.truncate("shelf:a", to_version=2)
        assert (await replay(journal, entities=[Shelf])).compared == 1
        [problem] = (await replay(journal, entities=[Heavy])).problems
    assert isinstance(problem, StateDiffers)
    # What is deleted counts as it was counted then.
    assert problem.fields == (FieldDifference("weight", "4", "6"),)


async def test_a_snapshot_that_cannot_be_read_is_not_compared() -> None:
    async with filled(a="xyz") as journal:
        newest = await journal.load_snapshot("shelf:a")
        assert newest is not None
        broken = Snapshot(
            stream="shelf:a", version=3, type_name="shelf.state", payload=b"[", time_us=0
        )
        await journal.save_snapshot(broken)
        report = await replay(journal, entities=[Shelf])
    assert report.ok
    assert report.compared == 1
    [problem] = report.problems
    assert isinstance(problem, UnreadableSnapshot)


async def test_timers_that_are_set_are_part_of_what_is_compared() -> None:
    class Dusty(Shelf, name="shelf"):
        snapshot = daicho.every(1)

    clock, journal = Clock(), MemoryJournal()
    async with daicho.testing.app(Dusty, journal=journal, clock=clock) as app:
        await app.entity(Dusty, "a").ask(Dust())
    schema = daicho.Schema([Dust])
    async with journal:
        assert (await replay(journal, entities=[Dusty], schema=schema)).compared == 1
        stored = await journal.load_snapshot("shelf:a")
        assert stored is not None
        memory = EntitySnapshot.FromString(stored.payload)
        memory.pending[0].due_us += timedelta(hours=1) // timedelta(microseconds=1)
        await journal.save_snapshot(
            Snapshot(
                stream="shelf:a",
                version=1,
                type_name=stored.type_name,
                payload=memory.SerializeToString(),
                time_us=0,
            )
        )
        [problem] = (await replay(journal, entities=[Dusty], schema=schema)).problems
    assert isinstance(problem, StateDiffers)
    assert [each.path for each in problem.fields] == ["pending[1].due_us"]


async def test_a_state_that_is_a_message_is_shown_on_one_line() -> None:
    class Once(daicho.Entity[Wallet], name="purse"):
        snapshot = daicho.every(1)

        @daicho.command
        def receive(self, command: ReceiveMoney) -> None:
            self.emit(command)

        @daicho.event
        def received(self, event: ReceiveMoney) -> None:
            self.state.deposit += event.amount

    class Twice(daicho.Entity[Wallet], name="purse"):
        @daicho.event
        def received(self, event: ReceiveMoney) -> None:
            self.state.deposit += 2 * event.amount

    journal = MemoryJournal()
    async with daicho.testing.app(Once, journal=journal) as app:
        await app.entity(Once, "a").ask(ReceiveMoney(amount=5))
    async with journal:
        [problem] = (await replay(journal, entities=[Twice])).problems
    assert isinstance(problem, StateDiffers)
    assert (problem.stored, problem.replayed) == ("Wallet(deposit: 5)", "Wallet(deposit: 10)")


async def test_a_snapshot_of_another_class_than_the_state_is_not_compared() -> None:
    async with filled(a="xy") as journal:
        await journal.save_snapshot(
            Snapshot(
                stream="shelf:a",
                version=2,
                type_name="shelf.put",
                payload=b'{"item":"x"}',
                time_us=0,
            )
        )
        report = await replay(journal, entities=[Shelf])
    [problem] = report.problems
    assert report.compared == 0
    assert isinstance(problem, UnreadableSnapshot)


async def test_a_snapshot_that_is_deleted_meanwhile_is_not_compared() -> None:
    class Hasty(FaultJournal):
        async def load_snapshot(
            self, stream: str, *, max_version: int = MAX_VERSION
        ) -> Snapshot | None:
            found = await super().load_snapshot(stream, max_version=max_version)
            await self.inner.delete_snapshots(stream, max_version=max_version)
            return found

    async with filled(a="xyz") as journal:
        report = await replay(Hasty(journal), entities=[Shelf])
    assert report.ok
    assert report.compared == 0


async def test_a_number_that_equals_nothing_is_no_difference() -> None:
    class Gauge(daicho.Entity[DoubleValue], name="gauge"):
        snapshot = daicho.every(1)

        @daicho.command
        def measure(self, command: FloatValue) -> None:
            self.emit(command)

        @daicho.event
        def measured(self, event: FloatValue) -> None:
            self.state.value = event.value

    journal = MemoryJournal()
    async with daicho.testing.app(Gauge, journal=journal) as app:
        await app.entity(Gauge, "a").ask(FloatValue(value=float("nan")))
    async with journal:
        report = await replay(journal, entities=[Gauge])
    assert report.ok
    assert report.compared == 1


async def test_the_fields_and_texts_of_a_large_state_are_bounded() -> None:
    journal = MemoryJournal()
    async with daicho.testing.app(Shelf, journal=journal) as app:
        for _ in range(2):
            await app.entity(Shelf, "a").ask(Put("x" * 10_000))
    async with journal:
        [problem] = (await replay(journal, entities=[Heavy])).problems
    assert isinstance(problem, StateDiffers)
    assert len(problem.stored) == len(problem.replayed) == 1_000
    assert problem.stored.endswith("…")
