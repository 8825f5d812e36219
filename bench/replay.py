"""Replay: an entity that is asked for the first time since the program began."""

from __future__ import annotations

import statistics
from collections.abc import AsyncGenerator
from pathlib import Path

import daicho
from bench import raw
from bench.balance import PARSERS, RECEIPT, STORED, Balance, Kept, apply_bare
from bench.clients import asking
from bench.durable import Ask, right
from bench.harness import Case, Clock, Goal, Measure, Options
from bench.latency import percentile
from daicho.journal import SqliteJournal
from wallet.v1 import Wallet

LENGTH = 1_000_000
PEERS_LENGTH = 8_000

ENTITIES = 100
"""Those that have a snapshot; each is opened twice in a round."""
KEPT = 1_400
"""Events of each of them; the snapshot is at 1,000."""
WITH_EACH = 1_000


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """A long stream, and streams with snapshots."""
    length, path = options.count(LENGTH), options.folder / "replay.db"
    async with SqliteJournal(path) as journal:
        await raw.fill(journal, "balance:long", STORED, length)
    async with options.peers.team("replay", options.folder) as peers:
        theirs = options.count(PEERS_LENGTH)
        yield Case(
            name="replay: an entity with 1M events",
            unit="events/s",
            ours=_recovery(path, length),
            limit=_bare_loop(path, length),
            against="SELECT, decode, dispatch by type and apply, in one loop",
            goals=[Goal(at_least=0.75)],
            peers={
                f"{name}, {theirs:,} events": side
                for name, side in peers.sides("replay", theirs).items()
            },
            warm_up=False,
        )
    yield await _with_snapshots(options)


def _recovery(path: Path, length: int) -> Measure:
    async def run() -> float:
        async with daicho.open(SqliteJournal(path), entities=[Balance], ask_timeout_s=300) as app:
            await app.settled()
            with Clock() as clock:
                balance = await app.entity(Balance, "long").ask(Balance.look, Wallet())
        assert balance.deposit == length
        return clock.rate(length)

    return run


def _bare_loop(path: Path, length: int) -> Measure:
    async def run() -> float:
        state = Wallet()
        with raw.opened(path) as ledger, Clock() as clock:
            for type_name, payload in ledger.read("type_name, payload", "balance:long"):
                apply_bare(state, PARSERS[type_name](payload))
        assert state.deposit == length
        return clock.rate(length)

    return run


async def _with_snapshots(options: Options) -> Case:
    path, entities = options.folder / "snapshots.db", max(4, options.count(ENTITIES))
    async with daicho.open(SqliteJournal(path), entities=[Kept], ask_timeout_s=60) as app:
        for number in range(entities):
            ref = app.entity(Kept, f"{number}")
            # First as many as an interval of snapshots, so that it is stored before others come.
            for count in (WITH_EACH, KEPT - WITH_EACH):
                await asking([_receiving(ref)], count, count, check=right)()
        (snapshot,) = await app.journal.list_snapshots("kept:0")
        assert snapshot.version == WITH_EACH
    of_the_round: list[float] = []

    async def ours() -> float:
        of_the_round[:] = []
        for _ in range(2):
            async with daicho.open(SqliteJournal(path), entities=[Kept]) as app:
                await app.settled()
                for number in range(entities):
                    with Clock() as clock:
                        balance = await app.entity(Kept, f"{number}").ask(Kept.look, Wallet())
                    assert balance.deposit == KEPT
                    of_the_round.append(clock.seconds)
        return percentile(of_the_round, 99) * 1_000

    async def fifty() -> float:
        return statistics.median(of_the_round) * 1_000

    async def limit() -> float:
        with raw.opened(path) as ledger:
            times = [_bare_opening(ledger, f"kept:{number}") for number in range(entities)]
        return percentile(times * 2, 99) * 1_000

    return Case(
        name="replay: opening with a snapshot, 99th percentile",
        unit="ms",
        ours=ours,
        limit=limit,
        against=f"a bare loop over the snapshot and {KEPT - WITH_EACH} events after it, likewise",
        goals=[Goal(of="figure", at_most=5)],
        beside={"50th percentile": fifty},
        less_is_better=True,
    )


def _receiving(ref: daicho.Ref[Kept]) -> Ask:
    return lambda: ref.ask(Kept.receive, RECEIPT)


def _bare_opening(ledger: raw.Ledger, stream: str) -> float:
    with Clock() as clock:
        version, type_name, stored = ledger.snapshot(stream)
        state = PARSERS[type_name](stored)
        assert isinstance(state, Wallet)
        for kind, payload in ledger.read("type_name, payload", stream, after=version):
            apply_bare(state, PARSERS[kind](payload))
    assert state.deposit == KEPT
    return clock.seconds
