"""How actors are made and named, and what a PID is."""

from __future__ import annotations

import copy
import pickle
from typing import Any, cast

import pytest

from daicho.actor import PID, ActorSystem, Context, OneForOne, Props, Started
from daicho.errors import ActorError, NameTaken, SystemStopped
from tests.support.actors import Boom, letters, recorder, settle


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def receive(self, ctx: Context) -> None:
        if ctx.sender is not None:
            ctx.respond(self.count)
        elif ctx.message == "count":
            self.count += 1


# --- props ----------------------------------------------------------------------------------------


async def test_props_are_made_from_a_class_a_factory_or_a_function(system: ActorSystem) -> None:
    def function(ctx: Context) -> None:
        if ctx.sender is not None:
            ctx.respond("function")

    async def coroutine(ctx: Context) -> None:
        if ctx.sender is not None:
            ctx.respond("coroutine")

    ask, spawn = system.root.ask, system.root.spawn
    assert await ask(spawn(Props(Counter)), "ask") == 0
    assert await ask(spawn(Props(lambda: Counter())), "ask") == 0  # noqa: PLW0108
    assert await ask(spawn(Props.from_function(function)), "ask") == "function"
    assert await ask(spawn(Props.from_function(coroutine)), "ask") == "coroutine"


async def test_actors_of_one_props_share_nothing(system: ActorSystem) -> None:
    props = Props(Counter)
    one, two = system.root.spawn(props), system.root.spawn(props)
    system.root.send(one, "count")
    assert (await system.root.ask(one, "ask"), await system.root.ask(two, "ask")) == (1, 0)


def test_props_with_other_options_are_others() -> None:
    props = Props(Counter)
    other = props.with_options(stash_capacity=5, supervisor=OneForOne(max_restarts=1))
    assert (props.stash_capacity, other.stash_capacity) == (1_000, 5)
    assert other.producer is Counter


def test_a_stash_without_any_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one message, not 0"):
        Props(Counter, stash_capacity=0)


async def test_what_has_no_receive_is_refused_when_it_is_spawned(system: ActorSystem) -> None:
    with pytest.raises(TypeError, match=r"an? int has no receive method.*Props.from_function"):
        system.root.spawn(Props(int))  # type: ignore[arg-type]
    assert system.actor_count == 0


async def test_a_producer_that_raises_raises_in_spawn_and_leaves_nothing(
    system: ActorSystem,
) -> None:
    def producer() -> Counter:
        system.root.send(system.pid("name"), "meanwhile")
        raise Boom

    found = letters(system)
    with pytest.raises(Boom):
        system.root.spawn_named(Props(producer), "name")
    assert system.actor_count == 0
    assert [letter.message for letter in found] == ["meanwhile"]
    system.root.spawn_named(Props(Counter), "name")


async def test_a_parent_hears_nothing_of_a_child_that_was_never_made(
    system: ActorSystem,
) -> None:
    seen: list[object] = []

    def producer() -> Counter:
        raise Boom

    def started(ctx: Context) -> None:
        with pytest.raises(Boom):
            ctx.spawn(Props(producer))

    pid = system.root.spawn(recorder(seen, {Started(): started}))
    await settle()
    assert seen == [Started()]
    assert system.cell(pid).children == ()


async def test_a_producer_may_spawn_but_not_take_the_name(system: ActorSystem) -> None:
    taken: list[PID] = []

    def producer() -> Counter:
        with pytest.raises(NameTaken) as caught:
            system.root.spawn_named(Props(Counter), "name")
        taken.append(caught.value.pid)
        return Counter()

    pid = system.root.spawn_named(Props(producer), "name")
    assert taken == [pid]
    assert system.actor_count == 1


# --- names ----------------------------------------------------------------------------------------


async def test_a_name_is_the_id_and_a_childs_comes_below_its_parents(
    system: ActorSystem,
) -> None:
    def started(ctx: Context) -> None:
        ctx.spawn_named(recorder([]), "child")

    pid = system.root.spawn_named(recorder([], {Started(): started}), "parent")
    await settle()
    assert str(pid) == "local/parent"
    assert [str(child) for child in system.cell(pid).children] == ["local/parent/child"]


async def test_a_name_that_is_taken_is_an_error_that_carries_the_pid(
    system: ActorSystem,
) -> None:
    pid = system.root.spawn_named(recorder([]), "name")
    with pytest.raises(NameTaken) as caught:
        system.root.spawn_named(recorder([]), "name")
    assert caught.value.pid is pid


