"""The end of a system: it drains what it can, and says what it could not drain."""

from __future__ import annotations

import asyncio
import logging

import pytest

from daicho.actor import (
    ActorSystem,
    Bounded,
    Context,
    Overflow,
    Props,
    ShutdownReport,
    Started,
    Stopped,
    Stopping,
    Terminated,
    Undrained,
)
from daicho.errors import ActorError, NoSuchActor, SystemStopped
from tests.support.actors import letters, recorder, settle


async def test_every_actor_handles_what_it_has() -> None:
    seen: list[object] = []
    system = ActorSystem()
    async with system:
        pid = system.root.spawn(recorder(seen))
        for number in range(1_000):
            system.root.send(pid, number)
        report = await system.shutdown()
    assert seen == [Started(), *range(1_000), Stopping(), Stopped()]
    assert report == ShutdownReport(1, ())
    assert system.dead_letters.count == 0


async def test_children_handle_what_they_have_and_what_they_tell_their_parent() -> None:
    seen: list[object] = []

    async def child(ctx: Context) -> None:
        if isinstance(ctx.message, int):
            await asyncio.sleep(0.1)
            assert ctx.parent is not None
            ctx.send(ctx.parent, f"result {ctx.message}")

    def parent(ctx: Context) -> None:
        match ctx.message:
            case Started():
                ctx.spawn(Props.from_function(child))
            case int():
                ctx.send(ctx.children[0], ctx.message)
            case str():
                seen.append(ctx.message)

    system = ActorSystem()
    async with system:
        pid = system.root.spawn(Props.from_function(parent))
        for number in range(3):
            system.root.send(pid, number)
        report = await system.shutdown()
    assert seen == ["result 0", "result 1", "result 2"]
    assert report == ShutdownReport(2, ())
    assert system.dead_letters.count == 0


async def test_an_actor_may_spawn_what_it_needs_to_finish() -> None:
    seen: list[object] = []

    def parent(ctx: Context) -> None:
        if isinstance(ctx.message, int):
            child = ctx.spawn(recorder(seen))
            ctx.send(child, ctx.message)

    system = ActorSystem()
    async with system:
        pid = system.root.spawn(Props.from_function(parent))
        system.root.send(pid, 1)
        await system.shutdown()
    assert seen == [Started(), 1, Stopping(), Stopped()]


async def test_an_ended_child_is_no_reason_to_end_a_parent_that_still_gets_work() -> None:
    seen: list[object] = []

    async def slow(ctx: Context) -> None:
        match ctx.message:
            case Started():
                ctx.spawn_named(Props.from_function(middle), "middle")
            case int():
                await asyncio.sleep(1.0)
                ctx.send(ctx.children[0], ctx.message)

    def middle(ctx: Context) -> None:
        match ctx.message:
            case Started():
                ctx.stop(ctx.spawn(recorder([])))  # ends while the shutdown is under way
            case int():
                seen.append(ctx.message)

    system = ActorSystem()
    async with system:
        pid = system.root.spawn_named(Props.from_function(slow), "top")
        for number in range(3):
            system.root.send(pid, number)
        await system.shutdown()
    assert seen == [0, 1, 2]
    assert system.dead_letters.count == 0


async def test_a_parent_that_replaces_each_child_comes_to_its_end() -> None:
    loop = asyncio.get_running_loop()

    def parent(ctx: Context) -> None:
        if isinstance(ctx.message, Started | Terminated):
            ctx.spawn(recorder([]))

    system = ActorSystem()
    async with system:
        system.root.spawn(Props.from_function(parent))
        await settle()
        before = loop.time()
        report = await system.shutdown()
    assert report.undrained == ()
    assert loop.time() - before < 0.1


async def test_who_waits_for_a_continuation_gets_the_reply() -> None:
    def receive(ctx: Context) -> None:
        if ctx.message == "question":
            ctx.reenter_after(asyncio.sleep(3.0), lambda _: ctx.respond("answer"))
        elif ctx.message == "poll":
            ctx.reenter_after(asyncio.sleep(1_000.0), lambda _: None)

    loop = asyncio.get_running_loop()
    system = ActorSystem()
    async with system:
        pid = system.root.spawn(Props.from_function(receive))
        asking = system.root.ask(pid, "question")
        system.root.send(pid, "poll")  # for which nobody waits
        report = await system.shutdown()
    assert asking.result() == "answer"
    assert report.undrained == ()
    assert loop.time() == pytest.approx(3.0, abs=0.1)


async def test_new_actors_at_the_top_are_refused() -> None:
    system = ActorSystem()
    refused: list[BaseException] = []

    async def receive(ctx: Context) -> None:
        if ctx.message == "late":
            await asyncio.sleep(1.0)
            with pytest.raises(SystemStopped) as caught:
                ctx.system.root.spawn(recorder([]))
            refused.append(caught.value)

    async with system:
        system.root.send(system.root.spawn(Props.from_function(receive)), "late")
        await settle()
    assert len(refused) == 1


async def test_a_full_mailbox_does_not_hold_up_the_end() -> None:
    seen: list[object] = []
    for overflow in Overflow:
        system = ActorSystem()
        async with system:
            pid = system.root.spawn(recorder(seen, mailbox=Bounded(1, overflow)))
            system.root.send(pid, "fills it")
            report = await system.shutdown()
        assert report == ShutdownReport(1, ())


