"""The article's ``main``: a wallet recovers, takes a few amounts, and stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Literal

from daicho import persistence
from daicho.actor import PID, ActorSystem, Props, Root
from daicho.journal import Journal, MemoryJournal, SqliteJournal
from daicho.persistence import SnapshotFailed
from wallet.actor import BalanceOutOfRange, GetWallet, WalletActor, fits
from wallet.article_file import Owner, owner_of
from wallet.article_journal import ArticleJournal
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet

JournalName = Literal["article", "daicho", "memory"]

BUSY_TIMEOUT_S = 2.0
"""How long the demo waits for another process that holds its database."""

_PATIENCE_S = 86_400.0
"""A reply comes when the history before it is replayed, and that may be long. It comes in any case:
what goes wrong is an error, not a silence."""


def journal_of(name: JournalName, db: Path) -> Journal:
    """The journal of a name, not open yet; that in memory does without the file."""
    match name:
        case "article":
            return ArticleJournal(db, busy_timeout_s=BUSY_TIMEOUT_S)
        case "daicho":
            return SqliteJournal(db, busy_timeout_s=BUSY_TIMEOUT_S)
        case "memory":
            return MemoryJournal()


def journal_in(db: Path) -> JournalName | None:
    """The journal that a file belongs to; None if it is none of them, or cannot be read."""
    match owner_of(db):
        case Owner.ARTICLE:
            return "article"
        case Owner.DAICHO:
            return "daicho"
        case None:
            return None


def message_of(amount: int) -> ReceiveMoney | PaymentMoney:
    """A receipt, or for a negative amount a payment."""
    return ReceiveMoney(amount=amount) if amount >= 0 else PaymentMoney(amount=-amount)


def check(deposit: int, amounts: Sequence[int]) -> None:
    """Goes through a whole run, so that none is begun that cannot be ended.

    Raises:
        BalanceOutOfRange: Some amount would take the balance out of 64 bits.
    """
    for amount, balance in zip(amounts, accumulate(amounts, initial=deposit), strict=False):
        if not fits(balance + amount):
            raise BalanceOutOfRange(balance, amount)


async def run(
    amounts: Sequence[int],
    *,
    journal: Journal,
    user: str = "user_id",
    snapshot_interval: int = 5,
    say: Callable[[str], object] = print,
) -> list[SnapshotFailed]:
    """Recovers the user's wallet, says ``-----``, lets it have the amounts, and stops it.

    All of it is durable on return. The whole run is checked against the recovered balance before
    the first amount is sent, so a run that could not end is not begun.

    Returns:
        The snapshots that could not be stored; nothing is lost by them.

    Raises:
        BalanceOutOfRange: Some amount would take the balance out of 64 bits; nothing was stored.
        DaichoError: The wallet could not be recovered, or not all amounts could be stored.
    """
    is_over = False

    def speak(line: str) -> None:
        if not is_over:
            say(line)

    props = Props(
        partial(WalletActor, speak),
        receiver_middleware=[
            persistence.using(
                journal,
                stream=user,
                snapshot=persistence.every(snapshot_interval),
                initial=Wallet,
                recovery_attempts=1,
            )
        ],
    )
    failed_snapshots: list[SnapshotFailed] = []
    async with journal, ActorSystem(shutdown_timeout=1.0) as system:
        system.event_stream.subscribe(failed_snapshots.append, event_type=SnapshotFailed)
        try:
            await _main(system.root, system.root.spawn(props), amounts, speak)
        finally:
            # An actor whose events were not stored recovers once more, before it stops.
            is_over = True
    return failed_snapshots


async def _main(
    root: Root, wallet: PID, amounts: Sequence[int], say: Callable[[str], object]
) -> None:
    recovered = await root.ask(wallet, GetWallet(), expect=Wallet, timeout=_PATIENCE_S)
    check(recovered.deposit, amounts)
    say("-----")
    # The article sends. Who asks also learns if an amount could not be stored.
    replies = [
        root.request_future(wallet, message_of(amount), timeout=_PATIENCE_S) for amount in amounts
    ]
    await asyncio.gather(*replies)
    await root.poison_future(wallet)
