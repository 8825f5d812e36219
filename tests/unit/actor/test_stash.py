"""What is put aside comes back in order, with its sender."""

from __future__ import annotations

import pytest

from daicho.actor import (
    ActorSystem,
    Context,
    PoisonPill,
    Props,
    Restarting,
    Started,
    Stopped,
    Stopping,
)
from daicho.errors import HandlerFailed, NoSuchActor
from tests.support.actors import fail, letters, settle


class Door:
    """Puts knocks aside until it is opened."""

    def __init__(self, seen: list[object], count: int | None = None) -> None:
        self.seen = seen
        self.count = count
        self.is_open = False

    def receive(self, ctx: Context) -> None:
        match ctx.message:
            case str() if not self.is_open and ctx.message.startswith("knock"):
                ctx.stash()
            case "open":
                self.seen.append("open")
                self.is_open = True
                ctx.unstash(self.count)
            case "fail":
                self.seen.append("fail")
                fail(ctx)
            case message:
                self.seen.append(message)
                if ctx.sender is not None:
                    ctx.respond(("heard", message))


async def test_unstashed_messages_come_before_all_that_wait_in_their_order(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    pid = system.root.spawn(Props(lambda: Door(seen)))
    for message in ("knock 1", "knock 2", "open", "wait 1", "wait 2"):
        system.root.send(pid, message)
    await settle()
    assert seen == [Started(), "open", "knock 1", "knock 2", "wait 1", "wait 2"]


async def test_a_count_unstashes_the_oldest(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(Props(lambda: Door(seen, count=1)))
    for message in ("knock 1", "knock 2", "knock 3", "open", "open", "wait"):
        system.root.send(pid, message)
    await settle()
    assert seen == [Started(), "open", "knock 1", "open", "knock 2", "wait"]


async def test_a_stashed_question_is_answered_to_who_asked(system: ActorSystem) -> None:
    pid = system.root.spawn(Props(lambda: Door([])))
    first, second = (system.root.ask(pid, f"knock {number}") for number in (1, 2))
    await settle()
    assert not first.done()
    system.root.send(pid, "open")
    assert (await first, await second) == (("heard", "knock 1"), ("heard", "knock 2"))


async def test_headers_stay_with_a_stashed_message(system: ActorSystem) -> None:
    found: list[object] = []
    stashed = False

    def receive(ctx: Context) -> None:
        nonlocal stashed
        if ctx.message == "knock" and not stashed:
            stashed = True
            ctx.stash()
            ctx.unstash()
        elif ctx.message == "knock":
            found.append(ctx.headers)

    pid = system.root.spawn(Props.from_function(receive))
    system.root.send(pid, "knock", headers={"trace": "1"})
    await settle()
    assert found == [{"trace": "1"}]


async def test_a_restart_unstashes_everything(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(Props(lambda: Door(seen)))
    await settle()
    opened = False

    class Opened(Door):
        def __init__(self) -> None:
            super().__init__(seen)
            nonlocal opened
            self.is_open = opened
            opened = True

    pid = system.root.spawn(Props(Opened))
    seen.clear()
    for message in ("knock 1", "knock 2", "fail", "wait"):
        system.root.send(pid, message)
    await settle()
    assert seen == [
        Started(),
        "fail",
        Restarting(),
        Started(),
        "knock 1",
        "knock 2",
        "wait",
    ]


async def test_what_is_stashed_at_the_end_is_a_dead_letter(system: ActorSystem) -> None:
    found = letters(system)
    pid = system.root.spawn(Props(lambda: Door([])))
    asking = system.root.ask(pid, "knock 1")
    await settle()
    await system.root.stop_future(pid)
    with pytest.raises(NoSuchActor):
        await asking
    assert [letter.message for letter in found] == ["knock 1"]


async def test_a_stash_without_room_fails_the_handler(system: ActorSystem) -> None:
    pid = system.root.spawn(Props(lambda: Door([]), stash_capacity=1))
    first = system.root.ask(pid, "knock 1")
    with pytest.raises(HandlerFailed, match="limit; unstash earlier"):
        await system.root.ask(pid, "knock 2")
    first.cancel()


async def test_a_pill_behind_stashed_messages_still_ends_the_actor(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(Props(lambda: Door(seen)))
    for message in ("knock 1", "open", PoisonPill()):
        system.root.send(pid, message)
    await settle()
    assert seen == [Started(), "open", "knock 1", Stopping(), Stopped()]


async def test_more_than_there_is_unstashes_what_there_is(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(Props(lambda: Door(seen, count=9)))
    for message in ("knock 1", "open", "open"):
        system.root.send(pid, message)
    await settle()
    assert seen == [Started(), "open", "knock 1", "open"]
