"""Who wants to know of an actor's end is told, once, and about that actor."""

from __future__ import annotations

import asyncio

from daicho.actor import (
    ActorSystem,
    Context,
    Props,
    Restarting,
    Started,
    Stopping,
    Terminated,
)
from tests.support.actors import Reaction, fail, recorder, settle


async def test_a_watcher_is_told_of_the_end_once(system: ActorSystem) -> None:
    seen: list[object] = []
    target = system.root.spawn(recorder([]))

    def twice(ctx: Context) -> None:
        ctx.watch(target)
        ctx.watch(target)

    system.root.spawn(recorder(seen, {Started(): twice}))
    await settle()
    await system.root.stop_future(target)
    await settle()
    assert seen == [Started(), Terminated(target)]


async def test_watching_who_has_stopped_is_answered_at_once(system: ActorSystem) -> None:
    seen: list[object] = []
    target = system.root.spawn(recorder([]))
    await system.root.stop_future(target)
    system.root.spawn(recorder(seen, {Started(): lambda ctx: ctx.watch(target)}))
    await settle()
    assert seen == [Started(), Terminated(target)]


async def test_watching_who_never_lived_is_answered_at_once(system: ActorSystem) -> None:
    seen: list[object] = []
    nobody = system.pid("nobody")
    system.root.spawn(recorder(seen, {Started(): lambda ctx: ctx.watch(nobody)}))
    await settle()
    assert seen == [Started(), Terminated(nobody)]


async def test_nothing_comes_after_unwatch_even_if_the_end_is_on_its_way(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    target = system.root.spawn(recorder([]))

    async def receive(ctx: Context) -> None:
        seen.append(ctx.message)
        match ctx.message:
            case Started():
                ctx.watch(target)
            case "unwatch":
                await ctx.stop_future(target)  # its end waits for this handler now
                ctx.unwatch(target)

    pid = system.root.spawn(Props.from_function(receive))
    system.root.send(pid, "unwatch")
    await settle()
    assert not system.is_alive(target)
    assert seen == [Started(), "unwatch"]


async def test_unwatch_before_the_end_is_final(system: ActorSystem) -> None:
    seen: list[object] = []
    target = system.root.spawn(recorder([]))
    reactions: dict[object, Reaction] = {
        Started(): lambda ctx: ctx.watch(target),
        "unwatch": lambda ctx: ctx.unwatch(target),
    }
    pid = system.root.spawn(recorder(seen, reactions))
    system.root.send(pid, "unwatch")
    await settle()
    assert system.cell(target).more().watchers == {}
    await system.root.stop_future(target)
    await settle()
    assert seen == [Started(), "unwatch"]


async def test_an_old_end_does_not_answer_a_new_watch_of_the_same_name(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    target = system.root.spawn_named(recorder([]), "name")

    async def receive(ctx: Context) -> None:
        seen.append(ctx.message)
        match ctx.message:
            case Started():
                ctx.watch(target)
            case "again":
                await ctx.stop_future(target)
                ctx.system.root.spawn_named(recorder([]), "name")
                ctx.watch(target)

    pid = system.root.spawn(Props.from_function(receive))
    system.root.send(pid, "again")
    await settle()
    assert seen == [Started(), "again"]
    await system.root.stop_future(system.pid("name"))
    await settle()
    assert seen == [Started(), "again", Terminated(target)]


async def test_a_watch_outlives_a_restart(system: ActorSystem) -> None:
    seen: list[object] = []
    target = system.root.spawn(recorder([]))
    reactions: dict[object, Reaction] = {"watch": lambda ctx: ctx.watch(target), "fail": fail}
    pid = system.root.spawn(recorder(seen, reactions))
    system.root.send(pid, "watch")
    system.root.send(pid, "fail")
    await settle()
    await system.root.stop_future(target)
    await settle()
    assert seen == [Started(), "watch", "fail", Restarting(), Started(), Terminated(target)]


async def test_an_end_during_a_restart_is_told_to_the_new_incarnation(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    target = system.root.spawn(recorder([]))
    release = asyncio.Event()

    async def child(ctx: Context) -> None:
        if ctx.message == Stopping():
            await release.wait()

    def parent(ctx: Context) -> None:
        seen.append(ctx.message)
        match ctx.message:
            case "begin":
                ctx.watch(target)
                ctx.spawn(Props.from_function(child))
            case "fail":
                fail(ctx)

    pid = system.root.spawn(Props.from_function(parent))
    system.root.send(pid, "begin")
    system.root.send(pid, "fail")
    await settle()
    await system.root.stop_future(target)
    await settle()
    assert seen == [Started(), "begin", "fail", Restarting()]
    release.set()
    await settle()
    # The end of the old incarnation's child is none of the new one's business.
    assert seen == [
        Started(),
        "begin",
        "fail",
        Restarting(),
        Started(),
        Terminated(target),
    ]


async def test_a_parent_that_watches_its_child_is_told_once(system: ActorSystem) -> None:
    seen: list[object] = []

    def parent(ctx: Context) -> None:
        seen.append(ctx.message)
        if ctx.message == Started():
            ctx.watch(ctx.spawn_named(recorder([]), "child"))

    system.root.spawn_named(Props.from_function(parent), "parent")
    await settle()
    child = system.pid("parent/child")
    await system.root.stop_future(child)
    await settle()
    assert seen == [Started(), Terminated(child)]


async def test_a_watcher_that_stops_leaves_no_trace(system: ActorSystem) -> None:
    target = system.root.spawn(recorder([]))
    watcher = system.root.spawn(recorder([], {Started(): lambda ctx: ctx.watch(target)}))
    await settle()
    assert list(system.cell(target).more().watchers) == [watcher]
    await system.root.stop_future(watcher)
    await settle()
    assert system.cell(target).more().watchers == {}


async def test_a_wait_for_an_end_that_is_given_up_leaves_no_trace(system: ActorSystem) -> None:
    target = system.root.spawn(recorder([]))
    await settle()
    system.cell(target).restart_after(60.0)  # so that the pill waits
    end = system.root.poison_future(target)
    await settle()
    assert len(system.cell(target).more().watchers) == 1
    end.cancel()
    await settle()
    assert system.cell(target).more().watchers == {}


async def test_waiting_for_the_end_of_nobody_is_over_at_once(system: ActorSystem) -> None:
    assert system.root.stop_future(system.pid("nobody")).done()
    assert system.root.poison_future(system.pid("nobody")).done()
    assert system.dead_letters.count == 0


async def test_an_actor_that_watches_itself_ends_as_any_other(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen, {Started(): lambda ctx: ctx.watch(ctx.self)}))
    await settle()
    await system.root.stop_future(pid)
    assert Terminated(pid) not in seen
