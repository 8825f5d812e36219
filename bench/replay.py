"""Replay: an actor's whole recovery from a long stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bench import raw, rivals
from bench.account import Account
from bench.harness import Case, Clock, Measure, Options
from daicho.actor import ActorSystem, Context, Props
from daicho.events import ProtobufCodec
from daicho.journal.sqlite import SqliteJournal
from daicho.persistence import ReplayComplete, using
from wallet.v1.wallet_pb2 import PaymentMoney, ReceiveMoney

LENGTH = 1_000_000
STREAM = "long"


class Reporting(Account):
    """An account that says when it is there again."""

    def __init__(self, recovered: asyncio.Future[int]) -> None:
        super().__init__()
        self._recovered = recovered

    def receive(self, ctx: Context) -> None:
        if isinstance(ctx.message, ReplayComplete):
            self._recovered.set_result(self.balance)
        else:
            super().receive(ctx)


@asynccontextmanager
async def subject(options: Options) -> AsyncIterator[Sequence[Case]]:
    """One line, of a stream that is made once."""
    length = options.count(LENGTH)
    stored = raw.event(*ProtobufCodec().encode(ReceiveMoney(amount=1)))
    async with (
        SqliteJournal(options.folder / "replay.db") as journal,
        ActorSystem() as system,
    ):
        await raw.fill(journal, STREAM, stored, length)
        yield [
            Case(
                name=f"replay: a stream of {length:,}",
                unit="events/s",
                ours=_recovery(system, journal, length),
                limit=_bare_loop(journal.path, length),
                aim=200e3,
                rivals=rivals.replay(options.folder / "rival.db", options.count(8_000)),
                warm_up=False,
            )
        ]


def _recovery(system: ActorSystem, journal: SqliteJournal, length: int) -> Measure:
    async def run() -> float:
        recovered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        props = Props(
            lambda: Reporting(recovered), receiver_middleware=[using(journal, stream=STREAM)]
        )
        with Clock() as clock:
            pid = system.root.spawn(props)
            balance = await recovered
        assert balance == length
        await system.root.stop_future(pid)
        return clock.rate(length)

    return run


def _bare_loop(path: Path, length: int) -> Measure:
    """Rows, decoded, dispatched by type and applied, with nothing in between."""
    kinds = (ReceiveMoney, PaymentMoney)
    parsers = {kind.DESCRIPTOR.full_name: kind.FromString for kind in kinds}

    async def run() -> float:
        balance = 0
        with raw.opened(path) as ledger, Clock() as clock:
            for type_name, payload in ledger.read("type_name, payload", STREAM):
                message = parsers[type_name](payload)
                if isinstance(message, ReceiveMoney):
                    balance += message.amount
                elif isinstance(message, PaymentMoney):
                    balance -= message.amount
        assert balance == length
        return clock.rate(length)

    return run
