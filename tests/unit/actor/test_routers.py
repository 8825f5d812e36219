"""How routers find who gets a message, and what becomes of their routees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daicho.actor import (
    PID,
    ActorSystem,
    AddRoutee,
    Bounded,
    Broadcast,
    BroadcastMessage,
    ConsistentHash,
    Context,
    Envelope,
    GetRoutees,
    Overflow,
    PoisonPill,
    Props,
    RandomChoice,
    Receiver,
    RemoveRoutee,
    RoundRobin,
    Routees,
    Routing,
    Started,
)
from daicho.errors import HandlerFailed, MailboxFull, NoSuchActor
from tests.support.actors import Boom, fail, letters, settle


def first_word(message: object) -> str:
    assert isinstance(message, str)
    return message.split()[0]


class Workers:
    """Routees that note what they receive, with headers."""

    def __init__(self, system: ActorSystem) -> None:
        self.system = system
        self.seen: dict[str, list[object]] = {}
        self.headers: list[object] = []

    def props(self) -> Props:
        return Props.from_function(self.receive)

    def receive(self, ctx: Context) -> None:
        seen = self.seen.setdefault(ctx.self.id, [])
        if ctx.message == Started():
            return
        seen.append(ctx.message)
        self.headers.append(ctx.headers)
        if ctx.message == "fail":
            fail(ctx)
        if ctx.sender is not None:
            ctx.respond(ctx.self.id)

    def spawn(self, *names: str) -> list[PID]:
        return [self.system.root.spawn_named(self.props(), name) for name in names]


@pytest.fixture
def others(system: ActorSystem) -> Workers:
    return Workers(system)


async def routees(system: ActorSystem, router: PID) -> tuple[PID, ...]:
    return (await system.root.ask(router, GetRoutees(), expect=Routees)).pids


# --- how a routee is found ------------------------------------------------------------------------


async def test_broadcast_gives_every_message_to_every_routee(
    system: ActorSystem, others: Workers
) -> None:
    router = system.root.spawn(Broadcast().group(*others.spawn("a", "b")))
    for number in range(2):
        system.root.send(router, number)
    await settle()
    assert others.seen == {"a": [0, 1], "b": [0, 1]}


async def test_round_robin_gives_one_after_the_other_a_turn(
    system: ActorSystem, others: Workers
) -> None:
    router = system.root.spawn(RoundRobin().group(*others.spawn("a", "b", "c")))
    for number in range(7):
        system.root.send(router, number)
    await settle()
    assert others.seen == {"a": [0, 3, 6], "b": [1, 4], "c": [2, 5]}


async def test_random_choice_takes_its_chance_from_the_injected_source(
    system: ActorSystem, others: Workers
) -> None:
    chance = iter([0.0, 0.49, 0.5, 0.999])
    routing = RandomChoice(source=lambda: next(chance))
    router = system.root.spawn(routing.group(*others.spawn("a", "b")))
    for number in range(4):
        system.root.send(router, number)
    await settle()
    assert others.seen == {"a": [0, 1], "b": [2, 3]}


async def test_consistent_hash_gives_messages_of_one_key_to_one_routee(
    system: ActorSystem, others: Workers
) -> None:
    router = system.root.spawn(ConsistentHash(first_word).group(*others.spawn("a", "b", "c")))
    owners: dict[str, set[object]] = {}
    for number in range(200):
        key = f"user-{number % 40}"
        owner = await system.root.ask(router, f"{key} {number}")
        owners.setdefault(key, set()).add(owner)
    assert all(len(owner) == 1 for owner in owners.values())
    assert len(set.union(*owners.values())) == 3


def test_consistent_hash_is_the_same_in_every_process() -> None:
    pick = ConsistentHash(first_word).picker()
    pids = [PID("local", name) for name in "abcde"]
    picked = [pick(f"user-{number}", pids)[0].id for number in range(10)]
    assert "".join(picked) == "accaadaccc"


@given(
    keys=st.lists(st.text(min_size=1), min_size=1, max_size=30),
    size=st.integers(2, 8),
    gone=st.integers(0, 7),
)
def test_when_a_routee_leaves_its_keys_alone_move(keys: list[str], size: int, gone: int) -> None:
    pick = ConsistentHash(str).picker()
    pids = [PID("local", str(number)) for number in range(size)]
    left = [pid for number, pid in enumerate(pids) if number != gone % size]
    for key in keys:
        before, after = pick(key, pids)[0], pick(key, left)[0]
        assert after == before or before == pids[gone % size]


def test_keys_are_spread_evenly() -> None:
    pick = ConsistentHash(str).picker()
    pids = [PID("local", str(number)) for number in range(4)]
    counts = Counter(pick(f"key {number}", pids)[0] for number in range(4_000))
    assert all(850 < count < 1_150 for count in counts.values())


def test_a_key_may_be_bytes_and_of_any_length() -> None:
    pick = ConsistentHash(lambda message: bytes(message)).picker()  # type: ignore[call-overload]  # noqa: PLW0108
    pids = [PID("local", "a"), PID("local", "b")]
    assert pick(b"x" * 10_000, pids) == pick(b"x" * 10_000, pids)


# --- pools and groups -----------------------------------------------------------------------------


async def test_a_pool_spawns_its_routees_as_children(system: ActorSystem, others: Workers) -> None:
    router = system.root.spawn_named(RoundRobin().pool(others.props(), 3), "pool")
    assert [pid.id for pid in await routees(system, router)] == ["pool/1", "pool/2", "pool/3"]
    await system.root.stop_future(router)
    assert system.actor_count == 0


def test_a_pool_of_less_than_none_is_refused(others: Workers) -> None:
    with pytest.raises(ValueError, match="no negative size: -1"):
        RoundRobin().pool(others.props(), -1)


async def test_a_group_leaves_its_routees_alive(system: ActorSystem, others: Workers) -> None:
    pids = others.spawn("a", "b")
    router = system.root.spawn(RoundRobin().group(*pids, pids[0]))
    assert await routees(system, router) == tuple(pids)
    await system.root.stop_future(router)
    assert all(system.is_alive(pid) for pid in pids)


async def test_the_sender_stays_and_so_do_the_headers(system: ActorSystem, others: Workers) -> None:
    router = system.root.spawn(RoundRobin().group(*others.spawn("a")))
    assert await system.root.ask(router, "hello", headers={"trace": "1"}) == "a"
    system.root.send(router, "bye", headers={"trace": "2"})
    await settle()
    assert others.headers == [{"trace": "1"}, {"trace": "2"}]


async def test_routees_are_added_and_removed_by_messages(
    system: ActorSystem, others: Workers
) -> None:
    a, b, c = others.spawn("a", "b", "c")
    router = system.root.spawn(RoundRobin().group(a, b))
    for message in (AddRoutee(c), AddRoutee(c), RemoveRoutee(a), RemoveRoutee(a)):
        system.root.send(router, message)
    assert await routees(system, router) == (b, c)
    assert system.is_alive(a)


async def test_what_a_pool_gives_up_stops_when_it_has_handled_what_it_has(
    system: ActorSystem, others: Workers
) -> None:
    router = system.root.spawn_named(RoundRobin().pool(others.props(), 2), "pool")
    one, two = await routees(system, router)
    for number in range(4):
        system.root.send(router, number)
    system.root.send(router, RemoveRoutee(one))
    assert await routees(system, router) == (two,)
    await settle()
    assert not system.is_alive(one)
    assert others.seen["pool/1"][:2] == [0, 2]


async def test_a_routee_that_stops_leaves(system: ActorSystem, others: Workers) -> None:
    a, b = others.spawn("a", "b")
    group = system.root.spawn(RoundRobin().group(a, b))
    pool = system.root.spawn_named(RoundRobin().pool(others.props(), 2), "pool")
    one, two = await routees(system, pool)
    await system.root.stop_future(a)
    await system.root.stop_future(one)
    await settle()
    assert await routees(system, group) == (b,)
    assert await routees(system, pool) == (two,)


async def test_a_group_of_one_who_never_lived_is_empty(system: ActorSystem) -> None:
    router = system.root.spawn(RoundRobin().group(system.pid("nobody")))
    await settle()
    assert await routees(system, router) == ()


async def test_a_routee_that_fails_is_restarted_by_its_pool(
    system: ActorSystem, others: Workers
) -> None:
    router = system.root.spawn_named(RoundRobin().pool(others.props(), 1), "pool")
    system.root.send(router, "fail")
    assert await system.root.ask(router, "hello") == "pool/1"


async def test_a_broadcast_message_reaches_all_whatever_the_routing(
    system: ActorSystem, others: Workers
) -> None:
    router = system.root.spawn(RoundRobin().group(*others.spawn("a", "b")))
    system.root.send(router, BroadcastMessage("hello"))
    await settle()
    assert others.seen == {"a": ["hello"], "b": ["hello"]}


async def test_a_broadcast_pill_lets_a_pool_finish(system: ActorSystem, others: Workers) -> None:
    router = system.root.spawn_named(RoundRobin().pool(others.props(), 2), "pool")
    for number in range(4):
        system.root.send(router, number)
    system.root.send(router, BroadcastMessage(PoisonPill()))
    await settle()
    assert {name: seen[:2] for name, seen in others.seen.items()} == {
        "pool/1": [0, 2],
        "pool/2": [1, 3],
    }
    assert await routees(system, router) == ()


async def test_a_restarted_router_begins_as_it_was_made(
    system: ActorSystem, others: Workers
) -> None:
    a, b = others.spawn("a", "b")
    router = system.root.spawn(RoundRobin().group(a))
    system.root.send(router, AddRoutee(b))
    await settle()
    system.cell(router).restart_after(0.0)
    await settle()
    assert await routees(system, router) == (a,)


async def test_a_routers_own_options_are_its_own(system: ActorSystem, others: Workers) -> None:
    trace: list[object] = []

    def note(receiver: Receiver) -> Receiver:
        def receive(ctx: Context, envelope: Envelope) -> object:
            trace.append(envelope.message)
            return receiver(ctx, envelope)

        return receive  # type: ignore[return-value]

    (a,) = others.spawn("a")
    props = RoundRobin().group(a, receiver_middleware=[note], mailbox=Bounded(9))
    router = system.root.spawn(props)
    system.root.send(router, "hello")
    await settle()
    assert trace == [Started(), "hello"]


# --- what cannot be passed on ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        Broadcast,
        RoundRobin,
        RandomChoice,
        lambda: ConsistentHash(first_word),
    ],
)
async def test_without_a_routee_a_message_is_a_dead_letter(
    system: ActorSystem, make: Callable[[], Routing]
) -> None:
    found = letters(system)
    router = system.root.spawn(make().group())
    with pytest.raises(NoSuchActor):
        await system.root.ask(router, "hello")
    system.root.send(router, BroadcastMessage("all"))
    await settle()
    assert [(letter.message, letter.reason) for letter in found] == [
        ("hello", "the router has no routee"),
        ("all", "the router has no routee"),
    ]


async def test_a_message_without_a_key_fails_alone(system: ActorSystem, others: Workers) -> None:
    def key(message: object) -> str:
        if message == "bad":
            raise Boom
        return str(message)

    router = system.root.spawn_named(ConsistentHash(key).pool(others.props(), 2), "pool")
    before = await routees(system, router)
    with pytest.raises(HandlerFailed) as caught:
        await system.root.ask(router, "bad")
    assert isinstance(caught.value.__cause__, Boom)
    assert await routees(system, router) == before
    assert system.cell(router).incarnation == 0


async def test_a_full_routee_is_not_the_routers_failure(system: ActorSystem) -> None:
    found = letters(system)
    props = Props.from_function(lambda _: None, mailbox=Bounded(1, Overflow.FAIL))
    full = system.root.spawn(props)
    await settle()
    system.cell(full).suspended = True
    router = system.root.spawn(Broadcast().group(full))
    system.root.send(router, "fits")
    await settle()
    with pytest.raises(MailboxFull):
        await system.root.ask(router, "does not fit")
    assert [letter.message for letter in found] == ["does not fit"]
    assert system.cell(router).incarnation == 0


async def test_what_is_told_to_the_router_itself_is_not_passed_on(
    system: ActorSystem, others: Workers
) -> None:
    (a,) = others.spawn("a")
    router = system.root.spawn(Broadcast().group(a))
    system.cell(router).restart_after(0.0)
    await settle()
    await system.root.poison_future(router)
    assert others.seen == {"a": []}
