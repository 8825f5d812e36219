"""Who sends, who replies, and what travels beside a message."""

from __future__ import annotations

import asyncio

import pytest

from daicho.actor import PID, ActorSystem, Context, DeadLetter, Props, RequestFailed, Started
from daicho.actor.outbox import Outbox
from daicho.errors import HeldRequest, MailboxFull
from tests.support.actors import letters, recorder, settle


async def test_a_reply_to_a_request_comes_as_a_message(system: ActorSystem) -> None:
    seen: list[object] = []
    echo = system.root.spawn(
        Props.from_function(lambda ctx: ctx.respond("reply") if ctx.sender else None)
    )
    system.root.spawn(recorder(seen, {Started(): lambda ctx: ctx.request(echo, "hello")}))
    await settle()
    assert seen == [Started(), "reply"]


async def test_a_request_for_another_sends_the_reply_there(system: ActorSystem) -> None:
    seen: list[object] = []
    reader = system.root.spawn(recorder(seen))
    echo = system.root.spawn(
        Props.from_function(lambda ctx: ctx.respond("reply") if ctx.sender else None)
    )
    system.root.spawn(
        recorder([], {Started(): lambda ctx: ctx.request(echo, "hello", sender=reader)})
    )
    system.root.request(echo, "hello", sender=reader)
    await settle()
    assert seen == [Started(), "reply", "reply"]


async def test_forwarding_keeps_sender_and_headers(system: ActorSystem) -> None:
    found: list[object] = []

    def last(ctx: Context) -> None:
        if ctx.sender is not None:
            found.append((ctx.message, ctx.headers))
            ctx.respond("from the last")

    end = system.root.spawn(Props.from_function(last))
    first = system.root.spawn(recorder([], {"hello": lambda ctx: ctx.forward(end)}))
    assert await system.root.ask(first, "hello", headers={"trace": "1"}) == "from the last"
    assert found == [("hello", {"trace": "1"})]


async def test_headers_travel_with_sends_and_replies(system: ActorSystem) -> None:
    found: list[object] = []

    def receive(ctx: Context) -> None:
        found.append((ctx.message, ctx.headers))
        if ctx.message == "request":
            ctx.respond("reply", headers={"reply": "yes"})

    pid = system.root.spawn(Props.from_function(receive))

    def started(ctx: Context) -> None:
        ctx.request(pid, "request", sender=pid, headers={"request": "yes"})
        ctx.send(pid, "send", headers={"send": "yes"})
        ctx.send(pid, "bare")

    system.root.spawn(recorder([], {Started(): started}))
    await settle()
    assert found == [
        (Started(), None),
        ("request", {"request": "yes"}),
        ("send", {"send": "yes"}),
        ("bare", None),
        ("reply", {"reply": "yes"}),
    ]


async def test_a_message_leaves_no_sender_or_headers_for_the_next(system: ActorSystem) -> None:
    found: list[object] = []

    def receive(ctx: Context) -> None:
        found.append((ctx.message, ctx.sender is None, ctx.headers))

    pid = system.root.spawn(Props.from_function(receive))
    asking = system.root.ask(pid, 1, headers={"a": "b"})
    system.root.send(pid, 2)
    await settle()
    assert found[1:] == [(1, False, {"a": "b"}), (2, True, None)]
    asking.cancel()


async def test_a_reply_that_nobody_asked_for_is_a_dead_letter(system: ActorSystem) -> None:
    found = letters(system)
    pid = system.root.spawn(recorder([], {"hello": lambda ctx: ctx.respond("reply")}))
    system.root.send(pid, "hello")
    await settle()
    assert found == [DeadLetter(pid, "reply", None, "a reply, and nobody asked")]


async def test_the_context_says_who_one_is(system: ActorSystem) -> None:
    found: dict[str, object] = {}

    def child(ctx: Context) -> None:
        found["child"] = (ctx.self, ctx.parent, ctx.children)

    def parent(ctx: Context) -> None:
        if ctx.message == Started():
            kid = ctx.spawn_named(Props.from_function(child), "child")
            found["parent"] = (ctx.self, ctx.parent, ctx.children, ctx.system is system)
            assert ctx.children == (kid,)

    system.root.spawn_named(Props.from_function(parent), "parent")
    await settle()
    parent_pid, child_pid = PID("local", "parent"), PID("local", "parent/child")
    assert found == {
        "parent": (parent_pid, None, (child_pid,), True),
        "child": (child_pid, parent_pid, ()),
    }


