"""Durable commands: an entity is asked and decides, its event is stored, and then it answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial

import daicho
from bench import beside, raw
from bench.balance import RECEIPT, STORED, Balance, BareBalance
from bench.clients import asking, asking_by_callbacks, bare_futures
from bench.harness import Case, Goal, Measure, Options
from bench.team import Team
from daicho import PID, ActorSystem, Props, persistence
from daicho.journal import MemoryJournal, SqliteJournal
from wallet.v1 import Wallet

Ask = Callable[[], "asyncio.Future[Wallet]"]

PEERS_COUNT = 400
KEYED = 10_000

LINES: Sequence[tuple[int, int, int, int, Sequence[Goal]]] = (
    # entities, in flight, commands, rows that the limit commits at once, goals
    (1, 1, 1_500, 1, [Goal(at_least=0.7)]),
    (1, 100, 30_000, 100, []),
    (1, 2_000, 50_000, 1_000, [Goal(at_least=0.5), Goal(of="eventsourcing", at_least=100)]),
    (1_000, 100, 20_000, 100, []),
    (1_000, 2_000, 40_000, 1_000, [Goal(at_least=0.6)]),
)
"""The limit commits 1,000 rows where 2,000 commands are in flight: while one half is being stored,
the other half gathers."""

BESIDE_ALL = {(1, 1), (1, 2_000), (1_000, 2_000)}
"""Where bare actors and uvloop are measured too."""


def right(reply: Wallet) -> bool:
    """Whether a reply has what was received."""
    return reply.deposit > 0


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """A line for each number of entities and each number in flight, and one for keys."""
    async with (
        options.peers.team("durable", options.folder) as peers,
        beside.uvloop("durable", options) as faster,
        raw.made(options.folder / "raw.db") as ledger,
        SqliteJournal(options.folder / "bare.db") as journal,
        ActorSystem(ask_timeout=60) as system,
        daicho.open(
            SqliteJournal(options.folder / "entities.db"), entities=[Balance], ask_timeout_s=60
        ) as app,
        daicho.open(
            SqliteJournal(options.folder / "thread.db", commits_in_loop=False),
            entities=[Balance],
            ask_timeout_s=60,
        ) as by_thread,
    ):
        for each in (journal, app.journal, by_thread.journal):
            await raw.grow(each)
        for entities, in_flight, full, batch, goals in LINES:
            name = title(entities, in_flight)
            count = options.count(full)
            others: dict[str, Measure] = {}
            if (entities, in_flight) in BESIDE_ALL:
                actors = _actors(system, journal, entities, f"{entities} of {in_flight}")
                others = {
                    "bare persistent actors": asking(actors, count, in_flight, check=right),
                    "with a journal in memory": in_memory(entities, count, in_flight),
                }
                others |= faster(name)
            if (entities, in_flight) == (1, 1):
                through = asking(asks(by_thread, 1), count, in_flight, check=right)
                others |= {"all commits by the writer's thread": through}
            if in_flight == 2_000:
                others |= _where_python_stands(asks(app, entities), count, in_flight)
            yield Case(
                name=name,
                unit="commands/s",
                ours=asking(asks(app, entities), count, in_flight, check=right),
                limit=raw.appends(ledger, entities, STORED, events=count, batch=batch),
                against=f"apsw inserting rows that are there already, {batch:,} a commit",
                goals=goals,
                peers=_peers(peers, options) if entities == 1 and in_flight in (1, 2_000) else {},
                beside=others,
            )
        yield _under_keys(app, options.count(KEYED))


def title(entities: int, in_flight: int) -> str:
    """What a line is called."""
    noun = "entity" if entities == 1 else "entities"
    return f"durable: {entities:,} {noun}, {in_flight:,} in flight"


def asks(app: daicho.App, entities: int) -> list[Ask]:
    """Asks so many entities for one receipt each."""
    refs = [app.entity(Balance, f"{entities}-{number}") for number in range(entities)]
    return [partial(ref.ask, Balance.receive, RECEIPT) for ref in refs]


def _actors(system: ActorSystem, journal: SqliteJournal, count: int, name: str) -> list[Ask]:
    props = Props(BareBalance, receiver_middleware=[persistence.using(journal)])
    pids = [system.root.spawn_named(props, f"{name}-{number}") for number in range(count)]

    def asker(pid: PID) -> Ask:
        return lambda: system.root.ask(pid, RECEIPT, expect=Wallet)

    return [asker(pid) for pid in pids]


def _peers(team: Team, options: Options) -> dict[str, Measure]:
    sides = team.sides("durable", options.count(PEERS_COUNT))
    return {f"{name}, one after another": side for name, side in sides.items()}


def in_memory(entities: int, count: int, in_flight: int) -> Measure:
    """Commands without a disk, in a journal of its own, so that what it keeps stays small."""

    async def run() -> float:
        journal = MemoryJournal()
        async with daicho.open(journal, entities=[Balance], ask_timeout_s=60) as app:
            sides = asks(app, entities)
            await asyncio.gather(*(ask() for ask in sides))
            return await asking(sides, count, in_flight, check=right)()

    return run


def _where_python_stands(asks: Sequence[Ask], count: int, in_flight: int) -> dict[str, Measure]:
    bare = bare_futures(asyncio.get_running_loop())
    return {
        "asked by callbacks instead of tasks": asking_by_callbacks(asks, count, in_flight),
        "the tasks alone, on bare futures": asking(
            [bare], count, in_flight, check=lambda reply: reply == 1
        ),
    }


def _under_keys(app: daicho.App, count: int) -> Case:
    """What a key costs: the same entity with keys, held against itself without them."""
    ref, keys = app.entity(Balance, "keyed"), itertools.count()

    def keyed() -> asyncio.Future[Wallet]:
        return ref.ask(Balance.receive, RECEIPT, idempotency_key=f"key {next(keys)}")

    return Case(
        name="durable: 1 entity under keys, 500 in flight",
        unit="commands/s",
        ours=asking([keyed], count, 500, check=right),
        limit=asking(asks(app, 1), count, 500, check=right),
        against="the same without idempotency keys",
    )
