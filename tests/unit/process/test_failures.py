"""What is no answer is tried again, for ever; nothing else waits for it."""

from __future__ import annotations

import asyncio
import logging

import pytest  # noqa: TC002 - fixtures are found by it

import daicho
from daicho.errors import JournalUnavailable, KeyReused, UnknownEntity
from daicho.journal import Reply, Write
from daicho.process import DeliveryFailed
from tests.unit.entity.accounts import Way
from tests.unit.process.transfers import (
    BROKEN,
    DONE,
    Account,
    Bank,
    Broken,
    Deposit,
    Deposited,
    Do,
    Started,
    State,
    Transfer,
    amount,
    fill,
    order,
    settled,
    steps,
)


def failures(app: daicho.App) -> list[DeliveryFailed]:
    """What is published of deliveries that failed, from now on."""
    heard: list[DeliveryFailed] = []
    app.system.event_stream.subscribe(heard.append, event_type=DeliveryFailed)
    return heard


async def test_a_target_that_is_broken_is_tried_again_and_the_others_go_on(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    async with bank.app() as app:
        heard = failures(app)
        await fill(app, "alice", 100)
        BROKEN.add("bob")
        await order(app, "alice/1", "bob", 30)
        await order(app, "alice/2", "carol", 20)
        await asyncio.sleep(200)
        assert await steps(app, "alice/1") == ("started", "withdrawn")
        assert await steps(app, "alice/2") == DONE
        assert {(each.sender, each.target, each.what) for each in heard} == {
            ("transfer:alice/1", "account:bob", "command 2 (test.deposit)")
        }
        assert all(isinstance(each.error, Broken) for each in heard)
        assert [each.attempts for each in heard] == [*range(1, len(heard) + 1)]
        waits = [each.retry_after_s for each in heard]
        assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
        assert waits[-1] == 60.0
        assert "command 2 (test.deposit) from transfer:alice/1 to account:bob failed" in caplog.text
        BROKEN.clear()
        await settled(app)
        assert await steps(app, "alice/1") == DONE
        assert await amount(app, "bob") == 30


async def test_a_process_that_fails_on_an_outcome_hears_it_again(bank: Bank) -> None:
    async with bank.app() as app:
        await fill(app, "alice", 100)
        BROKEN.add("alice/1")
        await order(app, "alice/2", "bob", 20)
        await settled(app)
        BROKEN.clear()
        await order(app, "alice/1", "bob", 30)
        while await steps(app, "alice/1") != ("started", "withdrawn"):
            await asyncio.sleep(0)
        BROKEN.add("alice/1")
        await asyncio.sleep(10)
        # The command is done, and what came of it is not settled.
        assert await amount(app, "bob") == 50
        assert await steps(app, "alice/1") == ("started", "withdrawn")
        BROKEN.clear()
        await settled(app)
        assert await steps(app, "alice/1") == DONE
        assert await amount(app, "bob") == 50


async def test_a_reaction_that_fails_is_tried_again_and_other_instances_go_on(bank: Bank) -> None:
    async with bank.app() as app:
        heard = failures(app)
        await fill(app, "alice", 100)
        BROKEN.add("alice/1")
        await order(app, "alice/1", "bob", 30)
        await order(app, "alice/2", "bob", 20)
        await asyncio.sleep(10)
        assert await steps(app, "alice/1") == ()
        assert await steps(app, "alice/2") == DONE
        assert {(each.sender, each.target, each.what) for each in heard} == {
            ("account:alice", "transfer:alice/1", "event 2 (test.ordered)")
        }
        BROKEN.clear()
        await settled(app)
        assert await steps(app, "alice/1") == DONE


class Odd(daicho.Process[State], name="odd"):
    """Does not always know which instance a deposit is for."""

    @daicho.reaction
    def deposited(self, event: Deposited) -> None:
        self.emit(Started(str(event.amount), "", 0))

    @deposited.id
    @staticmethod
    def _(event: Deposited, source: daicho.Source) -> str | None:
        if source.id in BROKEN:
            raise Broken(source.id)
        return source.id

    @daicho.event
    def started(self, event: Started) -> None:
        self.state = State(self.state.source + event.source)


async def test_an_id_that_cannot_be_told_holds_up_that_process_type_and_is_said(
    bank: Bank,
) -> None:
    async with bank.app(entities=(Account, Odd)) as app:
        heard = failures(app)
        BROKEN.add("carol")
        for n in range(1, 5):
            for id_ in ("carol", "dave"):
                app.entity(Account, id_).tell(Do(lambda a, n=n: a.emit(Deposited(n))))
        await asyncio.sleep(10)
        assert (await app.entity(Odd, "dave").at()).source == ""
        assert (await app.entity(Odd, "carol").at()).source == ""
        assert {(each.sender, each.target) for each in heard} == {("account:carol", "odd:?")}
        BROKEN.clear()
        await settled(app)
        assert (await app.entity(Odd, "dave").at()).source == "1234"
        assert (await app.entity(Odd, "carol").at()).source == "1234"


async def test_a_rejection_after_an_event_is_no_answer(bank: Bank) -> None:
    class Hasty(daicho.Entity[State], name="hasty"):
        accepts = False

        @daicho.command
        def deposit(self, command: Deposit) -> None:
            self.emit(Started("", "", command.amount))
            if not Hasty.accepts:
                raise daicho.Rejected("too late to say so")

        @daicho.event
        def started(self, event: Started) -> None: ...

    def send(transfer: Transfer) -> None:
        transfer.emit(Started("x", "y", 1))
        transfer.send(Hasty, "h", Deposit(1))

    async with bank.app(entities=(Account, Transfer, Hasty)) as app:
        heard = failures(app)
        await app.entity(Transfer, "x/1").ask(Do(send))
        await asyncio.sleep(10)
        assert await steps(app, "x/1") == ("started",)
        assert all(isinstance(each.error, daicho.Rejected) for each in heard)
        Hasty.accepts = True
        await settled(app)
        assert await steps(app, "x/1") == ("started", "done")


async def test_what_this_program_does_not_know_is_left_to_one_that_does(bank: Bank) -> None:
    class Other(Account, name="other"):
        pass

    def send(transfer: Transfer) -> None:
        transfer.emit(Started("x", "y", 1))
        transfer.send("other", "o", Deposit(1))

    async with bank.app() as app:
        heard = failures(app)
        await app.entity(Transfer, "x/1").ask(Do(send))
        await asyncio.sleep(10)
        assert heard
        assert all(isinstance(each.error, UnknownEntity) for each in heard)
        async with bank.app(entities=(Account, Transfer, Other)) as newer:
            await settled(newer)
            assert await steps(newer, "x/1") == ("started", "done")
        # And whoever could not deliver it sees that it is over.
        await settled(app)
        assert await steps(app, "x/1") == ("started", "done")


async def test_a_command_whose_key_is_taken_by_another_is_not_done(bank: Bank) -> None:
    async with bank.app() as app:
        heard = failures(app)
        await fill(app, "alice", 100)
        taken = Reply("daicho:transfer:alice/1#2", b"another", "none", b"", 0, 0)
        await bank.journal.append([Write("account:bob", 0, [], replies=[taken])])
        await order(app, "alice/1", "bob", 30)
        await asyncio.sleep(10)
        assert await amount(app, "bob") == 0
        assert {type(each.error) for each in heard} == {KeyReused}


async def test_a_journal_that_does_not_answer_is_followed_again(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    way = Way(bank.journal)
    async with bank.app(way) as app:
        await fill(app, "alice", 100)
        await settled(app)
        way.fail("last_position", JournalUnavailable("test", "away"), times=20)
        await order(app, "alice/1", "bob", 30)
        while way.planned:
            await asyncio.sleep(1)
        await settled(app)
        assert await steps(app, "alice/1") == DONE
    assert "the journal cannot be followed from position 1" in caplog.text


async def test_a_journal_that_stores_nothing_for_a_while_loses_nothing(bank: Bank) -> None:
    way = Way(bank.journal)
    async with bank.app(way) as app:
        await fill(app, "alice", 100)
        await order(app, "alice/1", "bob", 30)
        way.fail("append", JournalUnavailable("test", "away"), times=7)
        way.fail("load_reply", JournalUnavailable("test", "away"), times=3)
        await settled(app)
        assert not way.planned
        assert await steps(app, "alice/1") == DONE
        assert (await amount(app, "alice"), await amount(app, "bob")) == (70, 30)


async def test_an_event_of_the_layer_that_cannot_be_read_is_passed_over_and_said(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.support.journals import foreign_append

    await foreign_append(bank.journal, "account:odd", ("daicho.entity.v1.Outgoing", b"\xff"))
    async with bank.app() as app:
        await fill(app, "alice", 100)
        await order(app, "alice/1", "bob", 30)
        await settled(app)
        assert await steps(app, "alice/1") == DONE
    [error] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "event 1 of 'account:odd' is passed over" in error.message
