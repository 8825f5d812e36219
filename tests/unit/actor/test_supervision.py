"""What becomes of actors that fail."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from daicho.actor import (
    PID,
    ActorFailed,
    ActorSystem,
    AllForOne,
    AlwaysRestart,
    ChildFailure,
    Context,
    Directive,
    ExponentialBackoff,
    OneForOne,
    Props,
    Restarting,
    Started,
    Stopped,
    Stopping,
    Supervisor,
    SupervisorStrategy,
    Terminated,
)
from daicho.actor.supervision import RestartStatistics
from tests.support.actors import Boom, fail, recorder, settle


class Family:
    """A parent with a strategy and children that fail when they are told to."""

    def __init__(
        self, system: ActorSystem, supervisor: SupervisorStrategy, names: str = "a"
    ) -> None:
        self.system = system
        self.seen: dict[str, list[object]] = {name: [] for name in names}
        self.told: list[object] = []
        self.failures: list[ActorFailed] = []
        system.event_stream.subscribe(self.failures.append, event_type=ActorFailed)

        def parent(ctx: Context) -> None:
            self.told.append(ctx.message)
            if ctx.message == Started():
                for name in names:
                    props = recorder(self.seen[name], {"fail": fail})
                    ctx.spawn_named(props, name)

        self.pid = system.root.spawn_named(
            Props.from_function(parent, supervisor=supervisor), "parent"
        )

    def child(self, name: str = "a") -> PID:
        return self.system.pid(f"parent/{name}")

    async def fail(self, *names: str) -> None:
        for name in names or "a":
            self.system.root.send(self.child(name), "fail")
        await settle()

    def incarnations(self, name: str = "a") -> int:
        return self.seen[name].count(Started())

    @property
    def directives(self) -> list[Directive]:
        return [failure.directive for failure in self.failures]


def always(directive: Directive) -> Callable[[BaseException], Directive]:
    return lambda _: directive


# --- one for one ----------------------------------------------------------------------------------


async def test_one_for_one_restarts_the_child_that_failed_alone(system: ActorSystem) -> None:
    family = Family(system, OneForOne(), "ab")
    await settle()
    await family.fail("a")
    assert family.seen["a"] == [Started(), "fail", Restarting(), Started()]
    assert family.seen["b"] == [Started()]


async def test_resume_keeps_the_state_and_goes_on(system: ActorSystem) -> None:
    family = Family(system, OneForOne(decider=always(Directive.RESUME)))
    await settle()
    system.root.send(family.child(), "fail")
    system.root.send(family.child(), "after")
    await settle()
    assert family.seen["a"] == [Started(), "fail", "after"]
    assert family.directives == [Directive.RESUME]


async def test_stop_tells_the_parent_why(system: ActorSystem) -> None:
    family = Family(system, OneForOne(decider=always(Directive.STOP)))
    await settle()
    await family.fail()
    assert family.seen["a"] == [Started(), "fail", Stopping(), Stopped()]
    error = family.failures[0].error
    assert isinstance(error, Boom)
    assert family.told == [Started(), Terminated(family.child(), error)]


async def test_the_decider_chooses_by_the_error(system: ActorSystem) -> None:
    family = Family(
        system,
        OneForOne(
            decider=lambda error: Directive.STOP if isinstance(error, Boom) else Directive.RESUME
        ),
    )
    await settle()
    await family.fail()
    assert not system.is_alive(family.child())


async def test_escalate_makes_the_failure_the_parents_own(system: ActorSystem) -> None:
    family = Family(system, OneForOne(decider=always(Directive.ESCALATE)))
    await settle()
    await family.fail()
    # The guardian restarts the parent, which has new children then.
    assert family.told == [Started(), Restarting(), Started()]
    assert family.seen["a"] == [Started(), "fail", Stopping(), Stopped(), Started()]
    assert [(failure.pid, failure.directive) for failure in family.failures] == [
        (family.child(), Directive.ESCALATE),
        (family.pid, Directive.RESTART),
    ]


async def test_a_parent_that_is_resumed_resumes_the_child_it_escalated() -> None:
    async with ActorSystem(guardian=OneForOne(decider=always(Directive.RESUME))) as system:
        family = Family(system, OneForOne(decider=always(Directive.ESCALATE)))
        await settle()
        await family.fail()
        system.root.send(family.child(), "after")
        system.root.send(family.pid, "after")
        await settle()
        assert family.seen["a"] == [Started(), "fail", "after"]
        assert family.told == [Started(), "after"]


async def test_what_escalates_from_the_top_stops_the_actor() -> None:
    async with ActorSystem(guardian=OneForOne(decider=always(Directive.ESCALATE))) as system:
        seen: list[object] = []
        pid = system.root.spawn(recorder(seen, {"fail": fail}))
        system.root.send(pid, "fail")
        await settle()
        assert seen == [Started(), "fail", Stopping(), Stopped()]


async def test_the_guardian_decides_about_actors_at_the_top() -> None:
    async with ActorSystem(guardian=AllForOne(decider=always(Directive.STOP))) as system:
        pids = [system.root.spawn(recorder([], {"fail": fail})) for _ in range(3)]
        system.root.send(pids[0], "fail")
        await settle()
        assert system.actor_count == 0


# --- windows --------------------------------------------------------------------------------------


async def test_more_failures_in_the_window_than_allowed_stop_the_child(
    system: ActorSystem,
) -> None:
    family = Family(system, OneForOne(max_restarts=2, within=10.0))
    await settle()
    for _ in range(3):
        await family.fail()
        await asyncio.sleep(4.0)
    assert family.directives == [Directive.RESTART, Directive.RESTART, Directive.STOP]


async def test_failures_before_the_window_are_forgiven(system: ActorSystem) -> None:
    family = Family(system, OneForOne(max_restarts=2, within=10.0))
    await settle()
    for _ in range(6):
        await family.fail()
        await asyncio.sleep(6.0)
    assert family.directives == [Directive.RESTART] * 6


async def test_without_a_window_every_failure_counts(system: ActorSystem) -> None:
    family = Family(system, OneForOne(max_restarts=2, within=None))
    await settle()
    for _ in range(3):
        await family.fail()
        await asyncio.sleep(1_000_000.0)
    assert family.directives[-1] is Directive.STOP


async def test_no_restarts_allowed_means_the_first_failure_stops(system: ActorSystem) -> None:
    family = Family(system, OneForOne(max_restarts=0))
    await settle()
    await family.fail()
    assert family.directives == [Directive.STOP]


async def test_always_restart_never_gives_up(system: ActorSystem) -> None:
    family = Family(system, AlwaysRestart())
    await settle()
    for _ in range(50):
        await family.fail()
    assert family.directives == [Directive.RESTART] * 50


def test_statistics_remember_a_limited_number_of_failures() -> None:
    statistics = RestartStatistics()
    for moment in range(RestartStatistics.LIMIT + 10):
        statistics.record(float(moment))
    assert statistics.count(None, 0.0) == RestartStatistics.LIMIT


# --- all for one ----------------------------------------------------------------------------------


async def test_all_for_one_restarts_all_children(system: ActorSystem) -> None:
    family = Family(system, AllForOne(), "abc")
    await settle()
    await family.fail("b")
    assert family.seen["a"] == [Started(), Restarting(), Started()]
    assert family.seen["b"] == [Started(), "fail", Restarting(), Started()]
    assert family.seen["c"] == [Started(), Restarting(), Started()]


async def test_all_for_one_restarts_children_that_fail_together_once(
    system: ActorSystem,
) -> None:
    family = Family(system, AllForOne(), "abc")
    await settle()
    await family.fail("a", "b")
    assert [family.incarnations(name) for name in "abc"] == [2, 2, 2]
    assert family.directives == [Directive.RESTART] * 2


async def test_all_for_one_stops_all_children_beyond_its_window(system: ActorSystem) -> None:
    family = Family(system, AllForOne(max_restarts=1), "ab")
    await settle()
    await family.fail("a")
    await family.fail("a")
    assert not system.is_alive(family.child("a"))
    assert not system.is_alive(family.child("b"))


async def test_all_for_one_resumes_the_child_that_failed_alone(system: ActorSystem) -> None:
    family = Family(system, AllForOne(decider=always(Directive.RESUME)), "ab")
    await settle()
    await family.fail("a")
    assert [family.incarnations(name) for name in "ab"] == [1, 1]


# --- exponential back-off -------------------------------------------------------------------------


async def test_backoff_doubles_with_each_failure_in_a_row(system: ActorSystem) -> None:
    loop = asyncio.get_running_loop()
    starts: list[float] = []

    def child(ctx: Context) -> None:
        if ctx.message == Started():
            starts.append(loop.time())
            raise Boom

    def parent(ctx: Context) -> None:
        if ctx.message == Started():
            ctx.spawn(Props.from_function(child))

    strategy = ExponentialBackoff(initial=0.1, maximum=30.0, jitter=0.0)
    system.root.spawn(Props.from_function(parent, supervisor=strategy))
    await asyncio.sleep(150.0)
    waits = [after - before for before, after in itertools.pairwise(starts)]
    expected = [0.1 * 2**n for n in range(9)] + [30.0, 30.0, 30.0]
    assert waits[:12] == pytest.approx(expected[: len(waits[:12])])
    assert len(waits) == 12


async def test_backoff_holds_messages_until_the_restart(system: ActorSystem) -> None:
    family = Family(system, ExponentialBackoff(initial=2.0, jitter=0.0))
    await settle()
    await family.fail()
    system.root.send(family.child(), "after")
    await asyncio.sleep(1.0)
    assert family.seen["a"] == [Started(), "fail"]
    await asyncio.sleep(1.5)
    assert family.seen["a"] == [Started(), "fail", Restarting(), Started(), "after"]


async def test_backoff_begins_anew_after_a_quiet_time(system: ActorSystem) -> None:
    loop = asyncio.get_running_loop()
    strategy = ExponentialBackoff(initial=1.0, jitter=0.0, reset_after=60.0)
    family = Family(system, strategy)
    await settle()

    async def wait_after_failure() -> float:
        before, failed = family.incarnations(), loop.time()
        await family.fail()
        while family.incarnations() == before:
            await asyncio.sleep(0.25)
        return loop.time() - failed

    first, second = await wait_after_failure(), await wait_after_failure()
    await asyncio.sleep(70.0)
    third = await wait_after_failure()
    assert (first, second, third) == pytest.approx((1.0, 2.0, 1.0), abs=0.3)


def test_jitter_takes_a_part_of_the_delay_from_the_injected_source() -> None:
    chance = iter([0.0, 0.5, 0.99])
    strategy = ExponentialBackoff(initial=10.0, jitter=0.2, source=lambda: next(chance))
    assert [strategy.delay(1) for _ in range(3)] == pytest.approx([10.0, 9.0, 8.02])


def test_a_delay_has_no_number_of_failures_that_is_too_large() -> None:
    strategy = ExponentialBackoff(initial=0.1, maximum=30.0, jitter=0.0)
    assert strategy.delay(10_000) == 30.0


@pytest.mark.parametrize(
    "options",
    [{"initial": 0.0}, {"initial": 2.0, "maximum": 1.0}, {"jitter": -0.1}, {"jitter": 1.1}],
)
def test_a_backoff_that_makes_no_sense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"first delay|jitter"):
        ExponentialBackoff(**options)  # type: ignore[arg-type]


async def test_a_stop_during_the_backoff_stops_at_once(system: ActorSystem) -> None:
    family = Family(system, ExponentialBackoff(initial=5.0, jitter=0.0))
    await settle()
    await family.fail()
    await system.root.stop_future(family.child())
    await asyncio.sleep(10.0)
    assert family.seen["a"] == [Started(), "fail", Stopping(), Stopped()]


async def test_a_restart_that_is_due_does_not_hit_a_successor_of_the_name(
    system: ActorSystem,
) -> None:
    heir: list[object] = []

    def parent(ctx: Context) -> None:
        match ctx.message:
            case Started():
                ctx.spawn_named(recorder([], {"fail": fail}), "child")
            case Terminated():
                ctx.spawn_named(recorder(heir), "child")

    strategy = ExponentialBackoff(initial=5.0, jitter=0.0)
    system.root.spawn_named(Props.from_function(parent, supervisor=strategy), "parent")
    await settle()
    child = system.pid("parent/child")
    system.root.send(child, "fail")
    await settle()
    await system.root.stop_future(child)
    await asyncio.sleep(10.0)
    assert heir == [Started()]


# --- failures -------------------------------------------------------------------------------------


async def test_a_failure_is_published_with_message_error_and_decision(
    system: ActorSystem,
) -> None:
    family = Family(system, OneForOne())
    await settle()
    await family.fail()
    (failure,) = family.failures
    assert failure.pid == family.child()
    assert failure.message == "fail"
    assert isinstance(failure.error, Boom)
    assert failure.directive is Directive.RESTART


async def test_an_actor_that_failed_handles_nothing_until_it_is_decided(
    system: ActorSystem,
) -> None:
    seen: list[object] = []
    other = system.root.spawn(recorder([]))
    release = asyncio.Event()

    def started(ctx: Context) -> None:
        ctx.watch(other)

    async def parent(ctx: Context) -> None:
        match ctx.message:
            case Started():
                props = recorder(seen, {Started(): started, "fail": fail})
                ctx.spawn_named(props, "child")
            case "busy":
                await release.wait()

    decider = always(Directive.RESUME)
    pid = system.root.spawn_named(
        Props.from_function(parent, supervisor=OneForOne(decider=decider)), "parent"
    )
    await settle()
    child = system.pid("parent/child")
    system.root.send(pid, "busy")
    system.root.send(child, "fail")
    system.root.send(child, "after")
    await settle()
    await system.root.stop_future(other)
    await settle()
    assert seen == [Started(), "fail"]
    release.set()
    await settle()
    # What happened to others meanwhile is told first.
    assert seen == [Started(), "fail", Terminated(other), "after"]


async def test_a_decision_about_an_incarnation_that_is_gone_has_no_effect(
    system: ActorSystem,
) -> None:
    seen: list[object] = []

    def fail_and_restart(ctx: Context) -> None:
        ctx.system.cell(ctx.self).restart_after(1.0)
        raise Boom

    async def parent(ctx: Context) -> None:
        match ctx.message:
            case Started():
                ctx.spawn_named(recorder(seen, {"fail": fail_and_restart}), "child")
            case "busy":
                await asyncio.sleep(5.0)  # it decides when the child has restarted by itself

    pid = system.root.spawn_named(Props.from_function(parent), "parent")
    await settle()
    system.root.send(pid, "busy")
    system.root.send(system.pid("parent/child"), "fail")
    await asyncio.sleep(10.0)
    assert seen == [Started(), "fail", Restarting(), Started()]


async def test_an_actor_that_restarts_is_not_told_of_children_that_ended_before(
    system: ActorSystem,
) -> None:
    told: list[object] = []
    release = asyncio.Event()

    def parent(ctx: Context) -> None:
        told.append(ctx.message)
        match ctx.message:
            case "begin":
                ctx.spawn_named(recorder([]), "child")
            case "fail":
                raise Boom

    async def grandparent(ctx: Context) -> None:
        match ctx.message:
            case Started():
                ctx.spawn_named(Props.from_function(parent), "parent")
            case "busy":
                await release.wait()

    top = system.root.spawn_named(Props.from_function(grandparent), "top")
    await settle()
    pid = system.pid("top/parent")
    system.root.send(pid, "begin")
    await settle()
    system.root.send(top, "busy")
    system.root.send(pid, "fail")
    await settle()
    await system.root.stop_future(system.pid("top/parent/child"))
    release.set()
    await settle()
    assert told == [Started(), "begin", "fail", Restarting(), Started()]


async def test_a_strategy_that_fails_itself_stops_the_child(system: ActorSystem) -> None:
    class Broken:
        def handle_failure(self, supervisor: Supervisor, failure: ChildFailure) -> None:
            raise Boom("in the strategy")

    family = Family(system, Broken())
    await settle()
    await family.fail()
    assert not system.is_alive(family.child())
    assert family.directives == [Directive.STOP]


async def test_a_strategy_of_ones_own_sees_children_clock_and_statistics(
    system: ActorSystem,
) -> None:
    found: list[tuple[tuple[PID, ...], float, float | None]] = []

    class Own:
        def handle_failure(self, supervisor: Supervisor, failure: ChildFailure) -> None:
            failure.statistics.record(supervisor.now())
            found.append((supervisor.children, supervisor.now(), failure.statistics.last))
            supervisor.resume(failure)

    family = Family(system, Own(), "ab")
    await asyncio.sleep(5.0)
    await family.fail("b")
    ((children, now, last),) = found
    assert children == (family.child("a"), family.child("b"))
    assert now == last == pytest.approx(5.0, abs=0.1)


async def test_a_failure_after_the_parent_stopped_changes_nothing(system: ActorSystem) -> None:
    family = Family(system, OneForOne())
    await settle()
    system.root.send(family.child(), "fail")
    await system.root.stop_future(family.pid)
    await settle()
    assert system.actor_count == 0


@pytest.mark.parametrize("strategy", [OneForOne, AllForOne])
@pytest.mark.parametrize("max_restarts", [-1, RestartStatistics.LIMIT])
def test_a_number_of_restarts_that_nobody_counts_to_is_refused(
    strategy: type[OneForOne | AllForOne], max_restarts: int
) -> None:
    with pytest.raises(ValueError, match=r"max_restarts is .*AlwaysRestart has no limit"):
        strategy(max_restarts=max_restarts)
