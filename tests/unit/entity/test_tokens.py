"""A token of a moment: whoever has it sees that moment elsewhere, or learns that it cannot."""

from __future__ import annotations

import asyncio

import pytest

from daicho.entity import Answer, Token
from daicho.errors import KeyReused, NoSuchVersion, Rejected
from tests.unit.entity.accounts import (
    Account,
    Balance,
    Deposit,
    Deposited,
    Do,
    Look,
    Pay,
    Store,
    changes,
)


async def test_an_answer_has_a_token_of_its_moment(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        none = await alice.ask_with_token(Account.look, Look())
        assert none == Answer(Balance(0), Token("account:alice", 0, 0))
        await app.entity(Account, "bob").ask(Deposit(1))
        answer = await alice.ask_with_token(Account.deposit, Deposit(5))
        assert answer.reply == 5
        [change] = await changes(alice)
        assert answer.token == Token("account:alice", 1, change.position)
        # A command without events is answered at the moment that is.
        assert (await alice.ask_with_token(Account.look, Look())).token == answer.token
        several = await alice.ask_with_token(Do(lambda a: a.emit(Deposited(1), Deposited(2))))
        assert several.token.version == 3


async def test_a_rejection_is_raised_also_where_a_token_is_wanted(store: Store) -> None:
    async with store.app() as app:
        with pytest.raises(Rejected):
            await app.entity(Account, "alice").ask_with_token(Account.pay, Pay(1))


async def test_what_a_token_is_of_is_seen_in_another_application(store: Store) -> None:
    async with store.app() as here, store.app() as there:
        mine, theirs = here.entity(Account, "alice"), there.entity(Account, "alice")
        for amount in range(1, 11):
            # It lives there too, and remembers what was before.
            await theirs.ask(Look())
            answer = await mine.ask_with_token(Account.deposit, Deposit(1))
            seen = await theirs.ask(Account.look, Look(), after=answer.token)
            assert seen.amount == amount
        assert await mine.version() == 10


async def test_a_token_that_was_seen_already_costs_nothing(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way) as app:
        alice = app.entity(Account, "alice")
        answer = await alice.ask_with_token(Account.deposit, Deposit(1))
        reads = way.reads
        incarnation = await alice.ask(Do(id))
        assert await alice.ask(Account.look, Look(), after=answer.token) == Balance(1)
        assert await alice.ask(Do(id)) == incarnation
        assert way.reads == reads


async def test_a_token_that_the_journal_has_not_come_to_is_refused(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(1))
        ahead = Token("account:alice", 5, 99)
        for _ in range(2):
            with pytest.raises(NoSuchVersion, match="the journal has it at version 1") as caught:
                await alice.ask(Deposit(1), after=ahead)
            assert caught.value.version == 5
        assert await alice.ask(Account.look, Look()) == Balance(1)
        # Others go on around it.
        asked = [alice.ask(Deposit(1)), alice.ask(Look(), after=ahead), alice.ask(Deposit(1))]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert (outcomes[0], outcomes[2]) == (2, 3)
        assert isinstance(outcomes[1], NoSuchVersion)


async def test_a_token_of_another_entity_is_refused(memory: Store) -> None:
    async with memory.app() as app:
        answer = await app.entity(Account, "bob").ask_with_token(Account.deposit, Deposit(1))
        with pytest.raises(ValueError, match="the token is of 'account:bob', not of"):
            await app.entity(Account, "alice").ask(Look(), after=answer.token)


async def test_a_key_gives_its_first_token_again(store: Store) -> None:
    tokens: list[Token] = []
    for _ in range(2):
        async with store.app() as app:
            alice = app.entity(Account, "alice")
            for _ in range(2):
                answer = await alice.ask_with_token(
                    Account.deposit, Deposit(5), idempotency_key="k"
                )
                assert answer.reply == 5
                tokens.append(answer.token)
                await alice.ask(Deposit(1))
            with pytest.raises(KeyReused):
                await alice.ask_with_token(Account.deposit, Deposit(6), idempotency_key="k")
    assert len(set(tokens)) == 1
    assert tokens[0].version == 1


async def test_a_key_and_a_token_go_together(store: Store) -> None:
    async with store.app() as here, store.app() as there:
        mine, theirs = here.entity(Account, "alice"), there.entity(Account, "alice")
        await theirs.ask(Look())
        answer = await mine.ask_with_token(Account.deposit, Deposit(10))
        first, paid = [
            await theirs.ask_with_token(
                Account.pay, Pay(4), idempotency_key="k", after=answer.token
            )
            for _ in range(2)
        ]
        assert first == paid
        assert (paid.reply, paid.token.version) == (6, 2)
        assert await mine.ask(Account.look, Look(), after=paid.token) == Balance(6)
