"""Calling in from other threads and from code that has no loop is safe.

These run on real loops in real threads; what they wait for is an answer, never a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from daicho.actor import (
    PID,
    ActorSystem,
    Bounded,
    Context,
    DeadLetter,
    Envelope,
    Overflow,
    Props,
    Sender,
    Started,
    run_in_thread,
)
from daicho.actor.verbs import Verbs
from daicho.errors import HandlerFailed, NoSuchActor, SystemStopped, WrongThread
from tests.support.actors import Boom, recorder, settle


class Ledger:
    """Notes who sent what; says it when it is asked."""

    def __init__(self) -> None:
        self.lines: list[object] = []

    def receive(self, ctx: Context) -> None:
        match ctx.message:
            case "lines":
                ctx.respond(list(self.lines))
            case "fail":
                raise Boom
            case message if not isinstance(message, Started):
                self.lines.append(message)


def spawn(system: ActorSystem) -> PID:
    return system.from_thread(system.root.spawn, Props(Ledger))


def ask(system: ActorSystem, pid: PID, message: object) -> object:
    return system.from_thread(system.root.ask, pid, message)


def in_threads(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_messages_of_each_thread_arrive_in_the_order_sent() -> None:
    with run_in_thread() as system:
        pid = spawn(system)

        def work(thread: int) -> None:
            for number in range(200):
                system.root.send(pid, (thread, number))

        in_threads(4, work)
        lines = ask(system, pid, "lines")
    assert isinstance(lines, list)
    assert len(lines) == 800
    for thread in range(4):
        assert [line for line in lines if line[0] == thread] == [
            (thread, number) for number in range(200)
        ]


def test_a_thread_asks_and_gets_what_is_replied_or_raised() -> None:
    with run_in_thread() as system:
        pid = spawn(system)
        system.root.send(pid, 1, headers={"trace": "1"})
        assert ask(system, pid, "lines") == [1]
        with pytest.raises(HandlerFailed):
            ask(system, pid, "fail")
        with pytest.raises(NoSuchActor):
            ask(system, PID("local", "nobody"), "lines")


def test_a_thread_calls_plain_functions_and_coroutines() -> None:
    async def double(number: int, *, plus: int) -> int:
        await asyncio.sleep(0)
        return 2 * number + plus

    with run_in_thread() as system:
        assert system.from_thread(lambda: 1) == 1
        assert system.from_thread(double, 2, plus=3) == 7
        with pytest.raises(ZeroDivisionError):
            system.from_thread(lambda: 1 // 0)


def test_everything_but_send_refuses_another_thread() -> None:
    with run_in_thread() as system:
        pid = spawn(system)
        calls: list[Callable[[], object]] = [
            lambda: system.root.spawn(Props(Ledger)),
            lambda: system.root.ask(pid, "lines"),
            lambda: system.root.request_future(pid, "lines"),
            lambda: system.root.request(pid, "lines", sender=pid),
            lambda: system.root.stop(pid),
            lambda: system.root.poison(pid),
            lambda: system.root.stop_future(pid),
            lambda: system.root.poison_future(pid),
            lambda: system.root.publish("event"),
            lambda: system.root.schedule_once(1.0, pid, "later"),
            lambda: asyncio.run(system.root.send_wait(pid, "hello")),
        ]
        for call in calls:
            with pytest.raises(WrongThread, match="from_thread"):
                call()
        assert system.deadlines.waiting == 0


async def test_from_thread_refuses_the_loops_own_thread() -> None:
    async with ActorSystem() as system:
        with pytest.raises(WrongThread, match="await the function itself"):
            system.from_thread(lambda: 1)


def test_what_a_thread_sends_to_a_full_mailbox_is_a_dead_letter() -> None:
    gate = threading.Event()
    found: list[object] = []
    full = threading.Event()

    def note(letter: DeadLetter) -> None:
        found.append(letter.message)
        full.set()

    with run_in_thread() as system:
        system.from_thread(lambda: system.event_stream.subscribe(note, event_type=DeadLetter))
        release = system.from_thread(asyncio.Event)

        async def receive(ctx: Context) -> None:
            if ctx.message == "wait":
                gate.set()
                await release.wait()

        mailbox = Bounded(1, Overflow.FAIL)
        props = Props.from_function(receive, mailbox=mailbox)
        pid = system.from_thread(system.root.spawn, props)
        system.from_thread(lambda: asyncio.sleep(0))  # Started is handled
        system.root.send(pid, "wait")
        assert gate.wait(30)
        system.root.send(pid, "fits")
        system.root.send(pid, "does not fit")
        assert full.wait(30)
        system.from_thread(release.set)
    assert found == ["does not fit"]


def test_what_a_middleware_refuses_a_thread_is_a_dead_letter() -> None:
    heard = threading.Event()

    def refuse(_: Sender) -> Sender:
        def send(origin: Verbs, target: PID, envelope: Envelope) -> None:
            raise Boom("no")

        return send

    with run_in_thread() as system:
        system.from_thread(
            lambda: system.event_stream.subscribe(lambda _: heard.set(), event_type=DeadLetter)
        )
        root = system.root.with_sender_middleware(refuse)
        root.send(spawn(system), "hello")
        assert heard.wait(30)
        assert system.dead_letters.count == 1


def test_leaving_the_block_drains_and_ends_the_thread() -> None:
    handled: list[object] = []
    with run_in_thread() as system:
        pid = system.from_thread(
            system.root.spawn, Props.from_function(lambda ctx: handled.append(ctx.message))
        )
        for number in range(100):
            system.root.send(pid, number)
    assert handled[1:101] == list(range(100))
    assert not any(thread.name == "daicho-actors" for thread in threading.enumerate())
    for call in (
        lambda: system.root.send(pid, "late"),
        lambda: system.from_thread(lambda: 1),
        lambda: system.root.ask(pid, "late"),
    ):
        with pytest.raises(SystemStopped):
            call()


def test_a_block_that_raises_shuts_down_all_the_same() -> None:
    with pytest.raises(Boom), run_in_thread() as system:
        raise Boom
    assert not system.running


def test_a_system_that_cannot_be_made_raises_where_it_is_wanted() -> None:
    def make() -> ActorSystem:
        raise Boom

    with pytest.raises(Boom), run_in_thread(make):
        pass
    assert not any(thread.name == "daicho-actors" for thread in threading.enumerate())


def test_a_system_that_was_shut_down_in_the_block_is_left_as_any_other() -> None:
    with run_in_thread() as system:
        report = system.from_thread(system.shutdown)
        assert report.undrained == ()
    assert not system.running


def test_a_system_of_ones_own_making_is_run() -> None:
    with run_in_thread(lambda: ActorSystem(address="mine")) as system:
        assert spawn(system).address == "mine"


def test_what_ends_the_loops_thread_is_raised_when_the_block_is_left() -> None:
    def end(ctx: Context) -> None:
        if ctx.message == "end":
            raise SystemExit(3)

    def work() -> None:
        with run_in_thread() as system:
            pid = system.from_thread(system.root.spawn, Props.from_function(end))
            with pytest.raises((HandlerFailed, SystemStopped)):
                ask(system, pid, "end")

    with pytest.raises(SystemExit):
        work()


def test_a_call_that_is_under_way_when_the_loop_ends_says_so() -> None:
    begun = threading.Event()
    caught: list[BaseException] = []

    async def for_ever() -> None:
        begun.set()
        await asyncio.Event().wait()

    def call(system: ActorSystem) -> None:
        try:
            system.from_thread(for_ever)
        except SystemStopped as error:
            caught.append(error)

    with run_in_thread() as system:
        thread = threading.Thread(target=call, args=(system,))
        thread.start()
        assert begun.wait(30)
    thread.join()
    assert [type(error) for error in caught] == [SystemStopped]


def test_a_cancellation_that_is_not_the_end_is_raised_as_it_is() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with run_in_thread() as system:
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - of concurrent.futures
            system.from_thread(cancelled)
        assert type(caught.value).__name__ == "CancelledError"
        assert system.running


def test_a_loop_that_was_closed_in_between_is_a_system_that_has_stopped() -> None:
    loop = asyncio.new_event_loop()
    system = ActorSystem()
    loop.run_until_complete(system.__aenter__())
    loop.close()
    caught: list[BaseException] = []

    def call() -> None:
        for attempt in (
            lambda: system.root.send(PID("local", "a"), "hello"),
            lambda: system.from_thread(lambda: 1),
        ):
            try:
                attempt()
            except SystemStopped as error:
                caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert len(caught) == 2


def test_a_call_does_not_hang_when_its_loop_ends_without_a_word() -> None:
    ready = threading.Event()
    errors: list[BaseException] = []
    systems: list[ActorSystem] = []

    async def live() -> None:
        async with ActorSystem() as system:
            systems.append(system)
            ready.set()
            while not system._calls:
                await asyncio.sleep(0.001)

    def run() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(live())
        abandoned = asyncio.all_tasks(loop)
        for task in abandoned:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            assert coroutine is not None
            coroutine.close()
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        systems[0].from_thread(asyncio.sleep, 3_600)
    except SystemStopped as error:
        errors.append(error)
    thread.join()
    assert len(errors) == 1


def test_a_context_in_another_thread_says_whose_it_is() -> None:
    contexts: list[Context] = []
    with run_in_thread() as system:
        other = system.from_thread(system.root.spawn, recorder([]))
        props = recorder([], {Started(): contexts.append})
        system.from_thread(system.root.spawn, props)
        system.from_thread(settle)
        with pytest.raises(WrongThread, match="for the thread of its loop"):
            contexts[0].send(other, "message")