async def test_an_actor_stops_and_poisons_others_and_itself(system: ActorSystem) -> None:
    one, two = system.root.spawn(recorder([])), system.root.spawn(recorder([]))

    def receive(ctx: Context) -> None:
        if ctx.message == "end":
            ctx.stop(one)
            ctx.poison(two)
            ctx.stop(ctx.self)

    pid = system.root.spawn(Props.from_function(receive))
    system.root.send(pid, "end")
    await settle()
    assert system.actor_count == 0


# --- what is held ---------------------------------------------------------------------------------


class Held:
    """An actor whose messages are held from the start, and what the others received."""

    def __init__(self, system: ActorSystem) -> None:
        self.system = system
        self.seen: list[object] = []
        self.child_seen: list[object] = []
        self.other = system.root.spawn(recorder(self.seen))
        self.outbox = Outbox()
        self.pid = system.root.spawn(Props.from_function(self.receive))

    def receive(self, ctx: Context) -> object:
        match ctx.message:
            case "everything":
                ctx.system.cell(ctx.self).outbox = self.outbox
                ctx.send(self.other, "sent")
                ctx.publish("published")
                ctx.spawn(recorder(self.child_seen))
                ctx.respond("reply")
                ctx.stop(self.other)
            case "ask":
                ctx.system.cell(ctx.self).outbox = self.outbox
                return ctx.ask(self.other, "hello")
            case "request":
                ctx.system.cell(ctx.self).outbox = self.outbox
                ctx.request(self.other, "hello", sender=ctx.sender)
            case "send_wait":
                ctx.system.cell(ctx.self).outbox = self.outbox
                self.outbox.sealed = True
                return ctx.send_wait(self.other, "waited")
        return None

    def release(self) -> None:
        self.system.cell(self.pid).outbox = None
        self.outbox.release(self.system)

    def refuse(self, error: BaseException) -> None:
        self.system.cell(self.pid).outbox = None
        self.outbox.refuse(self.system, error)


async def test_nothing_that_is_held_leaves_and_then_all_of_it_does(system: ActorSystem) -> None:
    published: list[object] = []
    system.event_stream.subscribe(published.append, event_type=str)
    held = Held(system)
    asking = system.root.ask(held.pid, "everything")
    await settle()
    assert (held.seen, published, held.child_seen) == ([Started()], [], [])
    assert not asking.done()
    held.release()
    assert await asking == "reply"
    await settle()
    assert published == ["published"]
    assert held.child_seen == [Started()]
    assert not system.is_alive(held.other)


async def test_what_is_refused_never_leaves_and_who_waits_gets_the_error(
    system: ActorSystem,
) -> None:
    held = Held(system)
    asking = system.root.ask(held.pid, "everything")
    await settle()
    error = ValueError("not committed")
    held.refuse(error)
    with pytest.raises(ValueError, match="not committed"):
        await asking
    await settle()
    assert held.seen == [Started()]
    assert held.child_seen == []
    assert system.is_alive(held.other)
    assert system.actor_count == 2


async def test_a_request_that_is_refused_fails_for_its_sender(system: ActorSystem) -> None:
    seen: list[object] = []
    reader = system.root.spawn(recorder(seen))
    held = Held(system)
    system.root.request(held.pid, "request", sender=reader)
    await settle()
    error = ValueError("not committed")
    held.refuse(error)
    await settle()
    assert seen == [Started(), RequestFailed(error, "hello")]


async def test_an_ask_while_messages_are_held_would_wait_for_itself(system: ActorSystem) -> None:
    held = Held(system)
    with pytest.raises(Exception, match=r"await self\.persist") as caught:
        await system.root.ask(held.pid, "ask")
    assert isinstance(caught.value.__cause__, HeldRequest)


async def test_send_wait_waits_for_what_is_held_too(system: ActorSystem) -> None:
    held = Held(system)
    system.root.send(held.pid, "send_wait")
    await settle()
    assert held.seen == [Started()]
    held.release()
    await settle()
    assert held.seen == [Started(), "waited"]


async def test_send_wait_that_is_refused_raises(system: ActorSystem) -> None:
    held = Held(system)
    asking = system.root.ask(held.pid, "send_wait")
    await settle()
    held.refuse(ValueError("not committed"))
    with pytest.raises(Exception, match="not committed"):
        await asking
    assert held.seen == [Started()]


async def test_what_is_released_to_a_full_mailbox_is_a_dead_letter(system: ActorSystem) -> None:
    found = letters(system)

    class Full:
        def deliver(self, item: object) -> None:
            raise MailboxFull(PID("local", "full"), 1, "send less")

        def signal(self, signal: object) -> None:
            raise AssertionError

    outbox = Outbox()
    outbox.hold(PID("local", "full", Full()), "hello")
    outbox.release(system)
    await asyncio.sleep(0)
    assert [letter.message for letter in found] == ["hello"]
