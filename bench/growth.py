"""What growth costs: the same commands on a file with a short history and on one with a long."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import daicho
from bench import raw
from bench.balance import RECEIPT, STORED, Balance
from bench.clients import asking
from bench.durable import Ask, right
from bench.harness import Case, Goal, Options
from bench.table import number
from daicho.journal import SqliteJournal

STREAMS = 20_000
ENTITIES = 1_000
IN_FLIGHT = 2_000
BATCH = 1_000
COMMANDS = 40_000
SMALL = 100_000
"""Events of the file with the short history."""

GOAL = 0.7


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """A line for Daicho and one for apsw, each on two files of its own."""
    sizes = {"large": options.count(options.growth), "small": options.count(SMALL)}
    streams = options.count(STREAMS)
    paths = {name: options.folder / f"{name}.db" for name in sizes}
    copies = {name: options.folder / f"raw {name}.db" for name in sizes}
    for name, size in sizes.items():
        async with SqliteJournal(paths[name]):
            pass
        raw.fill_in_turn(paths[name], "balance:", streams, STORED, size)
        shutil.copyfile(paths[name], copies[name])
    ids = range(1, streams + 1, max(1, streams // ENTITIES))
    events, large = options.count(COMMANDS), number(sizes["large"])
    against = f"the same on a file with {number(sizes['small'])}"
    async with _opened(paths["large"]) as long, _opened(paths["small"]) as short:
        for app in (long, short):
            await app.settled()
            await raw.grow(app.journal)
        yield Case(
            name=f"growth: 1,000 entities, {large} events in the file",
            unit="commands/s",
            ours=asking(_asks(long, ids), events, IN_FLIGHT, check=right),
            limit=asking(_asks(short, ids), events, IN_FLIGHT, check=right),
            against=against,
            goals=[Goal(at_least=GOAL)],
        )
    with raw.opened(copies["large"]) as long_one, raw.opened(copies["small"]) as short_one:
        sides = {
            name: raw.appends_to(
                ledger, ids, sizes[name] // streams + 1, STORED, events=events, batch=BATCH
            )
            for name, ledger in (("large", long_one), ("small", short_one))
        }
        yield Case(
            name=f"growth: apsw alone, {large} events in the file",
            unit="commands/s",
            ours=sides["large"],
            limit=sides["small"],
            against=against,
            who="apsw",
        )


def _opened(path: Path) -> daicho.App:
    return daicho.open(SqliteJournal(path), entities=[Balance], ask_timeout_s=120)


def _asks(app: daicho.App, ids: range) -> list[Ask]:
    refs = [app.entity(Balance, f"{number}") for number in ids]
    return [partial(ref.ask, Balance.receive, RECEIPT) for ref in refs]
