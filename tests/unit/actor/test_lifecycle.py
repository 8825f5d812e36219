"""What an actor is told of its own life, and in which order."""

from __future__ import annotations

import asyncio

import pytest

from daicho.actor import (
    ActorFailed,
    ActorSystem,
    Context,
    Directive,
    OneForOne,
    Props,
    Restarting,
    Started,
    Stopped,
    Stopping,
    Terminated,
)
from daicho.errors import ActorError, NoSuchActor, NotAlive
from tests.support.actors import Boom, Reaction, fail, fail_later, letters, recorder, settle


async def test_started_is_the_first_message(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen))
    system.root.send(pid, "hello")
    await settle()
    assert seen == [Started(), "hello"]


async def test_stopping_then_stopped_are_the_last_messages(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen))
    await system.root.stop_future(pid)
    assert seen == [Started(), Stopping(), Stopped()]


async def test_a_stop_overtakes_the_messages_that_wait(system: ActorSystem) -> None:
    seen: list[object] = []
    found = letters(system)
    pid = system.root.spawn(recorder(seen))
    system.root.send(pid, "too late")
    await system.root.stop_future(pid)
    assert seen == [Started(), Stopping(), Stopped()]
    assert [letter.message for letter in found] == ["too late"]


async def test_a_poison_pill_waits_for_the_messages_before_it(system: ActorSystem) -> None:
    seen: list[object] = []
    found = letters(system)
    pid = system.root.spawn(recorder(seen))
    system.root.send(pid, "in time")
    end = system.root.poison_future(pid)
    system.root.send(pid, "too late")
    await end
    assert seen == [Started(), "in time", Stopping(), Stopped()]
    assert [letter.message for letter in found] == ["too late"]


async def test_restarting_goes_to_the_old_incarnation_and_started_to_the_new(
    system: ActorSystem,
) -> None:
    seen: list[tuple[int, object]] = []

    class Actor:
        made = 0

        def __init__(self) -> None:
            Actor.made += 1
            self.number = Actor.made

        def receive(self, ctx: Context) -> None:
            seen.append((self.number, ctx.message))
            if ctx.message == "fail":
                raise Boom

    pid = system.root.spawn(Props(Actor))
    for message in ("fail", "after"):
        system.root.send(pid, message)
    await system.root.poison_future(pid)
    assert seen == [
        (1, Started()),
        (1, "fail"),
        (1, Restarting()),
        (2, Started()),
        (2, "after"),
        (2, Stopping()),
        (2, Stopped()),
    ]


async def test_children_stop_between_stopping_and_stopped(system: ActorSystem) -> None:
    seen: list[object] = []

    def child(ctx: Context) -> None:
        seen.append(("child", ctx.message))

    def parent(ctx: Context) -> None:
        seen.append(("parent", ctx.message))
        if ctx.message == Started():
            ctx.spawn_named(Props.from_function(child), "child")

    pid = system.root.spawn_named(Props.from_function(parent), "parent")
    await settle()
    await system.root.stop_future(pid)
    assert seen == [
        ("parent", Started()),
        ("child", Started()),
        ("parent", Stopping()),
        ("child", Stopping()),
        ("child", Stopped()),
        ("parent", Terminated(system.pid("parent/child"))),
        ("parent", Stopped()),
    ]
    assert system.actor_count == 0


async def test_children_stop_before_their_parent_begins_anew(system: ActorSystem) -> None:
    seen: list[object] = []

    def child(ctx: Context) -> None:
        seen.append(("child", ctx.message))

    def parent(ctx: Context) -> None:
        seen.append(("parent", ctx.message))
        match ctx.message:
            case Started():
                ctx.spawn_named(Props.from_function(child), "child")
            case "fail":
                raise Boom

    pid = system.root.spawn_named(Props.from_function(parent), "parent")
    await settle()
    system.root.send(pid, "fail")
    await settle()
    assert seen == [
        ("parent", Started()),
        ("child", Started()),
        ("parent", "fail"),
        ("parent", Restarting()),
        ("child", Stopping()),
        ("child", Stopped()),
        ("parent", Started()),
        ("child", Started()),
    ]


