"""What the durable benchmarks ask: an entity, and the same by hand as a bare persistent actor."""

from __future__ import annotations

import daicho
from bench import raw
from daicho import Context, persistence
from daicho.events import ProtobufCodec
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet

RECEIPT = ReceiveMoney(amount=1)
"""The command, and the event: one object for all, as neither side changes it."""

STORED = raw.event(*ProtobufCodec().encode(RECEIPT))
"""The event as it is stored."""


class Balance(daicho.Entity[Wallet], name="balance"):
    """A balance; each receipt is an event."""

    @daicho.command
    def receive(self, command: ReceiveMoney) -> Wallet:
        """Takes money."""
        self.emit(command)
        return self.state

    @daicho.command
    def look(self, command: Wallet) -> Wallet:  # noqa: ARG002 - its type is the question
        """Says the balance."""
        return self.state

    @daicho.event
    def received(self, event: ReceiveMoney) -> None:
        """Money came."""
        self.state.deposit += event.amount


class Kept(Balance, name="kept"):
    """The same with snapshots."""

    snapshot = daicho.every(1_000)


class BareBalance(persistence.Mixin):
    """The same by hand."""

    def __init__(self) -> None:
        self.state = Wallet()

    def receive(self, ctx: Context) -> None:
        """Handles commands, and events in recovery."""
        message = ctx.message
        if isinstance(message, ReceiveMoney):
            self.state.deposit += message.amount
            if not self.recovering:
                self.persist_receive(message)
                ctx.respond(Wallet(deposit=self.state.deposit))


def apply_bare(state: Wallet, message: object) -> None:
    """The least that replay does with an event: the dispatch by type, and the change."""
    if isinstance(message, ReceiveMoney):
        state.deposit += message.amount
    elif isinstance(message, PaymentMoney):
        state.deposit -= message.amount


PARSERS = {
    kind.DESCRIPTOR.full_name: kind.FromString for kind in (ReceiveMoney, PaymentMoney, Wallet)
}
"""How the least decodes what is stored."""
