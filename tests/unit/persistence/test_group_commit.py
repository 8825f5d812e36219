"""Promise 3: the journal writes what has gathered, from all actors, in one append after another."""

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Sequence

import pytest

from daicho.actor import PID, ActorSystem, Context
from daicho.errors import JournalUnavailable, PersistFailed
from daicho.journal import Appended, MemoryJournal, NewEvent, Outcome, Write
from daicho.journal.offers import Tell
from daicho.persistence.commit import MAX_EVENTS, Committer, committer_of
from tests.support.journals import FaultJournal, stored
from tests.support.ledgers import Add, Do, Ledger, event, props, total, turns, world
from wallet.v1 import ReceiveMoney


class Unit:
    """A write that waits for its turn."""

    def __init__(
        self, stream: str, expected: int = 0, events: int = 1, payload: bytes = b""
    ) -> None:
        new = NewEvent("t", payload, bytes(16), 0)
        self.write: Write | None = Write(stream, expected, [new] * events)
        self.outcomes: list[Outcome | Exception] = []

    def take(self) -> Write | None:
        return self.write

    def leave_snapshot(self) -> None:
        raise AssertionError("it has none")

    def settle(self, outcome: Outcome | Exception) -> None:
        self.outcomes.append(outcome)


async def test_writes_of_many_actors_are_one_append() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pids = [system.root.spawn_named(props(journal), f"ledger{n}") for n in range(50)]
        await asyncio.gather(*(total(system, pid) for pid in pids))
        await asyncio.gather(*(system.root.ask(pid, Add(1)) for pid in pids))
        assert [len(writes) for writes in journal.appends] == [50]


async def test_what_gathers_during_an_append_is_the_next_one() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pids = [system.root.spawn_named(props(journal), f"ledger{n}") for n in range(20)]
        await asyncio.gather(*(total(system, pid) for pid in pids))
        journal.hold()
        first = system.root.ask(pids[0], Add(1))
        await journal.held()
        rest = [system.root.ask(pid, Add(1)) for pid in pids for _ in range(3)]
        await turns()
        journal.release()
        await asyncio.gather(first, *rest)
        assert [[len(w.events) for w in writes] for writes in journal.appends] == [[1], [3] * 20]


async def test_messages_of_one_actor_gather_in_one_write() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        await asyncio.gather(*(system.root.ask(pid, Add(1)) for _ in range(100)))
        assert sum(len(writes) for writes in journal.appends) == len(journal.appends) <= 2
        assert journal.events() == 100


