"""Appends to PostgreSQL for which no task waits."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, cast

import asyncpg
import pytest

import daicho
from bench.balance import Balance
from daicho.errors import JournalClosed, JournalUnavailable
from daicho.journal import Appended, Outcome, Write
from daicho.journal.postgres import PostgresJournal, _plan, _writer
from daicho.journal.postgres._driven import Driven
from tests.support.postgres import Server
from tests.support.postgres_by_hand import (
    appended,
    by_hand,
    noted_statements,
    waits_for_a_lock,
    write,
)
from wallet.v1 import ReceiveMoney

Said = list[Outcome] | Exception


class Told:
    """Keeps what is told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self._came = asyncio.Event()

    def __call__(self, said: Said) -> None:
        self.said.append(said)
        self._came.set()

    async def once(self) -> Said:
        await self._came.wait()
        [said] = self.said
        return said

    async def outcome(self) -> Outcome:
        said = await self.once()
        assert isinstance(said, list)
        [outcome] = said
        return outcome


def sending(
    monkeypatch: pytest.MonkeyPatch, send: Callable[..., Coroutine[Any, Any, _plan.Answer]]
) -> None:
    monkeypatch.setattr(_writer.Writer, "_send", send)


async def test_a_command_alone_makes_no_task(postgres_server: Server, postgres_schema: str) -> None:
    journal = PostgresJournal(postgres_server.url, schema=postgres_schema, notices=False)
    async with daicho.open(journal, entities=[Balance]) as app:
        balance = app.entity(Balance, "b")
        await balance.ask(Balance.receive, ReceiveMoney(amount=1))
        loop, made = asyncio.get_running_loop(), list[str]()

        def making(
            loop: asyncio.AbstractEventLoop,
            work: Any,  # noqa: ANN401 - as the loop has it
            **options: Any,  # noqa: ANN401
        ) -> asyncio.Task[Any]:
            made.append(work.__qualname__)
            return asyncio.Task(work, loop=loop, **options)

        loop.set_task_factory(cast("Any", making))
        try:
            for amount in range(2, 5):
                await balance.ask(Balance.receive, ReceiveMoney(amount=amount))
        finally:
            loop.set_task_factory(None)
        assert made == []


