"""Messages that come later, and messages that say that none came."""

from __future__ import annotations

import asyncio

import pytest

from daicho.actor import (
    ActorSystem,
    Bounded,
    Context,
    NotInfluenceReceiveTimeout,
    Overflow,
    Props,
    ReceiveTimeout,
    Restarting,
    Started,
    Timer,
)
from tests.support.actors import Reaction, fail, letters, recorder, settle


class Clock:
    """Notes when a message came, on the loop's clock."""

    def __init__(self, reactions: dict[object, Reaction] | None = None) -> None:
        self.seen: list[tuple[float, object]] = []
        self.reactions = reactions or {}

    def receive(self, ctx: Context) -> object:
        self.seen.append((round(asyncio.get_running_loop().time(), 3), ctx.message))
        reaction = self.reactions.get(ctx.message)
        return None if reaction is None else reaction(ctx)

    @property
    def messages(self) -> list[tuple[float, object]]:
        return self.seen[1:]


# --- timers ---------------------------------------------------------------------------------------


async def test_a_message_comes_once_after_its_delay(system: ActorSystem) -> None:
    clock = Clock()
    pid = system.root.spawn(Props(lambda: clock))
    timer = system.root.schedule_once(2.0, pid, "tick")
    assert timer.active
    await asyncio.sleep(10.0)
    assert clock.messages == [(2.0, "tick")]
    assert not timer.active


async def test_a_message_comes_again_and_again_until_it_is_cancelled(
    system: ActorSystem,
) -> None:
    clock = Clock()
    pid = system.root.spawn(Props(lambda: clock))
    timer = system.root.schedule_repeatedly(2.0, pid, "tick", delay=0.5)
    await asyncio.sleep(5.0)
    assert timer.cancel()
    assert not timer.cancel()
    await asyncio.sleep(5.0)
    assert clock.messages == [(0.5, "tick"), (2.5, "tick"), (4.5, "tick")]


async def test_the_first_of_many_comes_after_the_interval(system: ActorSystem) -> None:
    clock = Clock()
    pid = system.root.spawn(Props(lambda: clock))
    system.root.schedule_repeatedly(2.0, pid, "tick")
    await asyncio.sleep(5.0)
    assert clock.messages == [(2.0, "tick"), (4.0, "tick")]


async def test_a_cancelled_timer_sends_nothing(system: ActorSystem) -> None:
    clock = Clock()
    pid = system.root.spawn(Props(lambda: clock))
    timer = system.root.schedule_once(2.0, pid, "tick")
    assert timer.cancel()
    await asyncio.sleep(5.0)
    assert clock.messages == []


def test_what_was_missed_is_left_out_and_the_beat_stays() -> None:
    times = [0.0]
    due: list[float] = []

    class Loop:
        def time(self) -> float:
            return times[0]

        def call_at(self, when: float, callback: object) -> object:
            due.append(when)
            return object()

    class System:
        loop = Loop()
        running = True

        def deliver_or_bury(self, target: object, message: object) -> None:
            pass

    timer = Timer(System(), None, "tick", 1.0, 1.0)  # type: ignore[arg-type]
    timer.start()
    times[0] = 3.25  # the loop was busy for long
    timer._fire()
    assert due == [1.0, 4.0]


@pytest.mark.parametrize(
    ("delay", "interval"), [(-1.0, None), (float("nan"), None), (0.0, 0.0), (0.0, -1.0)]
)
async def test_a_time_that_makes_no_sense_is_refused(
    system: ActorSystem, delay: float, interval: float | None
) -> None:
    pid = system.root.spawn(recorder([]))
    with pytest.raises(ValueError, match="delay is not negative"):
        Timer(system, pid, "tick", delay, interval)


async def test_a_timer_ends_with_the_incarnation_that_set_it(system: ActorSystem) -> None:
    seen: list[object] = []
    incarnations = 0

    def started(ctx: Context) -> None:
        nonlocal incarnations
        incarnations += 1
        ctx.schedule_repeatedly(1.0, ctx.self, f"of incarnation {incarnations}")

    pid = system.root.spawn(recorder(seen, {Started(): started, "fail": fail}))
    await asyncio.sleep(1.5)
    system.root.send(pid, "fail")
    await asyncio.sleep(1.5)
    assert seen == [
        Started(),
        "of incarnation 1",
        "fail",
        Restarting(),
        Started(),
        "of incarnation 2",
    ]


async def test_a_timer_ends_with_its_actor(system: ActorSystem) -> None:
    seen: list[object] = []
    other = system.root.spawn(recorder(seen))
    timers: list[Timer] = []

    def started(ctx: Context) -> None:
        timers.append(ctx.schedule_repeatedly(1.0, other, "tick"))

    pid = system.root.spawn(recorder([], {Started(): started}))
    await asyncio.sleep(1.5)
    await system.root.stop_future(pid)
    await asyncio.sleep(5.0)
    assert seen == [Started(), "tick"]
    assert not timers[0].active