async def test_a_name_is_free_again_when_its_actor_has_stopped(system: ActorSystem) -> None:
    pid = system.root.spawn_named(recorder([]), "name")
    await system.root.stop_future(pid)
    assert system.root.spawn_named(recorder([]), "name") == pid


async def test_names_that_the_system_makes_up_are_never_the_same(system: ActorSystem) -> None:
    pids = [system.root.spawn(recorder([])) for _ in range(100)]
    pids += [system.root.spawn_prefix(recorder([]), "worker-") for _ in range(100)]
    assert len({pid.id for pid in pids}) == 200
    assert all(pid.id.startswith("worker-$") for pid in pids[100:])


@pytest.mark.parametrize("name", ["", "a/b", "$1", "a$"])
async def test_a_name_that_the_system_uses_itself_is_refused(
    system: ActorSystem, name: str
) -> None:
    with pytest.raises(ValueError, match=r"neither '/' nor '\$'"):
        system.root.spawn_named(recorder([]), name)
    with pytest.raises(ValueError, match=r"neither '/' nor '\$'"):
        system.root.spawn_prefix(recorder([]), name)


# --- PIDs -----------------------------------------------------------------------------------------


async def test_pids_of_one_address_and_id_are_equal_and_can_be_keys(system: ActorSystem) -> None:
    pid = system.root.spawn_named(recorder([]), "name")
    assert pid == PID("local", "name") == system.pid("name")
    assert len({pid, PID("local", "name"), PID("remote", "name"), PID("local", "other")}) == 3
    assert pid != "local/name"
    assert repr(pid) == "PID('local', 'name')"


async def test_a_pid_that_was_written_down_reaches_the_actor(system: ActorSystem) -> None:
    pid = system.root.spawn_named(Props(Counter), "name")
    for other in (PID("local", "name"), pickle.loads(pickle.dumps(pid))):
        assert await system.root.ask(other, "ask") == 0


async def test_a_copy_of_a_message_does_not_copy_the_actors_in_it(system: ActorSystem) -> None:
    pid = system.root.spawn(recorder([]))
    message = {"reply to": pid}
    assert copy.deepcopy(message)["reply to"] is pid
    assert copy.copy(pid) is pid


async def test_an_old_pid_reaches_a_new_actor_of_the_name(system: ActorSystem) -> None:
    old = system.root.spawn_named(recorder([]), "name")
    written_down = PID("local", "name")
    system.root.send(written_down, "hello")  # it remembers where that went
    await system.root.stop_future(old)
    seen: list[object] = []
    system.root.spawn_named(recorder(seen), "name")
    system.root.send(old, 1)
    system.root.send(written_down, 2)
    await settle()
    assert seen == [Started(), 1, 2]
    await system.root.stop_future(written_down)
    assert system.actor_count == 0


# --- where there is no system ---------------------------------------------------------------------


async def test_a_system_is_entered_once() -> None:
    async with ActorSystem() as system:
        pass
    with pytest.raises(ActorError, match="entered once"):
        await system.__aenter__()


async def test_nothing_is_spawned_before_or_after(system: ActorSystem) -> None:
    with pytest.raises(SystemStopped):
        ActorSystem().root.spawn(recorder([]))
    await system.shutdown()
    with pytest.raises(SystemStopped):
        system.root.spawn(recorder([]))


async def test_what_is_asked_of_a_system_that_never_ran_says_so() -> None:
    system = ActorSystem(address="mine")
    with pytest.raises(SystemStopped, match="'mine' is not running; use it"):
        _ = system.loop
    with pytest.raises(SystemStopped):
        await system.shutdown()
    with pytest.raises(SystemStopped):
        system.root.send(PID("mine", "a"), "hello")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"producer": object()}, "Props takes a class or a factory, not a object"),
        ({"receiver_middleware": lambda receiver: receiver}, "receiver_middleware is a list"),
        ({"sender_middleware": lambda sender: sender}, "sender_middleware is a list"),
        ({"spawn_middleware": lambda spawner: spawner}, "spawn_middleware is a list"),
        ({"supervisor": "restart"}, "a supervisor is a strategy such as OneForOne"),
    ],
)
def test_props_that_are_given_by_mistake_say_what_to_write(
    options: dict[str, Any], text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        Props(**{"producer": object, **options})


async def test_spawning_a_class_says_what_to_write(system: ActorSystem) -> None:
    with pytest.raises(TypeError, match=r"spawn takes Props, not .*: spawn\(Props\(…\)\)"):
        system.root.spawn(cast("Any", object))
    assert system.actor_count == 0
