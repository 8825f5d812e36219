"""The steps of a transfer: what it lets go, and what it makes of the answers."""

from __future__ import annotations

import pytest

from daicho import Rejected
from daicho.testing import Outcome, given
from wallet.account import Account
from wallet.transfer import Transfer
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

START = StartTransfer(source="alice", target="bob", amount=30)
WITHDRAW = WithdrawForTransfer(transfer_id="t", target="bob", amount=30)
DEPOSIT = DepositForTransfer(transfer_id="t", source="alice", amount=30)


def state(stage: Stage, reason: str = "") -> TransferState:
    return TransferState(source="alice", target="bob", amount=30, stage=stage, reason=reason)


def started() -> Outcome[Transfer]:
    return given(Transfer, id="t").when(START)


def test_a_transfer_begins_with_the_source() -> None:
    begun = started().then(TransferStarted(source="alice", target="bob", amount=30))
    begun.sends((Account, "alice", WITHDRAW)).replies(state(Stage.STAGE_WITHDRAWING))


def test_what_has_left_goes_to_the_target_and_the_source_hears_of_its_arrival() -> None:
    left = started().when_reply(WITHDRAW, 70)
    left.then(MoneyLeft()).sends((Account, "bob", DEPOSIT)).state(state(Stage.STAGE_DEPOSITING))
    arrived = left.when_reply(DEPOSIT, 30).then(MoneyArrived())
    arrived.sends((Account, "alice", CompleteTransfer(transfer_id="t")))
    arrived.state(state(Stage.STAGE_COMPLETING))
    done = arrived.when_reply(CompleteTransfer(transfer_id="t"), 70)
    done.then(TransferEnded()).sends().state(state(Stage.STAGE_DONE))


def test_a_source_that_refuses_ends_it_before_anything_moved() -> None:
    refused = started().when_rejected(WITHDRAW, Rejected("alice is frozen"))
    refused.then(TransferRefused(reason="alice is frozen")).sends()
    refused.state(state(Stage.STAGE_REFUSED, "alice is frozen"))


def test_a_target_that_refuses_sends_the_money_back() -> None:
    refused = started().when_reply(WITHDRAW, 70).when_rejected(DEPOSIT, Rejected("bob is closed"))
    refund = RefundTransfer(transfer_id="t", reason="bob is closed")
    refused.then(TransferRefused(reason="bob is closed")).sends((Account, "alice", refund))
    refused.state(state(Stage.STAGE_REFUNDING, "bob is closed"))
    back = refused.when_reply(refund, 100).then(TransferEnded()).sends()
    back.state(state(Stage.STAGE_REFUSED, "bob is closed"))


def test_starting_it_again_only_tells_how_far_it_is() -> None:
    again = started().when_reply(WITHDRAW, 70).when(START)
    again.then().sends().replies(state(Stage.STAGE_DEPOSITING))


def test_another_transfer_under_the_same_id_is_refused() -> None:
    other = StartTransfer(source="alice", target="bob", amount=31)
    started().when(other).rejected(
        "t is another transfer, of 30 from alice to bob; a new one needs a new key",
        source="alice",
        target="bob",
        amount=30,
    )


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (StartTransfer(source="a", target="a", amount=1), "a is both source and target"),
        (StartTransfer(source="a", target="b"), "an amount is greater than 0, not 0"),
        (
            StartTransfer(source="a", target="b", amount=-5),
            "an amount is greater than 0, not -5",
        ),
        (
            StartTransfer(target="b", amount=1),
            "the name '' has 0 bytes; a wallet's name has 1 to 255",
        ),
        (
            StartTransfer(source="a", target="é" * 200, amount=1),
            f"the name {'é' * 200!r} has 400 bytes; a wallet's name has 1 to 255",
        ),
    ],
)
def test_what_cannot_be_a_transfer_is_refused_at_once(command: StartTransfer, reason: str) -> None:
    given(Transfer, id="t").when(command).rejected(reason).when(START).sends(
        (Account, "alice", WITHDRAW)
    )
