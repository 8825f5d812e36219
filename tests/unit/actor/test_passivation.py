"""An idle actor stops by itself, and never with something left to do."""

from __future__ import annotations

import asyncio

import pytest

from daicho.actor import ActorSystem, Context, Props, Started, Stopped, Stopping
from daicho.actor.outbox import Outbox
from tests.support.actors import letters, recorder, settle


async def test_an_idle_actor_stops_after_its_time(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen, passivate_after=10.0))
    await asyncio.sleep(8.0)
    system.root.send(pid, "hello")
    await asyncio.sleep(8.0)
    assert system.is_alive(pid)
    await asyncio.sleep(4.0)
    assert seen == [Started(), "hello", Stopping(), Stopped()]


async def test_a_message_that_comes_at_the_last_moment_is_handled(system: ActorSystem) -> None:
    seen: list[object] = []
    found = letters(system)
    pid = system.root.spawn(recorder(seen, passivate_after=10.0))
    # A timer for the same moment runs right behind the one that finds the actor idle, and before
    # the actor has its turn.
    await settle()
    decided: list[bool] = []

    def at_the_last_moment() -> None:
        decided.append(bool(system.cell(pid).signals))
        system.root.send(pid, "hello")

    watch = system.cell(pid).more().passivation
    assert watch is not None
    asyncio.get_running_loop().call_at(watch._handle.when(), at_the_last_moment)
    await asyncio.sleep(11.0)
    assert decided == [True]
    assert seen == [Started(), "hello"]
    assert found == []


async def test_a_long_handler_is_no_idleness(system: ActorSystem) -> None:
    loop = asyncio.get_running_loop()
    stopped: list[float] = []

    async def receive(ctx: Context) -> None:
        if ctx.message == "long":
            await asyncio.sleep(25.0)
        elif ctx.message == Stopped():
            stopped.append(loop.time())

    pid = system.root.spawn(Props.from_function(receive, passivate_after=10.0))
    system.root.send(pid, "long")
    await asyncio.sleep(60.0)
    assert stopped == [pytest.approx(35.0, abs=0.1)]


async def test_a_stashed_message_keeps_the_actor(system: ActorSystem) -> None:
    pid = system.root.spawn(recorder([], {"knock": lambda ctx: ctx.stash()}, passivate_after=10.0))
    system.root.send(pid, "knock")
    await asyncio.sleep(60.0)
    assert system.is_alive(pid)


async def test_a_continuation_keeps_the_actor(system: ActorSystem) -> None:
    seen: list[object] = []

    def later(ctx: Context) -> None:
        ctx.reenter_after(asyncio.sleep(35.0), lambda _: seen.append("went on"))

    pid = system.root.spawn(recorder(seen, {"later": later}, passivate_after=10.0))
    system.root.send(pid, "later")
    await asyncio.sleep(34.0)
    assert system.is_alive(pid)
    await asyncio.sleep(20.0)
    assert seen == [Started(), "later", "went on", Stopping(), Stopped()]


async def test_a_child_keeps_its_parent(system: ActorSystem) -> None:
    def spawn(ctx: Context) -> None:
        ctx.spawn_named(recorder([]), "child")

    pid = system.root.spawn_named(recorder([], {Started(): spawn}, passivate_after=10.0), "parent")
    await asyncio.sleep(60.0)
    assert system.is_alive(pid)
    await system.root.stop_future(system.pid("parent/child"))
    await asyncio.sleep(25.0)
    assert not system.is_alive(pid)


async def test_what_is_held_keeps_the_actor(system: ActorSystem) -> None:
    pid = system.root.spawn(recorder([], passivate_after=10.0))
    await settle()
    system.cell(pid).outbox = Outbox()
    await asyncio.sleep(60.0)
    assert system.is_alive(pid)


async def test_an_actor_that_failed_is_not_idle(system: ActorSystem) -> None:
    pid = system.root.spawn(recorder([], passivate_after=10.0))
    await settle()
    system.cell(pid).restart_after(60.0)
    await asyncio.sleep(50.0)
    assert system.is_alive(pid)


def test_an_idle_time_that_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="positive number of seconds, not -1"):
        recorder([], passivate_after=-1.0)
