"""What wraps receiving, sending and spawning, and what an actor sees as its context."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

import pytest

from daicho.actor import (
    PID,
    ActorSystem,
    Context,
    ContextView,
    Envelope,
    Props,
    Receiver,
    ReceiverMiddleware,
    Sender,
    SenderMiddleware,
    Spawner,
    SpawnMiddleware,
    Started,
    Stopped,
    Stopping,
    log_received,
    log_sent,
    propagate,
)
from daicho.actor.verbs import Verbs
from tests.support.actors import fail, recorder, settle


def tracing(trace: list[object], name: str) -> ReceiverMiddleware:
    def wrap(receiver: Receiver) -> Receiver:
        def receive(ctx: Context, envelope: Envelope) -> Awaitable[object] | None:
            trace.append((name, envelope.message))
            return receiver(ctx, envelope)

        return receive

    return wrap


def signing(name: str) -> SenderMiddleware:
    def wrap(sender: Sender) -> Sender:
        def send(origin: Verbs, target: PID, envelope: Envelope) -> None:
            headers = dict(envelope.headers or {})
            headers["by"] = headers.get("by", "") + name
            sender(origin, target, Envelope(envelope.message, envelope.sender, headers))

        return send

    return wrap


def naming(prefix: str) -> SpawnMiddleware:
    def wrap(spawner: Spawner) -> Spawner:
        def spawn(props: Props, id: str, parent: Context | None) -> PID:  # noqa: A002
            return spawner(props, f"{prefix}{id}", parent)

        return spawn

    return wrap


# --- receivers ------------------------------------------------------------------------------------


async def test_the_first_receiver_middleware_is_the_outermost_and_sees_the_life_too(
    system: ActorSystem,
) -> None:
    trace: list[object] = []
    middleware = [tracing(trace, "outer"), tracing(trace, "inner")]
    pid = system.root.spawn(recorder([], receiver_middleware=middleware))
    system.root.send(pid, "hello")
    await system.root.poison_future(pid)
    moments = (Started(), "hello", Stopping(), Stopped())
    assert trace == [(name, moment) for moment in moments for name in ("outer", "inner")]


async def test_receiver_middleware_is_made_once_for_each_actor(system: ActorSystem) -> None:
    made: list[int] = []

    def wrap(receiver: Receiver) -> Receiver:
        made.append(len(made))
        return receiver

    props = recorder([], {"fail": fail}, receiver_middleware=[wrap])
    pids = [system.root.spawn(props) for _ in range(3)]
    system.root.send(pids[0], "fail")  # a restart makes no other
    await settle()
    assert made == [0, 1, 2]


async def test_receiver_middleware_changes_what_the_actor_handles(system: ActorSystem) -> None:
    def double(receiver: Receiver) -> Receiver:
        def receive(ctx: Context, envelope: Envelope) -> Awaitable[object] | None:
            if isinstance(envelope.message, int):
                envelope = Envelope(envelope.message * 2, envelope.sender, {"doubled": "yes"})
            return receiver(ctx, envelope)

        return receive

    def receive(ctx: Context) -> None:
        if isinstance(ctx.message, int):
            ctx.respond((ctx.message, ctx.headers))

    pid = system.root.spawn(Props.from_function(receive, receiver_middleware=[double]))
    assert await system.root.ask(pid, 21) == (42, {"doubled": "yes"})


async def test_receiver_middleware_may_swallow_a_message(system: ActorSystem) -> None:
    seen: list[object] = []

    def swallow(receiver: Receiver) -> Receiver:
        return lambda ctx, envelope: None if envelope.message == "bad" else receiver(ctx, envelope)

    pid = system.root.spawn(recorder(seen, receiver_middleware=[swallow]))
    for message in ("bad", "good"):
        system.root.send(pid, message)
    await settle()
    assert seen == [Started(), "good"]


async def test_async_receiver_middleware_is_awaited(system: ActorSystem) -> None:
    trace: list[object] = []

    def around(receiver: Receiver) -> Receiver:
        async def receive(ctx: Context, envelope: Envelope) -> None:
            trace.append(("before", envelope.message))
            pending = receiver(ctx, envelope)
            if pending is not None:
                await pending
            trace.append(("after", envelope.message))

        return receive

    async def handler(ctx: Context) -> None:
        await asyncio.sleep(1.0)
        trace.append(ctx.message)

    pid = system.root.spawn(Props.from_function(handler, receiver_middleware=[around]))
    system.root.send(pid, "hello")
    await asyncio.sleep(5.0)
    assert trace[3:] == [("before", "hello"), "hello", ("after", "hello")]


# --- senders --------------------------------------------------------------------------------------


async def test_the_first_sender_middleware_is_the_outermost(system: ActorSystem) -> None:
    found: list[object] = []
    pid = system.root.spawn(Props.from_function(lambda ctx: found.append(ctx.headers)))
    await settle()
    found.clear()
    root = system.root.with_sender_middleware(signing("a"), signing("b"))
    root.send(pid, 1)
    root.send(pid, 2, headers={"own": "yes"})
    root.request(pid, 3, sender=pid)
    system.root.send(pid, 4)
    await settle()
    assert found == [{"by": "ab"}, {"own": "yes", "by": "ab"}, {"by": "ab"}, None]


async def test_the_systems_sender_middleware_wraps_what_root_sends() -> None:
    async with ActorSystem(sender_middleware=[signing("s")]) as system:
        pid = system.root.spawn(
            Props.from_function(lambda ctx: ctx.respond(ctx.headers) if ctx.sender else None)
        )
        assert await system.root.ask(pid, "hello") == {"by": "s"}


async def test_an_actors_sender_middleware_wraps_everything_that_it_sends(
    system: ActorSystem,
) -> None:
    found: list[object] = []

    def note(ctx: Context) -> None:
        if ctx.message != Started():
            found.append((ctx.message, ctx.headers))

    other = system.root.spawn(Props.from_function(note))

    def receive(ctx: Context) -> None:
        match ctx.message:
            case "go":
                ctx.send(other, "send")
                ctx.request(other, "request")
                ctx.forward(other)
                ctx.respond("reply")

    pid = system.root.spawn(Props.from_function(receive, sender_middleware=[signing("m")]))
    system.root.request(pid, "go", sender=other)
    await settle()
    assert found == [(message, {"by": "m"}) for message in ("send", "request", "go", "reply")]


# --- spawning -------------------------------------------------------------------------------------


async def test_spawn_middleware_wraps_what_root_and_actors_spawn(system: ActorSystem) -> None:
    def started(ctx: Context) -> None:
        ctx.spawn_named(recorder([]), "child")

    props = recorder([], {Started(): started}, spawn_middleware=[naming("kid-of-")])
    root = system.root.with_spawn_middleware(naming("x-"), naming("y-"))
    pid = root.spawn_named(props, "parent")
    await settle()
    assert pid.id == "y-x-parent"
    assert [child.id for child in system.cell(pid).children] == ["kid-of-y-x-parent/child"]


async def test_the_systems_spawn_middleware_wraps_what_root_spawns() -> None:
    async with ActorSystem(spawn_middleware=[naming("x-")]) as system:
        assert system.root.spawn_named(recorder([]), "name").id == "x-name"
        sending = system.root.with_sender_middleware(signing("a"))
        assert sending.spawn_named(recorder([]), "other").id == "x-other"


async def test_propagated_middleware_reaches_grandchildren(system: ActorSystem) -> None:
    trace: list[object] = []
    found: list[object] = []
    target = system.root.spawn(Props.from_function(lambda ctx: found.append(ctx.headers)))
    await settle()
    found.clear()

    def grandchild(ctx: Context) -> None:
        if ctx.message == Started():
            ctx.send(target, "hello")

    def child(ctx: Context) -> None:
        if ctx.message == Started():
            ctx.spawn_named(Props.from_function(grandchild), "grandchild")

    middleware = propagate(
        receiver_middleware=[tracing(trace, "propagated")],
        sender_middleware=[signing("p")],
        context_decorators=[Shouting],
    )
    root = system.root.with_spawn_middleware(middleware)
    pid = root.spawn_named(Props.from_function(child), "child")
    await settle()
    assert trace == [("propagated", Started())] * 2
    assert found == [{"by": "p"}]
    grandchildren = system.cell(pid).children
    assert isinstance(system.cell(grandchildren[0]).view, Shouting)


# --- context decorators ---------------------------------------------------------------------------


class Shouting(ContextView):
    """Replies in capitals."""

    def respond(self, message: object, *, headers: object = None) -> None:
        self.inner.respond(str(message).upper())


class Numbering(ContextView):
    """Has something of its own, and numbers its replies."""

    def __init__(self, inner: Context) -> None:
        super().__init__(inner)
        self.number = 0

    def respond(self, message: object, *, headers: object = None) -> None:
        self.number += 1
        self.inner.respond(f"{message} {self.number}")


async def test_a_decorated_context_is_what_the_handler_gets(system: ActorSystem) -> None:
    def receive(ctx: Context) -> None:
        if ctx.message == "hello":
            ctx.respond("hello")

    pid = system.root.spawn(Props.from_function(receive, context_decorators=[Shouting]))
    assert await system.root.ask(pid, "hello") == "HELLO"


async def test_the_first_decorator_is_the_outermost_and_keeps_its_own_state(
    system: ActorSystem,
) -> None:
    def receive(ctx: Context) -> None:
        if ctx.message == "hello":
            assert isinstance(ctx, Numbering)
            ctx.respond("hello")

    decorators = [Numbering, Shouting]
    pid = system.root.spawn(Props.from_function(receive, context_decorators=decorators))
    assert await system.root.ask(pid, "hello") == "HELLO 1"
    assert await system.root.ask(pid, "hello") == "HELLO 2"


async def test_everything_of_a_context_works_through_a_view(system: ActorSystem) -> None:
    seen: list[object] = []
    other = system.root.spawn(recorder(seen))

    async def receive(ctx: Context) -> None:
        match ctx.message:
            case Started():
                ctx.spawn_named(recorder([]), "child")
                ctx.set_receive_timeout(5.0)
                ctx.cancel_receive_timeout()
                ctx.watch(other)
                ctx.unwatch(other)
            case "put aside":
                ctx.stash()
                ctx.message = "taken back"
                ctx.unstash(0)
            case "request":
                ctx.reenter_after(asyncio.sleep(1.0), lambda _: ctx.forward(other))
                await ctx.send_wait(other, "waited")
                ctx.schedule_once(2.0, other, "scheduled")
                assert ctx.actor is not None
                assert ctx.parent is None

    pid = system.root.spawn_named(
        Props.from_function(receive, context_decorators=[ContextView]), "parent"
    )
    system.root.send(pid, "put aside")
    system.root.send(pid, "request")
    await asyncio.sleep(5.0)
    assert seen == [Started(), "waited", "request", "scheduled"]
    cell = system.cell(pid)
    assert [child.id for child in cell.children] == ["parent/child"]
    assert len(cell.more().stash) == 1


async def test_a_receiver_gets_the_decorated_context(system: ActorSystem) -> None:
    contexts: list[type] = []

    def note(receiver: Receiver) -> Receiver:
        def receive(ctx: Context, envelope: Envelope) -> Awaitable[object] | None:
            contexts.append(type(ctx))
            return receiver(ctx, envelope)

        return receive

    props = recorder([], receiver_middleware=[note], context_decorators=[Shouting])
    system.root.spawn(props)
    await settle()
    assert contexts == [Shouting]


async def test_the_actor_of_a_context_that_has_none_is_a_bug_and_says_so(
    system: ActorSystem,
) -> None:
    pid = system.root.spawn(recorder([]))
    cell = system.cell(pid)
    actor, cell._actor = cell._actor, None
    with pytest.raises(AssertionError, match="never made"):
        _ = cell.actor
    cell._actor = actor


# --- logging --------------------------------------------------------------------------------------


async def test_received_messages_are_logged_with_who_and_from_whom(
    system: ActorSystem, caplog: pytest.LogCaptureFixture
) -> None:
    pid = system.root.spawn_named(recorder([], receiver_middleware=[log_received()]), "name")
    with caplog.at_level(logging.DEBUG, logger="daicho.actor.messages"):
        system.root.request(pid, "hello", sender=PID("local", "me"))
        await settle()
    assert [record.getMessage() for record in caplog.records] == [
        "local/name received Started() from None",
        "local/name received 'hello' from local/me",
    ]


async def test_sent_messages_are_logged_with_who_and_to_whom(
    system: ActorSystem, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("test.sent")
    middleware = log_sent(logger, level=logging.WARNING)
    target = system.root.spawn_named(recorder([]), "target")

    def started(ctx: Context) -> None:
        ctx.request(target, "hello")

    with caplog.at_level(logging.WARNING, logger="test.sent"):
        props = recorder([], {Started(): started}, sender_middleware=[middleware])
        system.root.spawn_named(props, "name")
        system.root.with_sender_middleware(middleware).send(target, "bye")
        await settle()
    assert [record.getMessage() for record in caplog.records] == [
        "root sends 'bye' to local/target for None",
        "local/name sends 'hello' to local/target for local/name",
    ]
