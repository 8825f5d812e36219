"""Who waits for a reply is told at the end of the turn of the actor that gave it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

import pytest

from daicho.actor import ActorSystem, Context, Props
from daicho.actor.turn import turn_of
from tests.support.actors import letters, settle

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def answering(log: list[str]) -> Props:
    def receive(ctx: Context) -> None:
        if isinstance(ctx.message, str):
            log.append(f"begins {ctx.message}")
            ctx.respond(ctx.message)
            log.append(f"ends {ctx.message}")

    return Props.from_function(receive)


async def test_who_asked_goes_on_when_the_handlers_of_the_batch_have_ended(
    system: ActorSystem,
) -> None:
    log: list[str] = []
    pid = system.root.spawn(answering(log))

    async def ask(message: str) -> None:
        log.append(f"hears {await system.root.ask(pid, message, expect=str)}")

    await asyncio.gather(ask("one"), ask("two"))
    assert log == ["begins one", "ends one", "begins two", "ends two", "hears one", "hears two"]


async def test_who_asked_goes_on_without_another_round_of_the_loop(system: ActorSystem) -> None:
    pid = system.root.spawn(answering([]))
    await settle()
    log: list[str] = []

    async def ask() -> None:
        await system.root.ask(pid, "hello")
        log.append("heard")

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)  # it asks, which wakes the actor
    asyncio.get_running_loop().call_soon(log.append, "the round after")
    await asyncio.sleep(0)  # the actor replies
    await asyncio.sleep(0)
    assert log == ["heard", "the round after"]
    await asking


async def test_the_callbacks_of_an_ask_are_called_in_their_order_in_their_contexts(
    system: ActorSystem,
) -> None:
    asking = system.root.ask(system.root.spawn(answering([])), "hello")
    seen: list[tuple[int, str]] = []

    def note(number: int) -> Callable[[object], None]:
        return lambda _: seen.append((number, variable.get()))

    for number in range(3):
        context = contextvars.copy_context()
        context.run(variable.set, f"of {number}")
        asking.add_done_callback(note(number), context=context)
    variable.set("of the caller")
    asking.add_done_callback(note(3))
    variable.set("later")
    await settle()
    assert seen == [(0, "of 0"), (1, "of 1"), (2, "of 2"), (3, "of the caller")]


async def test_a_callback_that_was_removed_is_not_called(system: ActorSystem) -> None:
    asking = system.root.ask(system.root.spawn(answering([])), "hello")
    seen: list[object] = []
    asking.add_done_callback(seen.append)
    asking.add_done_callback(seen.append)
    assert asking.remove_done_callback(seen.append) == 2
    assert asking.remove_done_callback(seen.append) == 0
    await settle()
    assert (seen, asking.result()) == ([], "hello")


async def test_a_callback_of_what_is_done_already_is_called_soon(system: ActorSystem) -> None:
    asking = system.root.ask(system.root.spawn(answering([])), "hello")
    await settle()
    seen: list[object] = []
    asking.add_done_callback(seen.append)
    assert seen == []
    await settle()
    assert seen == [asking]


async def test_a_callback_that_raises_is_reported_and_the_others_are_told(
    system: ActorSystem,
) -> None:
    loop = asyncio.get_running_loop()
    reported: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))
    pid = system.root.spawn(answering([]))
    await settle()

    def complain(_: object) -> None:
        raise RuntimeError("of a callback")

    first, second = system.root.ask(pid, "one"), system.root.ask(pid, "two")
    first.add_done_callback(complain)
    try:
        assert await second == "two"
    finally:
        loop.set_exception_handler(None)
    assert [str(context["exception"]) for context in reported] == ["of a callback"]
    assert await first == "one"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_while_some_are_told_loses_none_of_the_others(
    error: type[BaseException],
) -> None:
    loop = asyncio.new_event_loop()
    heard: list[object] = []

    async def begin() -> ActorSystem:
        return await ActorSystem().__aenter__()

    def interrupt(_: object) -> None:
        raise error

    try:
        system = loop.run_until_complete(begin())
        pid = system.root.spawn(answering([]))

        async def ask() -> None:
            system.root.ask(pid, "one").add_done_callback(interrupt)
            system.root.ask(pid, "two").add_done_callback(heard.append)
            await asyncio.sleep(10)

        asking = loop.create_task(ask())
        with pytest.raises(error):
            loop.run_until_complete(asking)
        loop.run_until_complete(settle())
        assert len(heard) == 1
        asking.cancel()
        loop.run_until_complete(asyncio.wait([asking]))
        loop.run_until_complete(system.shutdown())
    finally:
        loop.close()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_of_one_actor_takes_no_message_of_those_woken_with_it(
    error: type[BaseException],
) -> None:
    loop = asyncio.new_event_loop()
    seen: list[object] = []

    def receive(ctx: Context) -> None:
        if ctx.message == "interrupt":
            raise error
        if isinstance(ctx.message, int):
            seen.append(ctx.message)

    async def begin() -> ActorSystem:
        return await ActorSystem().__aenter__()

    async def tell(system: ActorSystem) -> None:
        first, *others = (system.root.spawn(Props.from_function(receive)) for _ in range(4))
        await settle()
        system.root.send(first, "interrupt")
        for number, pid in enumerate(others):
            system.root.send(pid, number)
        await asyncio.sleep(10)

    try:
        system = loop.run_until_complete(begin())
        telling = loop.create_task(tell(system))
        with pytest.raises(error):
            loop.run_until_complete(telling)
        assert seen == []
        loop.run_until_complete(settle())
        assert seen == [0, 1, 2]
        telling.cancel()
        loop.run_until_complete(asyncio.wait([telling]))
        loop.run_until_complete(system.shutdown())
    finally:
        loop.close()


async def test_a_waiting_task_that_is_cancelled_ends(system: ActorSystem) -> None:
    pid = system.root.spawn(Props.from_function(lambda _: None))

    async def ask() -> None:
        await system.root.ask(pid, "hello", timeout=100.0)

    asking = asyncio.create_task(ask())
    await settle()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert system.deadlines.waiting == 0


async def test_a_wait_with_a_limit_ends_in_time_and_leaves_no_callback(system: ActorSystem) -> None:
    asking = system.root.ask(
        system.root.spawn(Props.from_function(lambda _: None)), "hello", timeout=100.0
    )
    done, pending = await asyncio.wait([asking], timeout=1.0)
    assert (done, pending) == (set(), {asking})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asking), 1.0)
    asking.cancel()
    assert asking.cancelled()


async def test_a_handler_that_is_awaited_answers_too(system: ActorSystem) -> None:
    async def receive(ctx: Context) -> None:
        if ctx.message == "hello":
            await asyncio.sleep(0)
            ctx.respond(asyncio.current_task() is not None)

    pid = system.root.spawn(Props.from_function(receive))
    assert await system.root.ask(pid, "hello") is True
    assert not turn_of(asyncio.get_running_loop()).under_way


async def test_systems_on_one_loop_share_its_turn(system: ActorSystem) -> None:
    async with ActorSystem() as other:
        assert other.turn is system.turn is turn_of(asyncio.get_running_loop())


@pytest.mark.parametrize("end", ["reply", "awaited reply", "failure", "timeout", "cancellation"])
async def test_callbacks_are_called_in_their_order_however_the_ask_ends(
    system: ActorSystem, end: str
) -> None:
    def receive(ctx: Context) -> object:
        if ctx.message == "reply":
            ctx.respond("reply")
        elif ctx.message == "failure":
            raise RuntimeError("no")
        elif ctx.message == "awaited reply":
            return later(ctx)
        return None

    async def later(ctx: Context) -> None:
        await asyncio.sleep(0)
        ctx.respond("reply")

    asking = system.root.ask(system.root.spawn(Props.from_function(receive)), end, timeout=1.0)
    seen: list[int] = []
    for number in range(3):
        asking.add_done_callback(lambda _, number=number: seen.append(number))  # type: ignore[misc]
    if end == "cancellation":
        asking.cancel()
    await asyncio.wait([asking])
    await settle()
    assert seen == [0, 1, 2]
    assert asking.cancelled() or asking.exception() is not None or asking.result() == "reply"


async def test_a_future_that_its_holder_ends_wakes_who_waits_and_times_out_no_more(
    system: ActorSystem,
) -> None:
    asking = system.root.ask(
        system.root.spawn(Props.from_function(lambda _: None)), "hello", timeout=1.0
    )
    waiting = asyncio.ensure_future(asyncio.wait_for(asyncio.shield(asking), 10.0))
    await settle()
    asking.set_result("by hand")
    assert await waiting == "by hand"
    await asyncio.sleep(5.0)
    assert system.deadlines.waiting == 0


async def test_a_reply_to_who_has_ended_the_wait_is_a_dead_letter_and_no_failure(
    system: ActorSystem,
) -> None:
    found = letters(system)

    async def receive(ctx: Context) -> None:
        if ctx.message == "hello":
            await asyncio.sleep(1.0)
            ctx.respond("too late")

    pid = system.root.spawn(Props.from_function(receive))
    asking = system.root.ask(pid, "hello")
    asking.set_result("by hand")
    await asyncio.sleep(5.0)
    assert [letter.message for letter in found] == ["too late"]
    assert system.cell(pid).incarnation == 0


async def test_a_result_that_no_future_takes_tells_nobody(system: ActorSystem) -> None:
    asking = system.root.ask(system.root.spawn(Props.from_function(lambda _: None)), "hello")
    seen: list[object] = []
    asking.add_done_callback(seen.append)
    with pytest.raises(TypeError):
        asking.set_exception(StopIteration())
    await settle()
    assert (seen, asking.done()) == ([], False)
    asking.cancel()


async def test_a_callback_that_takes_the_place_of_one_removed_comes_in_its_order(
    system: ActorSystem,
) -> None:
    asking = system.root.ask(system.root.spawn(answering([])), "hello")
    seen: list[str] = []

    def first(_: object) -> None:
        seen.append("first")

    asking.add_done_callback(first)
    asking.add_done_callback(lambda _: seen.append("second"))
    asking.remove_done_callback(first)
    asking.add_done_callback(lambda _: seen.append("third"))
    await asking
    await settle()
    assert seen == ["second", "third"]


async def test_an_actor_that_puts_another_receive_in_its_place_is_taken_at_its_word(
    system: ActorSystem,
) -> None:
    seen: list[object] = []

    class Door:
        def receive(self, ctx: Context) -> None:
            if ctx.message == "lock":
                self.receive = self.locked  # type: ignore[method-assign]

        def locked(self, ctx: Context) -> None:
            seen.append(ctx.message)

    pid = system.root.spawn(Props(Door))
    for message in ("before", "lock", "one", "two"):
        system.root.send(pid, message)
    await settle()
    assert seen == ["one", "two"]
