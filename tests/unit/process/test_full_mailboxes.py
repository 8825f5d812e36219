"""A delivery that meets a full mailbox was not made; it is told, and comes again."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

import daicho
from daicho.entity import Ref
from daicho.entity.entity import AnyEntity
from daicho.errors import MailboxFull
from daicho.process import DeliveryFailed
from daicho.testing import Clock
from tests.unit.process.transfers import (
    DONE,
    Account,
    Bank,
    DepositLater,
    Do,
    Transfer,
    amount,
    fill,
    order,
    settled,
    steps,
)

MAX_MAILBOX = 3


async def crowd(ref: Ref[AnyEntity]) -> asyncio.Event:
    """Makes an entity busy and its mailbox full, until the event is set."""
    free, busy = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        busy.set()
        await free.wait()

    ref.tell(Do(lambda _: wait()))
    await busy.wait()
    for _ in range(MAX_MAILBOX):
        ref.tell(Do(lambda _: None))
    with pytest.raises(MailboxFull):
        ref.tell(Do(lambda _: None))
    return free


def failures(app: daicho.App) -> list[DeliveryFailed]:
    """What is published of deliveries that failed, from now on."""
    heard: list[DeliveryFailed] = []
    app.system.event_stream.subscribe(heard.append, event_type=DeliveryFailed)
    return heard


def was_refused(heard: list[DeliveryFailed], way: tuple[str, str], what: str) -> bool:
    """Whether it was tried again and again, and each time there was no room."""
    assert {(each.sender, each.target) for each in heard} == {way}
    assert {each.what for each in heard} == {what}
    assert all(isinstance(each.error, MailboxFull) for each in heard)
    assert [each.attempts for each in heard] == [*range(1, len(heard) + 1)]
    return len(heard) > 2


async def test_a_command_waits_for_room_and_is_done_once(bank: Bank) -> None:
    async with bank.app(max_mailbox=MAX_MAILBOX) as app:
        heard = failures(app)
        await fill(app, "alice", 100)
        free = await crowd(app.entity(Account, "bob"))
        await order(app, "alice/1", "bob", 30)
        # What is for others does not wait for it.
        await order(app, "alice/2", "carol", 20)
        await asyncio.sleep(10)
        assert await steps(app, "alice/1") == ("started", "withdrawn")
        assert await steps(app, "alice/2") == DONE
        way = ("transfer:alice/1", "account:bob")
        assert was_refused(heard, way, "command 2 (test.deposit)")
        free.set()
        await settled(app)
        assert await steps(app, "alice/1") == DONE
        assert (await amount(app, "alice"), await amount(app, "bob")) == (50, 30)


async def test_an_outcome_waits_for_room_and_its_command_is_not_done_again(bank: Bank) -> None:
    async with bank.app(max_mailbox=MAX_MAILBOX) as app:
        await fill(app, "alice", 100)
        bob_is_free = await crowd(app.entity(Account, "bob"))
        await order(app, "alice/1", "bob", 30)
        while await steps(app, "alice/1") != ("started", "withdrawn"):
            await asyncio.sleep(0)
        free = await crowd(app.entity(Transfer, "alice/1"))
        bob_is_free.set()
        while await amount(app, "bob") != 30:
            await asyncio.sleep(0.1)
        heard = failures(app)
        await asyncio.sleep(10)
        assert await steps(app, "alice/1") == ("started", "withdrawn")
        assert heard
        assert {each.error.pid.id for each in heard if isinstance(each.error, MailboxFull)} == {
            "transfer:alice/1"
        }
        free.set()
        await settled(app)
        assert await steps(app, "alice/1") == DONE
        assert await amount(app, "bob") == 30


async def test_an_event_waits_for_room_at_the_process_that_reacts_to_it(bank: Bank) -> None:
    async with bank.app(max_mailbox=MAX_MAILBOX) as app:
        heard = failures(app)
        await fill(app, "alice", 100)
        free = await crowd(app.entity(Transfer, "alice/1"))
        await order(app, "alice/1", "bob", 30)
        await order(app, "alice/2", "bob", 20)
        await asyncio.sleep(10)
        assert await steps(app, "alice/1") == ()
        assert await steps(app, "alice/2") == DONE
        way = ("account:alice", "transfer:alice/1")
        assert was_refused(heard, way, "event 2 (test.ordered)")
        free.set()
        await settled(app)
        assert await steps(app, "alice/1") == DONE
        assert await amount(app, "bob") == 50


async def test_a_timer_waits_for_room_and_rings_once(bank: Bank) -> None:
    assert isinstance(bank.clock, Clock)
    async with bank.app(max_mailbox=MAX_MAILBOX) as app:
        heard = failures(app)
        alice = app.entity(Account, "alice")
        await alice.ask(DepositLater(5, "later", 60))
        free = await crowd(alice)
        bank.clock.advance(timedelta(seconds=61))
        await asyncio.sleep(10)
        assert await amount(app, "alice") == 0
        assert was_refused(heard, ("account:alice", "account:alice"), "timer 'later'")
        free.set()
        await settled(app)
        assert await amount(app, "alice") == 5
