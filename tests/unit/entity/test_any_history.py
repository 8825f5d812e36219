"""Whatever is stored of an entity: it lives, or it alone stops and the event is named."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import daicho
from daicho.check import check
from daicho.errors import RecoveryFailed
from daicho.journal import MemoryJournal, NewEvent, Snapshot, Write
from tests.support.hostile import payloads
from tests.unit.entity.accounts import Account, Balance, Deposit, Look

GOOD = NewEvent("test.deposited", b'{"amount":1}', bytes(16), 0)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
NAMES = TEXTS | st.sampled_from(
    [
        "test.deposited", "test.paid", "test.balance", "wallet.v1.Wallet", "nobody.knows.it",
        "daicho.entity.v1.Outgoing", "daicho.entity.v1.Settled", "daicho.entity.v1.EntitySnapshot",
    ]
)  # fmt: skip


async def history(type_name: str, payload: bytes, place: int) -> MemoryJournal:
    """A journal with three events of an account, one of which is this."""
    events = [GOOD, GOOD, GOOD]
    events[place] = NewEvent(type_name, payload, bytes(16), 0)
    journal = MemoryJournal()
    async with journal:
        await journal.append([Write("account:alice", 0, events)])
    return journal


@given(type_name=NAMES, payload=payloads(), place=st.integers(0, 2))
@settings(max_examples=40)
def test_an_event_that_is_none_stops_its_entity_alone_and_check_points_at_it(
    type_name: str, payload: bytes, place: int
) -> None:
    async def run() -> None:
        journal = await history(type_name, payload, place)
        async with daicho.open(journal, entities=[Account]) as app:
            alice = app.entity(Account, "alice").ask(Account.look, Look())
            (outcome,) = await asyncio.gather(alice, return_exceptions=True)
            lives = isinstance(outcome, Balance)
            if not lives:
                assert isinstance(outcome, RecoveryFailed)
                told = outcome.stream, outcome.version, outcome.type_name
                assert told == ("account:alice", place + 1, type_name)
            # Others go on.
            assert await app.entity(Account, "bob").ask(Account.deposit, Deposit(1)) == 1
        async with journal:
            report = await check(journal, entities=[Account])
        # Who decides about a deploy hears of it before anybody asks the entity.
        assert lives or f"account:alice@{place + 1}" in str(report)
        assert lives or not report.ok
        assert report.to_json()

    asyncio.run(run())


@given(type_name=NAMES, payload=payloads())
@settings(max_examples=40)
def test_a_snapshot_that_is_none_keeps_no_entity_from_living(
    type_name: str, payload: bytes
) -> None:
    async def run() -> None:
        journal = await history("test.deposited", b'{"amount":1}', 0)
        snapshot = Snapshot(
            stream="account:alice", version=2, type_name=type_name, payload=payload, time_us=0
        )
        async with journal:
            await journal.save_snapshot(snapshot)
        async with daicho.open(journal, entities=[Account]) as app:
            state = await app.entity(Account, "alice").ask(Account.look, Look())
            if type_name != "test.balance":
                assert state == Balance(3)

    asyncio.run(run())


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_a_large_event_that_is_none_does_not_make_a_large_error(size: int) -> None:
    async def run() -> None:
        journal = await history("test.deposited", b'{"amount":"' + b"9" * size + b'"}', 1)
        async with daicho.open(journal, entities=[Account]) as app:
            with pytest.raises(RecoveryFailed) as caught:
                await app.entity(Account, "alice").ask(Look())
        assert len(str(caught.value)) < 500

    asyncio.run(run())