async def test_an_actor_stopped_before_it_started_hears_of_neither(system: ActorSystem) -> None:
    seen: list[object] = []
    found = letters(system)

    def parent(ctx: Context) -> None:
        if ctx.message == "spawn":
            pid = ctx.spawn_named(recorder(seen), "child")
            ctx.system.cell(pid).stop_because(Boom("not committed"))
            ctx.send(pid, "hello")

    parent_pid = system.root.spawn(Props.from_function(parent))
    system.root.send(parent_pid, "spawn")
    await settle()
    assert seen == []
    assert [letter.message for letter in found] == ["hello"]
    assert system.actor_count == 1


@pytest.mark.parametrize("reaction", [fail, fail_later])
async def test_a_failing_started_is_a_failure_like_any_other(
    system: ActorSystem, reaction: Reaction
) -> None:
    seen: list[object] = []
    failures: list[ActorFailed] = []
    system.event_stream.subscribe(failures.append, event_type=ActorFailed)
    options = OneForOne(max_restarts=1)
    pid = system.root.spawn(
        Props.from_function(
            lambda ctx: (
                ctx.spawn(recorder(seen, {Started(): reaction}))
                if ctx.message == Started()
                else None
            ),
            supervisor=options,
        )
    )
    await settle()
    assert seen == [Started(), Restarting(), Started(), Stopping(), Stopped()]
    assert [failure.directive for failure in failures] == [Directive.RESTART, Directive.STOP]
    assert system.is_alive(pid)


@pytest.mark.parametrize("moment", [Stopping(), Stopped()])
@pytest.mark.parametrize("reaction", [fail, fail_later])
async def test_a_failure_while_stopping_does_not_keep_the_actor(
    system: ActorSystem, moment: object, reaction: Reaction
) -> None:
    seen: list[object] = []
    failures: list[ActorFailed] = []
    system.event_stream.subscribe(failures.append, event_type=ActorFailed)
    pid = system.root.spawn(recorder(seen, {moment: reaction}))
    await system.root.stop_future(pid)
    assert seen == [Started(), Stopping(), Stopped()]
    assert not system.is_alive(pid)
    assert [(failure.message, failure.directive) for failure in failures] == [
        (moment, Directive.STOP)
    ]


@pytest.mark.parametrize("reaction", [fail, fail_later])
async def test_a_failure_while_restarting_does_not_stop_the_restart(
    system: ActorSystem, reaction: Reaction
) -> None:
    seen: list[object] = []
    failures: list[ActorFailed] = []
    system.event_stream.subscribe(failures.append, event_type=ActorFailed)
    pid = system.root.spawn(recorder(seen, {Restarting(): reaction, "fail": fail}))
    system.root.send(pid, "fail")
    system.root.send(pid, "after")
    await settle()
    assert seen == [Started(), "fail", Restarting(), Started(), "after"]
    assert [(failure.message, failure.directive) for failure in failures] == [
        ("fail", Directive.RESTART),
        (Restarting(), Directive.RESTART),
    ]


async def test_async_lifecycle_handlers_are_awaited_before_the_next_step(
    system: ActorSystem,
) -> None:
    seen: list[object] = []

    async def receive(ctx: Context) -> None:
        message = ctx.message
        seen.append(message)
        await asyncio.sleep(1.0)
        seen.append((message, "done"))
        if message == "fail":
            raise Boom

    pid = system.root.spawn(Props.from_function(receive))
    system.root.send(pid, "fail")
    system.root.send(pid, "after")
    await system.root.poison_future(pid)
    moments: list[object] = [
        Started(),
        "fail",
        Restarting(),
        Started(),
        "after",
        Stopping(),
        Stopped(),
    ]
    assert seen == [entry for moment in moments for entry in (moment, (moment, "done"))]


