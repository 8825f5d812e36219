"""An actor that is too busy, or broken, takes no turn of others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from daicho.actor import (
    PID,
    ActorSystem,
    AlwaysRestart,
    Bounded,
    Context,
    ExponentialBackoff,
    OneForOne,
    Overflow,
    Props,
    Started,
    Stopped,
)
from daicho.actor.cell import BATCH
from daicho.errors import MailboxFull, Overloaded
from tests.support.actors import Boom, settle

ASKS = 50


def echo(ctx: Context) -> None:
    if isinstance(ctx.message, int):
        ctx.respond(ctx.message)


async def ask_meanwhile(system: ActorSystem, other: PID, count: Callable[[], int]) -> list[int]:
    """Asks another actor; returns how much the busy one did during each ask."""
    meanwhile: list[int] = []
    for n in range(ASKS):
        before = count()
        assert await system.root.ask(other, n) == n
        meanwhile.append(count() - before)
    return meanwhile


async def test_an_actor_that_floods_itself_is_bounded_and_leaves_others_their_turn(
    system: ActorSystem,
) -> None:
    handled = most = refused = 0
    on = True

    def flood(ctx: Context) -> None:
        nonlocal handled, most, refused
        if ctx.message != "flood":
            return
        handled += 1
        cell = system.cell(ctx.self)
        most = max(most, cell.mailbox_size)
        for _ in range(2 if on else 0):
            try:
                ctx.send(ctx.self, "flood")
            except Overloaded:
                refused += 1

    mailbox = Bounded(1_000, Overflow.FAIL)
    busy = system.root.spawn(Props.from_function(flood, mailbox=mailbox))
    other = system.root.spawn(Props.from_function(echo))
    system.root.send(busy, "flood")
    meanwhile = await ask_meanwhile(system, other, lambda: handled)
    assert most <= 1_000
    assert refused > 0
    # It is always busy, and others wait for two of its turns at most.
    assert meanwhile[-1] > 0
    assert max(meanwhile) <= 2 * BATCH
    on = False
    await settle()
    assert system.cell(busy).mailbox_size == 0


async def test_an_actor_that_never_returns_fills_its_own_mailbox_alone(
    system: ActorSystem,
) -> None:
    async def stuck(ctx: Context) -> None:
        if ctx.message == "wait":
            await asyncio.Event().wait()

    busy = system.root.spawn(Props.from_function(stuck, mailbox=Bounded(10, Overflow.FAIL)))
    other = system.root.spawn(Props.from_function(echo))
    system.root.send(busy, "wait")
    await settle()
    for _ in range(10):
        system.root.send(busy, "more")
    with pytest.raises(MailboxFull) as caught:
        system.root.send(busy, "too much")
    assert (caught.value.what, caught.value.limit) == (f"the mailbox of {busy}", 10)
    assert await ask_meanwhile(system, other, lambda: 0) == [0] * ASKS
    report = await system.shutdown(timeout=3)
    assert [(each.pid, each.handling, each.waiting) for each in report.undrained] == [
        (busy, "wait", 11)  # with the pill
    ]


@pytest.mark.parametrize("fails_at", [("go",), ("go", Started())])
async def test_an_actor_that_restarts_again_and_again_leaves_others_their_turn(
    fails_at: tuple[object, ...],
) -> None:
    failures = 0

    def bad(ctx: Context) -> None:
        nonlocal failures
        if ctx.message in fails_at:
            failures += 1
            raise Boom

    async with ActorSystem(guardian=AlwaysRestart()) as system:
        busy = system.root.spawn(Props.from_function(bad))
        other = system.root.spawn(Props.from_function(echo))
        for _ in range(500):
            system.root.send(busy, "go")
        meanwhile = await ask_meanwhile(system, other, lambda: failures)
        assert failures >= ASKS
        assert max(meanwhile) <= 2 * BATCH
        system.root.stop(busy)


async def test_a_supervisor_s_limit_ends_an_actor_that_only_restarts() -> None:
    seen: list[type] = []

    def bad(ctx: Context) -> None:
        seen.append(type(ctx.message))
        if isinstance(ctx.message, Started):
            raise Boom

    async with ActorSystem(guardian=OneForOne(max_restarts=10, within=None)) as system:
        busy = system.root.spawn(Props.from_function(bad))
        await settle()
        assert not system.is_alive(busy)
    assert seen.count(Started) == 11
    assert seen.count(Stopped) == 1


async def test_back_off_leaves_the_loop_to_others_between_restarts() -> None:
    starts: list[float] = []

    def bad(ctx: Context) -> None:
        if isinstance(ctx.message, Started):
            starts.append(asyncio.get_running_loop().time())
            raise Boom

    guardian = ExponentialBackoff(initial=1, maximum=60)
    async with ActorSystem(guardian=guardian, shutdown_timeout=1) as system:
        busy = system.root.spawn(Props.from_function(bad))
        await asyncio.sleep(3_600)
        # An hour of the loop's time; each minute at most once when the delay is at its longest.
        assert 3_600 / 60 <= len(starts) < 200
        system.root.stop(busy)
