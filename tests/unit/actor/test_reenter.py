"""An actor goes on with something later, and handles other messages meanwhile."""

from __future__ import annotations

import asyncio
import gc

import pytest

from daicho.actor import ActorSystem, Context, Props, Started
from daicho.errors import HandlerFailed, NoSuchActor
from tests.support.actors import Boom, fail, letters, recorder, settle


async def test_other_messages_are_handled_meanwhile(system: ActorSystem) -> None:
    seen: list[object] = []

    def later(ctx: Context) -> None:
        ctx.reenter_after(asyncio.sleep(5.0, "slept"), lambda done: seen.append(done.result()))

    pid = system.root.spawn(recorder(seen, {"later": later}))
    system.root.send(pid, "later")
    system.root.send(pid, "meanwhile")
    await asyncio.sleep(6.0)
    assert seen == [Started(), "later", "meanwhile", "slept"]


async def test_message_sender_and_headers_are_those_of_before(system: ActorSystem) -> None:
    found: list[object] = []

    def receive(ctx: Context) -> None:
        if ctx.message == "question":

            def answer(done: asyncio.Future[str]) -> None:
                found.append((ctx.message, ctx.headers))
                ctx.respond(done.result())

            ctx.reenter_after(asyncio.sleep(1.0, "answer"), answer)

    pid = system.root.spawn(Props.from_function(receive))
    asking = system.root.ask(pid, "question", headers={"trace": "1"})
    system.root.send(pid, "another")
    assert await asking == "answer"
    assert found == [("question", {"trace": "1"})]


async def test_a_callback_may_be_async_and_is_awaited(system: ActorSystem) -> None:
    seen: list[object] = []

    def receive(ctx: Context) -> None:
        seen.append(ctx.message)
        if ctx.message == "question":

            async def answer(done: asyncio.Future[None]) -> None:
                await asyncio.sleep(1.0)
                seen.append("answered")

            ctx.reenter_after(asyncio.sleep(1.0), answer)

    pid = system.root.spawn(Props.from_function(receive))
    system.root.send(pid, "question")
    await asyncio.sleep(1.5)
    system.root.send(pid, "after")
    await asyncio.sleep(1.0)
    assert seen == [Started(), "question", "answered", "after"]


async def test_the_callback_sees_how_the_future_failed(system: ActorSystem) -> None:
    found: list[object] = []

    def receive(ctx: Context) -> None:
        if ctx.message == "question":
            asking = ctx.request_future(system.pid("nobody"), "hello")
            ctx.reenter_after(asking, lambda done: found.append(type(done.exception())))

    system.root.send(system.root.spawn(Props.from_function(receive)), "question")
    await settle()
    assert found == [NoSuchActor]


async def test_a_callback_that_raises_is_a_failure_and_tells_who_asked(
    system: ActorSystem,
) -> None:
    def receive(ctx: Context) -> None:
        if ctx.message == "question":

            def answer(done: asyncio.Future[None]) -> None:
                raise Boom

            ctx.reenter_after(asyncio.sleep(1.0), answer)

    with pytest.raises(HandlerFailed) as caught:
        await system.root.ask(system.root.spawn(Props.from_function(receive)), "question")
    assert isinstance(caught.value.__cause__, Boom)


async def test_the_result_of_a_cancelled_future_fails_the_handler_and_the_actor_goes_on(
    system: ActorSystem,
) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def receive(ctx: Context) -> None:
        if ctx.message == "question":
            ctx.reenter_after(future, lambda done: done.result())
        elif ctx.message == "after":
            ctx.respond("still here")

    pid = system.root.spawn(Props.from_function(receive))
    asking = system.root.ask(pid, "question")
    await settle()
    future.cancel()
    with pytest.raises(HandlerFailed):
        await asking
    assert await system.root.ask(pid, "after") == "still here"


async def test_after_a_restart_the_message_is_a_dead_letter(system: ActorSystem) -> None:
    called: list[object] = []
    found = letters(system)

    def later(ctx: Context) -> None:
        ctx.reenter_after(asyncio.sleep(1.0), called.append)

    pid = system.root.spawn(recorder([], {"question": later, "fail": fail}))
    asking = system.root.ask(pid, "question")
    system.root.send(pid, "fail")
    with pytest.raises(HandlerFailed, match="restarted before it could go on with it"):
        await asking
    assert called == []
    assert [(letter.message, letter.reason) for letter in found] == [
        ("question", "the actor was restarted before it could go on with it")
    ]


async def test_after_a_stop_the_message_is_a_dead_letter(system: ActorSystem) -> None:
    called: list[object] = []
    found = letters(system)

    def later(ctx: Context) -> None:
        ctx.reenter_after(asyncio.sleep(1.0), called.append)

    pid = system.root.spawn_named(recorder([], {"question": later}), "name")
    asking = system.root.ask(pid, "question")
    await settle()
    await system.root.stop_future(pid)
    system.root.spawn_named(recorder([]), "name")  # whose business it is not
    with pytest.raises(NoSuchActor):
        await asking
    assert called == []
    assert [letter.message for letter in found] == ["question"]


async def test_what_waits_in_the_mailbox_at_the_end_names_its_message(
    system: ActorSystem,
) -> None:
    found = letters(system)
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def later(ctx: Context) -> None:
        ctx.reenter_after(ready, lambda _: None)

    pid = system.root.spawn(recorder([], {"question": later}))
    system.root.send(pid, "question")
    await settle()
    system.cell(pid).suspended = True
    ready.set_result(None)
    await settle()
    await system.root.stop_future(pid)
    assert [letter.message for letter in found] == ["question"]


async def test_what_is_waited_for_is_not_collected(system: ActorSystem) -> None:
    seen: list[object] = []

    def later(ctx: Context) -> None:
        async def wait() -> str:
            # Nothing but the task itself knows this future's waker.
            await asyncio.sleep(1.0)
            return "done"

        ctx.reenter_after(wait(), lambda done: seen.append(done.result()))

    pid = system.root.spawn(recorder(seen, {"later": later}))
    system.root.send(pid, "later")
    await settle()
    gc.collect()
    await asyncio.sleep(2.0)
    assert seen[-1] == "done"


async def test_a_coroutine_that_is_waited_for_ends_with_the_system_and_a_future_does_not() -> None:
    cancelled: list[object] = []
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("coroutine")
            raise

    def started(ctx: Context) -> None:
        ctx.reenter_after(for_ever(), lambda _: None)
        ctx.reenter_after(future, lambda _: None)

    async with ActorSystem() as system:
        system.root.spawn(recorder([], {Started(): started}))
        await settle()
    await settle()
    assert cancelled == ["coroutine"]
    assert not future.done()
