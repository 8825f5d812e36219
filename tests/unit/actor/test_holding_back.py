"""What an actor tells others can be held back, all of it, and refused."""

from __future__ import annotations

import asyncio

import pytest

from daicho.actor import ActorSystem, Context, Props, Started
from daicho.actor.outbox import Outbox
from daicho.errors import ActorError, HeldRequest
from tests.support.actors import Reaction, letters, recorder, settle


async def held(system: ActorSystem, reaction: Reaction) -> Outbox:
    """The outbox of an actor that reacted to a message while what it tells is held back."""
    outbox = Outbox()

    def receive(ctx: Context) -> None:
        if ctx.message == "go":
            ctx.outbox = outbox
            reaction(ctx)
            ctx.outbox = None

    system.root.send(system.root.spawn(Props.from_function(receive)), "go")
    await settle()
    return outbox


async def test_a_timer_that_is_held_sends_nothing_before_it_is_released(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    other = system.root.spawn(recorder(seen))
    outbox = await held(system, lambda ctx: ctx.schedule_once(1.0, other, "late"))
    await asyncio.sleep(2.0)
    assert seen == [Started()]
    outbox.release(system)
    await settle()
    assert seen == [Started(), "late"]


async def test_a_timer_that_is_refused_never_sends(system: ActorSystem) -> None:
    seen: list[object] = []
    other = system.root.spawn(recorder(seen))
    timers: list[bool] = []

    def schedule(ctx: Context) -> None:
        timer = ctx.schedule_repeatedly(1.0, other, "beat")
        timers.append(timer.active)

    outbox = await held(system, schedule)
    outbox.refuse(system, ActorError("not stored"))
    await asyncio.sleep(3.0)
    assert (seen, timers) == ([Started()], [True])


async def test_a_timer_that_is_cancelled_while_it_is_held_never_sends(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    other = system.root.spawn(recorder(seen))
    outbox = await held(system, lambda ctx: ctx.schedule_once(1.0, other, "late").cancel())
    outbox.release(system)
    await asyncio.sleep(2.0)
    assert seen == [Started()]


async def test_a_reply_to_nobody_is_a_dead_letter_when_it_may_leave(system: ActorSystem) -> None:
    found = letters(system)
    outbox = await held(system, lambda ctx: ctx.respond("to nobody"))
    assert found == []
    outbox.release(system)
    assert [letter.message for letter in found] == ["to nobody"]


async def test_a_reply_to_nobody_that_is_refused_is_nothing(system: ActorSystem) -> None:
    found = letters(system)
    outbox = await held(system, lambda ctx: ctx.respond("to nobody"))
    outbox.refuse(system, ActorError("not stored"))
    assert found == []


async def test_waiting_for_an_end_while_the_stop_is_held_is_refused(system: ActorSystem) -> None:
    other = system.root.spawn(recorder([]))
    refused: list[BaseException] = []

    def wait(ctx: Context) -> None:
        for future in (ctx.stop_future, ctx.poison_future):
            with pytest.raises(HeldRequest) as caught:
                _ = future(other)
            refused.append(caught.value)

    await held(system, wait)
    assert len(refused) == 2
    assert system.is_alive(other)


@pytest.mark.skipif(
    not hasattr(asyncio, "eager_task_factory"), reason="tasks begin eagerly from Python 3.12 on"
)
async def test_handlers_work_where_tasks_begin_eagerly(system: ActorSystem) -> None:
    seen: list[object] = []

    async def receive(ctx: Context) -> None:
        if ctx.message == "wait":
            await asyncio.sleep(1.0)
        seen.append(ctx.message)

    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
    try:
        pid = system.root.spawn(Props.from_function(receive))
        for message in ("one", "wait", "two"):
            system.root.send(pid, message)
        await system.root.poison_future(pid)
    finally:
        loop.set_task_factory(before)
    assert seen[1:4] == ["one", "wait", "two"]