async def test_an_append_has_a_limit_and_the_rest_follows() -> None:
    journal = FaultJournal()
    async with journal:
        committer = committer_of(journal)
        units = [Unit(f"s{n}", events=MAX_EVENTS // 4) for n in range(10)]
        for unit in units:
            committer.submit(unit)
        await turns()
        assert [len(writes) for writes in journal.appends] == [4, 4, 2]
        assert all(isinstance(unit.outcomes[0], Appended) for unit in units)


async def test_what_was_given_up_is_not_written() -> None:
    journal = FaultJournal()
    async with journal:
        committer = committer_of(journal)
        unit, gone = Unit("s"), Unit("s")
        gone.write = None
        committer.submit(gone)
        await turns()
        assert journal.appends == []
        committer.submit(gone)
        committer.submit(unit)
        await turns()
        assert [len(writes) for writes in journal.appends] == [1]
        assert gone.outcomes == []


@pytest.mark.parametrize("bad", [0, 3, 6])
async def test_a_write_that_is_never_right_harms_no_other(bad: int) -> None:
    journal = FaultJournal()
    async with journal:
        committer = committer_of(journal)
        units = [Unit("bad\0name" if n == bad else f"s{n}") for n in range(7)]
        for unit in units:
            committer.submit(unit)
        await turns()
        for number, unit in enumerate(units):
            expected = ValueError if number == bad else Appended
            assert [type(outcome) for outcome in unit.outcomes] == [expected]


async def test_an_append_that_fails_fails_all_of_its_writes_and_no_other() -> None:
    journal = FaultJournal()
    async with journal:
        committer = committer_of(journal)
        error = JournalUnavailable("the disk", "gone")
        journal.fail("append", error)
        journal.hold()
        first = [Unit("a"), Unit("b")]
        for unit in first:
            committer.submit(unit)
        await journal.held()
        later = Unit("c")
        committer.submit(later)
        journal.release()
        await turns()
        assert [unit.outcomes for unit in first] == [[error], [error]]
        assert [type(outcome) for outcome in later.outcomes] == [Appended]


async def test_what_is_stored_is_told_before_what_was_refused_later() -> None:
    """The replies of an append wait for the start of the next one, which may fail at once."""
    journal = FaultJournal()
    told: list[str] = []

    class Named(Unit):
        def settle(self, outcome: Outcome | Exception) -> None:
            told.append(type(outcome).__name__)
            if isinstance(outcome, Appended) and len(told) == 1:
                return
            super().settle(outcome)

    async with journal:
        committer = committer_of(journal)
        journal.hold()
        committer.submit(Named("s"))
        await journal.held()
        committer.submit(Named("s"))
        journal.release()
        await turns()
        assert told == ["Appended", "ConcurrencyConflict"]


async def test_a_journal_that_loses_count_is_an_unknown_outcome() -> None:
    class Forgetful(MemoryJournal):
        async def append(self, writes: Sequence[Write]) -> list[Outcome]:
            return (await super().append(writes))[1:]

    async with Forgetful() as journal:
        unit = Unit("s")
        committer = committer_of(journal)
        committer.submit(unit)
        await turns()
        (outcome,) = unit.outcomes
        assert isinstance(outcome, JournalUnavailable)
        assert "it gave 0 outcomes for 1 writes" in str(outcome)


async def test_one_that_fails_at_its_outcome_keeps_it_from_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Unit):
        def settle(self, outcome: Outcome | Exception) -> None:
            raise RuntimeError("a bug")

    journal = FaultJournal()
    async with journal:
        committer = committer_of(journal)
        units = [Broken("a"), Unit("b")]
        for unit in units:
            committer.submit(unit)
        await turns()
        assert len(units[1].outcomes) == 1
        assert "what followed a commit failed" in caplog.text


async def test_a_cancelled_append_is_an_unknown_outcome_for_all_that_wait(appends: str) -> None:
    if appends == "told":
        pytest.skip("no task of the committer waits for the append")
    journal = FaultJournal()
    async with journal:
        committer = committer_of(journal)
        journal.hold()
        under_way, gathered = Unit("a"), Unit("b")
        committer.submit(under_way)
        await journal.held()
        committer.submit(gathered)
        task = committer._task
        assert task is not None
        task.cancel()
        await turns()
        for unit in (under_way, gathered):
            (outcome,) = unit.outcomes
            assert isinstance(outcome, JournalUnavailable)
            assert "the program ended during the append" in str(outcome)
        journal.release()
        again = Unit("c")
        committer.submit(again)
        await turns()
        assert [type(outcome) for outcome in again.outcomes] == [Appended]


def test_a_journal_serves_one_loop_after_another_however_the_first_ended() -> None:
    journal = FaultJournal()

    async def use(amount: int) -> object:
        async with world(journal) as system:
            pid = system.root.spawn_named(props(journal), "ledger")
            return await system.root.ask(pid, Add(amount))

    async def committer() -> Committer:
        return committer_of(journal)

    assert asyncio.run(use(1)) == 1
    loop = asyncio.new_event_loop()
    abandoned = loop.run_until_complete(committer())
    journal.hold()
    abandoned.submit(Unit("other"))
    loop.run_until_complete(asyncio.wait_for(journal.held(), 20))
    loop.close()  # in the middle of an append
    journal.release()
    assert asyncio.run(use(2)) == 3


async def test_actors_of_one_journal_share_a_committer_and_it_goes_with_them() -> None:
    journal, other = FaultJournal(), FaultJournal()
    committer = committer_of(journal)
    assert committer_of(journal) is committer
    assert committer_of(other) is not committer
    ref = weakref.ref(committer)
    del committer
    gc.collect()
    assert ref() is None


async def test_an_actor_leaves_nothing_behind_in_memory() -> None:
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        ledgers: list[weakref.ref[Ledger]] = []

        def remember(ledger: Ledger, ctx: object) -> None:
            ledgers.append(weakref.ref(ledger))

        system.root.send(pid, Do(remember))
        await asyncio.gather(*(system.root.ask(pid, Add(1)) for _ in range(100)))
        await system.root.stop_future(pid)
        await turns()
        del pid
        gc.collect()
        assert ledgers[0]() is None


async def test_events_of_several_persists_of_one_message_are_one_write() -> None:
    """Promise 6: all of a message or none."""
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: object) -> None:
        for amount in (1, 2, 3):
            ledger.persist_receive(ReceiveMoney(amount=amount))
        ledger.persist_receive(ReceiveMoney(amount=4), ReceiveMoney(amount=5))

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        system.root.send(pid, Do(act))
        await turns()
        assert [[len(w.events) for w in writes] for writes in journal.appends] == [[5]]
        assert len(await stored(journal, "ledger")) == 5


