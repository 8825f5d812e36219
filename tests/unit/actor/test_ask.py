"""An ask ends in a reply, a typed error or a timeout, never in silence."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from daicho.actor import (
    ActorSystem,
    Context,
    Directive,
    Envelope,
    OneForOne,
    Props,
    RequestFailed,
    Sender,
    SenderMiddleware,
    Started,
)
from daicho.actor.ask import Ask
from daicho.actor.verbs import Verbs
from daicho.errors import (
    AskTimeout,
    HandlerFailed,
    NoSuchActor,
    RequestError,
    SystemStopped,
    UnexpectedReply,
)
from tests.support.actors import Boom, fail, fail_later, letters, recorder, settle


def echo(ctx: Context) -> None:
    if ctx.sender is not None:
        ctx.respond(ctx.message)


ECHO = Props.from_function(echo)
SILENT = Props.from_function(lambda _: None)


async def test_an_ask_ends_in_its_reply(system: ActorSystem) -> None:
    assert await system.root.ask(system.root.spawn(ECHO), "hello") == "hello"


async def test_an_async_handler_replies_too(system: ActorSystem) -> None:
    async def receive(ctx: Context) -> None:
        await asyncio.sleep(1.0)
        echo(ctx)

    pid = system.root.spawn(Props.from_function(receive))
    assert await system.root.ask(pid, "hello") == "hello"


async def test_an_ask_to_nobody_fails_at_once(system: ActorSystem) -> None:
    nobody = system.pid("nobody")
    asking = system.root.ask(nobody, "hello")
    assert asking.done()
    with pytest.raises(NoSuchActor) as caught:
        await asking
    assert caught.value.pid == nobody


async def test_an_ask_to_who_has_stopped_fails_at_once(system: ActorSystem) -> None:
    pid = system.root.spawn(ECHO)
    await system.root.stop_future(pid)
    assert isinstance(system.root.ask(pid, "hello").exception(), NoSuchActor)


async def test_an_ask_that_waits_when_its_actor_stops_fails(system: ActorSystem) -> None:
    pid = system.root.spawn(SILENT)
    system.root.stop(pid)
    with pytest.raises(NoSuchActor):
        await system.root.ask(pid, "hello")


async def test_an_ask_without_a_reply_times_out(system: ActorSystem) -> None:
    loop = asyncio.get_running_loop()
    pid = system.root.spawn(SILENT)
    with pytest.raises(AskTimeout) as caught:
        await system.root.ask(pid, "hello", timeout=2.5)
    assert loop.time() == pytest.approx(2.5)
    assert (caught.value.pid, caught.value.timeout) == (pid, 2.5)


async def test_the_systems_timeout_is_used_where_none_is_given() -> None:
    loop = asyncio.get_running_loop()
    async with ActorSystem(ask_timeout=7.0) as system:
        with pytest.raises(AskTimeout):
            await system.root.ask(system.root.spawn(SILENT), "hello")
        assert loop.time() == pytest.approx(7.0)


async def test_asks_of_one_timeout_end_each_at_its_own_deadline(system: ActorSystem) -> None:
    loop = asyncio.get_running_loop()
    pid = system.root.spawn(SILENT)
    ends: list[float] = []
    asks = []
    for _ in range(3):
        asking = system.root.ask(pid, "hello", timeout=2.0)
        asking.add_done_callback(lambda _: ends.append(loop.time()))
        asks.append(asking)
        await asyncio.sleep(0.5)
    results = await asyncio.gather(*asks, return_exceptions=True)
    assert [type(result) for result in results] == [AskTimeout] * 3
    assert ends == pytest.approx([2.0, 2.5, 3.0])


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
async def test_a_timeout_that_is_no_time_is_refused(system: ActorSystem, timeout: float) -> None:
    with pytest.raises(ValueError, match="positive number of seconds"):
        await system.root.ask(system.root.spawn(ECHO), "hello", timeout=timeout)


@pytest.mark.parametrize("reaction", [fail, fail_later])
async def test_a_handler_that_raises_before_its_reply_fails_the_ask(
    system: ActorSystem, reaction: object
) -> None:
    pid = system.root.spawn(recorder([], {"hello": reaction}))  # type: ignore[dict-item]
    with pytest.raises(HandlerFailed) as caught:
        await system.root.ask(pid, "hello")
    assert caught.value.pid == pid
    assert isinstance(caught.value.__cause__, Boom)


async def test_a_handler_that_raises_after_its_reply_has_replied(system: ActorSystem) -> None:
    found = letters(system)

    def receive(ctx: Context) -> None:
        if ctx.message == "hello":
            ctx.respond("reply")
            raise Boom

    assert (
        await system.root.ask(system.root.spawn(Props.from_function(receive)), "hello") == "reply"
    )
    await settle()
    assert found == []


async def test_the_first_reply_counts_and_others_are_dead_letters(system: ActorSystem) -> None:
    found = letters(system)

    def receive(ctx: Context) -> None:
        if ctx.message == "hello":
            ctx.respond(1)
            ctx.respond(2)

    assert await system.root.ask(system.root.spawn(Props.from_function(receive)), "hello") == 1
    assert [(letter.message, letter.reason) for letter in found] == [
        (2, "who asked has its answer already, or waits no more")
    ]


async def test_a_reply_that_comes_too_late_is_a_dead_letter(system: ActorSystem) -> None:
    found = letters(system)

    async def receive(ctx: Context) -> None:
        if ctx.message == "hello":
            await asyncio.sleep(5.0)
            ctx.respond("late")

    pid = system.root.spawn(Props.from_function(receive))
    with pytest.raises(AskTimeout):
        await system.root.ask(pid, "hello", timeout=1.0)
    await asyncio.sleep(10.0)
    assert [letter.message for letter in found] == ["late"]


async def test_a_reply_of_the_expected_type_is_given(system: ActorSystem) -> None:
    assert await system.root.ask(system.root.spawn(ECHO), 1, expect=int) == 1


async def test_a_reply_of_another_type_is_an_error(system: ActorSystem) -> None:
    pid = system.root.spawn(ECHO)
    with pytest.raises(UnexpectedReply) as caught:
        await system.root.ask(pid, "text", expect=int)
    assert (caught.value.pid, caught.value.expected, caught.value.reply) == (pid, int, "text")


async def test_a_reply_may_be_none(system: ActorSystem) -> None:
    assert await system.root.ask(system.root.spawn(ECHO), None) is None


async def test_an_actor_asks_another(system: ActorSystem) -> None:
    other = system.root.spawn(ECHO)

    async def receive(ctx: Context) -> None:
        if ctx.message == "hello":
            ctx.respond(await ctx.ask(other, "from an actor"))

    pid = system.root.spawn(Props.from_function(receive))
    assert await system.root.ask(pid, "hello") == "from an actor"


async def test_an_ask_that_is_done_is_not_remembered(system: ActorSystem) -> None:
    senders: list[object] = []

    def receive(ctx: Context) -> None:
        if ctx.message == "hello":
            senders.append(ctx.sender)  # an actor that keeps the PID of who asked
            ctx.respond("reply")

    pid = system.root.spawn(Props.from_function(receive))
    gc.disable()
    try:
        asking = system.root.ask(pid, "hello")
        await asking
        gone = weakref.ref(asking)
        del asking
        await settle()
        assert gone() is None  # and no cycle had to be looked for
    finally:
        gc.enable()
    assert system.deadlines.waiting == 0
    assert len(senders) == 1


@pytest.mark.parametrize("end", ["cancelled", "failed", "timed out"])
async def test_an_ask_that_ended_otherwise_is_not_waited_for(system: ActorSystem, end: str) -> None:
    pid = system.root.spawn(recorder([], {"fail": fail}))
    asking = system.root.ask(pid, "fail" if end == "failed" else "hello", timeout=1.0)
    assert system.deadlines.waiting == 1
    if end == "cancelled":
        asking.cancel()
    else:
        await asyncio.wait([asking])
        assert isinstance(asking.exception(), RequestError)
    assert system.deadlines.waiting == 0


async def test_a_middleware_that_raises_leaves_no_ask_behind(system: ActorSystem) -> None:
    def refuse(_: Sender) -> Sender:
        def send(origin: Verbs, target: object, envelope: Envelope) -> None:
            raise Boom

        return send

    middleware: SenderMiddleware = refuse
    root = system.root.with_sender_middleware(middleware)
    with pytest.raises(Boom):
        await root.ask(system.root.spawn(ECHO), "hello")
    assert system.deadlines.waiting == 0


async def test_the_name_of_an_ask_cannot_be_that_of_an_actor(system: ActorSystem) -> None:
    seen: list[object] = []
    asking = system.root.request_future(system.root.spawn(SILENT), "hello", timeout=1.0)
    assert isinstance(asking, Ask)
    with pytest.raises(ValueError, match=r"neither '/' nor '\$'"):
        system.root.spawn_named(recorder(seen), asking.pid.id)
    asking.cancel()


async def test_a_request_of_an_actor_that_fails_comes_back_as_a_message(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    broken = system.root.spawn(recorder([], {"hello": fail}))

    def started(ctx: Context) -> None:
        ctx.request(broken, "hello")
        ctx.request(system.pid("nobody"), "anyone?")

    system.root.spawn(recorder(seen, {Started(): started}))
    await settle()
    failures = [message for message in seen if isinstance(message, RequestFailed)]
    assert [(failure.message, type(failure.error)) for failure in failures] == [
        ("anyone?", NoSuchActor),
        ("hello", HandlerFailed),
    ]


async def test_an_ask_under_way_ends_when_the_system_does() -> None:
    system = ActorSystem(shutdown_timeout=1.0)
    async with system:

        async def receive(ctx: Context) -> None:
            if ctx.message == "hello":
                ctx.reenter_after(asyncio.Event().wait(), lambda _: None)

        pid = system.root.spawn(Props.from_function(receive))
        asking = system.root.ask(pid, "hello", timeout=100.0)
    assert isinstance(asking.exception(), NoSuchActor | SystemStopped)
    with pytest.raises(SystemStopped):
        await system.root.ask(pid, "hello")


async def test_an_ask_to_a_question_that_was_answered_by_nobody_ends_with_the_system() -> None:
    async with ActorSystem() as system:
        asking = system.root.ask(system.root.spawn(SILENT), "hello", timeout=100.0)
    with pytest.raises(SystemStopped):
        await asking


@pytest.mark.parametrize("error", [StopIteration("no more"), SystemExit(3)])
async def test_an_error_that_no_future_takes_reaches_who_asks(
    system: ActorSystem, error: BaseException
) -> None:
    refuse = RequestFailed(error, "question")
    pid = system.root.spawn(recorder([], {"question": lambda ctx: ctx.respond(refuse)}))
    with pytest.raises(HandlerFailed) as caught:
        await system.root.ask(pid, "question")
    assert caught.value.__cause__ is error


async def test_who_waits_for_an_actor_that_its_supervisor_stops_gets_an_error_of_ours() -> None:
    guardian = OneForOne(decider=lambda _: Directive.STOP)
    async with ActorSystem(guardian=guardian) as system:
        pid = system.root.spawn(recorder([], {"fail": fail}))
        asks = [system.root.ask(pid, message) for message in ("fail", "wait", "wait")]
        failed, *waited = await asyncio.gather(*asks, return_exceptions=True)
    assert isinstance(failed, HandlerFailed)
    for error in waited:
        assert isinstance(error, NoSuchActor)
        assert isinstance(error.__cause__, Boom)
    assert waited[0] is not waited[1]
