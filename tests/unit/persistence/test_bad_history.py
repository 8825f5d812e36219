"""Promise 9: an event that cannot be applied stops that actor, and no other."""

import asyncio

import pytest

from daicho.actor import PID, Context, Directive, Props, Started, Terminated
from daicho.errors import (
    PersistRefused,
    RecoveryFailed,
    UndecodableEvent,
    UnknownEventType,
)
from daicho.journal import Record, Snapshot
from tests.support.histories import RECEIVE, fill, money, snapshot
from tests.support.journals import FaultJournal, foreign_append
from tests.support.ledgers import (
    Add,
    AsyncLedger,
    Diary,
    Get,
    Ledger,
    eventually,
    forget,
    listen,
    props,
    total,
    world,
)
from wallet.v1 import ReceiveMoney


async def refuses(
    journal: FaultJournal, kind: type[Ledger] = Ledger
) -> tuple[RecoveryFailed, Diary]:
    """The error of a ledger that cannot be recovered, which all that waited get."""
    diary = Diary()
    async with world(journal) as system:
        heard = listen(system)
        healthy = system.root.spawn_named(props(journal), "healthy")
        assert await system.root.ask(healthy, Add(5)) == 5
        pid = system.root.spawn_named(props(journal, diary, kind=kind), "ledger")
        waiting = [system.root.ask(pid, Get()), system.root.ask(pid, Add(1))]
        system.root.send(pid, "hello")
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        (error, other) = errors
        assert isinstance(error, RecoveryFailed)
        assert other is error
        await eventually(lambda: not system.is_alive(pid))
        assert [letter.message for letter in heard.dead_letters] == [Get(), Add(1), "hello"]
        assert [(f.pid, f.error, f.directive) for f in heard.failures] == [
            (pid, error, Directive.STOP)
        ]
        assert diary.incarnations == 1
        assert await system.root.ask(healthy, Add(5)) == 10
    return error, diary


async def test_bytes_that_are_no_event_stop_the_actor() -> None:
    journal = FaultJournal()
    async with journal:
        await foreign_append(journal, "ledger", money(1), (RECEIVE, b"\xff"), money(3))
    error, _ = await refuses(journal)
    assert (error.stream, error.version, error.type_name) == ("ledger", 2, RECEIVE)
    assert isinstance(error.__cause__, UndecodableEvent)
    assert str(error).startswith(
        "stream 'ledger' cannot be recovered at version 2 (wallet.v1.ReceiveMoney): "
    )


async def test_an_unknown_type_stops_the_actor() -> None:
    journal = FaultJournal()
    async with journal:
        await foreign_append(journal, "ledger", money(1), ("gone.Type", b""))
    error, _ = await refuses(journal)
    assert (error.stream, error.version, error.type_name) == ("ledger", 2, "gone.Type")
    assert isinstance(error.__cause__, UnknownEventType)


@pytest.mark.parametrize("kind", [Ledger, AsyncLedger])
async def test_a_handler_that_raises_on_history_stops_the_actor(kind: type[Ledger]) -> None:
    class Broken(kind):  # type: ignore[misc, valid-type]
        def apply(self, message: object) -> None:
            if message == ReceiveMoney(amount=3):
                raise RuntimeError("three is too much")
            super().apply(message)

    journal = FaultJournal()
    async with journal:
        await fill(journal, 5)
    error, diary = await refuses(journal, Broken)
    assert (error.version, error.type_name) == (3, RECEIVE)
    assert str(error.__cause__) == "three is too much"
    assert diary.names().count("ReceiveMoney") == 3


@pytest.mark.parametrize(("missing", "follows"), [(2, "version 3 follows"), (5, "nothing follows")])
async def test_a_gap_stops_the_actor(missing: int, follows: str) -> None:
    journal = FaultJournal()

    def hide(record: Record) -> Record | None:
        return None if record.stream == "ledger" and record.version == missing else record

    async with journal:
        await fill(journal, 5)
    journal.edit = hide
    error, _ = await refuses(journal)
    assert (error.version, error.type_name) == (missing, "missing")
    assert isinstance(error.__cause__, LookupError)
    assert f"the event is missing: {follows}, the stream is at version 5" in str(error)


async def test_a_version_that_comes_twice_stops_the_actor() -> None:
    journal = FaultJournal()

    def twice(record: Record) -> Record:
        return record._replace(version=2) if record.version == 3 else record

    async with journal:
        await fill(journal, 5)
    journal.edit = twice
    error, _ = await refuses(journal)
    assert error.version == 3
    assert "version 2 follows" in str(error)


async def test_a_truncated_head_without_a_snapshot_stops_the_actor() -> None:
    journal = FaultJournal()
    async with journal:
        await fill(journal, 5)
        await journal.truncate("ledger", to_version=3)
    error, _ = await refuses(journal)
    assert error.version == 1
    assert "truncated to 3" in str(error)


async def test_a_truncated_head_with_its_snapshot_recovers() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        await fill(journal, 5)
        await journal.save_snapshot(snapshot(3, 6))
        await journal.truncate("ledger", to_version=3)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 15
        await forget(system, pid)
        await journal.save_snapshot(snapshot(5, 15))
        await journal.truncate("ledger", to_version=5)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 15
        assert await system.root.ask(pid, Add(1)) == 16


async def test_a_head_that_is_truncated_during_the_recovery_is_no_gap() -> None:
    """Another writer stored a snapshot and pruned; the next object begins with that."""

    class Pruned(FaultJournal):
        async def load_snapshot(
            self, stream: str, *, max_version: int = 2**63 - 1
        ) -> Snapshot | None:
            found = await super().load_snapshot(stream, max_version=max_version)
            if found is None:
                await self.save_snapshot(snapshot(4, 10))
                await self.truncate("ledger", to_version=4)
            return found

    journal = Pruned()
    async with world(journal) as system:
        await fill(journal, 5)
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await total(system, pid) == 15


async def test_an_actor_that_cannot_be_recovered_still_hears_of_the_end_of_its_children() -> None:
    journal = FaultJournal()
    ended: list[PID] = []

    class Parent(Ledger):
        def receive(self, ctx: Context) -> object:
            match ctx.message:
                case Started():
                    ctx.spawn_named(Props.from_function(lambda _: None), "child")
                case Terminated():
                    ended.append(ctx.message.who)
                    with pytest.raises(PersistRefused):
                        self.persist_receive(ReceiveMoney(amount=1))
                case _:
                    pass
            return super().receive(ctx)

    async with world(journal) as system:
        await foreign_append(journal, "ledger", (RECEIVE, b"\xff"))
        pid = system.root.spawn_named(props(journal, kind=Parent), "ledger")
        await eventually(lambda: not system.is_alive(pid))
        assert ended == [system.pid("ledger/child")]
