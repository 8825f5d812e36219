"""The shape of what things cost: counted in objects, callbacks and appends, never in time.

Each number is what the design comes to. One that grows with the messages, where it should grow with
the batches, is a mistake that no other test would notice.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import daicho
from daicho.actor import ActorSystem, Context, Props
from tests.support.journals import FaultJournal
from wallet.v1 import ReceiveMoney, Wallet

DEQUE_BLOCK = 64
"""Items in a block of a deque."""


class Balance(daicho.Entity[Wallet], name="balance"):
    @daicho.command
    def receive(self, command: ReceiveMoney) -> Wallet:
        self.emit(command)
        return self.state

    @daicho.event
    def received(self, event: ReceiveMoney) -> None:
        self.state.deposit += event.amount


class Silent:
    def __init__(self) -> None:
        self.count = 0

    def receive(self, ctx: Context) -> None:
        self.count += 1


def echo(ctx: Context) -> None:
    if ctx.sender is not None:
        ctx.respond(ctx.message)


@contextmanager
def callbacks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[..., object]]]:
    """What is scheduled with the loop's ``call_soon`` meanwhile."""
    loop = asyncio.get_running_loop()
    scheduled: list[Callable[..., object]] = []
    call_soon = loop.call_soon

    def counting(callback: Callable[..., object], *args: object, **options: object) -> object:
        scheduled.append(callback)
        return call_soon(callback, *args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(loop, "call_soon", counting)
        yield scheduled


@contextmanager
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """What tells how many bytes are allocated of those since the beginning."""

    def used() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        yield used
    finally:
        tracemalloc.stop()


async def test_a_tell_to_an_actor_that_is_awake_makes_no_object() -> None:
    async with ActorSystem() as system:
        pid = system.root.spawn(Props(Silent))
        await asyncio.sleep(0)
        count = 100 * DEQUE_BLOCK
        message = ReceiveMoney(amount=1)
        system.root.send(pid, message)  # wakes it
        with no_collection():
            before = sys.getallocatedblocks()
            for _ in range(count):
                system.root.send(pid, message)
            made = sys.getallocatedblocks() - before
        # The blocks of its queue, and nothing for each message.
        assert made <= count // DEQUE_BLOCK + 10


async def test_a_batch_of_messages_is_one_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ActorSystem() as system:
        pid = system.root.spawn(Props(Silent))
        await asyncio.sleep(0)
        with callbacks(monkeypatch) as scheduled:
            for _ in range(200):
                system.root.send(pid, "message")
        assert len(scheduled) == 1


async def test_an_ask_is_one_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ActorSystem() as system:
        pid = system.root.spawn(Props.from_function(echo))
        assert await system.root.ask(pid, 0) == 0
        with callbacks(monkeypatch) as scheduled:
            for number in range(10):
                assert await system.root.ask(pid, number) == number
        assert len(scheduled) == 10


async def test_asks_of_one_turn_share_its_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ActorSystem() as system:
        pid = system.root.spawn(Props.from_function(echo))
        heard: list[object] = []
        await asyncio.sleep(0)
        with callbacks(monkeypatch) as scheduled:
            for number in range(200):
                system.root.ask(pid, number).add_done_callback(heard.append)
            while len(heard) < 200:
                await asyncio.sleep(0)
        ours = [each for each in scheduled if "Cell" in repr(each)]
        assert len(ours) == 1
        # The rest are the turns in which this test waited.
        assert len(scheduled) - len(ours) < 10


async def test_commands_in_flight_share_an_append_and_its_callbacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = FaultJournal()
    async with daicho.open(journal, entities=[Balance]) as app:
        ref = app.entity(Balance, "one")
        await ref.ask(Balance.receive, ReceiveMoney(amount=1))
        journal.appends.clear()
        heard: list[object] = []
        with callbacks(monkeypatch) as scheduled:
            for _ in range(250):
                asking = ref.ask(Balance.receive, ReceiveMoney(amount=1))
                asking.add_done_callback(heard.append)
            while len(heard) < 250:
                await asyncio.sleep(0)
        assert [len(write.events) for writes in journal.appends for write in writes] == [250]
        assert len(scheduled) < 25


async def test_commands_to_many_entities_share_an_append() -> None:
    journal = FaultJournal()
    async with daicho.open(journal, entities=[Balance]) as app:
        refs = [app.entity(Balance, f"{number}") for number in range(100)]
        for ref in refs:
            await ref.ask(Balance.receive, ReceiveMoney(amount=1))
        journal.appends.clear()
        asks = [ref.ask(Balance.receive, ReceiveMoney(amount=1)) for ref in refs]
        await asyncio.gather(*asks)
        assert [len(writes) for writes in journal.appends] == [100]


async def test_an_idle_actor_has_neither_a_queue_nor_a_task() -> None:
    async with ActorSystem() as system:
        pid = system.root.spawn(Props.from_function(echo))
        assert await system.root.ask(pid, 0) == 0
        await asyncio.sleep(0)
        cell = system.cell(pid)
        assert (cell.queue, cell.signals, cell.task) == (None, None, None)


async def wake(app: daicho.App, names: range) -> None:
    """Asks entities of those names; 250 at once, so that little is left of the asking."""
    for first in range(names.start, names.stop, 250):
        asks = [
            app.entity(Balance, f"{name}").ask(Balance.receive, ReceiveMoney(amount=1))
            for name in range(first, min(first + 250, names.stop))
        ]
        await asyncio.gather(*asks)


@pytest.mark.parametrize("way", ["new", "recovered"])
async def test_an_idle_entity_stays_small(tmp_path: Path, way: str) -> None:
    url = f"sqlite:///{tmp_path}/costs.db"
    if way == "recovered":
        async with daicho.open(url, entities=[Balance]) as app:
            await wake(app, range(4_000))
    with traced() as used:
        async with daicho.open(url, entities=[Balance]) as app:
            await wake(app, range(1_000))
            before = used()
            await wake(app, range(1_000, 4_000))
            each = (used() - before) / 3_000
            assert app.directory.live_count == 4_000
    # With its state, and what the journal remembers of its stream. CPython 3.11 comes to 950; the
    # others differ in the sizes of texts and of objects with a dictionary.
    assert each <= 1_000


async def test_entities_that_leave_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daicho.journal.sqlite._ledger._FEW_HEADS", 100)

    async def blocks(app: daicho.App) -> int:
        """What Python has allocated when all have left."""
        async with asyncio.timeout(60):
            while app.directory.live_count:
                await asyncio.sleep(0.01)
        # The last of them end, and the journal notices that nobody writes.
        await asyncio.sleep(0.1)
        gc.collect()
        return sys.getallocatedblocks()

    url = f"sqlite:///{tmp_path}/costs.db"
    async with daicho.open(url, entities=[Balance], passivate_after_s=0.5) as app:
        await wake(app, range(1_000))
        before = await blocks(app)
        await wake(app, range(1_000, 3_000))
        most = sys.getallocatedblocks()
        assert await blocks(app) - before <= (most - before) / 10


async def test_an_idle_entity_keeps_nothing_of_its_last_command() -> None:
    def alive() -> list[object]:
        gc.collect()
        return [each for each in gc.get_objects() if type(each).__name__ in {"Ask", "Batch"}]

    # Other tests may have left some behind; they are kept, so that no new one has the id of one.
    others = alive()
    known = {id(each) for each in others}
    async with daicho.open("memory:", entities=[Balance]) as app:
        asks = [
            app.entity(Balance, f"{number}").ask(Balance.receive, ReceiveMoney(amount=1))
            for number in range(10)
        ]
        await asyncio.gather(*asks)
        del asks
        await asyncio.sleep(0)
        assert [each for each in alive() if id(each) not in known] == []
