"""Handlers that wait: one message at a time, and the same promises as for those that do not."""

from __future__ import annotations

import asyncio

import pytest

import daicho
from daicho.errors import PersistRefused, Rejected
from tests.support.ledgers import turns
from tests.unit.entity.accounts import (
    Account,
    Balance,
    Boom,
    Deposit,
    Deposited,
    Do,
    Look,
    Pay,
    Store,
)


class Slow(daicho.Entity[Balance], name="slow"):
    """Waits before, between and after its events."""

    @daicho.command
    async def deposit(self, command: Deposit) -> int:
        before = self.state.amount
        await turns(3)
        assert self.state.amount == before
        self.emit(Deposited(command.amount))
        await turns(3)
        self.emit(Deposited(command.amount))
        await turns(3)
        return self.state.amount

    @daicho.command
    async def pay(self, command: Pay) -> None:
        await turns(2)
        raise Rejected("nothing leaves", amount=command.amount)

    @daicho.event
    def deposited(self, event: Deposited) -> None:
        self.state.amount += event.amount


async def test_a_handler_that_waits_is_alone_with_its_entity(store: Store) -> None:
    async with store.app(entities=(Slow,)) as app:
        slow = app.entity(Slow, "s")
        asked = [slow.ask(Slow.deposit, Deposit(n)) for n in range(1, 6)]
        assert await asyncio.gather(*asked) == [2, 6, 12, 20, 30]
        with pytest.raises(Rejected, match="nothing leaves"):
            await slow.ask(Slow.pay, Pay(1))
        assert await slow.version() == 10


async def test_other_entities_go_on_while_one_waits(memory: Store) -> None:
    gate = asyncio.Event()
    async with memory.app() as app:
        waiting = app.entity(Account, "alice").ask(Do(lambda a: gate.wait()))
        behind = app.entity(Account, "alice").ask(Deposit(1))
        assert await app.entity(Account, "bob").ask(Deposit(7)) == 7
        await turns()
        assert not waiting.done()
        assert not behind.done()
        gate.set()
        assert await waiting is True
        assert await behind == 1


async def test_all_events_of_a_handler_that_waits_are_one_write(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way, entities=(Slow,)) as app:
        await app.entity(Slow, "s").ask(Deposit(1))
    assert [[len(write.events) for write in writes] for writes in way.appends] == [[2]]


async def test_a_handler_that_fails_late_leaves_nothing(store: Store) -> None:
    async def act(account: Account) -> None:
        account.emit(Deposited(5))
        await turns(2)
        account.emit(Deposited(5))
        raise Boom

    async with store.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(1))
        failed = alice.ask(Do(act))
        after = alice.ask(Deposit(1))
        with pytest.raises(Boom):
            await failed
        assert await after == 2
        assert await alice.version() == 2


@pytest.mark.parametrize("late", [False, True])
async def test_a_handler_that_raises_cancellation_by_itself_leaves_nothing(
    memory: Store,
    late: bool,  # noqa: FBT001
) -> None:
    """As when it awaits what somebody else has cancelled."""

    async def act(account: Account) -> None:
        if late:
            account.emit(Deposited(5))
        await turns(2)
        cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        cancelled.cancel()
        await cancelled

    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(1))
        with pytest.raises(daicho.HandlerFailed):
            await alice.ask(Do(act))
        assert await alice.ask(Account.look, Look()) == Balance(1)
        assert await alice.version() == 1


async def test_who_stops_waiting_changes_nothing_for_the_entity(memory: Store) -> None:
    gate = asyncio.Event()

    async def act(account: Account) -> int:
        account.emit(Deposited(5))
        await gate.wait()
        return account.state.amount

    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        with pytest.raises(daicho.AskTimeout):
            await alice.ask(Do(act), timeout=0.001)
        cancelled = alice.ask(Do(act))
        await turns()
        cancelled.cancel()
        gate.set()
        assert await alice.ask(Account.look, Look()) == Balance(10)


async def test_what_a_handler_left_running_cannot_emit(memory: Store) -> None:
    refused: list[BaseException | None] = []
    tasks: list[asyncio.Task[None]] = []

    async def later(account: Account) -> None:
        await turns()
        try:
            account.emit(Deposited(1))
        except PersistRefused as error:
            refused.append(error)

    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Do(lambda a: tasks.append(asyncio.ensure_future(later(a)))))
        await asyncio.gather(*tasks)
        assert len(refused) == 1
        assert await alice.version() == 0


async def test_an_entity_may_ask_another_one(store: Store) -> None:
    async with store.app() as app:

        async def move(account: Account) -> int:
            account.emit(Deposited(10))
            # Nothing of it is durable yet: what is asked here must not depend on it.
            return await app.entity(Account, "bob").ask(Account.deposit, Deposit(3))

        assert await app.entity(Account, "alice").ask(Do(move)) == 3
        assert await app.entity(Account, "alice").version() == 1
        assert await app.entity(Account, "bob").version() == 1
