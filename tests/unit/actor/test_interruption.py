"""What is cancelled, or raised, beside the errors that a supervisor decides about."""

from __future__ import annotations

import asyncio
import logging

import pytest

from daicho.actor import (
    ActorFailed,
    ActorSystem,
    Context,
    Directive,
    Props,
    Started,
    Stopped,
    Stopping,
)
from daicho.errors import HandlerFailed, NoSuchActor
from daicho.testing.virtual_time import VirtualTimeLoop
from tests.support.actors import recorder, settle


async def test_a_plain_handler_that_raises_cancelled_error_has_failed(
    system: ActorSystem,
) -> None:
    failures: list[ActorFailed] = []
    system.event_stream.subscribe(failures.append, event_type=ActorFailed)

    def receive(ctx: Context) -> None:
        if ctx.message == "question":
            cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            cancelled.result()
        elif ctx.message == "again":
            ctx.respond("here")

    pid = system.root.spawn(Props.from_function(receive))
    with pytest.raises(HandlerFailed):
        await system.root.ask(pid, "question")
    assert await system.root.ask(pid, "again") == "here"
    assert [failure.directive for failure in failures] == [Directive.RESTART]


async def test_an_async_handler_whose_own_wait_was_cancelled_has_failed(
    system: ActorSystem,
) -> None:
    async def receive(ctx: Context) -> None:
        if ctx.message == "question":
            task = asyncio.create_task(asyncio.sleep(1.0))
            task.cancel()
            await task
        elif ctx.message == "again":
            ctx.respond("here")

    pid = system.root.spawn(Props.from_function(receive))
    with pytest.raises(HandlerFailed):
        await system.root.ask(pid, "question")
    assert await system.root.ask(pid, "again") == "here"


async def test_a_handler_that_is_cancelled_from_outside_stops_its_actor(
    system: ActorSystem,
) -> None:
    seen: list[object] = []

    async def receive(ctx: Context) -> None:
        seen.append(ctx.message)
        if ctx.message == "for ever":
            await asyncio.Event().wait()

    pid = system.root.spawn(Props.from_function(receive))
    asking = system.root.ask(pid, "for ever")
    await settle()
    task = system.cell(pid).task
    assert task is not None
    task.cancel()
    with pytest.raises(NoSuchActor):
        await asking
    await settle()
    assert not system.is_alive(pid)


async def test_a_handler_that_is_cancelled_before_it_began_does_not_hold_up_the_end() -> None:
    seen: list[object] = []
    loop = asyncio.get_running_loop()
    never: asyncio.Future[None] = loop.create_future()

    def receive(ctx: Context) -> object:
        seen.append(ctx.message)
        return never if ctx.message == "question" else None

    system = ActorSystem()
    async with system:
        pid = system.root.spawn(Props.from_function(receive))
        await settle()
        asking = system.root.ask(pid, "question")
        await asyncio.sleep(0)  # the task is made, and has not begun
        task = system.cell(pid).task
        assert task is not None
        task.cancel()
        await settle()
        before = loop.time()
        report = await system.shutdown()
    assert loop.time() - before < 0.1
    assert report.undrained == ()
    assert seen == [Started(), "question", Stopping(), Stopped()]
    with pytest.raises(NoSuchActor):
        await asking


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_leaves_the_handler_and_the_system_shuts_down(
    error: type[BaseException], *, asynchronous: bool
) -> None:
    seen: list[object] = []
    answers: list[object] = []
    reports: list[object] = []

    def end(ctx: Context) -> None:
        seen.append(ctx.message)
        if ctx.message == "end":
            raise error

    async def end_async(ctx: Context) -> None:
        await asyncio.sleep(0)
        end(ctx)

    async def program() -> None:
        system = ActorSystem()
        async with system:
            other = system.root.spawn(recorder(seen))
            pid = system.root.spawn(Props.from_function(end_async if asynchronous else end))
            asking = system.root.ask(pid, "end")
            try:
                await asyncio.sleep(10.0)
            finally:
                system.root.send(other, "handled in the shutdown")
                reports.append(await system.shutdown())
                answers.append(asking.exception())

    with pytest.raises(error), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(program())
    assert "handled in the shutdown" in seen
    (answer,) = answers
    assert isinstance(answer, HandlerFailed)
    assert type(answer.__cause__) is error
    assert [report.undrained for report in reports] == [()]  # type: ignore[attr-defined]


def test_a_loop_that_is_closed_with_handlers_under_way_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def receive(ctx: Context) -> None:
        if ctx.message == "for ever":
            await asyncio.Event().wait()

    loop = VirtualTimeLoop()
    system = ActorSystem()

    async def begin() -> None:
        await system.__aenter__()
        pid = system.root.spawn(Props.from_function(receive))
        system.root.send(pid, "for ever")
        await settle()
        task = system.cell(pid).task
        assert task is not None
        task.get_coro().close()  # as the end of the interpreter does

    with caplog.at_level(logging.ERROR, logger="daicho.actor"):
        loop.run_until_complete(begin())
    loop.close()
    assert caplog.records == []
