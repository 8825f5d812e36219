"""What a command does to an entity, and what whoever asked gets of it."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

import daicho
from daicho.errors import (
    PersistRefused,
    Rejected,
    SystemStopped,
    UnencodableEvent,
    UnexpectedReply,
    UnhandledEvent,
    UnknownCommand,
    UnknownEntity,
)
from tests.support.actors import letters
from tests.unit.entity.accounts import (
    Account,
    Balance,
    Boom,
    Deposit,
    Deposited,
    Do,
    Look,
    ManualClock,
    Paid,
    Pay,
    Store,
    boom,
    emit_and_boom,
)
from wallet.v1 import ReceiveMoney, Wallet


async def test_a_command_is_answered_by_the_handler_that_its_class_names(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        assert await alice.ask(Account.deposit, Deposit(100)) == 100
        assert await alice.ask(Pay(30), expect=int) == 70
        assert await alice.ask(Account.look, Look()) == Balance(70)
    assert [record.type_name for record in await store.events()] == [
        "test.deposited",
        "test.paid",
    ]


async def test_an_entity_is_there_again_in_the_next_application(store: Store) -> None:
    for round_ in range(1, 4):
        async with store.app() as app:
            assert await app.entity(Account, "alice").ask(Deposit(5)) == round_ * 5


async def test_entities_of_one_class_are_apart(store: Store) -> None:
    async with store.app() as app:
        await asyncio.gather(*(app.entity(Account, f"a{n}").ask(Deposit(n + 1)) for n in range(20)))
        looks = [app.entity(Account, f"a{n}").ask(Account.look, Look()) for n in range(20)]
        assert [balance.amount for balance in await asyncio.gather(*looks)] == [*range(1, 21)]


async def test_commands_of_one_asker_are_decided_in_their_order(store: Store) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        asked = [alice.ask(Deposit(1)) for _ in range(500)]
        assert await asyncio.gather(*asked) == [*range(1, 501)]
    assert [record.version for record in await store.events()] == [*range(1, 501)]


async def test_what_is_emitted_is_applied_at_once(memory: Store) -> None:
    seen: list[tuple[int, int]] = []

    def act(account: Account) -> None:
        for amount in (1, 2, 3):
            account.emit(Deposited(amount))
            seen.append((account.version, account.state.amount))
        account.emit(Deposited(4), Paid(5))
        seen.append((account.version, account.state.amount))

    async with memory.app() as app:
        await app.entity(Account, "alice").ask(Do(act))
    assert seen == [(1, 1), (2, 3), (3, 6), (5, 5)]


async def test_a_handler_sees_what_it_is_and_what_time_it_is(memory: Store) -> None:
    clock = ManualClock()

    def act(account: Account) -> object:
        assert account.now.tzinfo is UTC
        return [account.id, account.version, account.now.isoformat()]

    async with memory.app(clock=clock) as app:
        alice = app.entity(Account, "alice")
        assert await alice.ask(Do(act)) == ["alice", 0, "2023-11-14T22:13:20+00:00"]
        clock.move(1.5)
        await alice.ask(Deposit(1))
        assert await alice.ask(Do(act)) == ["alice", 1, "2023-11-14T22:13:21.500000+00:00"]
        [change] = [change async for change in alice.history()]
        assert change.time == datetime(2023, 11, 14, 22, 13, 21, 500_000, tzinfo=UTC)


async def test_a_reply_leaves_when_its_events_are_stored(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Look())
        way.hold()
        asked = [alice.ask(Deposit(1)), alice.ask(Look()), alice.ask(Pay(50))]
        await way.held()
        # Even what changes nothing was decided on what is not stored yet.
        assert not any(each.done() for each in asked)
        way.release()
        assert await asked[0] == 1
        assert await asked[1] == Balance(1)
        with pytest.raises(Rejected):
            await asked[2]


async def test_all_events_of_a_command_are_one_write(memory: Store) -> None:
    def act(account: Account) -> None:
        account.emit(Deposited(1), Deposited(2))
        account.emit(Paid(3))

    way = memory.way()
    async with memory.app(way) as app:
        await app.entity(Account, "alice").ask(Do(act))
    assert [[len(write.events) for write in writes] for writes in way.appends] == [[3]]


# --- replies --------------------------------------------------------------------------------------


async def test_a_reply_is_a_copy_of_a_state_that_goes_on_changing(memory: Store) -> None:
    def emit_second(account: Account) -> Balance:
        account.emit(Deposited(1, "second"))
        return account.state

    way = memory.way()
    async with memory.app(way) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(1, "first"))
        way.hold()
        replies = [
            alice.ask(Do(emit_second)),
            alice.ask(Do(lambda a: a.state.notes)),
            alice.ask(Do(lambda a: {"all": [a.state]})),
            alice.ask(Deposit(1, "third")),
        ]
        await way.held()
        way.release()
        state, notes, nested, total = await asyncio.gather(*replies)
        assert state == Balance(2, ["first", "second"])
        assert notes == ["first", "second"]
        assert nested == {"all": [Balance(2, ["first", "second"])]}
        assert total == 3
        # And what whoever asked does to it, it does to its own.
        assert isinstance(state, Balance)
        state.notes.clear()
        assert (await alice.ask(Account.look, Look())).notes == ["first", "second", "third"]


class Purse(daicho.Entity[Wallet], name="purse"):
    """The same of protobuf messages."""

    @daicho.command
    def receive(self, command: ReceiveMoney) -> Wallet:
        self.emit(command)
        return self.state

    @daicho.event
    def received(self, event: ReceiveMoney) -> None:
        self.state.deposit += event.amount


async def test_a_protobuf_message_is_command_event_state_and_reply(store: Store) -> None:
    async with store.app(entities=(Purse,)) as app:
        purse = app.entity(Purse, "p")
        asked = [purse.ask(Purse.receive, ReceiveMoney(amount=5)) for _ in range(3)]
        assert [wallet.deposit for wallet in await asyncio.gather(*asked)] == [5, 10, 15]


# --- what goes wrong ------------------------------------------------------------------------------


async def test_a_rejection_reaches_who_asked_and_changes_nothing(store: Store) -> None:
    way = store.way()
    async with store.app(way) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(10))
        incarnation = await alice.ask(Do(id))
        with pytest.raises(Rejected, match="too little is there") as caught:
            await alice.ask(Pay(25))
        assert caught.value.reason == "too little is there"
        assert caught.value.data == {"missing": 15}
        assert await alice.ask(Account.look, Look()) == Balance(10)
        assert await alice.ask(Do(id)) == incarnation
        assert await alice.version() == 1


@pytest.mark.parametrize("act", [boom, emit_and_boom])
async def test_an_entity_that_failed_is_rebuilt_and_nothing_of_it_is_stored(
    store: Store, act: object
) -> None:
    async with store.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(10))
        before = await alice.ask(Do(lambda a: setattr(a, "mark", 1)))
        assert before is None
        with pytest.raises(Boom):
            await alice.ask(Do(act))  # type: ignore[arg-type]
        assert await alice.ask(Do(lambda a: hasattr(a, "mark"))) is False
        assert await alice.ask(Account.look, Look()) == Balance(10)
        assert await alice.version() == 1


async def test_a_rejection_after_an_event_is_a_failure_as_any_other(memory: Store) -> None:
    def act(account: Account) -> None:
        account.emit(Deposited(5))
        raise Rejected("too late", n=1)

    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(10))
        with pytest.raises(Rejected, match="too late"):
            await alice.ask(Do(act))
        assert await alice.ask(Account.look, Look()) == Balance(10)
        assert await alice.version() == 1


async def test_a_failure_hurts_no_other_command_in_flight(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way) as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Look())
        way.hold()
        before = [alice.ask(Deposit(1)) for _ in range(3)]
        failed = alice.ask(Do(emit_and_boom))
        after = [alice.ask(Deposit(1)) for _ in range(3)]
        await way.held()
        # It was decided on what is not stored yet, but not stored itself: it need not wait.
        with pytest.raises(Boom):
            await failed
        assert not any(each.done() for each in before + after)
        way.release()
        assert await asyncio.gather(*before, *after) == [1, 2, 3, 4, 5, 6]
    assert {record.type_name for record in await memory.events()} == {"test.deposited"}
    assert len(await memory.events()) == 6


async def test_an_unknown_command_changes_nothing_and_says_which_are_known(memory: Store) -> None:
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        incarnation = await alice.ask(Do(id))
        with pytest.raises(UnknownCommand, match="no command handler for Paid") as caught:
            await alice.ask(Paid(1))
        assert caught.value.entity == "account"
        assert caught.value.command is Paid
        assert caught.value.known == ("Deposit", "Do", "Look", "Pay")
        with pytest.raises(UnknownCommand):
            await alice.ask(Paid(1), idempotency_key="k")
        assert await alice.ask(Do(id)) == incarnation
        assert await alice.version() == 0


async def test_an_event_without_a_handler_is_refused_where_it_is_emitted(memory: Store) -> None:
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        with pytest.raises(UnhandledEvent, match="no event handler for Look") as caught:
            await alice.ask(Do(lambda a: a.emit(Look())))
        assert caught.value.event is Look
        assert await alice.version() == 0


async def test_an_event_that_cannot_be_stored_is_not_applied(memory: Store) -> None:
    def act(account: Account) -> object:
        with pytest.raises(UnencodableEvent):
            account.emit(Deposited("much"))  # type: ignore[arg-type]
        return [account.version, account.state.amount]

    async with memory.app() as app:
        assert await app.entity(Account, "alice").ask(Do(act)) == [0, 0]


async def test_a_reply_that_cannot_be_copied_fails_the_command(memory: Store) -> None:
    def act(account: Account) -> object:
        account.emit(Deposited(1))
        return {"held": threading.Lock()}

    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        with pytest.raises(TypeError, match="pickle"):
            await alice.ask(Do(act))
        assert await alice.version() == 0
        assert await alice.ask(Account.look, Look()) == Balance(0)


async def test_a_reply_of_another_class_than_expected_is_refused(memory: Store) -> None:
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        for key in (None, "k", "k"):
            with pytest.raises(UnexpectedReply) as caught:
                await alice.ask(Deposit(1), expect=Balance, idempotency_key=key)
            assert caught.value.expected is Balance
        # The command was done, once under its key: whoever asked misunderstood the answer alone.
        assert await alice.version() == 2


async def test_what_a_told_command_comes_to_is_logged(
    memory: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with memory.app() as app:
        lost = letters(app.system)
        alice = app.entity(Account, "alice")
        alice.tell(Deposit(5))
        alice.tell(Pay(50))
        alice.tell(Do(emit_and_boom))
        alice.tell(Paid(1))
        alice.tell(Deposit(5))
        assert await alice.ask(Account.look, Look()) == Balance(10)
    assert "too little is there (missing=45)" in caplog.text
    assert "Boom" in caplog.text
    [letter] = lost
    assert letter.message == Paid(1)
    assert "no command handler for Paid" in letter.reason


# --- outside of a command -------------------------------------------------------------------------


class Meddler(daicho.Entity[Balance], name="meddler"):
    """Wants to do in the handler of an event what only that of a command may."""

    wants: str = "emit"

    @daicho.command
    def deposit(self, command: Deposit) -> int:
        self.emit(Deposited(command.amount))
        return self.state.amount

    @daicho.event
    def deposited(self, event: Deposited) -> None:
        match self.wants:
            case "emit":
                self.emit(Deposited(1))
            case "schedule":
                self.schedule(Deposit(1), name="t", after=timedelta(1))
            case "cancel":
                self.cancel("t")
            case _:
                self.state.notes.append(self.now.isoformat())


@pytest.mark.parametrize("wants", ["emit", "now", "schedule", "cancel"])
async def test_the_handler_of_an_event_applies_and_does_nothing_else(
    memory: Store, wants: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Meddler, "wants", wants)
    async with memory.app(entities=(Meddler,)) as app:
        with pytest.raises(PersistRefused, match="not handling a command"):
            await app.entity(Meddler, "m").ask(Deposit(1))
        assert await app.entity(Meddler, "m").version() == 0


async def test_an_entity_does_nothing_between_its_commands(memory: Store) -> None:
    held: list[Account] = []
    async with memory.app() as app:
        alice = app.entity(Account, "alice")
        await alice.ask(Do(held.append))
        [account] = held
        for meddle in (
            lambda: account.emit(Deposited(1)),
            lambda: account.now,
            lambda: account.schedule(Deposit(1), name="t", after=timedelta(1)),
            lambda: account.cancel("t"),
        ):
            with pytest.raises(PersistRefused, match="account 'alice' is not handling a command"):
                meddle()
        assert await alice.version() == 0


# --- the application ------------------------------------------------------------------------------


async def test_an_entity_is_not_reached_outside_of_its_application(memory: Store) -> None:
    app = memory.app()
    async with app:
        alice = app.entity(Account, "alice")
        await alice.ask(Deposit(1))
    with pytest.raises(SystemStopped):
        await alice.ask(Deposit(1))
    with pytest.raises(SystemStopped):
        await alice.ask(Deposit(1), idempotency_key="k")
    with pytest.raises(SystemStopped):
        await alice.ask_with_token(Deposit(1))
    with pytest.raises(SystemStopped):
        alice.tell(Deposit(1))


async def test_an_entity_type_that_the_application_does_not_know_is_refused(memory: Store) -> None:
    async with memory.app() as app:
        with pytest.raises(UnknownEntity, match=r"Purse.*only account"):
            app.entity(Purse, "p")
        with pytest.raises(UnknownEntity):
            app.entity_named("purse", "p")
        assert await app.entity_named("account", "alice").ask(Deposit(3)) == 3


async def test_what_is_under_way_when_the_application_closes_is_stored_and_answered(
    store: Store,
) -> None:
    async with store.app() as app:
        asked = [app.entity(Account, "alice").ask(Deposit(1)) for _ in range(100)]
    replies = await asyncio.gather(*asked, return_exceptions=True)
    assert replies == [*range(1, 101)]
    assert len(await store.events()) == 100
