"""A command under a key is done once; its outcome comes again wherever and whenever it is asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest

import daicho
from daicho.errors import (
    JournalFull,
    JournalUnavailable,
    KeyReused,
    PersistFailed,
    Rejected,
    UnencodableEvent,
)
from tests.unit.entity.accounts import (
    Account,
    Balance,
    Boom,
    Deposit,
    Deposited,
    Look,
    ManualClock,
    Pay,
    Store,
)
from wallet.v1 import Wallet


async def test_a_key_gives_the_first_reply_again_and_does_nothing(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        for _ in range(3):
            assert await alice.ask(Account.deposit, Deposit(5), idempotency_key="k") == 5
            assert await alice.ask(Account.deposit, Deposit(1)) > 5
        assert await alice.ask(Deposit(5), idempotency_key="l") == 13
        assert await alice.version() == 5


async def test_a_key_outlives_the_application(store: Store) -> None:
    for _ in range(3):
        async with store.app() as app:
            alice = app.entity(Account, "alice")
            assert await alice.ask(Deposit(5), idempotency_key="k") == 5
            assert await alice.version() == 1


async def test_a_key_is_known_in_another_application(store: Store) -> None:
    async with store.app() as here, store.app() as there:
        for app in (here, there, here):
            assert await app.entity(Account, "alice").ask(Deposit(5), idempotency_key="k") == 5
        assert await here.entity(Account, "alice").version() == 1


async def test_a_key_is_that_of_one_entity(store: Store) -> None:
    async with store.app() as app:
        for id_ in ("alice", "bob"):
            assert await app.entity(Account, id_).ask(Deposit(5), idempotency_key="k") == 5
            assert await app.entity(Account, id_).version() == 1


async def test_a_rejection_is_the_outcome_for_ever(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        with pytest.raises(Rejected) as first:
            await alice.ask(Pay(7), idempotency_key="k")
        # It would be accepted now, but whoever asked was told no.
        assert await alice.ask(Deposit(100)) == 100
        with pytest.raises(Rejected) as again:
            await alice.ask(Pay(7), idempotency_key="k")
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        with pytest.raises(Rejected) as later:
            await alice.ask(Pay(7), idempotency_key="k")
        for caught in (first, again, later):
            assert caught.value.reason == "too little is there"
            assert caught.value.data == {"missing": 7}
        assert await alice.version() == 1


async def test_a_reply_without_events_is_the_outcome_for_ever(store: Store) -> None:
    for amount in (0, 5):
        async with store.app() as app:
            alice = app.entity(Account, "alice")
            if amount:
                await alice.ask(Deposit(amount))
            assert await alice.ask(Account.look, Look(), idempotency_key="k") == Balance(0)


async def test_another_command_under_the_key_is_refused(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(5), idempotency_key="k")
        for other in (Deposit(6), Pay(5), Look()):
            with pytest.raises(KeyReused, match="make a new key") as caught:
                await alice.ask(other, idempotency_key="k")
            assert caught.value.key == "k"
            assert caught.value.stream == "account:alice"
        assert await alice.ask(Account.look, Look()) == Balance(5)


async def test_another_command_under_the_key_is_refused_also_while_the_first_is_under_way(
    memory: Store,
) -> None:
    way = memory.way()
    async with memory.app(way) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Look())
        way.hold()
        first = alice.ask(Deposit(5), idempotency_key="k")
        await way.held()
        other, same = (alice.ask(Deposit(n), idempotency_key="k") for n in (6, 5))
        way.release()
        assert await first == 5
        with pytest.raises(KeyReused):
            await other
        assert await same == 5
        assert await alice.version() == 1


async def test_requests_that_come_together_under_one_key_are_done_once(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        asked = [alice.ask(Deposit(5), idempotency_key=f"k{n % 10}") for n in range(200)]
        replies = await asyncio.gather(*asked)
        assert sorted(set(map(int, replies))) == [*range(5, 55, 5)]  # type: ignore[arg-type]
        for n in range(10):
            assert len(set(replies[n::10])) == 1
        assert await alice.version() == 10


async def test_two_applications_do_a_command_under_one_key_once(store: Store) -> None:
    async with store.app() as here, store.app() as there:
        refs = [app.entity(Account, "alice") for app in (here, there)]
        await asyncio.gather(*(ref.ask(Look()) for ref in refs))
        asked = [ref.ask(Deposit(1), idempotency_key=f"k{n}") for n in range(50) for ref in refs]
        replies = await asyncio.gather(*asked)
        assert replies[::2] == replies[1::2]
        assert sorted(map(int, replies[::2])) == [*range(1, 51)]  # type: ignore[arg-type]
        assert await refs[0].version() == 50


async def test_two_applications_reject_a_command_under_one_key_alike(store: Store) -> None:
    """Only one of them stores its outcome: nothing but the key keeps the other from its own."""
    async with store.app() as here, store.app() as there:
        refs = [app.entity(Account, "alice") for app in (here, there)]
        await asyncio.gather(*(ref.ask(Look()) for ref in refs))
        asked = [ref.ask(Pay(n + 1), idempotency_key=f"k{n}") for n in range(20) for ref in refs]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes[::2]] == [
            str(outcome) for outcome in outcomes[1::2]
        ]
        assert {type(outcome) for outcome in outcomes} == {Rejected}
        assert await refs[0].version() == 0


async def test_a_key_is_stored_with_its_events_or_not_at_all(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Look())
        way.fail("append", JournalFull("the disk", "no room"))
        with pytest.raises(PersistFailed):
            await alice.ask(Deposit(5), idempotency_key="k")
        assert await memory.journal.load_reply("account:alice", "k") is None
        assert await alice.ask(Deposit(5), idempotency_key="k") == 5
        assert await alice.version() == 1
        [*_, [write]] = way.appends
        assert (len(write.events), len(write.replies)) == (1, 1)


async def test_a_command_whose_fate_is_unknown_is_asked_again_under_its_key(
    memory: Store,
) -> None:
    way = memory.way()
    async with memory.app(way) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Look())
        way.fail("append", JournalUnavailable("the disk", "away"), after=True)
        with pytest.raises(PersistFailed) as caught:
            await alice.ask(Deposit(5), idempotency_key="k")
        assert isinstance(caught.value.__cause__, JournalUnavailable)
        # It was stored, and is not done again.
        assert await alice.ask(Deposit(5), idempotency_key="k") == 5
        assert await alice.version() == 1


async def test_an_error_that_is_no_rejection_is_no_outcome(store: Store) -> None:
    async with store.app(entities=(Replying,)) as app:
        replying = app.entity(Replying, "r")
        with pytest.raises(Boom):
            await replying.ask(Reply("boom"), idempotency_key="k")
        with pytest.raises(Rejected):
            await replying.ask(Reply("late rejection"), idempotency_key="k")
        assert await replying.version() == 0
        # The key is still free, also for another command.
        assert await replying.ask(Reply("int"), idempotency_key="k") == 7


async def test_a_key_that_no_journal_takes_is_refused_before_anything_happens(
    store: Store,
) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        for key in ("", "a\0b", "x" * 1_025, "\ud800"):
            with pytest.raises(ValueError, match=r"key|surrogates"):
                await alice.ask(Deposit(1), idempotency_key=key)
        assert await alice.version() == 0
        for key in ("%", "a b", "é", "x" * 1_024, "a:b"):
            assert await alice.ask(Deposit(1), idempotency_key=key) == await alice.version()


# --- what can be a reply --------------------------------------------------------------------------


@daicho.stored_as("test.reply")
@dataclass(frozen=True, slots=True)
class Reply:
    """Asks for a reply of a kind, after an event."""

    kind: str


REPLIES: dict[str, object] = {
    "none": None,
    "bool": True,
    "int": 7,
    "big": 2**80,
    "float": 0.1,
    "str": "日本\0\u2028",
    "list": [1, [2.5, "x"], None],
    "dict": {"a": {"b": [True]}},
    "message": Wallet(deposit=5),
    "state": Balance(5, ["note"]),
}
BAD_REPLIES: dict[str, object] = {
    "object": object(),
    "set": {1},
    "nan": float("nan"),
    "surrogate": "\ud800",
    "deep": {"a": [object()]},
    "keys": {1: "x"},
    "tuple": (1, 2),
    "tuple inside": [(1, 2)],
}


class Replying(daicho.Entity[Balance], name="replying"):
    """Gives every kind of reply."""

    @daicho.command
    def reply(self, command: Reply) -> object:
        self.emit(Deposited(1))
        if command.kind == "several":
            self.emit(Deposited(1), Deposited(1))
            return self.version
        if command.kind == "boom":
            raise Boom
        if command.kind == "late rejection":
            raise Rejected("too late")
        return {**REPLIES, **BAD_REPLIES}[command.kind]

    @daicho.event
    def deposited(self, event: Deposited) -> None:
        self.state.amount += event.amount


@pytest.mark.parametrize("kind", REPLIES)
async def test_a_reply_comes_again_as_it_was(store: Store, kind: str) -> None:
    schema = daicho.Schema([Wallet, Reply])
    for _ in range(2):
        async with store.app(entities=(Replying,), schema=schema) as app:
            replying = app.entity(Replying, "r")
            for _ in range(2):
                reply = await replying.ask(Reply(kind), idempotency_key="k")
                assert reply == REPLIES[kind]
                assert type(reply) is type(REPLIES[kind])
            assert await replying.version() == 1


@pytest.mark.parametrize("kind", BAD_REPLIES)
async def test_a_reply_that_could_not_come_again_as_it_was_changes_nothing(
    store: Store, kind: str
) -> None:
    async with store.app(entities=(Replying,)) as app:
        replying = app.entity(Replying, "r")
        with pytest.raises(UnencodableEvent):
            await replying.ask(Reply(kind), idempotency_key="k")
        assert await replying.version() == 0
        # Without a key it is nobody's business what a reply is.
        if kind != "surrogate":
            await replying.ask(Reply(kind))
            assert await replying.version() == 1


async def test_a_reply_that_is_a_copy_is_one_each_time(memory: Store) -> None:
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(1, "note"))
        first, second = [
            await alice.ask(Account.look, Look(), idempotency_key="k") for _ in range(2)
        ]
        first.notes.clear()
        assert second.notes == ["note"]
        assert (await alice.ask(Account.look, Look(), idempotency_key="k")).notes == ["note"]


async def test_a_command_of_several_events_has_the_version_of_the_last(store: Store) -> None:
    for _ in range(2):
        async with store.app(entities=(Replying,)) as app:
            replying = app.entity(Replying, "r")
            for _ in range(2):
                answer = await replying.ask_with_token(Reply("several"), idempotency_key="k")
                assert (answer.reply, answer.token.version) == (3, 3)
            assert await replying.ask(Reply("int"), idempotency_key="l") == 7
            assert await replying.version() == 4


@daicho.stored_as("test.receipt")
@dataclass(frozen=True, slots=True)
class Receipt:
    """A reply that is neither a state nor an event."""

    amount: int


class Giving(daicho.Entity[Balance], name="giving"):
    """Says in its handlers' annotations what it replies."""

    @daicho.command
    def deposit(self, command: Deposit) -> Receipt | None:
        return Receipt(command.amount)

    @daicho.command
    async def pay(self, command: Pay) -> Wallet:
        return Wallet(deposit=command.amount)


