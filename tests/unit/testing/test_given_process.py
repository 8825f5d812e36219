"""Processes: what has happened elsewhere, what they send, and what comes back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import daicho
from daicho.process import Source
from daicho.testing import Outcome, given
from tests.unit.testing.orders import (
    Add,
    Added,
    Delivery,
    DeliveryState,
    Order,
    Paid,
    Remind,
    Step,
)

SOURCE = Source("order:7", "order", "7", 3, 12, datetime(2030, 1, 1, tzinfo=UTC))


def started() -> Outcome[Delivery]:
    return given(Delivery, id="7").when_event(Paid("noon"), source=SOURCE)


def test_a_process_reacts_to_an_event_of_another_and_sends_commands() -> None:
    started().then(Step("paid at noon")).sends(
        (Order, "7", Add("parcel")), ("order", "7", Remind())
    ).state(DeliveryState(("paid at noon",)))


def test_a_process_hears_the_reply_to_what_it_has_sent() -> None:
    started().when_reply(Add("parcel"), 4).then(Step("parcel 4")).sends()


def test_a_process_hears_of_a_rejection() -> None:
    rejected = started().when_rejected(Add("parcel"), daicho.Rejected("full", limit=3))
    rejected.then(Step("no parcel: full"))


def test_what_nobody_wants_to_hear_of_is_settled_all_the_same() -> None:
    outcome = started().when_reply(Remind(), None).then()
    with pytest.raises(AssertionError, match="is not under way"):
        outcome.when_reply(Remind(), None)
    outcome.when_reply(Add("parcel"), 1).then(Step("parcel 1"))


def test_the_place_of_an_event_need_not_be_said() -> None:
    given(Delivery).when_event(Paid("noon")).then(Step("paid at noon"))


def test_an_event_that_is_for_another_instance_fails_and_says_which() -> None:
    with pytest.raises(AssertionError) as caught:
        given(Delivery, id="8").when_event(Paid("noon"), source=SOURCE)
    assert str(caught.value) == (
        "delivery '8': Paid(at='noon') is of instance '7'; say given(…, id='7')"
    )


def test_an_event_that_is_for_no_instance_fails() -> None:
    with pytest.raises(AssertionError) as caught:
        given(Delivery).when_event(Paid(""))
    assert str(caught.value) == "delivery 'test': Paid(at='') is of no instance"


def test_an_event_without_a_reaction_fails() -> None:
    with pytest.raises(AssertionError, match="it has no reaction to Added"):
        given(Delivery).when_event(Added("tea"))


def test_other_commands_are_shown_side_by_side() -> None:
    with pytest.raises(AssertionError) as caught:
        started().sends((Order, "7", Add("parcel")), (Order, "8", Remind()))
    assert str(caught.value) == (
        "delivery '7': the commands that were sent are others: 2 expected (-), 2 found (+);"
        " number 2 is the first that differs\n"
        "      order '7': Add(item='parcel')\n"
        "    - order '8': Remind()\n"
        "    + order '7': Remind()\n"
        "  number 2 in detail:\n"
        "    id: expected '8', was '7'"
    )


def test_the_outcome_of_what_was_not_sent_fails_and_says_what_was() -> None:
    with pytest.raises(AssertionError) as caught:
        started().when_rejected(Add("letter"), daicho.Rejected("no"))
    assert str(caught.value) == (
        "delivery '7': the command Add(item='letter') is not under way; under way are:\n"
        "    order '7': Add(item='parcel')\n"
        "    order '7': Remind()"
    )


def test_a_reply_that_could_not_be_stored_fails_with_the_reason() -> None:
    with pytest.raises(AssertionError, match=r"the reply \(1, 2\): .*cannot be stored"):
        started().when_reply(Add("parcel"), (1, 2))
