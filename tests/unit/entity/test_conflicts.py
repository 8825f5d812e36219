"""Two applications on one journal: what another one changed is decided about again, in order."""

from __future__ import annotations

import asyncio

import pytest

from daicho.errors import ConcurrencyConflict, PersistFailed, Rejected
from tests.support.ledgers import turns
from tests.unit.entity.accounts import (
    Account,
    Balance,
    Boom,
    Deposit,
    Deposited,
    Do,
    Look,
    Pay,
    Store,
    emit_and_boom,
)


async def test_what_another_application_did_is_seen_by_the_next_command_that_changes(
    store: Store,
) -> None:
    async with store.app() as here, store.app() as there:
        mine, theirs = here.entity(Account, "alice"), there.entity(Account, "alice")
        for round_ in range(10):
            assert await mine.ask(Deposit(1)) == 2 * round_ + 1
            assert await theirs.ask(Deposit(1)) == 2 * round_ + 2
        assert await mine.version() == 20


async def test_commands_are_decided_again_in_their_order(store: Store) -> None:
    async with store.app() as here, store.app() as there:
        mine, theirs = here.entity(Account, "alice"), there.entity(Account, "alice")
        await mine.ask(Deposit(10, "begin"))
        await theirs.ask(Deposit(10, "other"))
        asked = [mine.ask(Deposit(1, str(n))) for n in range(200)]
        assert await asyncio.gather(*asked) == [*range(21, 221)]
        notes = (await mine.ask(Account.look, Look())).notes
        assert notes == ["begin", "other", *map(str, range(200))]


async def test_commands_of_all_kinds_keep_their_order_when_decided_again(store: Store) -> None:
    """Async handlers, rejections, looks, told ones and keyed ones, around a conflict."""

    async def slowly(account: Account) -> str:
        await turns(3)
        account.emit(Deposited(1, f"slow at {account.version}"))
        await turns(3)
        return f"slow at {account.version}"

    async with store.app() as here, store.app() as there:
        mine, theirs = here.entity(Account, "alice"), there.entity(Account, "alice")
        await mine.ask(Look())
        for _ in range(10):
            await theirs.ask(Deposit(1))
            before = await mine.version()
            first = mine.ask(Deposit(1))
            slow = mine.ask(Do(slowly))
            look = mine.ask(Account.look, Look())
            mine.tell(Deposit(1, "told"))
            refused = mine.ask(Pay(1_000_000))
            last = mine.ask(Deposit(1))
            base = before + 1
            assert await first == base
            assert await slow == f"slow at {base + 1}"
            assert (await look).amount == base + 1
            with pytest.raises(Rejected) as caught:
                await refused
            assert caught.value.data == {"missing": 1_000_000 - base - 2}
            assert await last == base + 3
            assert await mine.version() == base + 3


async def test_a_decision_rests_on_what_the_other_application_left(store: Store) -> None:
    async with store.app() as here, store.app() as there:
        mine, theirs = here.entity(Account, "alice"), there.entity(Account, "alice")
        await mine.ask(Deposit(10))
        await theirs.ask(Pay(8))
        # It would have been accepted of what was remembered here.
        with pytest.raises(Rejected) as caught:
            await mine.ask(Pay(5))
        assert caught.value.data == {"missing": 3}
        assert await mine.version() == 2


async def test_a_told_command_is_decided_again_too(store: Store) -> None:
    async with store.app() as here, store.app() as there:
        mine, theirs = here.entity(Account, "alice"), there.entity(Account, "alice")
        await mine.ask(Look())
        await theirs.ask(Deposit(1))
        for _ in range(20):
            mine.tell(Deposit(1))
        assert await mine.ask(Account.look, Look()) == Balance(21)
        assert await mine.version() == 21


async def test_without_attempts_who_asked_gets_the_conflict(store: Store) -> None:
    async with store.app(conflict_attempts=0) as here, store.app() as there:
        mine, theirs = here.entity(Account, "alice"), there.entity(Account, "alice")
        await mine.ask(Deposit(1))
        await theirs.ask(Deposit(1))
        with pytest.raises(ConcurrencyConflict) as caught:
            await mine.ask(Deposit(1))
        assert (caught.value.expected, caught.value.actual) == (1, 2)
        assert await mine.ask(Deposit(1)) == 3


