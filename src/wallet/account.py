"""A wallet as an entity: what may be done with it, and what has been.

Money that a transfer takes out stays on the wallet's books as *under way* until the transfer tells
that it has arrived, or brings it back. What is under way keeps its room below the largest balance,
and a wallet is not closed while anything is; so what comes back is never refused.
"""

from __future__ import annotations

import daicho
from wallet.v1 import (
    AccountState,
    CloseWallet,
    CompleteTransfer,
    DepositForTransfer,
    FreezeWallet,
    OpenWallet,
    PaymentMoney,
    ReceiveMoney,
    RefundTransfer,
    TransferCompleted,
    TransferDeposited,
    TransferRefunded,
    TransferWithdrawn,
    UnfreezeWallet,
    WalletClosed,
    WalletFrozen,
    WalletOpened,
    WalletUnfrozen,
    WithdrawForTransfer,
)

MAX_BALANCE = 2**63 - 1
"""What fits into a signed 64-bit integer."""

MAX_NAME_BYTES = 255
"""How long the name of a wallet is at most, in UTF-8."""

Status = AccountState.Status


class Account(daicho.Entity[AccountState], name="wallet"):
    """A wallet, addressed by its name.

    Every command but :class:`OpenWallet` wants it open, and is ``Rejected`` where it is frozen,
    closed or was never opened. A rejection's reason is a sentence, its data what a program needs.
    """

    snapshot = daicho.every(100)

    # --- the owner --------------------------------------------------------------------------------

    @daicho.command
    def open(self, _: OpenWallet) -> AccountState:
        """Opens it; once in its life."""
        if self.state.status == Status.STATUS_CLOSED:
            raise daicho.Rejected(f"{self.id} is closed, and stays so")
        if self.state.status != Status.STATUS_UNSPECIFIED:
            raise daicho.Rejected(f"{self.id} is open already")
        self.emit(WalletOpened())
        return self.state

    @daicho.command
    def deposit(self, command: ReceiveMoney) -> AccountState:
        """Takes money in."""
        self._check_amount(command.amount)
        self._check_usable()
        self._check_room(command.amount)
        self.emit(command)
        return self.state

    @daicho.command
    def pay(self, command: PaymentMoney) -> AccountState:
        """Gives money out; a rejection says what is ``missing``."""
        self._check_amount(command.amount)
        self._check_usable()
        self._check_covered(command.amount)
        self.emit(command)
        return self.state

    @daicho.command
    def freeze(self, command: FreezeWallet) -> AccountState:
        """Lets nothing be done with it until it is unfrozen."""
        if self.state.status == Status.STATUS_FROZEN:
            raise daicho.Rejected(f"{self.id} is frozen already")
        self._check_usable()
        self.emit(WalletFrozen(reason=command.reason))
        return self.state

    @daicho.command
    def unfreeze(self, _: UnfreezeWallet) -> AccountState:
        """Lets it be used again."""
        if self.state.status != Status.STATUS_FROZEN:
            self._check_usable()
            raise daicho.Rejected(f"{self.id} is not frozen")
        self.emit(WalletUnfrozen())
        return self.state

    @daicho.command
    def close(self, _: CloseWallet) -> AccountState:
        """Ends its life; only an empty one is closed, and only when nothing is under way."""
        if self.state.status == Status.STATUS_CLOSED:
            raise daicho.Rejected(f"{self.id} is closed already")
        self._check_usable()
        if self.state.balance:
            raise daicho.Rejected(
                f"{self.id} still has {self.state.balance}; only an empty wallet can be closed",
                balance=self.state.balance,
            )
        if self.state.under_way:
            raise daicho.Rejected(
                f"{self._under_way} from {self.id} is under way, and may come back; try again when"
                " its transfers have come to their end",
                under_way=self._under_way,
            )
        self.emit(WalletClosed())
        return self.state

    # --- transfers: each gives the balance, because all that they came to is stored ---------------

    @daicho.command
    def withdraw(self, command: WithdrawForTransfer) -> int:
        """Lets money leave for another wallet."""
        self._check_amount(command.amount)
        self._check_usable()
        self._check_covered(command.amount)
        self.emit(
            TransferWithdrawn(
                transfer_id=command.transfer_id, target=command.target, amount=command.amount
            )
        )
        return self.state.balance

    @daicho.command
    def take(self, command: DepositForTransfer) -> int:
        """Takes money in that has left another wallet."""
        self._check_amount(command.amount)
        self._check_usable()
        self._check_room(command.amount)
        self.emit(
            TransferDeposited(
                transfer_id=command.transfer_id, source=command.source, amount=command.amount
            )
        )
        return self.state.balance

    @daicho.command
    def complete(self, command: CompleteTransfer) -> int:
        """Hears that what has left has arrived; never refused."""
        if command.transfer_id in self.state.under_way:
            self.emit(TransferCompleted(transfer_id=command.transfer_id))
        return self.state.balance

    @daicho.command
    def refund(self, command: RefundTransfer) -> int:
        """Takes back what has left and could not arrive; never refused."""
        amount = self.state.under_way.get(command.transfer_id)
        if amount is not None:
            self.emit(
                TransferRefunded(
                    transfer_id=command.transfer_id, reason=command.reason, amount=amount
                )
            )
        return self.state.balance

    # --- what a command wants ---------------------------------------------------------------------

    def _check_amount(self, amount: int) -> None:
        if amount <= 0:
            raise daicho.Rejected(f"an amount is greater than 0, not {amount}", amount=amount)

    def _check_usable(self) -> None:
        match self.state.status:
            case Status.STATUS_OPEN:
                return
            case Status.STATUS_FROZEN:
                raise daicho.Rejected(f"{self.id} is frozen")
            case Status.STATUS_CLOSED:
                raise daicho.Rejected(f"{self.id} is closed")
            case _:
                raise daicho.Rejected(f"there is no wallet {self.id}; open it first")

    def _check_covered(self, amount: int) -> None:
        missing = amount - self.state.balance
        if missing > 0:
            raise daicho.Rejected(
                f"{self.id} has {self.state.balance}; {missing} is missing for {amount}",
                missing=missing,
            )

    def _check_room(self, amount: int) -> None:
        room = MAX_BALANCE - self.state.balance - self._under_way
        if amount > room:
            raise daicho.Rejected(
                f"{self.id} has room for {room} more, not for {amount}", room=room
            )

    @property
    def _under_way(self) -> int:
        return sum(self.state.under_way.values())

    # --- what has been ----------------------------------------------------------------------------

    @daicho.event
    def opened(self, _: WalletOpened) -> None:
        """It can be used."""
        self.state.status = Status.STATUS_OPEN

    @daicho.event
    def received(self, event: ReceiveMoney) -> None:
        """Money came in."""
        self.state.balance += event.amount

    @daicho.event
    def paid(self, event: PaymentMoney) -> None:
        """Money went out."""
        self.state.balance -= event.amount

    @daicho.event
    def frozen(self, _: WalletFrozen) -> None:
        """It cannot be used until it is unfrozen."""
        self.state.status = Status.STATUS_FROZEN

    @daicho.event
    def unfrozen(self, _: WalletUnfrozen) -> None:
        """It can be used again."""
        self.state.status = Status.STATUS_OPEN

    @daicho.event
    def closed(self, _: WalletClosed) -> None:
        """It cannot be used any more."""
        self.state.status = Status.STATUS_CLOSED

    @daicho.event
    def withdrawn(self, event: TransferWithdrawn) -> None:
        """Money has left, and is under way."""
        self.state.balance -= event.amount
        self.state.under_way[event.transfer_id] = event.amount

    @daicho.event
    def taken(self, event: TransferDeposited) -> None:
        """Money has come from another wallet."""
        self.state.balance += event.amount

    @daicho.event
    def completed(self, event: TransferCompleted) -> None:
        """What has left has arrived."""
        del self.state.under_way[event.transfer_id]

    @daicho.event
    def refunded(self, event: TransferRefunded) -> None:
        """What has left has come back."""
        self.state.balance += self.state.under_way.pop(event.transfer_id)


def name_problem(name: str) -> str | None:
    """What keeps a text from being the name of a wallet; None if nothing does."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    if 0 < size <= MAX_NAME_BYTES:
        return None
    return f"has {size} bytes; a wallet's name has 1 to {MAX_NAME_BYTES}"
