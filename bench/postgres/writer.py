"""A process that writes: ``python -m bench.postgres.writer URL SCHEMA NAME``, told by another one.

It asks an entity of its own for receipts, 2,000 in flight, with the other writers beside it.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial

import daicho
from bench.balance import RECEIPT, Balance
from bench.clients import asking
from bench.durable import right
from bench.peers import protocol
from daicho.journal.postgres import PostgresJournal

IN_FLIGHT = 2_000


async def write(ref: daicho.Ref[Balance], count: int) -> float:
    """Asks for so many receipts; returns how many a second."""
    asks = [partial(ref.ask, Balance.receive, RECEIPT)]
    return await asking(asks, count, min(count, IN_FLIGHT), check=right)()


def main(url: str, schema: str, name: str) -> None:
    """Opens the journal, and writes as much as it is told to."""
    journal = PostgresJournal(url, schema=schema)
    app = daicho.open(journal, entities=[Balance], ask_timeout_s=60)
    with asyncio.Runner() as runner:
        runner.run(app.__aenter__())
        try:
            ref = app.entity(Balance, name)
            protocol.serve("asyncpg", {"durable": lambda count: runner.run(write(ref, count))})
        finally:
            runner.run(app.__aexit__(None, None, None))


if __name__ == "__main__":
    main(*sys.argv[1:])