async def test_a_command_is_decided_again_a_bounded_number_of_times(memory: Store) -> None:
    way = memory.way()
    decided: list[int] = []

    def act(account: Account) -> None:
        decided.append(account.version)
        account.emit(Deposited(1))

    async with memory.app(way, conflict_attempts=3) as app, memory.app() as there:
        mine, theirs = app.entity(Account, "alice"), there.entity(Account, "alice")
        await mine.ask(Look())
        way.hold()
        asked = mine.ask(Do(act))
        behind = mine.ask(Deposit(1))
        await way.held()
        for _ in range(3):
            await theirs.ask(Deposit(1))
            await way.let_one_pass()
        await theirs.ask(Deposit(1))
        way.release()
        for each in (asked, behind):
            with pytest.raises(ConcurrencyConflict):
                await each
        assert decided == [0, 1, 2, 3]
        # The next one has all its attempts, and so has one after that.
        assert await mine.ask(Account.look, Look()) == Balance(4)
        for total in (6, 8):
            await theirs.ask(Deposit(1))
            assert await mine.ask(Deposit(1)) == total


async def test_attempts_are_counted_in_a_row(store: Store) -> None:
    async with store.app(conflict_attempts=1) as here, store.app() as there:
        mine, theirs = here.entity(Account, "alice"), there.entity(Account, "alice")
        for total in range(2, 22, 2):
            await theirs.ask(Deposit(1))
            assert await mine.ask(Deposit(1)) == total


async def test_another_failure_meanwhile_ends_the_attempts(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way) as app, memory.app() as there:
        mine, theirs = app.entity(Account, "alice"), there.entity(Account, "alice")
        await mine.ask(Look())
        way.hold()
        asked = mine.ask(Deposit(1))
        await way.held()
        await theirs.ask(Deposit(1))
        await way.let_one_pass()
        way.fail("append", OSError("no"))
        way.release()
        with pytest.raises(PersistFailed):
            await asked
        assert await mine.ask(Deposit(1)) == 2


async def test_a_command_that_failed_before_a_conflict_is_not_done_again(memory: Store) -> None:
    """It was answered already; those around it are decided again."""
    way = memory.way()
    async with memory.app(way) as app, memory.app() as there:
        mine, theirs = app.entity(Account, "alice"), there.entity(Account, "alice")
        await mine.ask(Look())
        way.hold()
        first = mine.ask(Deposit(1, "first"))
        failed = mine.ask(Do(emit_and_boom))
        last = mine.ask(Deposit(1, "last"))
        await way.held()
        await theirs.ask(Deposit(1, "other"))
        with pytest.raises(Boom):
            await failed
        way.release()
        assert [await first, await last] == [2, 3]
        state = await mine.ask(Account.look, Look())
        assert state.notes == ["other", "first", "last"]


async def test_waiting_for_a_token_keeps_the_order_also_if_a_conflict_comes_with_it(
    memory: Store,
) -> None:
    way = memory.way()
    async with memory.app(way) as app, memory.app() as there:
        mine, theirs = app.entity(Account, "alice"), there.entity(Account, "alice")
        await mine.ask(Look())
        way.hold()
        first = [mine.ask(Deposit(1, f"first {n}")) for n in range(2)]
        await way.held()
        await asyncio.gather(*(theirs.ask(Deposit(1)) for _ in range(4)))
        answer = await theirs.ask_with_token(Account.deposit, Deposit(1))
        waiting = mine.ask(Deposit(1, "waiting"), after=answer.token)
        last = mine.ask(Deposit(1, "last"))
        await turns()
        way.release()
        await asyncio.gather(*first, waiting, last)
        notes = (await mine.ask(Account.look, Look())).notes
        # The one with the token goes through the loop once more before it is sent.
        assert [note for note in notes if note != "last"] == ["first 0", "first 1", "waiting"]
        assert await mine.version() == 9


async def test_many_applications_in_a_crowd_lose_and_double_nothing(store: Store) -> None:
    apps = [store.app() for _ in range(3)]
    async with apps[0], apps[1], apps[2]:
        refs = [app.entity(Account, "alice") for app in apps]

        async def client(number: int) -> None:
            for n in range(10):
                await refs[number % 3].ask(Deposit(1, f"{number}-{n}"))

        await asyncio.gather(*(client(number) for number in range(12)))
        assert await refs[0].version() == 120
        state = await refs[0].at()
        assert state.amount == 120
        assert len(set(state.notes)) == 120
        for number in range(12):
            mine = [note for note in state.notes if note.startswith(f"{number}-")]
            assert mine == [f"{number}-{n}" for n in range(10)]
