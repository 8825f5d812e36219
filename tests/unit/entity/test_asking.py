"""How an entity is asked: in order, under which keys, and what is no way to ask."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

import daicho
from daicho.errors import ActorError, BadEntity, Rejected
from tests.unit.entity.accounts import Account, Deposit, Look, Pay, Store


async def test_commands_of_one_asker_keep_their_order_however_they_are_asked(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        first = alice.ask(Deposit(1, "key"), idempotency_key="k")
        second = alice.ask(Deposit(10, "plain"))
        third = alice.ask_with_token(Account.deposit, Deposit(100, "token"))
        token = (await third).token
        fourth = alice.ask(Deposit(1_000, "after"), after=token)
        fifth = alice.ask(Deposit(10_000, "last"))
        replies = await asyncio.gather(first, second, fourth, fifth)
        assert [*replies] == [1, 11, 1_111, 11_111]
        assert (await third).reply == 111


async def test_a_command_that_nobody_waits_for_is_done(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        _ = alice.ask(Deposit(1), idempotency_key="k")
        _ = alice.ask_with_token(Deposit(2))
        assert (await alice.ask(Account.look, Look())).amount == 3


@pytest.mark.parametrize("key", ["", "a\0b", "k" * 1_025, "\ud800", "daicho:mine"])
async def test_a_key_that_cannot_be_is_refused_at_once(memory: Store, key: str) -> None:
    async with memory.app() as app:
        with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own
            _ = app.entity(Account, "alice").ask(Deposit(1), idempotency_key=key)


def plain(account: Account, command: Pay) -> None:
    """A handler without its decorator."""


async def test_what_stands_before_a_command_must_be_its_handler(memory: Store) -> None:
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        with pytest.raises(TypeError, match=r"Account\.deposit does not handle Pay"):
            _ = alice.ask(Account.deposit, Pay(1))  # type: ignore[misc]
        with pytest.raises(TypeError, match=r"give the command behind its handler: ask\(Account"):
            _ = alice.ask(Account.deposit)
        with pytest.raises(TypeError, match=r"write @daicho\.command above it"):
            _ = alice.ask(plain, Pay(1))  # type: ignore[call-overload]
        assert await alice.version() == 0


async def test_an_application_is_opened_once(memory: Store) -> None:
    app = memory.app()
    async with app:
        pass
    with pytest.raises(ActorError, match="make another with"):
        async with app:
            pass


def test_what_is_no_list_of_entities_is_refused() -> None:
    with pytest.raises(BadEntity, match=r"write entities=\[Wallet, …\]"):
        daicho.open("memory:", entities=["Account"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"given in a list: entities=\[Account\]"):
        daicho.open("memory:", entities=Account)  # type: ignore[arg-type]


def test_the_data_of_a_rejection_are_json_values() -> None:
    assert Rejected("no", missing=1, of=["a", {"b": None}]).data["missing"] == 1
    for bad in (object(), (1, 2), float("nan"), {1: 2}, b"x", "\ud800"):
        with pytest.raises(TypeError, match="no JSON value"):
            Rejected("no", bad=bad)


def test_rejections_are_told_apart_by_their_data() -> None:
    with pytest.raises(TypeError, match="tell rejections apart by their data"):
        type("Over", (Rejected,), {})


@dataclass(frozen=True)
class Event:
    amount: int = 0


def test_an_event_handler_that_returns_a_state_is_refused() -> None:
    with pytest.raises(BadEntity, match="let it assign the new state"):

        class Wrong(daicho.Entity[Balance]):
            @daicho.event  # type: ignore[arg-type]
            def apply(self, event: Event) -> Balance:
                return Balance(event.amount)


@dataclass(frozen=True)
class Balance:
    amount: int = 0


def test_an_entity_with_a_constructor_is_refused() -> None:
    with pytest.raises(BadEntity, match="no __init__ of its own"):

        class Wrong(daicho.Entity[Event]):
            def __init__(self) -> None:
                """Never called."""


def test_a_state_that_cannot_be_made_is_refused() -> None:
    @dataclass
    class Needy:
        amount: int

    with pytest.raises(BadEntity, match="give its fields defaults, or override initial"):

        class Wrong(daicho.Entity[Needy]):
            pass


def test_a_decorator_with_parentheses_is_refused() -> None:
    with pytest.raises(TypeError, match="without parentheses"):
        daicho.command()  # type: ignore[call-overload]
