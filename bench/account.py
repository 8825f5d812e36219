"""The event-sourced actor of the benchmarks, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass

from daicho.actor import Context
from daicho.persistence import Mixin, ReplayComplete
from wallet.v1.wallet_pb2 import ReceiveMoney


@dataclass(frozen=True, slots=True)
class Deposit:
    """A command."""

    amount: int


class Account(Mixin):
    """A balance; each deposit is an event."""

    def __init__(self) -> None:
        self.balance = 0

    def receive(self, ctx: Context) -> None:
        """Handles commands, and events in recovery."""
        message = ctx.message
        if isinstance(message, Deposit):
            self.balance += message.amount
            self.persist_receive(ReceiveMoney(amount=message.amount))
            ctx.respond(self.balance)
        elif isinstance(message, ReceiveMoney):
            self.balance += message.amount
        elif isinstance(message, ReplayComplete):
            self.recovered(ctx)

    def recovered(self, ctx: Context) -> None:
        """The state is that of the journal."""
