"""A run of the demo, as a program calls it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daicho.errors import ConcurrencyConflict, JournalFull, PersistFailed
from daicho.journal import MemoryJournal, Outcome, Snapshot, SqliteJournal, Write
from wallet.actor import MAX_BALANCE, MIN_BALANCE, BalanceOutOfRange
from wallet.article_journal import ArticleJournal
from wallet.demo import check, journal_of, message_of, run
from wallet.v1 import PaymentMoney, ReceiveMoney

AMOUNT = st.integers(-MAX_BALANCE, MAX_BALANCE)


@given(st.integers(MIN_BALANCE, MAX_BALANCE), st.lists(AMOUNT))
def test_a_run_is_refused_at_the_first_amount_that_does_not_fit(
    deposit: int, amounts: list[int]
) -> None:
    balance = deposit
    for amount in amounts:
        if not MIN_BALANCE <= balance + amount <= MAX_BALANCE:
            with pytest.raises(BalanceOutOfRange) as raised:
                check(deposit, amounts)
            assert (raised.value.deposit, raised.value.change) == (balance, amount)
            return
        balance += amount
    check(deposit, amounts)


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        (5, ReceiveMoney(amount=5)),
        (0, ReceiveMoney()),
        (-5, PaymentMoney(amount=5)),
        (MAX_BALANCE, ReceiveMoney(amount=MAX_BALANCE)),
        (-MAX_BALANCE, PaymentMoney(amount=MAX_BALANCE)),
    ],
)
def test_a_negative_amount_is_a_payment(amount: int, message: ReceiveMoney | PaymentMoney) -> None:
    assert message_of(amount) == message


def test_a_journal_has_a_name(tmp_path: Path) -> None:
    journals = [journal_of(name, tmp_path / "db") for name in ("article", "daicho", "memory")]
    assert [type(journal) for journal in journals] == [ArticleJournal, SqliteJournal, MemoryJournal]
    assert list(tmp_path.iterdir()) == []


async def test_a_run_that_is_refused_stores_nothing_and_sends_nothing() -> None:
    journal = MemoryJournal()
    said: list[str] = []
    with pytest.raises(BalanceOutOfRange):
        await run([1, MAX_BALANCE], journal=journal, say=said.append)
    assert said == ["recovering wallet from snapshot: ", "replay complete, current deposit: 0"]
    async with journal:
        assert await journal.list_streams() == []


async def test_a_long_run_is_one_run() -> None:
    said: list[str] = []
    amounts = [1] * 10_000
    assert await run(amounts, journal=MemoryJournal(), snapshot_interval=0, say=said.append) == []
    assert said[3:] == [f"current deposit: {balance}" for balance in range(1, 10_001)]


class FullJournal(MemoryJournal):
    """Takes neither events nor, if it is told so, snapshots."""

    takes_events = False

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        if self.takes_events:
            return await super().append(writes)
        raise JournalFull("the journal", "no room")

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        raise JournalFull("the journal", "no room")


async def test_amounts_that_were_not_stored_are_an_error_and_the_replay_is_not_shown_twice() -> (
    None
):
    said: list[str] = []
    with pytest.raises(PersistFailed, match="events from version 1 of stream 'user_id'"):
        await run([1, 2], journal=FullJournal(), say=said.append)
    assert said.count("recovering wallet from snapshot: ") == 1
    assert said[-1] == "current deposit: 3"


@pytest.mark.usefixtures("snapshots_follow")
async def test_snapshots_that_were_not_stored_are_told() -> None:
    journal = FullJournal()
    journal.takes_events = True
    failed = await run([1, 2], journal=journal, snapshot_interval=2, say=lambda _: None)
    assert [(each.stream, each.version) for each in failed] == [("user_id", 2)]
    assert isinstance(failed[0].error, JournalFull)


class OvertakenJournal(MemoryJournal):
    """Another process writes before each append."""

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        [first, *_] = writes
        info = await self.stream_info(first.stream)
        await super().append([first._replace(expected_version=info.version)])
        return await super().append(writes)


async def test_who_was_overtaken_by_another_process_is_told() -> None:
    with pytest.raises(ConcurrencyConflict, match="read it again and decide anew"):
        await run([1, 2], journal=OvertakenJournal(), say=lambda _: None)