async def test_a_timer_that_has_ended_is_forgotten(system: ActorSystem) -> None:
    pid = system.root.spawn(
        recorder([], {Started(): lambda ctx: ctx.schedule_once(1.0, ctx.self, "tick")})
    )
    await settle()
    assert len(system.cell(pid).more().timers) == 1
    await asyncio.sleep(2.0)
    assert len(system.cell(pid).more().timers) == 0


async def test_a_timer_for_a_full_mailbox_makes_dead_letters(system: ActorSystem) -> None:
    found = letters(system)
    gate = asyncio.Event()

    async def receive(ctx: Context) -> None:
        await gate.wait()

    pid = system.root.spawn(Props.from_function(receive, mailbox=Bounded(1, Overflow.FAIL)))
    timer = system.root.schedule_repeatedly(1.0, pid, "tick")
    await asyncio.sleep(3.5)
    assert [letter.message for letter in found] == ["tick", "tick"]
    timer.cancel()
    gate.set()


async def test_a_timer_of_the_root_ends_with_the_system() -> None:
    async with ActorSystem() as system:
        timer = system.root.schedule_repeatedly(1.0, system.pid("nobody"), "tick")
        await asyncio.sleep(1.5)
        assert system.dead_letters.count == 1
    await asyncio.sleep(5.0)
    assert system.dead_letters.count == 1
    assert not timer.active


# --- receive timeout ------------------------------------------------------------------------------


class Unnoticed(NotInfluenceReceiveTimeout):
    """Does not count as activity."""


async def test_a_receive_timeout_comes_whenever_no_message_came_for_so_long(
    system: ActorSystem,
) -> None:
    clock = Clock({Started(): lambda ctx: ctx.set_receive_timeout(2.0)})
    pid = system.root.spawn(Props(lambda: clock))
    await asyncio.sleep(1.0)
    system.root.send(pid, "hello")
    await asyncio.sleep(6.5)
    assert clock.messages == [
        (1.0, "hello"),
        (3.0, ReceiveTimeout()),
        (5.0, ReceiveTimeout()),
        (7.0, ReceiveTimeout()),
    ]


async def test_a_message_that_does_not_count_leaves_the_timeout_alone(
    system: ActorSystem,
) -> None:
    clock = Clock({Started(): lambda ctx: ctx.set_receive_timeout(2.0)})
    pid = system.root.spawn(Props(lambda: clock))
    await asyncio.sleep(1.0)
    unnoticed = Unnoticed()
    system.root.send(pid, unnoticed)
    await asyncio.sleep(1.5)
    assert clock.messages == [(1.0, unnoticed), (2.0, ReceiveTimeout())]


async def test_a_cancelled_receive_timeout_does_not_come(system: ActorSystem) -> None:
    clock = Clock(
        {
            Started(): lambda ctx: ctx.set_receive_timeout(2.0),
            "cancel": lambda ctx: ctx.cancel_receive_timeout(),
        }
    )
    pid = system.root.spawn(Props(lambda: clock))
    system.root.send(pid, "cancel")
    await asyncio.sleep(9.0)
    assert clock.messages == [(0.0, "cancel")]


async def test_the_time_runs_from_the_end_of_a_handler(system: ActorSystem) -> None:
    seen: list[tuple[float, object]] = []
    loop = asyncio.get_running_loop()

    async def receive(ctx: Context) -> None:
        seen.append((round(loop.time(), 3), ctx.message))
        match ctx.message:
            case Started():
                ctx.set_receive_timeout(2.0)
            case "long":
                await asyncio.sleep(5.0)

    pid = system.root.spawn(Props.from_function(receive))
    system.root.send(pid, "long")
    await asyncio.sleep(8.0)
    assert seen == [(0.0, Started()), (0.0, "long"), (7.0, ReceiveTimeout())]


async def test_a_receive_timeout_does_not_reach_the_next_incarnation(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    first = True

    def started(ctx: Context) -> None:
        nonlocal first
        if first:
            ctx.set_receive_timeout(2.0)
        first = False

    pid = system.root.spawn(recorder(seen, {Started(): started, "fail": fail}))
    system.root.send(pid, "fail")
    await asyncio.sleep(9.0)
    assert seen == [Started(), "fail", Restarting(), Started()]


async def test_an_actor_that_failed_hears_of_no_timeout_until_it_goes_on(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen, {Started(): lambda ctx: ctx.set_receive_timeout(2.0)}))
    await settle()
    system.cell(pid).suspended = True
    await asyncio.sleep(3.0)
    assert seen == [Started()]
    system.cell(pid).suspended = False


async def test_a_timeout_that_is_no_time_is_refused(system: ActorSystem) -> None:
    refused: list[str] = []

    def started(ctx: Context) -> None:
        with pytest.raises(ValueError, match="positive number of seconds") as caught:
            ctx.set_receive_timeout(0.0)
        refused.append(str(caught.value))

    system.root.spawn(recorder([], {Started(): started}))
    await settle()
    assert refused == ["an idle time is a positive number of seconds, not 0.0"]