async def test_a_stop_while_restarting_ends_without_a_new_incarnation(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    release = asyncio.Event()

    async def child(ctx: Context) -> None:
        if ctx.message == Stopping():
            await release.wait()

    def parent(ctx: Context) -> None:
        seen.append(ctx.message)
        match ctx.message:
            case Started():
                ctx.spawn(Props.from_function(child))
            case "fail":
                raise Boom

    pid = system.root.spawn(Props.from_function(parent))
    system.root.send(pid, "fail")
    await settle()  # it restarts, and waits for its child
    end = system.root.stop_future(pid)
    await settle()
    assert not end.done()
    release.set()
    await end
    # Restarting is the last message of an incarnation: Stopped would come to one that is gone.
    assert seen == [Started(), "fail", Restarting()]
    assert system.actor_count == 0


async def test_a_restart_while_stopping_has_no_effect(system: ActorSystem) -> None:
    seen: list[object] = []

    async def receive(ctx: Context) -> None:
        seen.append(ctx.message)
        if ctx.message == Stopping():
            ctx.system.cell(ctx.self).restart_after(0.0)
            await asyncio.sleep(1.0)

    pid = system.root.spawn(Props.from_function(receive))
    await system.root.stop_future(pid)
    assert seen == [Started(), Stopping(), Stopped()]


async def test_a_producer_that_fails_on_restart_is_supervised(system: ActorSystem) -> None:
    made: list[int] = []
    seen: list[object] = []

    class Actor:
        def __init__(self) -> None:
            made.append(len(made))
            if len(made) == 2:
                raise Boom

        def receive(self, ctx: Context) -> None:
            seen.append(ctx.message)
            if ctx.message == "fail":
                raise Boom

    pid = system.root.spawn(Props(Actor))
    system.root.send(pid, "fail")
    system.root.send(pid, "after")
    await settle()
    assert seen == [Started(), "fail", Restarting(), Started(), "after"]
    assert made == [0, 1, 2]


async def test_resume_makes_an_object_where_there_is_none(system: ActorSystem) -> None:
    made: list[int] = []
    seen: list[object] = []
    decisions = iter([Directive.RESTART, Directive.RESUME])

    class Actor:
        def __init__(self) -> None:
            made.append(len(made))
            if len(made) == 2:
                raise Boom

        def receive(self, ctx: Context) -> None:
            seen.append(ctx.message)
            if ctx.message == "fail":
                raise Boom

    async with ActorSystem(guardian=OneForOne(decider=lambda _: next(decisions))) as other:
        pid = other.root.spawn(Props(Actor))
        other.root.send(pid, "fail")
        other.root.send(pid, "after")
        await settle()
        assert seen == [Started(), "fail", Restarting(), Started(), "after"]


async def test_a_stopping_actor_may_not_spawn(system: ActorSystem) -> None:
    errors: list[BaseException] = []

    def spawn(ctx: Context) -> None:
        with pytest.raises(NotAlive) as caught:
            ctx.spawn(recorder([]))
        errors.append(caught.value)

    moments: dict[object, Reaction] = {Stopping(): spawn, Stopped(): spawn}
    pid = system.root.spawn_named(recorder([], moments), "parent")
    await system.root.stop_future(pid)
    assert [str(error) for error in errors] == [
        "local/parent is restarting or has stopped; only a living actor spawns"
    ] * 2
    assert system.actor_count == 0


async def test_the_context_of_a_stopped_actor_spawns_nothing(system: ActorSystem) -> None:
    contexts: list[Context] = []
    pid = system.root.spawn_named(recorder([], {Started(): contexts.append}), "name")
    await system.root.stop_future(pid)
    with pytest.raises(NotAlive, match="has stopped"):
        contexts[0].spawn(recorder([]))
    # A successor of the name is somebody else.
    system.root.spawn_named(recorder([]), "name")
    await settle()
    with pytest.raises(NotAlive, match="has stopped"):
        contexts[0].spawn(recorder([]))
    assert system.actor_count == 1


async def test_a_respawning_parent_can_still_be_stopped(system: ActorSystem) -> None:
    def parent(ctx: Context) -> None:
        if isinstance(ctx.message, Started | Terminated):
            ctx.spawn(recorder([]))

    pid = system.root.spawn(Props.from_function(parent))
    await settle()
    await system.root.stop_future(pid)
    assert system.actor_count == 0


async def test_a_child_may_take_the_name_of_one_whose_end_was_not_told_yet(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    heir: list[object] = []

    async def parent(ctx: Context) -> None:
        seen.append(ctx.message)
        match ctx.message:
            case Started():
                ctx.spawn_named(recorder([]), "child")
            case "again":
                await ctx.stop_future(ctx.children[0])
                ctx.spawn_named(recorder(heir), "child")

    pid = system.root.spawn_named(Props.from_function(parent), "parent")
    system.root.send(pid, "again")
    await settle()
    child = system.pid("parent/child")
    assert seen == [Started(), "again", Terminated(child)]
    assert system.cell(pid).children == (child,)
    await system.root.stop_future(pid)
    assert heir == [Started(), Stopping(), Stopped()]
    assert system.actor_count == 0


async def test_stop_because_gives_its_reason_to_who_waits(system: ActorSystem) -> None:
    reason = ActorError("cannot be recovered")
    found = letters(system)
    ends: list[object] = []
    pid = system.root.spawn(recorder([]))
    system.root.spawn(recorder(ends, {Started(): lambda ctx: ctx.watch(pid)}))
    await settle()
    ask = system.root.ask(pid, "question")
    system.cell(pid).stop_because(reason)
    with pytest.raises(ActorError) as caught:
        await ask
    assert caught.value is reason
    assert [(letter.message, letter.reason) for letter in found] == [
        ("question", "cannot be recovered")
    ]
    await settle()
    assert ends == [Started(), Terminated(pid, reason)]


async def test_restart_after_outranks_the_supervisor(system: ActorSystem) -> None:
    seen: list[tuple[float, object]] = []
    loop = asyncio.get_running_loop()

    def receive(ctx: Context) -> None:
        seen.append((loop.time(), ctx.message))
        if ctx.message == "fail":
            ctx.system.cell(ctx.self).restart_after(3.0)
            raise Boom

    pid = system.root.spawn(Props.from_function(receive))
    system.root.send(pid, "fail")
    system.root.send(pid, "after")
    await asyncio.sleep(10.0)
    # Not at once, as the guardian said, and not twice.
    assert seen == [
        (0.0, Started()),
        (0.0, "fail"),
        (3.0, Restarting()),
        (3.0, Started()),
        (3.0, "after"),
    ]


async def test_restart_after_called_again_counts_anew(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen))
    await settle()
    cell = system.cell(pid)
    cell.restart_after(1.0)
    cell.restart_after(5.0)
    await asyncio.sleep(4.0)
    assert seen == [Started()]
    await asyncio.sleep(4.0)
    assert seen == [Started(), Restarting(), Started()]


async def test_a_stop_comes_before_a_restart_that_is_due(system: ActorSystem) -> None:
    seen: list[object] = []
    pid = system.root.spawn(recorder(seen))
    await settle()
    system.cell(pid).restart_after(1.0)
    cell = system.cell(pid)
    await system.root.stop_future(pid)
    assert cell.more().restart_timer is None
    await asyncio.sleep(2.0)
    assert seen == [Started(), Stopping(), Stopped()]


async def test_what_comes_while_stopped_is_handled_gets_its_answer(system: ActorSystem) -> None:
    seen: list[object] = []
    release = asyncio.Event()

    async def receive(ctx: Context) -> None:
        if ctx.message == Stopped():
            await release.wait()

    pid = system.root.spawn(Props.from_function(receive))
    end = system.root.stop_future(pid)
    await settle()
    system.root.spawn(recorder(seen, {Started(): lambda ctx: ctx.watch(pid)}))
    ask = system.root.ask(pid, "question")
    await settle()
    release.set()
    await end
    with pytest.raises(NoSuchActor):
        await ask
    await settle()
    assert seen == [Started(), Terminated(pid)]
