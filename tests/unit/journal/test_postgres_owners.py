"""Owner epochs on PostgreSQL: who has lost a slice cannot write to it, however late."""

from __future__ import annotations

import asyncio

import pytest

from daicho.errors import ConcurrencyConflict, KeyTaken, SliceLost
from daicho.journal import SLICES, Appended, Outcome, Reply, Write, slice_of
from daicho.journal.postgres import PostgresJournal
from daicho.testing.journal_contract import records_of
from tests.support.postgres import Server
from tests.support.postgres_by_hand import appended, by_hand, waits_for_a_lock, write

A, B = "a", "b"
assert slice_of(A) != slice_of(B)


def lost(outcome: Outcome) -> SliceLost:
    assert isinstance(outcome, SliceLost), outcome
    return outcome


async def test_a_claim_raises_the_epoch_of_its_slices_alone(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        assert await journal.claim([], "nobody") == {}
        assert await journal.claim([7, 3, 7], "one") == {3: 1, 7: 1}
        assert await journal.claim([7], "other") == {7: 2}
        everything = await journal.claim(range(SLICES), "one")
        assert everything.keys() == set(range(SLICES))
        assert {epoch for slice_, epoch in everything.items() if slice_ not in (3, 7)} == {1}
        assert (everything[3], everything[7]) == (2, 3)


async def test_what_is_no_slice_cannot_be_claimed(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        for wrong in ([-1], [1, SLICES]):
            with pytest.raises(ValueError, match="there is no slice"):
                await journal.claim(wrong, "one")
        with pytest.raises(ValueError, match="the name of an owner is not empty"):
            await journal.claim([1], "")
        assert await journal.claim([1], "one") == {1: 1}


async def test_a_writer_that_lost_its_slice_cannot_write_and_others_can(
    postgres_server: Server, postgres_schema: str
) -> None:
    """As one that was stopped for a minute, and wakes up."""
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as stopped,
        PostgresJournal(postgres_server.url, schema=postgres_schema) as other,
    ):
        epochs = await stopped.claim([slice_of(A), slice_of(B)], "stopped")
        await stopped.append([write(A, epoch=epochs[slice_of(A)])])
        taken = await other.claim([slice_of(A)], "other")
        reply = Reply("key", b"digest", "t", b"", 1, 0)
        outcomes = await stopped.append(
            [
                write(A, 1, epoch=epochs[slice_of(A)]),
                write(B, epoch=epochs[slice_of(B)]),
                Write(A, 1, [], epochs[slice_of(A)], [reply]),
            ]
        )
        for refused in (lost(outcomes[0]), lost(outcomes[2])):
            assert (refused.stream, refused.slice) == (A, slice_of(A))
            assert (refused.epoch, refused.current) == (1, 2)
        assert appended(outcomes[1]).version == 1
        assert (await other.stream_info(A)).version == 1
        assert await other.load_reply(A, "key") is None
        [outcome] = await other.append([write(A, 1, epoch=taken[slice_of(A)])])
        assert appended(outcome).version == 2


async def test_an_epoch_that_nobody_was_given_is_refused(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        for epoch in (1, 7):
            [outcome] = await journal.append([write(A, epoch=epoch)])
            assert lost(outcome).current == 0
        with pytest.raises(ValueError, match="an epoch is -1"):
            await journal.append([write(A, epoch=-1)])
        # The slice of nobody is at 0, and a write that names no epoch asks nothing of it.
        outcomes = await journal.append([write(A, epoch=0), write(A, 1)])
        assert [type(outcome) for outcome in outcomes] == [Appended, Appended]


async def test_two_epochs_of_one_slice_in_one_append_are_told_apart(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        for _ in range(2):
            await journal.claim([slice_of(A)], "one")
        outcomes = await journal.append(
            [write(A, epoch=1), write(A, epoch=2), write(A, 1, epoch=1), write(A, 1, epoch=2)]
        )
        assert [type(outcome) for outcome in outcomes] == [SliceLost, Appended] * 2


async def test_versions_and_keys_are_checked_of_what_is_owned(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with PostgresJournal(postgres_server.url, schema=postgres_schema) as journal:
        await journal.claim([slice_of(A)], "one")
        reply = Reply("key", b"digest", "t", b"", 1, 0)
        outcomes = await journal.append(
            [
                write(A, 3, epoch=1),
                Write(A, 0, [], 1, [reply]),
                Write(A, 0, [], 1, [reply]),
                write(B, 1, epoch=9),
            ]
        )
        kinds = [ConcurrencyConflict, Appended, KeyTaken, SliceLost]
        assert [type(outcome) for outcome in outcomes] == kinds


async def test_a_claim_waits_for_a_commit_that_is_running_and_sees_its_events(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as running,
    ):
        assert await journal.claim([slice_of(A)], "one") == {slice_of(A): 1}
        await running.append(write(A, count=3, epoch=1))
        claim = asyncio.create_task(journal.claim([slice_of(A)], "other"))
        await waits_for_a_lock(postgres_server)
        assert not claim.done()
        # Another slice is nobody's concern.
        assert await journal.claim([slice_of(B)], "other") == {slice_of(B): 1}
        await running.commit()
        assert await claim == {slice_of(A): 2}
        assert len(await records_of(journal.read(A))) == 3


async def test_a_write_waits_for_a_claim_that_is_running_and_is_refused(
    postgres_server: Server, postgres_schema: str
) -> None:
    async with (
        PostgresJournal(postgres_server.url, schema=postgres_schema) as journal,
        by_hand(postgres_server, postgres_schema) as hand,
    ):
        await journal.claim([slice_of(A)], "one")
        transaction = hand.db.transaction()
        await transaction.start()
        await hand.claim([slice_of(A)], "other")
        append = asyncio.create_task(journal.append([write(A, epoch=1)]))
        await waits_for_a_lock(postgres_server)
        assert not append.done()
        await transaction.commit()
        [outcome] = await append
        assert lost(outcome).current == 2
        assert await journal.list_streams() == []
