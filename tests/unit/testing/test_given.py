"""What is given, what is done, and what is expected of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

import daicho
from daicho.errors import PersistRefused, UnhandledEvent, UnknownCommand
from daicho.testing import START, Timer, given
from tests.unit.testing.orders import (
    DAY,
    Add,
    Added,
    Break,
    NameMissing,
    Order,
    OrderState,
    Paid,
    Pay,
    Place,
    Remind,
    Reminded,
)
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet


class Purse(daicho.Entity[Wallet], name="purse"):
    """Its events are its commands, and its state changes in place."""

    @daicho.command
    def receive(self, command: ReceiveMoney) -> Wallet:
        self.emit(command)
        return self.state

    @daicho.event
    def received(self, event: ReceiveMoney) -> None:
        self.state.deposit += event.amount


def test_a_command_emits_events_and_replies() -> None:
    given(Order, Added("tea")).when(Add("milk")).then(Added("milk")).replies(2)


def test_the_state_is_what_all_events_come_to() -> None:
    given(Order, Added("tea")).state(OrderState(("tea",)))
    given(Order).when(Add("tea")).state(OrderState(("tea",)))
    given(Order).state(OrderState())


def test_a_second_message_goes_on_where_the_first_one_ended() -> None:
    given(Order).when(Add("tea")).replies(1).when(Add("milk")).then(Added("milk")).replies(2)


def test_a_rejection_changes_nothing() -> None:
    (
        given(Order, Added("tea"), Paid("now"))
        .when(Add("milk"))
        .rejected("it is paid already", items=1)
        .then()
        .state(OrderState(("tea",), paid=True))
    )
    given(Order, Paid("now")).when(Add("milk")).rejected()


def test_an_error_forgets_what_was_emitted() -> None:
    (
        given(Order, Added("tea"))
        .when(Break("error"))
        .raises(NameMissing)
        .then()
        .state(OrderState(("tea",)))
        .when(Add("milk"))
        .replies(2)
    )


def test_a_late_rejection_is_an_error_that_forgets_what_was_emitted() -> None:
    given(Order).when(Break("late rejection")).raises(daicho.Rejected).state(OrderState())


def test_a_command_without_a_handler_is_an_error() -> None:
    given(Order).when(Added("tea")).raises(UnknownCommand)


def test_what_is_no_entity_is_refused() -> None:
    for wrong in (OrderState, OrderState(), "order"):
        with pytest.raises(
            TypeError, match=r"given takes a class that inherits daicho\.Entity, not"
        ):
            given(wrong)  # type: ignore[type-var,arg-type]


def test_an_async_handler_runs_to_its_end() -> None:
    given(Order).when(Pay()).then(Paid(START.isoformat())).replies(None)


async def test_an_async_handler_runs_in_an_async_test_too() -> None:
    given(Order).when(Pay()).then(Paid(START.isoformat())).replies(None)


def test_the_time_is_what_the_test_says() -> None:
    noon = datetime(2031, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    in_utc = datetime(2031, 5, 1, 10, tzinfo=UTC)
    given(Order, at=noon).when(Pay()).then(Paid(in_utc.isoformat()))
    given(Order).at(noon).when(Pay()).then(Paid(in_utc.isoformat()))


def test_a_time_without_a_zone_is_refused() -> None:
    naive = datetime(2031, 5, 1)  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="has no zone"):
        given(Order, at=naive)
    with pytest.raises(ValueError, match="has no zone"):
        given(Order).at(naive)


def test_the_id_is_what_the_test_says() -> None:
    assert given(Order, id="17").entity.id == "17"
    assert given(Order).entity.id == "test"


def test_what_is_not_asserted_can_be_looked_at() -> None:
    outcome = given(Order, Added("tea")).when(Add("milk"))
    assert outcome.events == (Added("milk"),)
    assert outcome.reply == 2
    assert outcome.entity.version == 2
    assert outcome.entity.state.items == ("tea", "milk")


def test_a_reply_is_a_copy_of_that_moment() -> None:
    first = given(Purse).when(ReceiveMoney(amount=3))
    first.when(ReceiveMoney(amount=4)).replies(Wallet(deposit=7)).state(Wallet(deposit=7))
    first.replies(Wallet(deposit=3))


def test_messages_are_compared_like_all_events() -> None:
    given(Purse, ReceiveMoney(amount=3)).when(ReceiveMoney(amount=4)).then(ReceiveMoney(amount=4))
    with pytest.raises(AssertionError, match="amount: expected 5, was 4"):
        given(Purse).when(ReceiveMoney(amount=4)).then(ReceiveMoney(amount=5))


def test_outside_of_a_message_an_entity_does_nothing() -> None:
    with pytest.raises(PersistRefused):
        given(Order).entity.emit(Added("tea"))


def test_an_event_that_cannot_be_given_is_named() -> None:
    with pytest.raises(UnhandledEvent) as caught:
        given(Purse, ReceiveMoney(amount=1), PaymentMoney(amount=2))
    assert caught.value.__notes__ == ["while event 2 was given: PaymentMoney(amount: 2)"]


# --- timers ---------------------------------------------------------------------------------------


def test_a_timer_is_set() -> None:
    outcome = given(Order).when(Place(("tea", "milk"))).then(Added("tea"), Added("milk"))
    outcome.then_scheduled("unpaid", Remind())
    outcome.then_scheduled("unpaid", Remind(), at=START + DAY)
    outcome.then_scheduled("unpaid", Remind(), after=DAY)
    assert outcome.timers == {"unpaid": Timer("unpaid", Remind(), START + DAY)}


def test_a_timer_is_cancelled() -> None:
    paid = given(Order).when(Place(("tea",))).at(START + DAY / 2).when(Pay())
    assert paid.then_cancelled("unpaid").timers == {}


def test_a_timer_that_is_due_has_its_command_handled_at_that_time() -> None:
    (
        given(Order)
        .when(Place(("tea",)))
        .when_due("unpaid")
        .then(Reminded())
        .then_scheduled("unpaid", Remind(), at=START + 8 * DAY)
        .when(Pay())
        .then(Paid((START + DAY).isoformat()))
        .then_cancelled("unpaid")
    )


def test_a_timer_that_fires_late_does_not_turn_back_the_time() -> None:
    late = START + 3 * DAY
    fired = given(Order).when(Place(("tea",))).at(late).when_due("unpaid")
    fired.then_scheduled("unpaid", Remind(), after=7 * DAY).when(Pay()).then(Paid(late.isoformat()))


def test_a_timer_that_is_replaced_counts_as_set_not_as_cancelled() -> None:
    again = given(Order).when(Place(("tea",))).when(Place(("milk",)))
    again.then_scheduled("unpaid", Remind(), after=DAY)
    with pytest.raises(AssertionError, match="no timer 'unpaid' was cancelled"):
        again.then_cancelled("unpaid")


def test_what_failed_has_set_no_timer() -> None:
    class Hasty(daicho.Entity[OrderState], name="hasty"):
        @daicho.command
        def add(self, command: Add) -> int:
            self.schedule(command, name="unpaid", after=DAY)
            raise NameMissing

    assert given(Hasty).when(Add("tea")).raises(NameMissing).timers == {}