# --- what cannot be drained -----------------------------------------------------------------------


async def test_a_handler_that_awaits_for_ever_is_cancelled_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[object] = []

    async def receive(ctx: Context) -> None:
        seen.append(ctx.message)
        if ctx.message == "for ever":
            await asyncio.Event().wait()

    system = ActorSystem()
    async with system:
        found = letters(system)
        pid = system.root.spawn_named(Props.from_function(receive), "name")
        asking = system.root.ask(pid, "for ever", timeout=100.0)
        system.root.send(pid, "waits")
        await settle()
        end = system.root.poison_future(pid)
        with caplog.at_level(logging.WARNING, logger="daicho.actor"):
            report = await system.shutdown(timeout=5.0)
    # Two pills wait as well: one of poison_future, one of the shutdown.
    assert report == ShutdownReport(0, (Undrained(pid, "for ever", 3),))
    assert seen == [Started(), "for ever", Stopping(), Stopped()]
    assert [letter.message for letter in found] == ["waits"]
    with pytest.raises(NoSuchActor):
        await asking
    assert end.done()
    assert "shutdown could not drain: local/name" in caplog.text


async def test_a_handler_that_ignores_its_cancellation_is_left_behind_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = asyncio.Event()
    seen: list[object] = []

    async def receive(ctx: Context) -> None:
        seen.append(ctx.message)
        while ctx.message == "stubborn" and not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                seen.append("ignored")

    loop = asyncio.get_running_loop()
    system = ActorSystem()
    async with system:
        found = letters(system)
        pid = system.root.spawn_named(Props.from_function(receive), "name")
        asking = system.root.ask(pid, "stubborn", timeout=100.0)
        system.root.send(pid, "waits")
        await settle()
        end = system.root.stop_future(pid)
        with caplog.at_level(logging.ERROR, logger="daicho.actor"):
            report = await system.shutdown(timeout=5.0)
        assert loop.time() == pytest.approx(6.0, abs=0.1)
    assert [undrained.pid for undrained in report.undrained] == [pid]
    assert "local/name ignores its cancellation and is left behind" in caplog.text
    # Nobody waits for it any more, whatever it does from here on.
    with pytest.raises(SystemStopped):
        await asking
    assert end.done()
    assert [letter.message for letter in found] == ["waits"]
    release.set()
    await settle()
    assert seen[-1] == "ignored"
    assert system.actor_count == 0


async def test_a_suspended_actor_is_stopped_when_its_time_is_over() -> None:
    seen: list[object] = []
    system = ActorSystem()
    async with system:
        pid = system.root.spawn(recorder(seen))
        await settle()
        system.cell(pid).restart_after(1_000.0)
        report = await system.shutdown(timeout=2.0)
    assert [undrained.pid for undrained in report.undrained] == [pid]
    assert seen == [Started(), Stopping(), Stopped()]


async def test_a_shutdown_that_is_cancelled_leaves_nobody_waiting() -> None:
    async def receive(ctx: Context) -> None:
        if ctx.message == "for ever":
            await asyncio.Event().wait()

    system = ActorSystem()
    await system.__aenter__()
    pid = system.root.spawn(Props.from_function(receive))
    asking = system.root.ask(pid, "for ever", timeout=100.0)
    await settle()
    closing = asyncio.create_task(system.shutdown())
    await settle()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(SystemStopped):
        await asking
    assert system.actor_count == 0
    await settle()


async def test_two_shutdowns_at_once_end_together() -> None:
    loop = asyncio.get_running_loop()

    async def receive(ctx: Context) -> None:
        if ctx.message == "long":
            await asyncio.sleep(3.0)

    system = ActorSystem()
    async with system:
        system.root.send(system.root.spawn(Props.from_function(receive)), "long")
        await settle()
        one, two = await asyncio.gather(system.shutdown(), system.shutdown())
    assert loop.time() == pytest.approx(3.0, abs=0.1)
    assert one.undrained == two.undrained == ()


async def test_an_actor_that_awaits_the_shutdown_is_told_that_it_waits_for_itself(
    system: ActorSystem,
) -> None:
    errors: list[str] = []

    async def receive(ctx: Context) -> None:
        if ctx.message == "shut down":
            with pytest.raises(ActorError) as caught:
                await ctx.system.shutdown()
            errors.append(str(caught.value))

    pid = system.root.spawn(Props.from_function(receive))
    system.root.send(pid, "shut down")
    await settle()
    assert errors == ["a handler that awaits the shutdown waits for itself; use a task"]
    assert not system.closing


async def test_leaving_the_block_shuts_down_within_its_timeout() -> None:
    loop = asyncio.get_running_loop()

    async def receive(ctx: Context) -> None:
        if ctx.message == "for ever":
            await asyncio.Event().wait()

    async with ActorSystem(shutdown_timeout=4.0) as system:
        system.root.send(system.root.spawn(Props.from_function(receive)), "for ever")
        await settle()
    assert loop.time() == pytest.approx(4.0, abs=0.1)
    assert not system.running


async def test_an_empty_system_ends_at_once() -> None:
    loop = asyncio.get_running_loop()
    system = ActorSystem()
    async with system:
        assert await system.shutdown() == ShutdownReport(0, ())
    assert loop.time() == 0.0
