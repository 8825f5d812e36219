"""An actor changes how it handles messages."""

from __future__ import annotations

import asyncio

import pytest

from daicho.actor import ActorSystem, Behavior, Context, Props


class Door:
    def __init__(self) -> None:
        self.behavior = Behavior(self.closed)

    def receive(self, ctx: Context) -> object:
        return self.behavior.receive(ctx)

    def closed(self, ctx: Context) -> None:
        match ctx.message:
            case "open":
                self.behavior.become(self.opened)
            case "lock":
                self.behavior.become_stacked(self.locked)
            case "ask":
                ctx.respond("closed")

    async def opened(self, ctx: Context) -> None:
        await asyncio.sleep(0)
        match ctx.message:
            case "close":
                self.behavior.become(self.closed)
            case "ask":
                ctx.respond("open")

    def locked(self, ctx: Context) -> None:
        match ctx.message:
            case "unlock":
                self.behavior.unbecome_stacked()
            case "ask":
                ctx.respond("locked")


async def test_behaviors_follow_one_another(system: ActorSystem) -> None:
    pid = system.root.spawn(Props(Door))
    states: list[object] = []
    for message in ("open", "close", "lock", "lock", "unlock", "open"):
        system.root.send(pid, message)
        states.append(await system.root.ask(pid, "ask"))
    assert states == ["open", "closed", "locked", "locked", "closed", "open"]


def test_become_forgets_the_stack() -> None:
    behavior = Behavior(lambda _: 1)
    behavior.become_stacked(lambda _: 2)
    behavior.become(lambda _: 3)
    with pytest.raises(IndexError, match="no handler below"):
        behavior.unbecome_stacked()
