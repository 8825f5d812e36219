"""What has happened to a wallet, as its owner reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import daicho
from wallet.account import Account
from wallet.v1 import (
    PaymentMoney,
    ReceiveMoney,
    TransferCompleted,
    TransferDeposited,
    TransferRefunded,
    TransferWithdrawn,
    WalletClosed,
    WalletFrozen,
    WalletOpened,
    WalletUnfrozen,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of a statement."""

    version: int
    time: datetime
    what: str
    """What happened, in a few words."""
    amount: int
    """By how much the balance changed; 0 if it did not."""
    balance: int
    """The balance after it."""
    transfer: str | None
    """The transfer that it belongs to."""


async def statement(
    account: daicho.Ref[Account], *, from_version: int, balance: int
) -> AsyncIterator[Entry]:
    """The entries of a wallet from a version on, in order; ``balance`` is what it had before.

    Raises:
        EventError: What is stored cannot be decoded.
    """
    async for change in account.history(from_version=from_version):
        what, amount, transfer = told(change.event)
        balance += amount
        yield Entry(
            version=change.version,
            time=change.time,
            what=what,
            amount=amount,
            balance=balance,
            transfer=transfer,
        )


def told(event: object) -> tuple[str, int, str | None]:
    """What an event is to the owner, by how much it changes the balance, and its transfer."""
    match event:
        case WalletOpened():
            return "opened", 0, None
        case ReceiveMoney():
            return "deposit", event.amount, None
        case PaymentMoney():
            return "payment", -event.amount, None
        case TransferWithdrawn():
            return f"transfer to {event.target}", -event.amount, event.transfer_id
        case TransferDeposited():
            return f"transfer from {event.source}", event.amount, event.transfer_id
        case TransferCompleted():
            return "transfer arrived", 0, event.transfer_id
        case TransferRefunded():
            return f"transfer came back: {event.reason}", event.amount, event.transfer_id
        case WalletFrozen(reason=""):
            return "frozen", 0, None
        case WalletFrozen():
            return f"frozen: {event.reason}", 0, None
        case WalletUnfrozen():
            return "unfrozen", 0, None
        case WalletClosed():
            return "closed", 0, None
        case _:
            raise AssertionError(f"a statement has no words for {type(event).__name__}")
