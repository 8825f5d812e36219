"""What a wallet agrees to, what it refuses and why: its decisions, without a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daicho.testing import Given, given
from wallet.account import MAX_BALANCE, Account, name_problem
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

if TYPE_CHECKING:
    from google.protobuf.message import Message

Status = AccountState.Status

OWNERS = [
    ReceiveMoney(amount=1),
    PaymentMoney(amount=1),
    FreezeWallet(),
    CloseWallet(),
    WithdrawForTransfer(transfer_id="t", target="bob", amount=1),
    DepositForTransfer(transfer_id="t", source="bob", amount=1),
]
"""What wants an open wallet."""

WITH_AMOUNTS = [
    ReceiveMoney,
    PaymentMoney,
    WithdrawForTransfer,
    DepositForTransfer,
]


def alice(*events: object) -> Given[Account]:
    """An open wallet, to which more has happened."""
    return given(Account, WalletOpened(), *events, id="alice")


def named(message: object) -> str:
    return type(message).__name__


# --- the owner ------------------------------------------------------------------------------------


def test_a_new_wallet_is_open_and_empty() -> None:
    state = AccountState(status=Status.STATUS_OPEN)
    given(Account).when(OpenWallet()).then(WalletOpened()).replies(state).state(state)


def test_money_comes_in_and_goes_out() -> None:
    outcome = alice().when(ReceiveMoney(amount=12_000)).then(ReceiveMoney(amount=12_000))
    outcome.replies(AccountState(status=Status.STATUS_OPEN, balance=12_000))
    outcome = outcome.when(PaymentMoney(amount=8_200)).then(PaymentMoney(amount=8_200))
    outcome.replies(AccountState(status=Status.STATUS_OPEN, balance=3_800))


def test_an_overdraft_is_refused_and_says_what_is_missing() -> None:
    paying = alice(ReceiveMoney(amount=100)).when(PaymentMoney(amount=130))
    paying.rejected("alice has 100; 30 is missing for 130", missing=30)
    paying.when(PaymentMoney(amount=100)).then(PaymentMoney(amount=100))


@pytest.mark.parametrize("message", WITH_AMOUNTS)
@pytest.mark.parametrize("amount", [0, -1, -(2**63)])
def test_an_amount_that_is_not_positive_is_refused(message: type[Message], amount: int) -> None:
    wallet = alice(ReceiveMoney(amount=5))
    wallet.when(message(amount=amount)).rejected(
        f"an amount is greater than 0, not {amount}", amount=amount
    )


def test_a_wallet_is_opened_once() -> None:
    alice().when(OpenWallet()).rejected("alice is open already")
    alice(WalletFrozen()).when(OpenWallet()).rejected("alice is open already")


@pytest.mark.parametrize("command", [*OWNERS, UnfreezeWallet()], ids=named)
def test_a_wallet_that_was_never_opened_refuses_everything(command: Message) -> None:
    given(Account, id="alice").when(command).rejected("there is no wallet alice; open it first")


@pytest.mark.parametrize("command", OWNERS, ids=named)
def test_a_frozen_wallet_refuses_everything_but_unfreezing(command: Message) -> None:
    frozen = alice(ReceiveMoney(amount=5), WalletFrozen(reason="lost"))
    already = " already" if isinstance(command, FreezeWallet) else ""
    frozen.when(command).rejected(f"alice is frozen{already}")
    frozen.when(UnfreezeWallet()).then(WalletUnfrozen()).when(PaymentMoney(amount=5)).then(
        PaymentMoney(amount=5)
    )


def test_a_wallet_says_why_it_is_frozen() -> None:
    alice().when(FreezeWallet(reason="lost")).then(WalletFrozen(reason="lost"))


def test_a_wallet_that_is_not_frozen_cannot_be_unfrozen() -> None:
    alice().when(UnfreezeWallet()).rejected("alice is not frozen")


@pytest.mark.parametrize("command", [*OWNERS, UnfreezeWallet()], ids=named)
def test_a_closed_wallet_refuses_everything(command: Message) -> None:
    already = " already" if isinstance(command, CloseWallet) else ""
    alice(WalletClosed()).when(command).rejected(f"alice is closed{already}")


def test_a_closed_wallet_is_not_opened_again() -> None:
    alice(WalletClosed()).when(OpenWallet()).rejected("alice is closed, and stays so")


def test_only_an_empty_wallet_is_closed() -> None:
    holding = alice(ReceiveMoney(amount=5)).when(CloseWallet())
    holding.rejected("alice still has 5; only an empty wallet can be closed", balance=5)
    holding.when(PaymentMoney(amount=5)).when(CloseWallet()).then(WalletClosed())


# --- the bounds -----------------------------------------------------------------------------------


def test_the_whole_range_of_64_bits_can_be_used_and_nothing_beyond() -> None:
    full = alice(ReceiveMoney(amount=MAX_BALANCE - 1)).when(ReceiveMoney(amount=1))
    full.then(ReceiveMoney(amount=1))
    full.when(ReceiveMoney(amount=1)).rejected("alice has room for 0 more, not for 1", room=0)
    full.when(DepositForTransfer(amount=1)).rejected(room=0)
    full.when(PaymentMoney(amount=MAX_BALANCE)).then(PaymentMoney(amount=MAX_BALANCE))


def test_what_is_under_way_keeps_its_room() -> None:
    left = alice(
        ReceiveMoney(amount=MAX_BALANCE), TransferWithdrawn(transfer_id="t", amount=MAX_BALANCE)
    )
    left.when(ReceiveMoney(amount=1)).rejected(room=0)
    back = left.when(RefundTransfer(transfer_id="t")).replies(MAX_BALANCE)
    back.when(CompleteTransfer(transfer_id="t")).then()


# --- transfers ------------------------------------------------------------------------------------


def test_what_leaves_for_another_wallet_is_under_way_until_it_has_arrived() -> None:
    leaving = alice(ReceiveMoney(amount=100)).when(
        WithdrawForTransfer(transfer_id="t", target="bob", amount=30)
    )
    leaving.then(TransferWithdrawn(transfer_id="t", target="bob", amount=30)).replies(70)
    leaving.state(AccountState(status=Status.STATUS_OPEN, balance=70, under_way={"t": 30}))
    arrived = leaving.when(CompleteTransfer(transfer_id="t"))
    arrived.then(TransferCompleted(transfer_id="t")).replies(70)
    arrived.state(AccountState(status=Status.STATUS_OPEN, balance=70))


def test_what_could_not_arrive_comes_back_to_a_frozen_wallet_too() -> None:
    frozen = alice(
        ReceiveMoney(amount=100),
        TransferWithdrawn(transfer_id="t", target="bob", amount=30),
        WalletFrozen(),
    )
    back = frozen.when(RefundTransfer(transfer_id="t", reason="bob is closed"))
    back.then(TransferRefunded(transfer_id="t", reason="bob is closed", amount=30)).replies(100)
    back.state(AccountState(status=Status.STATUS_FROZEN, balance=100))


@pytest.mark.parametrize("end", [CompleteTransfer, RefundTransfer])
def test_the_end_of_a_transfer_is_never_refused_and_counts_once(end: type[Message]) -> None:
    done = alice(ReceiveMoney(amount=9), TransferWithdrawn(transfer_id="t", amount=9))
    done.when(end(transfer_id="t")).when(end(transfer_id="t")).then()
    given(Account).when(end(transfer_id="t")).then().replies(0)


def test_a_wallet_is_not_closed_while_something_may_come_back() -> None:
    left = alice(ReceiveMoney(amount=9), TransferWithdrawn(transfer_id="t", amount=9))
    left.when(CloseWallet()).rejected(
        "9 from alice is under way, and may come back; try again when its transfers have come to"
        " their end",
        under_way=9,
    ).when(CompleteTransfer(transfer_id="t")).when(CloseWallet()).then(WalletClosed())


def test_more_than_there_is_does_not_leave() -> None:
    alice().when(WithdrawForTransfer(transfer_id="t", target="bob", amount=3)).rejected(missing=3)


def test_what_comes_from_another_wallet_says_from_which() -> None:
    coming = alice().when(DepositForTransfer(transfer_id="t", source="bob", amount=3))
    coming.then(TransferDeposited(transfer_id="t", source="bob", amount=3)).replies(3)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a", None),
        ("é" * 127, None),
        ("a b/%\n:", None),
        ("", "has 0 bytes; a wallet's name has 1 to 255"),
        ("é" * 128, "has 256 bytes; a wallet's name has 1 to 255"),
        ("\udcff", "is not UTF-8"),
    ],
)
def test_a_name_is_any_text_of_some_length(name: str, problem: str | None) -> None:
    assert name_problem(name) == problem