async def test_of_a_message_that_raises_nothing_is_stored_and_of_the_others_all() -> None:
    """Promise 6: also where the messages before and after it are in the same write."""
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: object) -> None:
        ledger.persist_receive(ReceiveMoney(amount=100))
        ledger.persist_receive(ReceiveMoney(amount=200))
        raise RuntimeError("no")

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        asked = [system.root.ask(pid, message) for message in (Add(1), Add(2), Do(act), Add(3))]
        replies = await asyncio.gather(*asked, return_exceptions=True)
        assert replies[:2] + replies[3:] == [1, 3, 6]
        assert "RuntimeError('no')" in str(replies[2])
        assert [
            ReceiveMoney.FromString(r.payload).amount for r in await stored(journal, "ledger")
        ] == [
            1,
            2,
            3,
        ]


async def test_of_a_message_that_fails_to_be_stored_nothing_is() -> None:
    """Promise 6."""
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: object) -> None:
        ledger.persist_receive(ReceiveMoney(amount=1))
        ledger.persist_receive(ReceiveMoney(amount=2))

    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        await total(system, pid)
        journal.fail("append", JournalUnavailable("the disk", "gone"))
        with pytest.raises(PersistFailed):
            await system.root.ask(pid, Do(act))
        assert await stored(journal, "ledger") == []
        assert await total(system, pid) == 0


async def test_a_committer_that_is_cancelled_before_it_begins_goes_on_with_what_comes_later() -> (
    None
):
    journal = FaultJournal()
    async with world(journal) as system:
        pid = system.root.spawn_named(props(journal), "ledger")
        assert await system.root.ask(pid, Add(1)) == 1
        committer = committer_of(journal)
        unit = Unit("other")
        committer.submit(unit)
        for task in asyncio.all_tasks():
            if "_append_all" in repr(task):
                task.cancel()
        await turns()
        assert await system.root.ask(pid, Add(1)) == 2


