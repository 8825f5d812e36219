"""What would go wrong in the journal goes wrong in the test already."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

import daicho
from daicho.errors import BadSchema, UnencodableEvent
from daicho.testing import given
from tests.unit.testing.orders import Added, Break, Order, OrderState, Paid


@daicho.stored_as("roundtrip.totals")
@dataclass(slots=True)
class Totals:
    """A state that changes in place."""

    total: float = 0.0
    by_name: dict[str, float] = field(default_factory=dict[str, float])


@daicho.stored_as("roundtrip.counted")
@dataclass(frozen=True, slots=True)
class Counted:
    name: str
    amount: float


@dataclass(frozen=True, slots=True)
class Unnamed:
    """Has no lasting name, so it cannot be stored."""

    name: str = "x"


@daicho.stored_as("roundtrip.changed")
@dataclass(frozen=True, slots=True)
class Changed:
    """Says something else when it comes back."""

    name: str = "x"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.name}!")


class Tally(daicho.Entity[Totals], name="tally"):
    @daicho.command
    def count(self, command: Counted) -> float:
        self.emit(command)
        return self.state.total

    @daicho.command
    def unnamed(self, command: Unnamed) -> str:
        return command.name

    @daicho.command
    def change(self, command: Changed) -> None:
        self.emit(command)

    @daicho.event
    def counted(self, event: Counted) -> None:
        self.state.total += event.amount
        self.state.by_name[event.name] = event.amount

    @daicho.event
    def changed(self, event: Changed) -> None:
        self.state.by_name[event.name] = 0.0


def test_a_command_that_cannot_be_stored_fails_with_the_reason() -> None:
    with pytest.raises(AssertionError) as caught:
        given(Tally).when(Unnamed())
    assert "the command Unnamed(name='x'): Unnamed cannot be stored" in str(caught.value)
    assert "roundtrip=False" in str(caught.value)
    given(Tally, roundtrip=False).when(Unnamed()).replies("x")


def test_what_comes_back_different_fails_with_the_reason() -> None:
    with pytest.raises(AssertionError, match=r"the command .* would be read back as Changed"):
        given(Tally).when(Changed())
    with pytest.raises(AssertionError, match=r"the event .* would be read back as Changed"):
        given(Tally, Changed())
    given(Tally, roundtrip=False).when(Changed()).then(Changed("x"))


def test_an_event_that_cannot_be_given_fails_with_the_reason() -> None:
    with pytest.raises(AssertionError, match=r"the event Added\(item=5\): .*read back"):
        given(Order, Added(5))  # type: ignore[arg-type]


def test_an_emitted_event_that_cannot_be_stored_is_an_error_as_in_an_application() -> None:
    failed = given(Order).when(Break("unstorable event"))
    failed.raises(UnencodableEvent).state(OrderState())


def test_a_state_that_changes_without_an_event_is_found() -> None:
    with pytest.raises(AssertionError) as caught:
        given(Order, Added("tea")).when(Break("silent change"))
    assert str(caught.value) == (
        "after Break(how='silent change') the state is another one than its events come to, so it"
        " would be lost with the memory; change it in event handlers alone\n"
        "    paid: expected False, was True"
    )
    given(Order, roundtrip=False).when(Break("silent change")).state(OrderState(paid=True))


def test_a_state_that_changes_before_a_rejection_is_found() -> None:
    class Loose(daicho.Entity[Totals], name="loose"):
        @daicho.command
        def count(self, command: Counted) -> float:
            self.state.total += command.amount
            raise daicho.Rejected("no")

    with pytest.raises(AssertionError, match="another one than its events come to"):
        given(Loose).when(Counted("a", 1.0))


def test_a_state_that_cannot_be_stored_fails_with_the_reason() -> None:
    with pytest.raises(AssertionError, match=r"the state Totals\(total=inf.*cannot be stored"):
        given(Tally).when(Counted("a", 1e308)).when(Counted("b", 1e308))


def test_numbers_that_are_equal_need_not_be_of_one_type() -> None:
    given(Tally).when(Counted("a", 1)).then(Counted("a", 1.0)).replies(1.0)


def test_a_class_without_a_name_is_refused_as_an_application_would() -> None:
    class Nameless(daicho.Entity[Unnamed], name="nameless"):
        pass

    with pytest.raises(UnencodableEvent):
        given(Nameless)
    assert given(Nameless, roundtrip=False).entity.state == Unnamed()


# --- schemas --------------------------------------------------------------------------------------


@daicho.stored_as("roundtrip.pair")
@dataclass(frozen=True, slots=True)
class Pair:
    """What was stored before there was ``Counted``."""

    first: float
    second: float


@daicho.upcast(Pair, Counted)
def apart(old: Pair) -> list[Counted]:
    return [Counted("first", old.first), Counted("second", old.second)]


def test_events_of_an_old_version_are_given_as_what_they_become() -> None:
    schema = daicho.Schema(upcasters=[apart])
    scenario = given(Tally, Pair(1.0, 2.0), Counted("third", 4.0), schema=schema)
    scenario.state(Totals(7.0, {"first": 1.0, "second": 2.0, "third": 4.0}))
    assert scenario.entity.version == 2


def test_an_emitted_event_of_an_old_version_fails_with_what_it_becomes() -> None:
    class Paired(Tally, name="paired"):
        @daicho.command
        def pair(self, command: Pair) -> None:
            self.emit(command)

        @daicho.event
        def paired(self, event: Pair) -> None:
            self.state.total += event.first + event.second

    schema = daicho.Schema(upcasters=[apart])
    with pytest.raises(AssertionError) as caught:
        given(Paired, schema=schema).when(Pair(1.0, 2.0))
    assert str(caught.value).startswith(
        "the command Pair(first=1.0, second=2.0) comes back from the codec as something else"
    )
    assert "was      Several(events=(Counted(name='first'" in str(caught.value)


def test_a_schema_that_does_not_fit_together_is_refused() -> None:
    @daicho.stored_as("roundtrip.late", version=3)
    @dataclass(frozen=True)
    class Late:
        pass

    with pytest.raises(BadSchema):
        given(Order, Paid("now"), schema=daicho.Schema([Late]))
