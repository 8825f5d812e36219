"""Promise 5: of two writers of a stream exactly one wins; the other goes back to what is stored."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from daicho import persistence
from daicho.actor import PID, ActorSystem
from daicho.errors import ConcurrencyConflict
from daicho.journal import MemoryJournal, SqliteJournal
from tests.support.journals import FaultJournal, foreign_append, stored
from tests.support.ledgers import Add, Diary, Do, Ledger, props, total, turns, world
from wallet.v1 import ReceiveMoney

NAME = ReceiveMoney.DESCRIPTOR.full_name


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FaultJournal]:
    if request.param == "memory":
        yield FaultJournal(MemoryJournal())
    else:
        yield FaultJournal(SqliteJournal(tmp_path / "journal.db"))


async def spawned(system: ActorSystem, journal: FaultJournal, diary: Diary | None = None) -> PID:
    pid = system.root.spawn_named(props(journal, diary), "ledger")
    await total(system, pid)
    return pid


async def amounts(journal: FaultJournal) -> list[int]:
    records = await stored(journal, "ledger")
    assert [record.version for record in records] == list(range(1, len(records) + 1))
    return [ReceiveMoney.FromString(record.payload).amount for record in records]


async def test_of_two_writers_at_once_exactly_one_wins(journal: FaultJournal) -> None:
    async with world(journal) as here, ActorSystem() as there:
        one, other = await spawned(here, journal), await spawned(there, journal)
        for _ in range(10):
            replies = await asyncio.gather(
                here.root.ask(one, Add(1)), there.root.ask(other, Add(1)), return_exceptions=True
            )
            conflicts = [reply for reply in replies if isinstance(reply, ConcurrencyConflict)]
            assert len(conflicts) == 1
            assert len([reply for reply in replies if isinstance(reply, int)]) == 1
            # Both are back by then, so the next round is a race again.
            assert await total(here, one) + await total(there, other) <= 2 * len(
                await amounts(journal)
            )
        assert await amounts(journal) == [1] * 10


async def test_the_loser_learns_what_is_stored_and_can_go_on(journal: FaultJournal) -> None:
    diary = Diary()
    async with world(journal) as here, ActorSystem() as there:
        one, other = await spawned(here, journal), await spawned(there, journal, diary)
        assert await here.root.ask(one, Add(5)) == 5
        with pytest.raises(ConcurrencyConflict) as caught:
            await there.root.ask(other, Add(3))
        error = caught.value
        assert (error.stream, error.expected, error.actual) == ("ledger", 0, 1)
        assert await total(there, other) == 5
        assert await there.root.ask(other, Add(3)) == 8
        assert await amounts(journal) == [5, 3]
        assert diary.incarnations == 2


async def test_a_write_that_would_fit_by_accident_is_refused_with_the_one_before_it(
    journal: FaultJournal,
) -> None:
    """The foreign event takes the version of the first; the second must not follow that."""
    async with world(journal) as system:
        pid = await spawned(system, journal)
        journal.hold()
        asked = [system.root.ask(pid, Add(amount)) for amount in (10, 20, 30)]
        await journal.held()
        await foreign_append(journal.inner, "ledger", (NAME, b"\x08\x01"))
        journal.release()
        for reply in asked:
            with pytest.raises(ConcurrencyConflict):
                await reply
        assert await amounts(journal) == [1]
        assert await total(system, pid) == 1


async def test_what_gathers_during_an_append_that_is_refused_is_refused_too(
    journal: FaultJournal,
) -> None:
    async with world(journal) as system:
        pid = await spawned(system, journal)
        journal.hold()
        asked = [system.root.ask(pid, Add(10))]
        await journal.held()
        asked += [system.root.ask(pid, Add(20)) for _ in range(3)]
        await turns()
        await foreign_append(journal.inner, "ledger", (NAME, b"\x08\x01"))
        journal.release()
        for reply in asked:
            with pytest.raises(ConcurrencyConflict):
                await reply
        assert await total(system, pid) == 1
        assert await amounts(journal) == [1]


async def test_others_in_the_same_append_are_not_touched(journal: FaultJournal) -> None:
    async with world(journal) as system:
        pid = await spawned(system, journal)
        others = [system.root.spawn_named(props(journal), f"other{n}") for n in range(5)]
        for other in others:
            await total(system, other)
        await foreign_append(journal.inner, "ledger", (NAME, b"\x08\x01"))
        before = len(journal.appends)
        asked = [system.root.ask(other, Add(1)) for other in others]
        lost = system.root.ask(pid, Add(1))
        assert await asyncio.gather(*asked) == [1] * 5
        with pytest.raises(ConcurrencyConflict):
            await lost
        assert len(journal.appends) - before == 1


async def test_two_actors_of_one_system_on_one_stream_are_two_writers(
    journal: FaultJournal,
) -> None:
    using = persistence.using(journal, stream="shared")
    async with world(journal) as system:
        pids = [system.root.spawn(props(journal, using=using)) for _ in range(2)]
        for _ in range(5):
            for pid in pids:
                await total(system, pid)
            replies = await asyncio.gather(
                *(system.root.ask(pid, Add(1)) for pid in pids), return_exceptions=True
            )
            assert sorted(type(reply).__name__ for reply in replies) == [
                "ConcurrencyConflict",
                "int",
            ]
        assert len(await stored(journal, "shared")) == 5


async def test_await_persist_raises_the_conflict(journal: FaultJournal) -> None:
    raised: list[Exception] = []

    async def act(ledger: Ledger, ctx: object) -> None:
        try:
            await ledger.persist(ReceiveMoney(amount=1))
        except ConcurrencyConflict as error:
            raised.append(error)
            raise

    async with world(journal) as system:
        pid = await spawned(system, journal)
        await foreign_append(journal.inner, "ledger", (NAME, b"\x08\x01"))
        with pytest.raises(ConcurrencyConflict):
            await system.root.ask(pid, Do(act))
        assert len(raised) == 1
        assert await total(system, pid) == 1


async def test_many_writers_lose_and_go_on_until_all_is_stored(journal: FaultJournal) -> None:
    async with world(journal) as here, ActorSystem() as there:
        worlds = [(here, await spawned(here, journal)), (there, await spawned(there, journal))]

        async def client(system: ActorSystem, pid: PID) -> None:
            for _ in range(20):
                while True:
                    try:
                        await system.root.ask(pid, Add(1))
                    except ConcurrencyConflict:
                        continue
                    break

        await asyncio.gather(*(client(*each) for each in worlds for _ in range(2)))
        assert await amounts(journal) == [1] * 80
        # The one that did not write last has not noticed yet; its next write tells it.
        totals = {await total(*each) for each in worlds}
        assert 80 in totals