async def test_it_is_on_its_way_when_append_soon_returns(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = noted_statements(monkeypatch)
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        told = Told()
        journal.append_soon([write("s")], told)
        assert sent == ["append_plain"]
        assert appended(await told.outcome()).version == 1


async def test_what_comes_while_one_is_under_way_is_the_next_transaction_in_its_order(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        await hand.append(write("first"))
        order: list[str] = []
        tolds = [Told() for _ in range(4)]

        def telling(number: int) -> Callable[[Said], None]:
            def tell(said: Said) -> None:
                order.append(f"told {number}")
                tolds[number](said)

            return tell

        journal.append_soon([write("first")], telling(0))
        await waits_for_a_lock(postgres_server)
        for number in (1, 2):
            journal.append_soon([write("s", number - 1)], telling(number))
        awaited = asyncio.create_task(journal.append([write("s", 2)]))
        await asyncio.sleep(0)
        journal.append_soon([write("s", 3)], telling(3))
        await hand.roll_back()
        positions = [appended(await told.outcome()).position for told in tolds]
        [outcome] = await awaited
        assert order == ["told 0", "told 1", "told 2", "told 3"]
        assert positions[1:] == [positions[1], positions[1] + 1, positions[1] + 3]
        assert appended(outcome).position == positions[1] + 2


async def test_who_is_told_of_one_append_may_begin_the_next(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        versions: list[int] = []
        done = asyncio.Event()

        def tell(said: Said) -> None:
            assert isinstance(said, list)
            versions.append(appended(said[0]).version)
            if len(versions) == 5:
                done.set()
            else:
                journal.append_soon([write("s", versions[-1])], tell)

        journal.append_soon([write("s")], tell)
        await done.wait()
        assert versions == [1, 2, 3, 4, 5]


async def test_an_error_that_comes_at_once_is_told_after_append_soon_has_returned(
    postgres_server: Server, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusing(self: _writer.Writer, name: str, values: tuple[object, ...]) -> _plan.Answer:
        raise asyncpg.DataError("it cannot be sent")

    sending(monkeypatch, refusing)
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        told = Told()
        journal.append_soon([write("s")], told)
        assert told.said == []
        said = await told.once()
        assert isinstance(said, JournalUnavailable)
        assert "it cannot be sent" in str(said)


async def test_what_can_never_be_stored_is_refused_and_a_closed_journal_refuses_all(
    postgres_server: Server, postgres_schema: str
) -> None:
    told = Told()
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        with pytest.raises(ValueError, match="has no events and no replies"):
            journal.append_soon([Write("s", 0, [])], told)
    with pytest.raises(JournalClosed):
        journal.append_soon([write("s")], told)
    assert told.said == []


async def test_a_server_that_is_lost_is_told_and_the_next_append_connects_anew(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        await hand.append(write("s"))
        lost, later = Told(), Told()
        journal.append_soon([write("s")], lost)
        await waits_for_a_lock(postgres_server)
        journal.append_soon([write("later")], later)
        await hand.db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE cardinality(pg_blocking_pids(pid)) > 0"
        )
        said = await lost.once()
        assert isinstance(said, JournalUnavailable)
        assert appended(await later.outcome()).version == 1
        await hand.roll_back()


@pytest.mark.parametrize("waits", [False, True])
def test_an_interruption_is_told_and_the_journal_goes_on(
    postgres_server: Server,
    postgres_schema: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    waits: bool,
) -> None:
    loop = asyncio.new_event_loop()
    journal = PostgresJournal(postgres_server.url, schema=postgres_schema)

    async def interrupted(
        self: _writer.Writer, name: str, values: tuple[object, ...]
    ) -> _plan.Answer:
        if waits:
            await asyncio.sleep(0)
        raise KeyboardInterrupt

    async def append() -> list[Said]:
        told = Told()
        awaited = journal.append([write("other")])
        task = asyncio.create_task(awaited)
        loop.call_soon(journal.append_soon, [write("s")], told)
        kept.append((told, task))
        return [await told.once(), await task]

    kept: list[tuple[Told, asyncio.Task[list[Outcome]]]] = []
    try:
        loop.run_until_complete(journal.__aenter__())
        with monkeypatch.context() as patch:
            sending(patch, interrupted)
            with pytest.raises(KeyboardInterrupt):
                loop.run_until_complete(append())
        [(told, task)] = kept
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        [said] = told.said
        assert isinstance(said, JournalUnavailable)
        assert "the program ended during the append" in str(said)
        stored = loop.run_until_complete(append())
        assert [type(each[0]) for each in stored if isinstance(each, list)] == [Appended] * 2
        loop.run_until_complete(journal.__aexit__(None, None, None))
    finally:
        loop.close()


# --- what drives it -------------------------------------------------------------------------------


async def test_a_driven_coroutine_begins_at_once_and_goes_on_when_what_it_awaits_is_done() -> None:
    loop = asyncio.get_running_loop()
    steps: list[object] = []
    future: asyncio.Future[str] = loop.create_future()

    async def work() -> None:
        steps.append("begun")
        steps.append(await future)
        await asyncio.sleep(0)
        steps.append(await asyncio.sleep(0.001, "slept"))
        steps.append(asyncio.current_task())

    driven = Driven(work(), loop)
    driven.begin()
    assert steps == ["begun"]
    future.set_result("done")
    await driven.ended
    assert steps == ["begun", "done", "slept", None]


async def test_a_driven_coroutine_has_nothing_of_its_callers_context() -> None:
    name = contextvars.ContextVar("name", default="nobody")
    name.set("somebody")
    found: list[str] = []

    async def work() -> None:
        found.append(name.get())
        name.set("itself")
        await asyncio.sleep(0)
        found.append(name.get())

    driven = Driven(work(), asyncio.get_running_loop())
    driven.begin()
    await driven.ended
    assert found == ["nobody", "itself"]
    assert name.get() == "somebody"


async def test_what_a_driven_coroutine_awaits_may_fail_or_be_cancelled() -> None:
    loop = asyncio.get_running_loop()
    failing: asyncio.Future[None] = loop.create_future()
    cancelled: asyncio.Future[None] = loop.create_future()
    caught: list[BaseException] = []

    async def work() -> None:
        try:
            await failing
        except OSError as error:
            caught.append(error)
        await cancelled

    driven = Driven(work(), loop)
    driven.begin()
    failing.set_exception(OSError("lost"))
    await asyncio.sleep(0)
    assert [str(error) for error in caught] == ["lost"]
    assert not driven.ended.done()
    cancelled.cancel()
    await driven.ended


async def test_what_a_driven_coroutine_raises_is_raised_where_it_was_driven() -> None:
    loop = asyncio.get_running_loop()

    async def raising(*, later: bool) -> None:
        if later:
            await asyncio.sleep(0)
        raise RuntimeError("a bug")

    driven = Driven(raising(later=False), loop)
    with pytest.raises(RuntimeError, match="a bug"):
        driven.begin()
    assert driven.ended.done()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))
    driven = Driven(raising(later=True), loop)
    driven.begin()
    await driven.ended
    assert [str(context["exception"]) for context in reported] == ["a bug"]