async def test_a_reply_of_an_annotated_class_is_known_to_the_next_application(
    store: Store,
) -> None:
    for _ in range(2):
        # Each has a schema of its own, which has seen nothing yet.
        async with store.app(entities=(Giving,)) as app:
            giving = app.entity(Giving, "g")
            receipt = await giving.ask(Giving.deposit, Deposit(5), idempotency_key="k")
            assert receipt == Receipt(5)
            wallet = await giving.ask(Giving.pay, Pay(7), idempotency_key="l")
            assert wallet == Wallet(deposit=7)


# --- pruning --------------------------------------------------------------------------------------


async def test_keys_are_forgotten_by_their_age(store: Store) -> None:
    clock = ManualClock()
    async with store.app(clock=clock) as app:
        alice, bob = app.entity(Account, "alice"), app.entity(Account, "bob")
        await alice.ask(Deposit(1), idempotency_key="old")
        await bob.ask(Deposit(1), idempotency_key="old")
        clock.move(3_600)
        await alice.ask(Deposit(1), idempotency_key="new")
        assert await app.prune_keys(older_than=timedelta(hours=2)) == 0
        assert await app.prune_keys(older_than=timedelta(minutes=30)) == 2
        assert await app.prune_keys(older_than=timedelta(minutes=30)) == 0
    async with store.app(clock=clock) as app:
        alice = app.entity(Account, "alice")
        assert await alice.ask(Deposit(1), idempotency_key="new") == 2
        # What is forgotten is done again, and another command may have the key.
        assert await alice.ask(Deposit(5), idempotency_key="old") == 7


async def test_more_keys_than_a_page_are_forgotten_at_once(memory: Store) -> None:
    clock = ManualClock()
    async with memory.app(clock=clock) as app:
        alice = app.entity(Account, "alice")
        await asyncio.gather(
            *(alice.ask(Deposit(1), idempotency_key=f"k{n}") for n in range(2_500))
        )
        clock.move(1)
        assert await app.prune_keys(older_than=timedelta(0)) == 2_500
