"""What a failed test says: enough to know what to mend without a debugger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

import daicho
from daicho.testing import Given, Outcome, given
from tests.unit.testing.orders import (
    DAY,
    Add,
    Added,
    Break,
    NameMissing,
    Order,
    OrderState,
    Paid,
    Place,
    Remind,
)


def text_of(expectation: Callable[[], object]) -> str:
    with pytest.raises(AssertionError) as caught:
        expectation()
    return str(caught.value)


def placed() -> Outcome[Order]:
    return given(Order).when(Place(("tea", "milk", "rice")))


def refused() -> Outcome[Order]:
    return given(Order, Paid("now")).when(Add("milk"))


def test_other_events_are_shown_side_by_side_with_the_first_that_differs() -> None:
    assert text_of(lambda: placed().then(Added("tea"), Added("mint"), Added("rice"))) == (
        "order 'test': the emitted events are others: 3 expected (-), 3 found (+);"
        " number 2 is the first that differs\n"
        "      orders.added: Added(item='tea')\n"
        "    - orders.added: Added(item='mint')\n"
        "    + orders.added: Added(item='milk')\n"
        "      orders.added: Added(item='rice')\n"
        "  number 2 in detail:\n"
        "    item: expected 'mint', was 'milk'"
    )


def test_an_event_too_few_or_too_many_is_shown() -> None:
    assert text_of(lambda: placed().then(Added("tea"), Added("milk"))).endswith(
        "2 expected (-), 3 found (+); number 3 is the first that differs\n"
        "      orders.added: Added(item='tea')\n"
        "      orders.added: Added(item='milk')\n"
        "    + orders.added: Added(item='rice')"
    )
    assert text_of(lambda: given(Order).when(Add("tea")).then(Paid("now"), Added("tea"))).endswith(
        "    - orders.paid: Paid(at='now')\n      orders.added: Added(item='tea')"
    )


def test_an_expected_event_that_could_not_be_stored_is_shown_all_the_same() -> None:
    assert "    - 'tea'\n" in text_of(lambda: given(Order).when(Add("tea")).then("tea"))


def test_events_where_none_are_expected_are_shown() -> None:
    assert "0 expected (-), 1 found (+)" in text_of(lambda: given(Order).when(Add("x")).then())


@pytest.mark.parametrize(
    "expectation",
    [
        lambda outcome: outcome.then(),
        lambda outcome: outcome.replies(1),
        lambda outcome: outcome.state(OrderState(paid=True)),
        lambda outcome: outcome.sends(),
        lambda outcome: outcome.then_cancelled("unpaid"),
        lambda outcome: outcome.then_scheduled("unpaid", Remind()),
        lambda outcome: outcome.when(Add("rice")),
        lambda outcome: outcome.when_due("unpaid"),
    ],
)
def test_an_error_that_nothing_expects_fails_whatever_is_expected(
    expectation: Callable[[Outcome[Order]], object],
) -> None:
    with pytest.raises(AssertionError) as caught:
        expectation(refused())
    assert str(caught.value) == (
        "order 'test': no error was expected, but Add(item='milk') ended in Rejected:"
        " it is paid already (items=0)"
    )
    assert isinstance(caught.value.__cause__, daicho.Rejected)


def test_an_error_of_a_handler_comes_with_its_traceback() -> None:
    with pytest.raises(AssertionError, match="NameMissing: no name") as caught:
        given(Order).when(Break("error")).then()
    assert isinstance(caught.value.__cause__, NameMissing)
    assert caught.value.__cause__.__traceback__ is not None


def test_a_rejection_that_did_not_come_says_what_was_done() -> None:
    assert text_of(lambda: given(Order).when(Add("tea")).rejected()) == (
        "order 'test': a rejection was expected, but Add(item='tea') was done, and it emitted\n"
        "    + Added(item='tea')"
    )
    assert text_of(lambda: given(Order).when(Add("tea")).raises(ValueError)).startswith(
        "order 'test': ValueError was expected, but Add(item='tea') was done"
    )


def test_another_error_than_the_expected_one_is_named() -> None:
    failed = given(Order).when(Break("error"))
    assert text_of(failed.rejected) == (
        "order 'test': a rejection was expected, but Break(how='error') ended in"
        " NameMissing: no name"
    )
    assert "ValueError was expected, but" in text_of(lambda: failed.raises(ValueError))


def test_another_rejection_is_shown_item_by_item() -> None:
    assert text_of(lambda: refused().rejected("too late", items=1, total=5)) == (
        "order 'test': the rejection is another one\n"
        "    expected too late\n"
        "    was      it is paid already\n"
        "    expected items=1\n"
        "    was      items=0\n"
        "    expected total=5\n"
        "    was      no total"
    )


def test_a_rejection_after_an_event_is_told_apart() -> None:
    text = text_of(given(Order).when(Break("late rejection")).rejected)
    assert "was rejected (too late) after it had emitted 1 event(s)" in text
    assert "decide first, then emit" in text


def test_another_state_is_shown_field_by_field() -> None:
    expected = OrderState(("tea", "mint", "rice"), paid=True)
    assert text_of(lambda: placed().state(expected)) == (
        "order 'test': the state is another one\n"
        "    items[1]: expected 'mint', was 'milk'\n"
        "    paid: expected True, was False"
    )


def test_another_reply_is_shown() -> None:
    assert text_of(lambda: given(Order).when(Add("tea")).replies(2)) == (
        "order 'test': the reply is another one\n    value: expected 2, was 1"
    )
    assert text_of(lambda: given(Order).when(Add("tea")).replies("1")) == (
        "order 'test': the reply is another one\n    expected '1'\n    was      1"
    )


def test_a_timer_that_is_not_there_is_said_with_those_that_are() -> None:
    assert text_of(lambda: placed().then_scheduled("late", Remind())) == (
        "order 'test': no timer 'late' was set by Place(items=('tea', 'milk', 'rice'));"
        " set are: 'unpaid'"
    )
    assert text_of(lambda: given(Order).when_due("late")) == (
        "order 'test': no timer 'late' is to fire; none is set"
    )


def test_a_timer_of_an_earlier_message_is_not_of_this_one() -> None:
    later = placed().when(Add("x"))
    assert "no timer 'unpaid' was set by" in text_of(
        lambda: later.then_scheduled("unpaid", Remind())
    )


def test_another_timer_is_shown() -> None:
    text = text_of(lambda: placed().then_scheduled("unpaid", Add("x"), after=timedelta(hours=1)))
    assert text.startswith("order 'test': the timer is another one\n    command")
    text = text_of(lambda: placed().then_scheduled("unpaid", Remind(), after=2 * DAY))
    assert "    due: expected datetime.datetime(2030, 1, 3" in text


def test_a_step_of_a_process_is_refused_to_an_entity() -> None:
    scenario: Given[Order] = given(Order)
    assert text_of(lambda: scenario.when_event(Paid("now"))) == (
        "order 'test': it has no reaction to Paid(at='now')"
    )
    assert text_of(lambda: scenario.when_reply(Add("x"), 1)) == (
        "order 'test': the command Add(item='x') is not under way; none is"
    )
