"""Past the limit: who comes is refused at once, what was let in is done, and memory stays."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Iterator

import pytest

import daicho
from daicho.entity import Ref
from daicho.errors import MailboxFull, Overloaded
from daicho.journal import MAX_VERSION, PAGE_SIZE, Loaded, Reply
from tests.support.ledgers import turns
from tests.unit.entity.accounts import Account, Balance, Deposit, Do, Look, Store, Way


def accounts(app: daicho.App, count: int) -> list[Ref[Account]]:
    return [app.entity(Account, f"a{n}") for n in range(count)]


def asked(
    refs: list[Ref[Account]], times: int, ask: Callable[[Ref[Account]], Awaitable[object]]
) -> tuple[list[Awaitable[object]], list[Overloaded]]:
    """Asks each so often; returns what was let in, and what was not."""
    let_in: list[Awaitable[object]] = []
    refused: list[Overloaded] = []
    for _ in range(times):
        for ref in refs:
            try:
                let_in.append(ask(ref))
            except Overloaded as error:
                refused.append(error)
    return let_in, refused


def deposit(ref: Ref[Account]) -> Awaitable[object]:
    return ref.ask(Deposit(1))


async def test_ten_times_what_may_wait_is_refused_at_once_and_the_rest_is_done(
    memory: Store,
) -> None:
    way = memory.way()
    async with memory.app(way, max_waiting=500) as app:
        refs = accounts(app, 50)
        await asyncio.gather(*map(deposit, refs))
        way.hold()
        let_in, refused = asked(refs, 100, deposit)
        assert (len(let_in), len(refused)) == (500, 4_500)
        assert {(each.what, each.limit) for each in refused} == {("this application", 500)}
        await way.held()
        # Nor later, as long as nothing is done of what waits.
        assert len(asked(refs, 1, deposit)[1]) == 50
        way.release()
        await asyncio.gather(*let_in)
        # Then it serves as before, and nothing was done that was refused.
        let_in, refused = asked(refs, 10, deposit)
        assert refused == []
        assert await asyncio.gather(*let_in[-50:]) == [21] * 50
        assert await refs[0].version() == 21


async def test_there_is_room_again_as_soon_as_something_is_done(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way, max_waiting=10) as app:
        (alice,) = accounts(app, 1)
        for _ in range(5):
            let_in, refused = asked([alice], 20, deposit)
            assert (len(let_in), len(refused)) == (10, 10)
            assert len(await asyncio.gather(*let_in)) == 10


async def test_who_is_refused_leaves_nothing_behind(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way, max_waiting=100) as app:
        refs = accounts(app, 10)
        way.hold()
        let_in, _ = asked(refs, 20, deposit)
        await way.held()

        def refused(times: int) -> int:
            """Blocks that Python has after so many more were refused."""
            for _ in range(times):
                with pytest.raises(Overloaded):
                    _ = refs[0].ask(Deposit(1), idempotency_key="key")
                with pytest.raises(Overloaded):
                    refs[1].tell(Deposit(1))
            gc.collect()
            return sys.getallocatedblocks()

        before = refused(100)
        await turns()
        # A message that waits takes several blocks.
        assert refused(5_000) - before < 1_000
        way.release()
        await asyncio.gather(*let_in)


async def test_told_commands_are_bounded_too_wherever_they_wait(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way, max_waiting=200) as app:
        refs = accounts(app, 40)
        way.hold()

        def tell() -> int:
            """How many were let in of ten times as many as may wait."""
            count = 0
            for _ in range(50):
                for ref in refs:
                    try:
                        ref.tell(Deposit(1))
                    except Overloaded:
                        continue
                    count += 1
            return count

        assert tell() == 200
        await way.held()
        await asyncio.sleep(1)
        # They are decided, and wait for the journal now.
        assert tell() == 0
        way.release()
        await asyncio.sleep(1)
        assert [await ref.ask(Look()) for ref in refs] == [Balance(5)] * 40
        assert tell() == 200


async def test_a_told_command_that_is_handled_for_ever_counts(memory: Store) -> None:
    async with memory.app(max_waiting=20, shutdown_timeout_s=1) as app:
        refs = accounts(app, 30)
        for ref in refs[:20]:
            ref.tell(Do(lambda _: asyncio.Event().wait()))
        await asyncio.sleep(1)
        with pytest.raises(Overloaded):
            refs[20].tell(Deposit(1))


async def test_who_gives_up_makes_no_room_before_the_message_is_gone(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way, max_waiting=100, ask_timeout_s=5) as app:
        refs = accounts(app, 10)
        way.hold()
        let_in, _ = asked(refs, 10, deposit)
        await way.held()
        for ask in let_in[:50]:
            assert isinstance(ask, asyncio.Future)
            ask.cancel()
        await asyncio.sleep(6)
        assert all(ask.done() for ask in let_in if isinstance(ask, asyncio.Future))
        with pytest.raises(Overloaded):
            _ = deposit(refs[0])
        way.release()
        await asyncio.gather(*let_in, return_exceptions=True)
        await asyncio.sleep(1)
        assert await refs[0].ask(Deposit(1)) == 11


async def test_a_mailbox_is_bounded_for_each_entity(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way, max_mailbox=30) as app:
        alice, bob = accounts(app, 2)
        way.hold()
        first, refused = asked([alice], 60, deposit)
        assert (len(first), len(refused)) == (30, 30)
        assert {type(each) for each in refused} == {MailboxFull}
        assert "max_mailbox" in str(refused[0])
        await way.held()
        await turns()
        # Those are decided and wait for the journal; as many again may wait to be decided.
        second, refused = asked([alice], 60, deposit)
        assert (len(second), len(refused)) == (30, 30)
        await turns()
        assert asked([alice], 1, deposit)[0] == []
        others, refused = asked([bob], 30, deposit)
        assert refused == []
        way.release()
        assert await asyncio.gather(*first, *second) == [*range(1, 61)]
        assert len(await asyncio.gather(*others)) == 30


async def test_what_comes_while_an_entity_is_leaving_is_bounded_too(memory: Store) -> None:
    way = memory.way()
    async with memory.app(way, max_mailbox=5) as app:
        (alice,) = accounts(app, 1)
        way.hold()
        last = alice.ask(Deposit(1))
        await way.held()
        cell = app.system.find_cell(app.directory.pid(alice.stream))
        assert cell is not None
        # Its end waits for the journal.
        cell.stop_because(RuntimeError("the end"))
        await turns()
        let_in, refused = asked([alice], 10, deposit)
        assert (len(let_in), len(refused)) == (5, 5)
        with pytest.raises(MailboxFull):
            _ = alice.ask(Deposit(1), idempotency_key="key")
        way.release()
        assert await asyncio.gather(last, *let_in) == [1, 2, 3, 4, 5, 6]


class Reading(Way):
    """Counts who looks for a key, and who recovers at once."""

    lookups = 0
    loading = 0
    most_loading = 0

    async def load_reply(self, stream: str, key: str) -> Reply | None:
        self.lookups += 1
        return await super().load_reply(stream, key)

    async def load(
        self, stream: str, *, max_snapshot: int = MAX_VERSION, page_size: int = PAGE_SIZE
    ) -> Loaded:
        self.loading += 1
        self.most_loading = max(self.most_loading, self.loading)
        try:
            await asyncio.sleep(0)
            return await super().load(stream, max_snapshot=max_snapshot, page_size=page_size)
        finally:
            self.loading -= 1


@pytest.mark.parametrize(("max_waiting", "max_mailbox"), [(10, 1_000), (1_000, 10)])
async def test_a_key_is_not_looked_up_for_who_is_refused(
    memory: Store, max_waiting: int, max_mailbox: int
) -> None:
    way = Reading(memory.journal)
    async with memory.app(way, max_waiting=max_waiting, max_mailbox=max_mailbox) as app:
        alice = app.entity(Account, "alice")
        keys: Iterator[int] = iter(range(1_000))
        let_in, refused = asked(
            [alice], 100, lambda ref: ref.ask(Deposit(1), idempotency_key=f"k{next(keys)}")
        )
        assert (len(let_in), len(refused)) == (10, 90)
        await asyncio.gather(*let_in)
        assert way.lookups == 10


async def test_an_entity_that_never_returns_takes_nothing_from_others(memory: Store) -> None:
    async with memory.app(max_mailbox=10, shutdown_timeout_s=3, ask_timeout_s=60) as app:
        stuck, bob = accounts(app, 2)
        forever = stuck.ask(Do(lambda _: asyncio.Event().wait()))
        await turns()
        let_in, refused = asked([stuck], 100, deposit)
        assert (len(let_in), len(refused)) == (10, 90)
        for n in range(100):
            assert await bob.ask(Deposit(1)) == n + 1
        began = asyncio.get_running_loop().time()
    # The loop's own time, which only timers move.
    assert asyncio.get_running_loop().time() - began == pytest.approx(3)
    ends = await asyncio.gather(forever, *let_in, return_exceptions=True)
    assert all(isinstance(each, daicho.DaichoError | asyncio.CancelledError) for each in ends)


async def test_an_entity_that_floods_itself_is_bounded_by_its_mailbox(memory: Store) -> None:
    async with memory.app(max_mailbox=50) as app:
        flooded, bob = accounts(app, 2)
        on, handled, most = True, 0, 0

        def flood(_: Account) -> None:
            nonlocal handled, most
            handled += 1
            cell = app.system.find_cell(app.directory.pid(flooded.stream))
            assert cell is not None
            most = max(most, cell.mailbox_size)
            if on:
                flooded.tell(Do(flood))
                flooded.tell(Do(flood))

        flooded.tell(Do(flood))
        before = 0
        for n in range(50):
            assert await bob.ask(Deposit(1)) == n + 1
            # It goes on, but not so long that bob would notice.
            assert handled - before < 5_000
            before = handled
        assert handled > 50
        assert most <= 50
        on = False
        await turns(200)
        assert await flooded.ask(Deposit(1)) == 1


async def test_an_entity_that_fails_for_ever_leaves_others_their_turn(memory: Store) -> None:
    def fail(_: Account) -> None:
        raise RuntimeError("again")

    async with memory.app() as app:
        bad, bob = accounts(app, 2)
        failures = [bad.ask(Do(fail)) for _ in range(1_000)]
        await turns(2)
        for n in range(50):
            assert await bob.ask(Deposit(1)) == n + 1
        # Each failure is a new beginning, so bob was not behind all of them.
        assert not all(each.done() for each in failures)
        ends = await asyncio.gather(*failures, return_exceptions=True)
        assert {type(each) for each in ends} == {RuntimeError}


async def test_a_storm_of_recoveries_is_bounded_and_leaves_others_their_turn(
    memory: Store,
) -> None:
    way = Reading(memory.journal)
    async with memory.app(way, max_recoveries=16, ask_timeout_s=600) as app:
        living = app.entity(Account, "living")
        await living.ask(Deposit(1))
        done = 0

        def count(_: object) -> None:
            nonlocal done
            done += 1

        storm = [ref.ask(Look()) for ref in accounts(app, 10_000)]
        for ask in storm:
            ask.add_done_callback(count)
        answers = 0
        while done < len(storm):
            before = done
            assert await living.ask(Look()) == Balance(1)
            answers += 1
            # A few turns of the loop, in each of which a few entities begin.
            assert done - before < 1_000
        assert answers > 20
        assert way.most_loading == 16
        await asyncio.gather(*storm)


async def test_what_waits_for_its_turn_is_done_before_the_application_closes(
    memory: Store,
) -> None:
    async with memory.app() as app:
        for ref in accounts(app, 1_000):
            ref.tell(Deposit(1))
            ref.tell(Deposit(2))
        letters = app.system.dead_letters
    assert letters.count == 0
    infos = await memory.journal.list_streams("account:a", limit=2_000)
    assert [info.version for info in infos] == [2] * 1_000


async def test_a_limit_is_at_least_1(memory: Store) -> None:
    with pytest.raises(ValueError, match="max_waiting is 0, at least 1 is needed"):
        memory.app(max_waiting=0)
    with pytest.raises(ValueError, match="max_mailbox is 0, at least 1 is needed"):
        memory.app(max_mailbox=0)
