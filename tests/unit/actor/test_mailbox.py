"""How messages wait, and what happens when there is no room."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from daicho.actor import (
    ActorSystem,
    Bounded,
    Context,
    Envelope,
    Overflow,
    PoisonPill,
    Props,
    RequestFailed,
    Started,
    Stopped,
    Stopping,
)
from daicho.actor.cell import BATCH, BETWEEN, SPARE_QUEUES
from daicho.errors import MailboxFull, NoSuchActor
from tests.support.actors import letters, recorder, settle


def full(system: ActorSystem, overflow: Overflow, seen: list[object], gate: asyncio.Event) -> Props:
    """An actor with room for two that waits at its first message."""

    async def receive(ctx: Context) -> None:
        seen.append(ctx.message)
        if ctx.message == "first":
            await gate.wait()
        elif ctx.sender is not None:
            ctx.respond(("done", ctx.message))

    return Props.from_function(receive, mailbox=Bounded(2, overflow))


# --- order and turns ------------------------------------------------------------------------------


async def test_messages_of_one_sender_come_in_the_order_sent(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen))
    for number in range(3 * BATCH):
        system.root.send(pid, number)
    await system.root.poison_future(pid)
    assert seen[1:-2] == list(range(3 * BATCH))


async def test_messages_of_one_sender_come_in_order_past_an_async_handler(
    system: ActorSystem,
) -> None:
    seen: list[object] = []

    async def receive(ctx: Context) -> None:
        if ctx.message == 3:
            await asyncio.sleep(1.0)
        seen.append(ctx.message)

    pid = system.root.spawn(Props.from_function(receive))
    for number in range(6):
        system.root.send(pid, number)
    await asyncio.sleep(0.5)
    system.root.send(pid, 6)
    await system.root.poison_future(pid)
    assert seen[1:-2] == list(range(7))


async def test_an_actor_handles_one_message_at_a_time(system: ActorSystem) -> None:
    running = most = 0

    async def receive(ctx: Context) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.1)
        running -= 1

    pid = system.root.spawn(Props.from_function(receive))
    for number in range(10):
        system.root.send(pid, number)
    await system.root.poison_future(pid)
    assert most == 1


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_actor_that_always_has_work_lets_others_have_their_turn(
    system: ActorSystem, *, asynchronous: bool
) -> None:
    handled = 0

    def again(ctx: Context) -> None:
        nonlocal handled
        handled += 1
        ctx.send(ctx.self, "again")

    async def again_async(ctx: Context) -> None:
        again(ctx)  # nothing that suspends

    pid = system.root.spawn(Props.from_function(again_async if asynchronous else again))
    before = 0
    for _ in range(5):
        await asyncio.sleep(0)
        assert handled - before <= BATCH * BETWEEN
        before = handled
    assert handled > 0
    await system.root.stop_future(pid)


async def test_signals_come_before_messages(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen))
    await settle()
    for number in range(3):
        system.root.send(pid, number)
    await system.root.stop_future(pid)
    assert seen == [Started(), Stopping(), Stopped()]


async def test_an_idle_actor_has_neither_queue_nor_task(system: ActorSystem) -> None:
    async def receive(ctx: Context) -> None:
        await asyncio.sleep(0.1)

    pid = system.root.spawn(Props.from_function(receive))
    system.root.send(pid, "work")
    await asyncio.sleep(1.0)
    cell = system.cell(pid)
    assert (cell.queue, cell.signals, cell.task, cell.busy) == (None, None, None, False)
    assert cell.message is None


async def test_a_handler_sees_the_context_variables_of_the_program_not_of_its_waker(
    system: ActorSystem,
) -> None:
    variable = contextvars.ContextVar("variable", default="the program's")
    seen: list[str] = []

    def receive(ctx: Context) -> None:
        seen.append(variable.get())
        variable.set("a handler's")

    pid = system.root.spawn(Props.from_function(receive))
    await settle()

    async def wake() -> None:
        variable.set("a waker's")
        system.root.send(pid, "hello")

    await asyncio.create_task(wake())
    await settle()
    system.root.send(pid, "hello")
    await settle()
    assert seen == ["the program's"] * 3


@pytest.mark.parametrize("result", [1, "text", object(), [], False])
async def test_what_a_plain_handler_returns_is_nobodys_business(
    system: ActorSystem, result: object
) -> None:
    def receive(ctx: Context) -> object:
        if ctx.sender is not None:
            ctx.respond("reply")
        return result

    pid = system.root.spawn(Props.from_function(receive))
    assert await system.root.ask(pid, "question") == "reply"
    assert await system.root.ask(pid, "question") == "reply"


# --- a full mailbox -------------------------------------------------------------------------------


def test_a_mailbox_without_any_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one message, not 0"):
        Bounded(0)


async def test_drop_newest_makes_the_message_a_dead_letter(system: ActorSystem) -> None:
    seen: list[object] = []
    gate = asyncio.Event()
    found = letters(system)
    pid = system.root.spawn(full(system, Overflow.DROP_NEWEST, seen, gate))
    await settle()
    system.root.send(pid, "first")
    await settle()
    for number in range(4):
        system.root.send(pid, number)
    gate.set()
    await settle()
    assert seen == [Started(), "first", 0, 1]
    assert [(letter.message, letter.reason) for letter in found] == [
        (2, "the mailbox is full"),
        (3, "the mailbox is full"),
    ]


async def test_drop_oldest_makes_the_first_that_waits_a_dead_letter(system: ActorSystem) -> None:
    seen: list[object] = []
    gate = asyncio.Event()
    found = letters(system)
    pid = system.root.spawn(full(system, Overflow.DROP_OLDEST, seen, gate))
    await settle()
    system.root.send(pid, "first")
    await settle()
    for number in range(4):
        system.root.send(pid, number)
    gate.set()
    await settle()
    assert seen == [Started(), "first", 2, 3]
    assert [letter.message for letter in found] == [0, 1]


@pytest.mark.parametrize("overflow", [Overflow.DROP_NEWEST, Overflow.DROP_OLDEST])
async def test_who_asked_learns_that_the_question_was_dropped(
    system: ActorSystem, overflow: Overflow
) -> None:
    gate = asyncio.Event()
    pid = system.root.spawn(full(system, overflow, [], gate))
    await settle()
    system.root.send(pid, "first")
    await settle()
    asks = [system.root.ask(pid, number) for number in range(3)]
    lost = asks.pop(2 if overflow is Overflow.DROP_NEWEST else 0)
    with pytest.raises(MailboxFull) as caught:
        await lost
    assert (caught.value.pid, caught.value.capacity) == (pid, 2)
    gate.set()
    assert len(await asyncio.gather(*asks)) == 2


async def test_fail_raises_in_the_sender(system: ActorSystem) -> None:
    gate = asyncio.Event()
    pid = system.root.spawn(full(system, Overflow.FAIL, [], gate))
    await settle()
    system.root.send(pid, "first")
    await settle()
    system.root.send(pid, 0)
    system.root.send(pid, 1)
    with pytest.raises(MailboxFull):
        system.root.send(pid, 2)
    with pytest.raises(MailboxFull):
        await system.root.ask(pid, 2)
    with pytest.raises(MailboxFull):
        await system.root.send_wait(pid, 2)
    assert system.deadlines.waiting == 0
    gate.set()


async def test_wait_lets_asks_and_send_wait_stand_in_line(system: ActorSystem) -> None:
    seen: list[object] = []
    gate = asyncio.Event()
    pid = system.root.spawn(full(system, Overflow.WAIT, seen, gate))
    await settle()
    system.root.send(pid, "first")
    await settle()
    system.root.send(pid, 0)
    system.root.send(pid, 1)
    with pytest.raises(MailboxFull, match="send_wait"):
        system.root.send(pid, "cannot wait")
    sending = asyncio.create_task(system.root.send_wait(pid, 2))
    await settle()
    asking = system.root.ask(pid, 3)
    also_sending = asyncio.create_task(system.root.send_wait(pid, 4))
    await settle()
    assert not sending.done()
    gate.set()
    await asyncio.gather(sending, also_sending)
    assert await asking == ("done", 3)
    await settle()
    assert seen == [Started(), "first", 0, 1, 2, 3, 4]


async def test_a_new_sender_does_not_overtake_the_line(system: ActorSystem) -> None:
    seen: list[object] = []
    refused: list[object] = []
    gate = asyncio.Event()

    def receive(ctx: Context) -> object:
        seen.append(ctx.message)
        if ctx.message == "hold":
            return gate.wait()
        if ctx.message == "first":
            # The queue has room here, but that belongs to who waits.
            with pytest.raises(MailboxFull):
                ctx.send(ctx.self, "overtakes")
            refused.append("overtakes")
        return None

    pid = system.root.spawn(Props.from_function(receive, mailbox=Bounded(1, Overflow.WAIT)))
    await settle()
    system.root.send(pid, "hold")
    await settle()
    system.root.send(pid, "first")
    waiting = [asyncio.create_task(system.root.send_wait(pid, number)) for number in range(3)]
    await settle()
    gate.set()
    await asyncio.gather(*waiting)
    await settle()
    assert seen == [Started(), "hold", "first", 0, 1, 2]
    assert refused == ["overtakes"]


async def test_who_is_cancelled_in_line_leaves_it(system: ActorSystem) -> None:
    seen: list[object] = []
    gate = asyncio.Event()
    pid = system.root.spawn(full(system, Overflow.WAIT, seen, gate))
    await settle()
    system.root.send(pid, "first")
    await settle()
    system.root.send(pid, 0)
    system.root.send(pid, 1)
    waiting = [asyncio.create_task(system.root.send_wait(pid, number)) for number in (2, 3)]
    await settle()
    waiting[0].cancel()
    gate.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    await settle()
    assert seen == [Started(), "first", 0, 1, 3]


async def test_who_stands_in_line_learns_of_the_end(system: ActorSystem) -> None:
    gate = asyncio.Event()
    pid = system.root.spawn(full(system, Overflow.WAIT, [], gate))
    await settle()
    system.root.send(pid, "first")
    await settle()
    system.root.send(pid, 0)
    system.root.send(pid, 1)
    sending = asyncio.create_task(system.root.send_wait(pid, 2))
    asking = system.root.ask(pid, 3)
    await settle()
    system.root.stop(pid)
    gate.set()
    with pytest.raises(NoSuchActor):
        await sending
    with pytest.raises(NoSuchActor):
        await asking


async def test_a_suspended_actor_keeps_its_line(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen, mailbox=Bounded(1, Overflow.WAIT)))
    await settle()
    system.cell(pid).restart_after(5.0)
    waiting = [asyncio.create_task(system.root.send_wait(pid, number)) for number in range(3)]
    await asyncio.sleep(1.0)
    assert system.cell(pid).mailbox_size == 3
    await asyncio.gather(*waiting)
    await settle()
    assert [message for message in seen if isinstance(message, int)] == [0, 1, 2]


@pytest.mark.parametrize("overflow", list(Overflow))
async def test_a_poison_pill_always_has_room_and_is_never_dropped(
    system: ActorSystem, overflow: Overflow
) -> None:
    seen: list[object] = []
    gate = asyncio.Event()
    pid = system.root.spawn(full(system, overflow, seen, gate))
    await settle()
    system.root.send(pid, "first")
    await settle()
    system.root.send(pid, 0)
    system.root.send(pid, 1)
    end = system.root.poison_future(pid)
    if overflow in (Overflow.DROP_OLDEST, Overflow.DROP_NEWEST):
        for number in range(10, 15):
            system.root.send(pid, number)
    gate.set()
    await end
    if overflow is Overflow.DROP_OLDEST:
        assert seen == [Started(), "first", Stopping(), Stopped()]
    else:
        assert seen == [Started(), "first", 0, 1, Stopping(), Stopped()]


async def test_a_poison_pill_waits_behind_the_line(system: ActorSystem) -> None:
    seen: list[object] = []
    gate = asyncio.Event()
    pid = system.root.spawn(full(system, Overflow.WAIT, seen, gate))
    await settle()
    system.root.send(pid, "first")
    await settle()
    system.root.send(pid, 0)
    system.root.send(pid, 1)
    asking = system.root.ask(pid, 2)
    end = system.root.poison_future(pid)
    gate.set()
    assert await asking == ("done", 2)
    await end
    assert seen == [Started(), "first", 0, 1, 2, Stopping(), Stopped()]


async def test_a_full_mailbox_of_who_asked_does_not_harm_who_failed(system: ActorSystem) -> None:
    gate = asyncio.Event()
    found = letters(system)
    asker = system.root.spawn(full(system, Overflow.FAIL, [], gate))
    answers: list[object] = []

    def fails(ctx: Context) -> None:
        answers.append(ctx.message)
        if ctx.message == "question":
            raise ValueError("no answer")

    answerer = system.root.spawn(Props.from_function(fails))
    await settle()
    system.root.send(asker, "first")
    await settle()
    system.root.send(asker, 0)
    system.root.send(asker, 1)
    system.root.request(answerer, "question", sender=asker)
    await settle()
    assert [type(letter.message) for letter in found] == [RequestFailed]
    system.root.send(answerer, "after")
    await settle()
    assert answers[-1] == "after"
    gate.set()


async def test_unstashed_messages_and_continuations_have_room_in_a_full_mailbox(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    gate: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def receive(ctx: Context) -> None:
        seen.append(ctx.message)
        match ctx.message:
            case "later":
                ctx.reenter_after(gate, lambda done: seen.append(done.result()))
            case "wait":
                await asyncio.sleep(1.0)
                gate.set_result("went on")

    pid = system.root.spawn(Props.from_function(receive, mailbox=Bounded(1, Overflow.FAIL)))
    await settle()
    system.root.send(pid, "later")
    await settle()
    system.root.send(pid, "wait")
    await settle()
    system.root.send(pid, "fills it")
    await asyncio.sleep(2.0)
    assert seen == [Started(), "later", "wait", "fills it", "went on"]


# --- send_wait ------------------------------------------------------------------------------------


async def test_send_wait_passes_the_senders_middleware(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen))

    def shout(next_sender):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        def send(origin, target, envelope):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            changed = Envelope(envelope.message.upper(), envelope.sender, envelope.headers)
            next_sender(origin, target, changed)

        return send

    root = system.root.with_sender_middleware(shout)
    await root.send_wait(pid, "hello")
    await settle()
    assert seen == [Started(), "HELLO"]


async def test_send_wait_to_nobody_is_a_dead_letter(system: ActorSystem) -> None:
    found = letters(system)
    await system.root.send_wait(system.pid("nobody"), "hello")
    assert [letter.message for letter in found] == ["hello"]


async def test_a_pill_in_an_envelope_is_a_pill(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen))
    system.root.send(pid, PoisonPill(), headers={"why": "enough"})
    await settle()
    assert seen == [Started(), Stopping(), Stopped()]


# --- mailboxes that are used again ----------------------------------------------------------------


async def test_a_mailbox_that_was_anothers_carries_none_of_its_messages(
    system: ActorSystem,
) -> None:
    seen: list[list[object]] = [[], []]
    first, second = system.root.spawn(recorder(seen[0])), system.root.spawn(recorder(seen[1]))
    for round_ in range(3):
        for number in range(BATCH + 1):
            system.root.send(first, (round_, number))
        await settle()
        system.root.send(second, round_)  # takes over the deque that the first one left
        system.root.send(first, "meanwhile")
        await settle()
    assert seen[0][1:] == [
        message
        for round_ in range(3)
        for message in [*((round_, number) for number in range(BATCH + 1)), "meanwhile"]
    ]
    assert seen[1][1:] == [0, 1, 2]


async def test_an_actor_that_cannot_go_on_keeps_its_mailbox_to_itself(
    system: ActorSystem,
) -> None:
    seen: list[object] = []

    def fail(ctx: Context) -> None:
        if ctx.message == "fail":
            system.cell(ctx.self).restart_after(0.01)  # messages wait, though it has stopped work
        elif isinstance(ctx.message, str):
            seen.append(("first", ctx.message))

    first, second = system.root.spawn(Props.from_function(fail)), system.root.spawn(recorder(seen))
    await settle()
    seen.clear()
    for message in ("fail", "waits", "waits too"):
        system.root.send(first, message)
    await settle()
    system.root.send(second, "other")
    await settle()
    assert seen == ["other"]
    await asyncio.sleep(0.02)
    assert seen == ["other", ("first", "waits"), ("first", "waits too")]


async def test_a_system_keeps_a_bounded_number_of_empty_mailboxes(system: ActorSystem) -> None:
    seen: list[object] = []
    for _ in range(2):
        for _ in range(4 * SPARE_QUEUES):
            system.root.send(system.root.spawn(recorder(seen)), "hello")
        await settle()
        assert len(system.spare_queues) == SPARE_QUEUES
        assert not any(system.spare_queues)
    assert seen.count("hello") == 8 * SPARE_QUEUES
