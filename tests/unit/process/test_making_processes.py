"""A process class is looked at when it is made: every mistake is found, with a remedy."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import daicho
from daicho.errors import BadEntity
from daicho.process.kind import ProcessKind
from tests.unit.process.transfers import (
    Balance,
    Deposit,
    Ordered,
    Started,
    State,
    Transfer,
    WentOn,
    Withdraw,
)


def kind(cls: type[daicho.Process[State]]) -> ProcessKind:
    found = cls._kind
    assert isinstance(found, ProcessKind)
    return found


def refused(make: Callable[[], object], *parts: str) -> None:
    """Making the class fails, and the text has these parts in their order."""
    with pytest.raises(BadEntity, match=".*".join(map(re.escape, parts))):
        make()


def test_reactions_and_outcomes_are_found_by_the_annotations() -> None:
    found = kind(Transfer)
    assert found.name == "transfer"
    assert {cls: each.function for cls, each in found.reactions.items()} == {
        Ordered: Transfer.ordered.function
    }
    assert found.replies == {
        Withdraw: Transfer.withdrawn.function,
        Deposit: Transfer.deposited.function,
    }
    assert found.rejections == {
        Withdraw: Transfer.not_withdrawn.function,
        Deposit: Transfer.not_deposited.function,
    }
    assert set(found.events) == {Started, WentOn}


def test_all_that_is_read_for_a_process_is_known_to_its_schema() -> None:
    class Wide(daicho.Process[State]):
        @daicho.reaction
        def first(self, event: Ordered | Started) -> None: ...

        @first.id
        @staticmethod
        def _(event: Ordered | Started, source: daicho.Source) -> str | None: ...

        @daicho.on_reply
        def heard(self, command: Deposit | Withdraw, reply: Balance | int | None) -> None: ...

        @daicho.on_reply
        def anything(self, command: Ordered, reply: object) -> None: ...

    assert set(kind(Wide).types) == {State, Ordered, Started, Balance}
    assert set(kind(Wide).reactions) == {Ordered, Started}


def test_handlers_of_a_process_are_inherited_and_can_be_overridden() -> None:
    class Quick(Transfer, name="quick"):
        @daicho.on_reply
        def withdrawn(  # pyright: ignore[reportIncompatibleVariableOverride]
            self, command: Withdraw, reply: int
        ) -> None: ...

    assert kind(Quick).reactions == kind(Transfer).reactions
    assert kind(Quick).replies[Withdraw] is Quick.withdrawn.function
    assert kind(Quick).replies[Deposit] is Transfer.deposited.function


def test_what_says_the_id_may_be_a_plain_function() -> None:
    def which(event: Ordered, source: daicho.Source) -> str | None:
        return event.transfer

    class Plain(daicho.Process[State]):
        @daicho.reaction
        def ordered(self, event: Ordered) -> None: ...

        ordered.id(which)

    assert kind(Plain).reactions[Ordered].which is which


def test_a_reaction_says_which_instance_an_event_belongs_to() -> None:
    def make() -> None:
        class Lost(daicho.Process[State]):
            @daicho.reaction
            def ordered(self, event: Ordered) -> None: ...

    refused(make, "Lost", "ordered does not say which instance", "@ordered.id @staticmethod")


def test_what_says_the_id_takes_the_event_and_its_source() -> None:
    def make() -> None:
        class Narrow(daicho.Process[State]):
            @daicho.reaction
            def ordered(self, event: Ordered) -> None: ...

            @ordered.id  # type: ignore[arg-type]
            @staticmethod
            def _(event: Ordered) -> str | None: ...

    refused(make, "the id for reaction ordered takes the event and its source")


def test_two_reactions_to_one_type_are_refused() -> None:
    def which(event: Ordered, source: daicho.Source) -> str | None: ...

    def make() -> None:
        class Double(daicho.Process[State]):
            @daicho.reaction
            def first(self, event: Ordered) -> None: ...

            @daicho.reaction
            def second(self, event: Ordered) -> None: ...

            first.id(which)
            second.id(which)

    refused(make, "first and second both handle the reaction Ordered")


def test_a_handler_of_outcomes_takes_the_command_and_what_came_back() -> None:
    def reply() -> None:
        class Short(daicho.Process[State]):
            @daicho.on_reply  # type: ignore[arg-type]
            def withdrawn(self, command: Withdraw) -> None: ...

    def rejection() -> None:
        class Short(daicho.Process[State]):
            @daicho.on_rejection  # type: ignore[arg-type]
            def withdrawn(self, rejection: daicho.Rejected) -> None: ...

    refused(reply, "withdrawn takes self, the command that was sent, and what came back")
    refused(rejection, "withdrawn takes self, the command that was sent, and what came back")


def test_two_handlers_of_one_outcome_are_refused() -> None:
    def make() -> None:
        class Double(daicho.Process[State]):
            @daicho.on_rejection
            def first(self, command: Withdraw, rejection: daicho.Rejected) -> None: ...

            @daicho.on_rejection
            def second(self, command: Withdraw, rejection: daicho.Rejected) -> None: ...

    refused(make, "first and second both handle the rejection Withdraw")


def test_a_reaction_is_annotated_with_a_class() -> None:
    def make() -> None:
        class Vague(daicho.Process[State]):
            @daicho.reaction
            def anything(self, event) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    refused(make, "reaction handler anything does not say what it handles")
