"""Streams and snapshots that a test finds already there."""

from __future__ import annotations

from daicho.journal import Journal, Snapshot
from tests.support.journals import foreign_append
from wallet.v1 import ReceiveMoney, Wallet

RECEIVE = ReceiveMoney.DESCRIPTOR.full_name
STATE = Wallet.DESCRIPTOR.full_name


def money(amount: int) -> tuple[str, bytes]:
    """A stored event."""
    return RECEIVE, ReceiveMoney(amount=amount).SerializeToString()


def snapshot(version: int, deposit: int, type_name: str = STATE) -> Snapshot:
    """A snapshot of the stream "ledger"."""
    payload = Wallet(deposit=deposit).SerializeToString()
    return Snapshot(
        stream="ledger", version=version, type_name=type_name, payload=payload, time_us=0
    )


async def fill(journal: Journal, count: int) -> None:
    """Events of 1, 2, 3 … in the stream "ledger"."""
    await foreign_append(journal, "ledger", *(money(amount) for amount in range(1, count + 1)))


async def versions(journal: Journal) -> list[int]:
    """The versions of the snapshots of the stream "ledger", oldest first."""
    return [snapshot.version for snapshot in await journal.list_snapshots("ledger")][::-1]