async def test_a_commit_does_not_run_with_the_context_variables_of_who_woke_it() -> None:
    seen: list[str] = []

    class Looking(FaultJournal):
        async def append(self, writes: Sequence[Write]) -> list[Outcome]:
            seen.append(request.get())
            return await super().append(writes)

    journal = Looking()
    async with world(journal) as system:

        def act(ledger: Ledger, ctx: Context) -> None:
            request.set("of a message")
            ledger.persist_receive(event(1))

        pid = system.root.spawn_named(props(journal), "ledger")
        system.root.send(pid, Do(act))
        await turns()
        assert await total(system, pid) == 0
        assert seen == ["nobody's"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_while_commits_are_told_takes_nothing_from_the_others(
    error: type[BaseException],
) -> None:
    loop = asyncio.new_event_loop()
    journal = FaultJournal()

    def act(ledger: Ledger, ctx: Context) -> None:
        ledger.persist_receive(event(1))
        ctx.publish(Interrupting())
        ctx.respond("stored")

    def interrupt(_: object) -> None:
        raise error

    async def begin() -> ActorSystem:
        await journal.__aenter__()
        system = await ActorSystem().__aenter__()
        system.event_stream.subscribe(interrupt, event_type=Interrupting)
        return system

    async def spawn(system: ActorSystem, name: str) -> PID:
        pid = system.root.spawn_named(props(journal), name)
        await total(system, pid)
        return pid

    async def work(system: ActorSystem) -> list[object]:
        first, second = await spawn(system, "first"), await spawn(system, "second")
        asks = [system.root.ask(first, Do(act)), system.root.ask(second, Add(7))]
        waiting.extend(asks)
        return await asyncio.gather(*asks)

    waiting: list[asyncio.Future[object]] = []
    try:
        system = loop.run_until_complete(begin())
        working = loop.create_task(work(system))
        with pytest.raises(error):
            loop.run_until_complete(working)
        assert loop.run_until_complete(asyncio.wait_for(working, 20)) == ["stored", 7]
        loop.run_until_complete(system.shutdown())
    finally:
        loop.close()


@pytest.mark.parametrize("after", [False, True])
def test_an_interruption_of_an_append_leaves_its_outcome_unknown_and_the_next_one_works(
    *, after: bool
) -> None:
    loop = asyncio.new_event_loop()
    journal = FaultJournal()
    interrupted, gathered, later = Unit("a"), Unit("b"), Unit("c")

    async def submit(*units: Unit) -> None:
        for unit in units:
            committer_of(journal).submit(unit)
        await turns()

    try:
        loop.run_until_complete(journal.__aenter__())
        journal.fail("append", KeyboardInterrupt(), after=after)
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(submit(interrupted, gathered))
        for unit in (interrupted, gathered):
            (outcome,) = unit.outcomes
            assert "the program ended during the append" in str(outcome)
        loop.run_until_complete(submit(later))
        assert [type(outcome) for outcome in later.outcomes] == [Appended]
    finally:
        loop.close()


def test_an_interruption_while_a_write_is_made_lets_nobody_wait_for_ever() -> None:
    loop = asyncio.new_event_loop()
    journal = FaultJournal()

    class Interrupted(Unit):
        times = 1

        def take(self) -> Write | None:
            self.times -= 1
            if self.times == 0:
                raise KeyboardInterrupt
            return super().take()

    gathered, later = Unit("b"), Unit("c")

    async def submit(*units: Unit) -> None:
        for unit in units:
            committer_of(journal).submit(unit)
        await turns()

    try:
        loop.run_until_complete(journal.__aenter__())
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(submit(Interrupted("a"), gathered))
        loop.run_until_complete(submit(later))
        assert len(gathered.outcomes) == len(later.outcomes) == 1
        assert isinstance(later.outcomes[0], Appended)
    finally:
        loop.close()


async def test_a_journal_that_tells_gets_a_part_at_a_time_in_order_and_another_gets_all(
    appends: str,
) -> None:
    journal = FaultJournal()
    async with journal:
        committer = committer_of(journal)
        units = [Unit(f"{number}") for number in range(2_000)]
        for unit in units:
            committer.submit(unit)
        await turns()
        sizes = [len(writes) for writes in journal.appends]
        if appends == "told":
            # A quarter of what is left, until that is less than a part should be.
            assert sizes == [500, 375, 281, 250, 250, 250, 94]
        else:
            assert sizes == [2_000]
        stored = [write.stream for writes in journal.appends for write in writes]
        assert stored == [f"{number}" for number in range(2_000)]
        assert all(type(outcome) is Appended for unit in units for outcome in unit.outcomes)
        assert {len(unit.outcomes) for unit in units} == {1}


def test_an_interruption_of_a_journal_that_tells_lets_nobody_wait_for_ever() -> None:
    class Interrupted(MemoryJournal):
        times = 1

        def append_soon(self, writes: Sequence[Write], tell: Tell) -> None:
            self.times -= 1
            if self.times == 0:
                raise KeyboardInterrupt
            loop.create_task(self.append(writes)).add_done_callback(
                lambda done: tell(done.result())
            )

    loop = asyncio.new_event_loop()
    journal = Interrupted()
    first, later = Unit("a"), Unit("b")

    async def submit(unit: Unit) -> None:
        committer_of(journal).submit(unit)
        await turns()

    try:
        loop.run_until_complete(journal.__aenter__())
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(submit(first))
        (outcome,) = first.outcomes
        assert "the program ended during the append" in str(outcome)
        loop.run_until_complete(submit(later))
        assert [type(outcome) for outcome in later.outcomes] == [Appended]
    finally:
        loop.close()


async def test_what_is_stored_is_told_before_the_next_append_is_made_at_once() -> None:
    journal = FaultJournal()
    told_at: list[int] = []

    class Counting(Unit):
        def settle(self, outcome: Outcome | Exception) -> None:
            super().settle(outcome)
            told_at.append(len(journal.appends))

    async with journal:
        committer = committer_of(journal)
        journal.hold()
        committer.submit(Counting("a"))
        await journal.held()
        committer.submit(Unit("b"))
        journal.release()
        await turns()
        # A journal that can append at once has not been given the next one when this was told.
        has_now = hasattr(journal, "append_now")
        assert told_at == [1 if has_now else 2]


class Interrupting:
    """What is published where somebody interrupts."""


request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="nobody's")
