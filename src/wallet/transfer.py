"""A transfer between two wallets as a process: money is neither lost nor made, whatever dies when.

    withdraw from the source ─ done → deposit into the target ─ done → tell the source → DONE
              │                                 │
           refused                           refused
              ↓                                 ↓
           REFUSED  ←────── done ────── give back to the source

Each step is an event of the transfer, stored in one write with the command that it lets go, and
each command is done once in effect. So the sum over all wallets and all transfers is constant: what
has left the source, and has neither come to the target nor back, is under way.
"""

from __future__ import annotations

import asyncio

import daicho
from wallet.account import Account, name_problem
from wallet.v1 import (
    CompleteTransfer,
    DepositForTransfer,
    MoneyArrived,
    MoneyLeft,
    RefundTransfer,
    StartTransfer,
    TransferEnded,
    TransferRefused,
    TransferStarted,
    TransferState,
    WithdrawForTransfer,
)

Stage = TransferState.Stage

ENDED = (Stage.STAGE_DONE, Stage.STAGE_REFUSED)
"""Stages that no other one follows."""

_LOOK_AGAIN_S = 0.02


class Transfer(daicho.Process[TransferState], name="transfer"):
    """A transfer, addressed by its id."""

    @daicho.command
    def start(self, command: StartTransfer) -> TransferState:
        """Begins; a transfer that has begun already just tells how far it is.

        So a transfer can be started again under its id by whoever does not know whether it was.
        """
        if self.state.stage != Stage.STAGE_UNSPECIFIED:
            self._check_same(command)
            return self.state
        self._check(command)
        self.emit(
            TransferStarted(source=command.source, target=command.target, amount=command.amount)
        )
        self.send(
            Account,
            command.source,
            WithdrawForTransfer(transfer_id=self.id, target=command.target, amount=command.amount),
        )
        return self.state

    def _check_same(self, command: StartTransfer) -> None:
        state = self.state
        begun = StartTransfer(source=state.source, target=state.target, amount=state.amount)
        if command != begun:
            raise daicho.Rejected(
                f"{self.id} is another transfer, of {begun.amount} from {begun.source} to"
                f" {begun.target}; a new one needs a new key",
                source=begun.source,
                target=begun.target,
                amount=begun.amount,
            )

    def _check(self, command: StartTransfer) -> None:
        for name in (command.source, command.target):
            if (problem := name_problem(name)) is not None:
                raise daicho.Rejected(f"the name {name!r} {problem}")
        if command.source == command.target:
            raise daicho.Rejected(f"{command.source} is both source and target")
        if command.amount <= 0:
            raise daicho.Rejected(
                f"an amount is greater than 0, not {command.amount}", amount=command.amount
            )

    # --- what the wallets say ---------------------------------------------------------------------

    @daicho.on_reply
    def has_left(self, command: WithdrawForTransfer, _: int) -> None:
        """The source has let the money go."""
        self.emit(MoneyLeft())
        self.send(
            Account,
            self.state.target,
            DepositForTransfer(
                transfer_id=self.id, source=self.state.source, amount=command.amount
            ),
        )

    @daicho.on_rejection
    def did_not_leave(self, _: WithdrawForTransfer, rejection: daicho.Rejected) -> None:
        """The source has refused: nothing has moved."""
        self.emit(TransferRefused(reason=rejection.reason))

    @daicho.on_reply
    def has_arrived(self, _: DepositForTransfer, _balance: int) -> None:
        """The target has the money."""
        self.emit(MoneyArrived())
        self.send(Account, self.state.source, CompleteTransfer(transfer_id=self.id))

    @daicho.on_rejection
    def did_not_arrive(self, _: DepositForTransfer, rejection: daicho.Rejected) -> None:
        """The target has refused: the money goes back."""
        self.emit(TransferRefused(reason=rejection.reason))
        self.send(
            Account,
            self.state.source,
            RefundTransfer(transfer_id=self.id, reason=rejection.reason),
        )

    @daicho.on_reply
    def is_settled(self, _: CompleteTransfer | RefundTransfer, _balance: int) -> None:
        """The source has the end of it on its books."""
        self.emit(TransferEnded())

    # --- what has been ----------------------------------------------------------------------------

    @daicho.event
    def started(self, event: TransferStarted) -> None:
        """The source is asked."""
        self.state.source = event.source
        self.state.target = event.target
        self.state.amount = event.amount
        self.state.stage = Stage.STAGE_WITHDRAWING

    @daicho.event
    def left(self, _: MoneyLeft) -> None:
        """The target is asked."""
        self.state.stage = Stage.STAGE_DEPOSITING

    @daicho.event
    def arrived(self, _: MoneyArrived) -> None:
        """The source is told."""
        self.state.stage = Stage.STAGE_COMPLETING

    @daicho.event
    def refused(self, event: TransferRefused) -> None:
        """One of the wallets has said no."""
        has_left = self.state.stage == Stage.STAGE_DEPOSITING
        self.state.reason = event.reason
        self.state.stage = Stage.STAGE_REFUNDING if has_left else Stage.STAGE_REFUSED

    @daicho.event
    def ended(self, _: TransferEnded) -> None:
        """The source has the end of it on its books."""
        is_refused = self.state.stage == Stage.STAGE_REFUNDING
        self.state.stage = Stage.STAGE_REFUSED if is_refused else Stage.STAGE_DONE


async def until_ended(transfer: daicho.Ref[Transfer]) -> TransferState:
    """The state in which a transfer ends, once it has; in this process or in another."""
    # Another process may be the one that sees to the transfer, and only the journal knows of that.
    while (state := await transfer.at()).stage not in ENDED:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_AGAIN_S)
    return state
