"""The article's wallet: it keeps a balance, and every change of it is an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daicho import persistence
from daicho.actor import Context, RequestFailed
from daicho.persistence import ReplayComplete, RequestSnapshot
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet

if TYPE_CHECKING:
    from google.protobuf.message import Message

MAX_BALANCE = 2**63 - 1
MIN_BALANCE = -(2**63)
"""What fits into ``Wallet.deposit``, a signed 64-bit integer."""


class BalanceOutOfRange(Exception):
    """A receipt or payment that would take the balance out of 64 bits; it has changed nothing."""

    def __init__(self, deposit: int, change: int) -> None:
        super().__init__(
            f"a balance of {deposit} cannot change by {change:+}: the result would not fit into"
            " 64 bits; nothing was changed, use smaller amounts"
        )
        self.deposit = deposit
        self.change = change


@dataclass(frozen=True, slots=True)
class GetWallet:
    """Asks for the ``Wallet`` as it is now. The reply waits until all of it is durable."""


def change_of(message: ReceiveMoney | PaymentMoney) -> int:
    """By how much a message changes the balance."""
    return message.amount if isinstance(message, ReceiveMoney) else -message.amount


def fits(balance: int) -> bool:
    """Whether a wallet can hold it."""
    return MIN_BALANCE <= balance <= MAX_BALANCE


def text_of(message: Message) -> str:
    """A message of plain fields as Go prints it: those that are not zero, as ``name:value``."""
    return " ".join(f"{field.name}:{value}" for field, value in message.ListFields())


class WalletActor(persistence.Mixin):
    """The article's actor.

    Who asks rather than sends gets the ``Wallet`` after the change, once that is durable, or
    :class:`BalanceOutOfRange`.

    Args:
        say: Takes each line that the article prints.
    """

    def __init__(self, say: Callable[[str], object] = print) -> None:
        self.wallet = Wallet()
        self._say = say

    def receive(self, ctx: Context) -> None:
        """Handles the wallet's messages, and its history before them."""
        match ctx.message:
            case (ReceiveMoney() | PaymentMoney()) as msg if not self._can_take(msg):
                self._refuse(ctx, msg)
            case ReceiveMoney() as msg:
                self.wallet.deposit += msg.amount
                if self.recovering:
                    self._say(f"replay wallet(receive): {text_of(msg)}")
                else:
                    self.persist_receive(msg)
                self._say(f"current deposit: {self.wallet.deposit}")
                self._reply(ctx)
            case PaymentMoney() as msg:
                self.wallet.deposit -= msg.amount
                if self.recovering:
                    self._say(f"replay wallet(payment): {text_of(msg)}")
                else:
                    self.persist_receive(msg)
                self._say(f"current deposit: {self.wallet.deposit}")
                self._reply(ctx)
            case Wallet() as msg if self.recovering:
                self._say(f"recovering wallet from snapshot: {text_of(msg)}")
                self.wallet.deposit = msg.deposit
            case RequestSnapshot():
                self._say(f"snapshot requested, current deposit: {self.wallet.deposit}")
                self.persist_snapshot(self.wallet)
            case ReplayComplete():
                self._say(f"replay complete, current deposit: {self.wallet.deposit}")
            case GetWallet():
                self._reply(ctx)
            case _:
                pass  # Started and the like: nothing to prepare, nothing to give back.

    def _can_take(self, message: ReceiveMoney | PaymentMoney) -> bool:
        return fits(self.wallet.deposit + change_of(message))

    def _refuse(self, ctx: Context, message: ReceiveMoney | PaymentMoney) -> None:
        refusal = BalanceOutOfRange(self.wallet.deposit, change_of(message))
        if self.recovering:
            # The history itself does not fit: there is no state that could be the right one.
            raise refusal
        # Not raised, because a refusal is no failure: the actor lives on with what it knows.
        ctx.respond(RequestFailed(refusal, message))

    def _reply(self, ctx: Context) -> None:
        if ctx.sender is not None:
            # A copy, because a reply waits for the disk while the wallet goes on changing.
            ctx.respond(Wallet(deposit=self.wallet.deposit))
