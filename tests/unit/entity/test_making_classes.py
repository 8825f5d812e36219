"""A class is looked at when it is made: what it handles, and every mistake, with a remedy."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import pytest

import daicho
from daicho.entity.entity import AnyEntity
from daicho.entity.kind import Kind
from daicho.errors import BadEntity, DaichoError, DuplicateEventType, UnencodableEvent
from daicho.journal import MemoryJournal
from tests.unit.entity.accounts import Account, Balance, Deposit, Deposited, Look, Paid, Pay

if TYPE_CHECKING:
    from decimal import Decimal as Unseen

S = TypeVar("S")


def kind(cls: type[AnyEntity]) -> Kind:
    found = cls._kind
    assert found is not None
    return found


def refused(make: Callable[[], object], *parts: str) -> None:
    """Making the class fails, and the text has these parts in their order."""
    with pytest.raises(BadEntity, match=".*".join(map(re.escape, parts))) as caught:
        make()
    assert isinstance(caught.value, DaichoError)
    assert isinstance(caught.value, TypeError)


# --- what is found --------------------------------------------------------------------------------


def test_handlers_are_found_by_the_annotation_of_their_parameter() -> None:
    found = kind(Account)
    assert found.name == "account"
    assert found.state is Balance
    assert {cls.__name__ for cls in found.commands} == {"Deposit", "Pay", "Look", "Do"}
    assert found.events == {
        Deposited: Account.deposited.function,
        Paid: Account.paid.function,
    }
    assert found.types == (Balance, Deposited, Paid)


def test_a_class_that_says_no_name_is_stored_under_its_own() -> None:
    class Safe(daicho.Entity[Balance]):
        """A safe."""

    assert kind(Safe).name == "Safe"


def test_a_handler_of_a_union_handles_each_of_its_classes() -> None:
    class Wide(daicho.Entity[Balance]):
        @daicho.command
        def either(self, command: Deposit | Pay) -> None: ...

        @daicho.event
        def old_style(self, event: typing.Union[Deposited, Paid]) -> None: ...  # noqa: UP007

    assert set(kind(Wide).commands) == {Deposit, Pay}
    assert set(kind(Wide).events) == {Deposited, Paid}


def test_handlers_may_name_classes_that_are_local_to_a_function() -> None:
    @dataclass
    class Local:
        pass

    class Inner(daicho.Entity[Balance]):
        @daicho.command
        def do(self, command: Local) -> None: ...

    assert set(kind(Inner).commands) == {Local}


def test_a_local_class_comes_before_one_of_the_module_that_has_its_name() -> None:
    of_the_module = Deposit

    def make() -> type[daicho.Entity[Balance]]:
        @dataclass
        class Deposit:
            pass

        class Inner(daicho.Entity[Balance]):
            @daicho.command
            def do(self, command: Deposit) -> None: ...

        return Inner

    assert of_the_module not in kind(make()).commands


def test_handlers_are_inherited_and_can_be_overridden() -> None:
    class Saving(Account, name="saving"):
        @daicho.command
        def deposit(self, command: Deposit) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
            return super().deposit(command)

        @daicho.command
        def look_twice(self, command: Paid) -> None: ...

    assert kind(Saving).commands[Deposit] is Saving.deposit.function
    assert kind(Saving).commands[Pay] is Account.pay.function
    assert Paid in kind(Saving).commands
    assert Paid not in kind(Account).commands
    assert kind(Saving).state is Balance


def test_a_handler_that_is_overridden_by_what_is_none_is_gone() -> None:
    class Frozen(Account, name="frozen"):
        pay = None  # type: ignore[assignment]

    assert Pay not in kind(Frozen).commands


def test_a_mixin_without_a_state_brings_handlers() -> None:
    class Looking:
        @daicho.command
        def look(self, command: Look) -> None: ...

    class Mixed(Looking, daicho.Entity[Balance]): ...

    assert set(kind(Mixed).commands) == {Look}


def test_a_base_may_leave_its_state_open() -> None:
    class Base(daicho.Entity[S], Generic[S]):
        @daicho.command
        def look(self, command: Look) -> object:
            return self.state

    class Concrete(Base[Balance]): ...

    assert Base._kind is None
    assert kind(Concrete).state is Balance
    assert set(kind(Concrete).commands) == {Look}
    refused(lambda: Base("alice"), "Base", "leaves its state's class open")
    refused(lambda: daicho.open("memory:", entities=[Base]), "leaves its state's class open")


def test_closed_lists_that_fit_are_no_difference() -> None:
    class Closed(daicho.Entity[Balance], commands=(Deposit,), events=(Deposited, Paid)):
        @daicho.command
        def deposit(self, command: Deposit) -> None: ...

        @daicho.event
        def any_(self, event: Deposited | Paid) -> None: ...

    assert set(kind(Closed).events) == {Deposited, Paid}


def test_a_handler_is_a_method_on_its_entity_and_keeps_its_text() -> None:
    account = Account("alice")
    account.deposited(Deposited(3))
    assert account.look(Look()) == Balance(3)
    assert Account.deposit.name == "deposit"
    assert "Account.deposit" in repr(Account.deposit)

    class Told(daicho.Entity[Balance]):
        @daicho.command
        def look(self, command: Look) -> None:
            """Looks."""

    assert Told.look.__doc__ == "Looks."


# --- what is refused ------------------------------------------------------------------------------


def test_two_handlers_of_one_command_are_refused() -> None:
    def make() -> object:
        class Twice(daicho.Entity[Balance], name="twice"):
            @daicho.command
            def first(self, command: Deposit) -> None: ...

            @daicho.command
            def second(self, command: Pay | Deposit) -> None: ...

        return Twice

    refused(make, "twice", "first and second both handle the command Deposit")


def test_two_handlers_of_one_event_are_refused_also_if_one_is_inherited() -> None:
    def make() -> object:
        class Again(Account, name="again"):
            @daicho.event
            def once_more(self, event: Paid) -> None: ...

        return Again

    refused(make, "again", "paid and once_more both handle the event Paid")


def test_a_handler_without_an_annotation_is_refused() -> None:
    def make() -> object:
        class Silent(daicho.Entity[Balance]):
            @daicho.command
            def do(self, command):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
                pass

        return Silent

    refused(make, "command handler do", "annotate its parameter: def do(self, command: SomeClass)")


def _without() -> object:
    class Bad(daicho.Entity[Balance]):
        @daicho.command  # type: ignore[arg-type]
        def do(self) -> None: ...

    return Bad


def _with_two() -> object:
    class Bad(daicho.Entity[Balance]):
        @daicho.command  # type: ignore[arg-type]
        def do(self, command: Deposit, more: int) -> None: ...

    return Bad


def _with_keyword() -> object:
    class Bad(daicho.Entity[Balance]):
        @daicho.command  # type: ignore[arg-type]
        def do(self, command: Deposit, *, more: int) -> None: ...

    return Bad


def _with_star() -> object:
    class Bad(daicho.Entity[Balance]):
        @daicho.command
        def do(self, *commands: Deposit) -> None: ...

    return Bad


@pytest.mark.parametrize("make", [_without, _with_two, _with_keyword, _with_star])
def test_a_handler_with_other_parameters_is_refused(make: Callable[[], object]) -> None:
    refused(
        make, "command handler do takes self and one command", "def …(self, command: SomeClass)"
    )


def test_an_annotation_that_cannot_be_resolved_is_refused() -> None:
    def make() -> object:
        class Early(daicho.Entity[Balance]):
            @daicho.event
            def done(self, event: Unseen) -> None: ...

        return Early

    refused(make, "event handler done", "'Unseen'", "not defined", "not under TYPE_CHECKING alone")


def test_an_annotation_that_is_no_class_is_refused() -> None:
    def make_list() -> object:
        class Bad(daicho.Entity[Balance]):
            @daicho.command
            def do(self, command: list[int]) -> None: ...

        return Bad

    def make_optional() -> object:
        class Bad(daicho.Entity[Balance]):
            @daicho.command
            def do(self, command: Deposit | None) -> None: ...

        return Bad

    def make_any() -> object:
        class Bad(daicho.Entity[Balance]):
            @daicho.command
            def do(self, command: typing.Any) -> None: ...  # noqa: ANN401

        return Bad

    def make_object() -> object:
        class Bad(daicho.Entity[Balance]):
            @daicho.command
            def do(self, command: object) -> None: ...

        return Bad

    for make in (make_list, make_optional, make_any, make_object):
        refused(make, "command handler do is annotated with", "a class is needed")


def test_an_annotation_that_is_no_expression_is_refused() -> None:
    def make() -> object:
        class Bad(daicho.Entity[Balance]):
            @daicho.command
            def do(self, command: "Deposit |") -> None: ...  # type: ignore[valid-type]  # noqa: F722

        return Bad

    refused(make, "command handler do is annotated with", "Deposit |", "cannot be read")


def test_an_event_handler_that_is_async_is_refused() -> None:
    def make() -> object:
        class Slow(daicho.Entity[Balance]):
            @daicho.event  # type: ignore[arg-type]
            async def done(self, event: Paid) -> None: ...

        return Slow

    refused(make, "event handler done is async", "take the async away")


def test_a_class_that_says_no_state_is_refused() -> None:
    def make() -> object:
        class Stateless(daicho.Entity):  # type: ignore[type-arg]
            """Nothing."""

        return Stateless

    refused(make, "Stateless", "does not say of which class its state is", "Entity[Balance]")


def test_a_state_that_is_no_class_is_refused() -> None:
    def make() -> object:
        class Odd(daicho.Entity[list[int]]):
            """Nothing."""

        return Odd

    refused(make, "Odd", "list[int]", "name a class")


def test_a_state_that_is_an_event_too_is_refused() -> None:
    def make() -> object:
        class Both(daicho.Entity[Paid], name="both"):
            @daicho.event
            def paid(self, event: Paid) -> None: ...

        return Both

    refused(make, "both", "Paid is its state and one of its events")


@pytest.mark.parametrize("name", ["", "1st", "a:b", "a b", "ä", "a/b", "a\n", "x" * 101, "-a"])
def test_a_name_that_could_not_begin_a_stream_is_refused(name: str) -> None:
    def make() -> object:
        class Named(daicho.Entity[Balance], name=name):
            """Nothing."""

        return Named

    refused(make, "Named", repr(name), "name='wallet'")


@pytest.mark.parametrize("name", ["a", "A", "wallet", "a.b-c_d9", "x" * 100])
def test_a_name_of_letters_digits_and_marks_is_taken(name: str) -> None:
    class Named(daicho.Entity[Balance], name=name):
        """Nothing."""

    assert kind(Named).name == name


def test_a_command_of_a_closed_list_without_a_handler_is_refused() -> None:
    def make() -> object:
        class Closed(daicho.Entity[Balance], name="closed", commands=(Deposit, Pay)):
            @daicho.command
            def deposit(self, command: Deposit) -> None: ...

        return Closed

    refused(make, "closed", "its command Pay has no handler", "@command def", "command: Pay")


def test_an_event_outside_of_a_closed_list_is_refused() -> None:
    def make() -> object:
        class Closed(daicho.Entity[Balance], name="closed", events=()):
            @daicho.event
            def paid(self, event: Paid) -> None: ...

        return Closed

    refused(make, "closed", "it handles the event Paid, which is not among its events=")


# --- when the application is put together ---------------------------------------------------------


def test_two_classes_of_one_name_are_refused_in_one_application() -> None:
    class Other(daicho.Entity[Balance], name="account"):
        """Another."""

    refused(lambda: daicho.open("memory:", entities=[Account, Other]), "Account", "Other", "name=")


def test_a_class_that_is_named_twice_counts_once() -> None:
    app = daicho.open("memory:", entities=[Account, Account])
    assert list(app.directory.kinds) == ["account"]


def test_a_state_without_a_stored_name_is_refused_when_the_application_is_made() -> None:
    @dataclass
    class Nameless:
        amount: int = 0

    class Holder(daicho.Entity[Nameless]):
        """Something."""

    with pytest.raises(UnencodableEvent, match="Nameless"):
        daicho.open(MemoryJournal(), entities=[Holder])


def test_two_classes_with_one_stored_name_are_refused_when_the_application_is_made() -> None:
    @daicho.stored_as("test.paid")
    @dataclass
    class PaidToo:
        amount: int = 0

    class Holder(daicho.Entity[Balance], name="holder"):
        @daicho.event
        def paid(self, event: PaidToo) -> None: ...

    with pytest.raises(DuplicateEventType, match=r"test\.paid"):
        daicho.open(MemoryJournal(), entities=[Account, Holder])
