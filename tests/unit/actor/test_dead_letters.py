"""Nothing vanishes: what cannot be delivered is seen, counted, and told to who waits."""

from __future__ import annotations

import asyncio
import logging

import pytest

from daicho.actor import (
    ActorSystem,
    Bounded,
    Context,
    DeadLetter,
    Overflow,
    PoisonPill,
    Props,
    RequestFailed,
    Started,
)
from daicho.actor.dead_letters import LOGGED_PER_SECOND
from daicho.errors import NoSuchActor
from tests.support.actors import letters, recorder, settle


async def test_a_message_to_nobody_is_seen_and_counted(system: ActorSystem) -> None:
    found = letters(system)
    nobody = system.pid("nobody")
    system.root.send(nobody, "hello")
    assert found == [DeadLetter(nobody, "hello", None, "no living actor has that PID")]
    assert system.dead_letters.count == 1


async def test_a_message_to_who_has_stopped_is_a_dead_letter(system: ActorSystem) -> None:
    found = letters(system)
    pid = system.root.spawn(recorder([]))
    await system.root.stop_future(pid)
    system.root.send(pid, "hello")
    assert [(letter.pid, letter.message) for letter in found] == [(pid, "hello")]


async def test_everything_left_in_a_mailbox_is_a_dead_letter_in_order(
    system: ActorSystem,
) -> None:
    found = letters(system)
    pid = system.root.spawn(recorder([], {1: lambda ctx: ctx.stash()}))
    system.root.send(pid, 1)
    await settle()
    system.root.send(pid, 2)
    system.root.send(pid, 3)
    await system.root.stop_future(pid)
    assert [letter.message for letter in found] == [1, 2, 3]


async def test_a_message_to_another_address_is_a_dead_letter(system: ActorSystem) -> None:
    async with ActorSystem(address="elsewhere") as other:
        pid = other.root.spawn(recorder([]))
        copy = type(pid)(pid.address, pid.id)
        system.root.send(copy, "hello")
        assert system.dead_letters.count == 1


async def test_a_dead_letter_carries_who_wanted_the_reply(system: ActorSystem) -> None:
    found = letters(system)
    seen: list[object] = []
    nobody = system.pid("nobody")
    asker = system.root.spawn(recorder(seen, {Started(): lambda ctx: ctx.request(nobody, "hello")}))
    await settle()
    assert found[0].sender == asker
    (failed,) = seen[1:]
    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, NoSuchActor)
    assert failed.message == "hello"


async def test_a_poison_pill_for_who_has_ended_is_no_loss(system: ActorSystem) -> None:
    pid = system.root.spawn(recorder([]))
    await system.root.stop_future(pid)
    system.root.poison(pid)
    system.root.send(pid, PoisonPill())
    assert system.dead_letters.count == 0


async def test_a_subscriber_that_cannot_take_letters_makes_no_endless_ones(
    system: ActorSystem,
) -> None:
    gate = asyncio.Event()

    async def receive(ctx: Context) -> None:
        await gate.wait()

    mailbox = Bounded(1, Overflow.DROP_NEWEST)
    pid = system.root.spawn(Props.from_function(receive, mailbox=mailbox))
    await settle()
    system.event_stream.subscribe_pid(pid, event_type=DeadLetter)
    for number in range(3):
        system.root.send(system.pid("nobody"), number)
    # Three letters, of which the subscriber takes one; the other two are lost letters themselves.
    assert system.dead_letters.count == 5
    gate.set()


async def test_dead_letters_are_logged_and_a_flood_is_summed_up(
    system: ActorSystem, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="daicho.actor"):
        for number in range(LOGGED_PER_SECOND + 7):
            system.root.send(system.pid("nobody"), number)
        await asyncio.sleep(1.5)
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == LOGGED_PER_SECOND + 1
    assert texts[0] == "dead letter for local/nobody: 0: no living actor has that PID"
    assert texts[-1] == "7 more dead letters in the last second"
    assert system.dead_letters.count == LOGGED_PER_SECOND + 7


async def test_who_is_sent_to_while_stopping_is_told_when_it_has_stopped(
    system: ActorSystem,
) -> None:
    gate = asyncio.Event()

    async def receive(ctx: Context) -> None:
        if ctx.message != Started():
            await gate.wait()

    pid = system.root.spawn(Props.from_function(receive))
    await settle()
    system.root.stop(pid)
    await settle()
    asking = system.root.ask(pid, "hello")
    await settle()
    assert not asking.done()
    gate.set()
    with pytest.raises(NoSuchActor):
        await asking
