"""What type checkers know of a reply, and what they refuse; read by them, not run.

Each ``ignore`` is an error that has to be there: an unused one is an error itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_type

import daicho
from daicho.entity import Change, CommandHandler, Difference, EventHandler


@dataclass
class Balance:
    amount: int = 0


@dataclass(frozen=True)
class Deposit:
    amount: int


@dataclass(frozen=True)
class Pay:
    amount: int


@dataclass(frozen=True)
class Paid:
    amount: int


class Account(daicho.Entity[Balance], name="account"):
    @daicho.command
    def deposit(self, command: Deposit) -> Balance:
        assert_type(self.state, Balance)
        assert_type(self.id, str)
        assert_type(self.version, int)
        assert_type(self.now, datetime)
        return self.state

    @daicho.command
    async def pay(self, command: Pay) -> int:
        await asyncio.sleep(0)
        return command.amount

    @daicho.command
    def either(self, command: Deposit | Pay) -> str | None:
        return None

    @daicho.command
    def nothing(self, command: Paid) -> None: ...

    @daicho.event
    def paid(self, event: Paid) -> None:
        self.state.amount -= event.amount


class Savings(Account, name="savings"):
    @daicho.command
    def interest(self, command: Deposit) -> float:
        # A handler is still a method, with the types that it was written with.
        assert_type(self.deposit(command), Balance)
        return 0.5


class Other(daicho.Entity[Paid], name="other"):
    @daicho.command
    def deposit(self, command: Deposit) -> bytes:
        return b""


async def what_is_known_of_a_reply(app: daicho.App) -> None:
    alice = app.entity(Account, "alice")
    assert_type(alice, daicho.Ref[Account])
    assert_type(await alice.ask(Account.deposit, Deposit(1)), Balance)
    # The reply of an async handler is what it returns, not the coroutine.
    assert_type(await alice.ask(Account.pay, Pay(1)), int)
    assert_type(await alice.ask(Account.either, Deposit(1)), str | None)
    assert_type(await alice.ask(Account.either, Pay(1)), str | None)
    assert_type(await alice.ask(Deposit(1), expect=Balance), Balance)
    assert_type(await alice.ask(Deposit(1)), object)
    asked = alice.ask(Account.pay, Pay(1))
    # The result of assert_type is one of its own to the checker, which wants that awaited too.
    await assert_type(asked, "asyncio.Future[int]")
    assert_type(
        await alice.ask(Account.deposit, Deposit(1), idempotency_key="k", timeout=1.0), Balance
    )


async def what_is_known_of_an_answer(app: daicho.App) -> None:
    alice = app.entity(Account, "alice")
    answer = await alice.ask_with_token(Account.pay, Pay(1))
    assert_type(answer, daicho.Answer[int])
    assert_type(answer.reply, int)
    assert_type(answer.token, daicho.Token)
    assert_type((await alice.ask_with_token(Pay(1))).reply, object)
    await alice.ask(Account.pay, Pay(1), after=answer.token)


async def what_is_known_of_the_past(app: daicho.App) -> None:
    alice = app.entity(Account, "alice")
    assert_type(await alice.at(), Balance)
    assert_type(await alice.at(version=3), Balance)
    assert_type(await app.entity(Other, "o").at(), Paid)
    assert_type(await alice.version(), int)
    assert_type(alice.history(), AsyncIterator[Change])
    assert_type(await alice.diff(1, 2), list[Difference])
    assert_type(await app.entities(Account, prefix="a"), list[str])


async def what_an_heir_has(app: daicho.App) -> None:
    savings = app.entity(Savings, "s")
    assert_type(savings, daicho.Ref[Savings])
    assert_type(await savings.ask(Savings.interest, Deposit(1)), float)
    assert_type(await savings.ask(Savings.deposit, Deposit(1)), Balance)
    assert_type(await savings.ask(Account.pay, Pay(1)), int)
    assert_type(await savings.at(), Balance)


def what_a_handler_is(account: Account) -> None:
    assert_type(Account.deposit, CommandHandler[Account, Deposit, Balance, Balance])
    assert_type(Account.paid, EventHandler[Account, Paid])
    assert_type(account.deposit, Callable[[Deposit], Balance])
    assert_type(account.paid, Callable[[Paid], None])


# --- what is refused ------------------------------------------------------------------------------


async def a_command_of_another_handler(app: daicho.App) -> None:
    alice = app.entity(Account, "alice")
    await alice.ask(Account.deposit, Pay(1))  # type: ignore[misc]
    await alice.ask_with_token(Account.deposit, Pay(1))  # type: ignore[misc]
    await alice.ask(Account.either, Paid(1))  # type: ignore[misc]


async def a_handler_of_another_entity(app: daicho.App) -> None:
    alice = app.entity(Account, "alice")
    await alice.ask(Other.deposit, Deposit(1))  # type: ignore[arg-type]
    await alice.ask(Savings.interest, Deposit(1))  # type: ignore[arg-type]


async def an_event_handler_is_asked_nothing(app: daicho.App) -> None:
    await app.entity(Account, "alice").ask(Account.paid, Paid(1))  # type: ignore[call-overload]


async def a_reply_of_another_type(app: daicho.App) -> None:
    alice = app.entity(Account, "alice")
    reply: int = await alice.ask(Account.deposit, Deposit(1))  # type: ignore[arg-type]
    other: int = await alice.ask(Deposit(1), expect=Balance)  # type: ignore[arg-type]
    unknown: int = await alice.ask(Deposit(1))  # type: ignore[assignment]
    past: int = await alice.at()  # type: ignore[assignment]
    del reply, other, unknown, past


async def what_is_no_question(app: daicho.App) -> None:
    alice = app.entity(Account, "alice")
    await alice.ask()  # type: ignore[call-overload]
    await alice.ask(Account.deposit, Deposit(1), "k")  # type: ignore[call-overload]
    await alice.ask(Account.deposit, Deposit(1), idempotency_key=7)  # type: ignore[call-overload]
    app.entity(Balance, "alice")  # type: ignore[type-var]


class Mistaken(daicho.Entity[Balance], name="mistaken"):
    @daicho.command  # type: ignore[arg-type]
    def with_more(self, command: Deposit, more: int) -> None: ...

    @daicho.command  # type: ignore[arg-type]
    def with_none(self) -> None: ...

    @daicho.event  # type: ignore[arg-type]
    def with_a_reply(self, event: Paid) -> int:
        return 1

    def state_of_another_class(self) -> None:
        self.state = Paid(1)  # type: ignore[assignment]
