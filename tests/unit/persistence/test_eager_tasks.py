"""Where tasks begin eagerly, within the call that makes them, persistence is the same."""

import asyncio
import sys

import pytest

from daicho import persistence
from daicho.journal import MemoryJournal
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import KINDS, Add, Ledger, forget, props, total, turns, world

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="no task begins eagerly")


def begin_eagerly() -> None:
    if sys.version_info >= (3, 12):  # for type checkers; pytestmark has seen to it
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)


@pytest.mark.parametrize("kind", KINDS)
async def test_each_snapshot_is_stored_and_the_actor_stops(kind: type[Ledger]) -> None:
    begin_eagerly()
    journal = FaultJournal(MemoryJournal())
    using = persistence.using(journal, snapshot=persistence.every(1))
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=kind, using=using), "ledger")
        for amount in range(1, 4):
            assert await system.root.ask(pid, Add(1)) == amount
            await turns()
        await forget(system, pid)
        assert [snapshot.version for snapshot in await journal.list_snapshots("ledger")] == [
            3,
            2,
            1,
        ]


@pytest.mark.parametrize("kind", KINDS)
async def test_events_that_gather_during_an_append_are_stored(kind: type[Ledger]) -> None:
    begin_eagerly()
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal, kind=kind), "ledger")
        await total(system, pid)
        journal.hold()
        asked = [system.root.ask(pid, Add(1))]
        await journal.held()
        asked += [system.root.ask(pid, Add(1)) for _ in range(9)]
        await turns()
        journal.release()
        assert await asyncio.gather(*asked) == list(range(1, 11))
        assert len(await stored(journal, "ledger")) == 10
