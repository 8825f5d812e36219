"""The chain of hashes, and what a journal knows of where its history comes from."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from daicho.errors import ChainBroken, ConcurrencyConflict, Unsupported
from daicho.journal import (
    Feature,
    HistoryRoot,
    Incarnation,
    Journal,
    Link,
    Parcel,
    Record,
    Write,
    verify,
)
from daicho.journal.chain import GENESIS, links_of
from daicho.testing.journal_contract.engine import EngineTests, Store, records_of


class ChainingTests(EngineTests):
    """Promises of ``begin_chain``, ``root``, ``read_chain`` and ``incarnations``."""

    async def fill_two(self, journal: Journal) -> tuple[str, str]:
        """Three events of each of two streams, by turns; some are in one append."""
        one, two = self.stream(1), self.stream(2)
        await journal.append([Write(one, 0, self.events(1)), Write(two, 0, self.events(1, 1))])
        await journal.append([Write(two, 1, self.events(2, 2)), Write(one, 1, self.events(1, 4))])
        await journal.append([Write(one, 2, self.events(1, 5))])
        return one, two

    # --- links ------------------------------------------------------------------------------------

    async def test_every_event_gets_a_link_when_it_is_appended(self, journal: Journal) -> None:
        self.need(Feature.CHAIN)
        await journal.begin_chain()
        assert await journal.root() == HistoryRoot(0, GENESIS)
        await self.fill_two(journal)
        await assert_chained(journal)
        assert (await verify(journal)).events == 6

    async def test_events_that_are_there_get_their_links_when_it_begins(
        self, journal: Journal
    ) -> None:
        self.need(Feature.CHAIN)
        one, _ = await self.fill_two(journal)
        assert await journal.root() is None
        assert await links_in(journal) == []
        await journal.begin_chain()
        await assert_chained(journal)
        root = await journal.root()
        await journal.begin_chain()
        assert await journal.root() == root
        await journal.append([Write(one, 3, self.events(2, 6)), Write("new", 0, self.events(1))])
        await assert_chained(journal)

    async def test_whoever_appends_goes_on_with_the_chain(self, journals: Store) -> None:
        self.need(Feature.CHAIN)
        async with journals() as journal:
            one, two = await self.fill_two(journal)
            await journal.begin_chain()
        async with journals() as journal:
            await journal.append([Write(two, 3, self.events(1, 6))])
            await journal.append([Write(two, 4, self.events(1, 7)), Write(one, 3, self.events(1))])
            await assert_chained(journal)

    async def test_a_refused_write_leaves_no_link(self, journal: Journal) -> None:
        self.need(Feature.CHAIN)
        await journal.begin_chain()
        one, two = await self.fill_two(journal)
        stale = Write(one, 2, self.events(1, 9))
        [conflict, _] = await journal.append([stale, Write(two, 3, self.events(1, 6))])
        assert isinstance(conflict, ConcurrencyConflict)
        [conflict] = await journal.append([stale])
        assert isinstance(conflict, ConcurrencyConflict)
        await assert_chained(journal)
        assert len(await links_in(journal)) == 7

    async def test_links_come_in_pages_up_to_what_is_stored(self, journal: Journal) -> None:
        self.need(Feature.CHAIN)
        await journal.begin_chain()
        await self.fill_two(journal)
        links = await links_in(journal)
        pages = [page async for page in journal.read_chain(page_size=4)]
        assert [len(page) for page in pages] == [4, 2]
        assert [link for page in pages for link in page] == links
        after = [page async for page in journal.read_chain(after_position=links[3].position)]
        assert [link for page in after for link in page] == links[4:]
        with pytest.raises(ValueError, match="page_size"):
            await links_in(journal, page_size=0)

    async def test_links_outlive_their_events(self, journal: Journal) -> None:
        self.need(Feature.CHAIN, Feature.TRUNCATE)
        await journal.begin_chain()
        one, two = await self.fill_two(journal)
        links = await links_in(journal)
        await journal.truncate(one, to_version=2)
        await journal.truncate(two, to_version=3)
        assert await links_in(journal) == links
        await journal.append([Write(two, 3, self.events(1, 6)), Write(one, 3, self.events(1, 7))])
        await journal.truncate(two, to_version=4)
        verified = await verify(journal)
        assert (verified.events, verified.forgotten) == (2, 6)

    async def test_what_is_gone_goes_on_to_be_what_follows_rests_on(self, journals: Store) -> None:
        self.need(Feature.CHAIN, Feature.TRUNCATE)
        async with journals() as journal:
            await journal.begin_chain()
            one, two = await self.fill_two(journal)
            await journal.truncate(two, to_version=3)
        async with journals() as journal:
            await journal.append([Write(two, 3, self.events(1, 6))])
            await journal.append([Write(one, 3, self.events(1, 7))])
            assert (await verify(journal)).forgotten == 3

    async def test_a_chain_can_be_made_anew(self, journal: Journal) -> None:
        self.need(Feature.CHAIN, Feature.TRUNCATE)
        await journal.begin_chain()
        one, two = await self.fill_two(journal)
        await journal.truncate(one, to_version=1)
        await journal.truncate(two, to_version=3)
        await journal.begin_chain(anew=True)
        assert (await verify(journal)).forgotten == 0
        await journal.append([Write(two, 3, self.events(1, 6)), Write(one, 3, self.events(1, 7))])
        assert (await verify(journal)).events == 4

    # --- what comes from elsewhere ----------------------------------------------------------------

    async def test_what_is_restored_gets_links(self, journal: Journal) -> None:
        self.need(Feature.CHAIN, Feature.RESTORE)
        await journal.begin_chain()
        await journal.restore(Parcel(records=self.records()))
        await assert_chained(journal)

    async def test_links_of_events_that_are_gone_are_restored(self, journals: Store) -> None:
        self.need(Feature.CHAIN, Feature.RESTORE)
        records = self.records()
        links = links_of("", GENESIS, {}, records)
        gone = Parcel(truncated={self.stream(1): 2})
        async with journals() as journal:
            await journal.begin_chain()
            await journal.restore(gone)
            await journal.restore(Parcel(records=records[1:2], links=links[:2]))
            await journal.restore(Parcel(links=links[2:3]))
            assert await journal.last_position() == links[2].position
        async with journals() as journal:
            await journal.restore(Parcel(records=records[3:], links=links[3:]))
            assert await links_in(journal) == links
            verified = await verify(journal)
            assert (verified.events, verified.forgotten) == (2, 2)
            await journal.append([Write(self.stream(1), 3, self.events(1, 20))])
            await verify(journal)

    async def test_what_is_not_as_its_link_says_is_not_restored(self, journal: Journal) -> None:
        self.need(Feature.CHAIN, Feature.RESTORE)
        await journal.begin_chain()
        records = self.records()
        links = links_of("", GENESIS, {}, records)
        other = [*records[:2], records[2]._replace(payload=b"changed"), records[3]]
        wrong = [
            Parcel(records=other, links=links),
            Parcel(records=records, links=links[:3]),
            Parcel(records=records, links=[*links[:3], links[3]._replace(root=bytes(32))]),
            Parcel(records=records, links=[links[0]._replace(version=2), *links[1:]]),
        ]
        for parcel in wrong:
            with pytest.raises(ChainBroken):
                await journal.restore(parcel)
        assert await journal.last_position() == 0
        assert await records_of(journal.read_all()) == []
        await journal.restore(Parcel(records=records, links=links))
        assert await links_in(journal) == links

    def records(self) -> list[Record]:
        """Four events of two streams, as another journal has them."""
        one, two = self.stream(1), self.stream(2)
        places = [(one, 1, 3), (two, 1, 4), (one, 2, 7), (one, 3, 8)]
        return [
            Record(stream, version, position, *self.event(position))
            for stream, version, position in places
        ]

    # --- where history comes from -----------------------------------------------------------------

    async def test_a_journal_is_the_same_when_it_is_opened_again(self, journals: Store) -> None:
        self.need(Feature.INCARNATIONS)
        async with journals() as journal:
            [own] = await journal.incarnations()
            assert (len(own.id), own.after_position) == (16, 0)
        async with journals() as journal:
            assert await journal.incarnations() == [own]

    async def test_a_restored_journal_knows_what_it_was_made_of(self, journals: Store) -> None:
        self.need(Feature.INCARNATIONS, Feature.RESTORE)
        parents = [Incarnation(bytes(16), 0), Incarnation(b"p" * 16, 2)]
        descent = parents
        async with journals() as journal:
            [own] = await journal.incarnations()
            await journal.restore(Parcel(records=self.records(), last_position=8))
            for reached in (8, 9):
                await journal.restore(Parcel(last_position=reached, incarnations=parents))
                descent = [*parents, Incarnation(own.id, reached)]
                assert await journal.incarnations() == descent
        async with journals() as journal:
            assert await journal.incarnations() == descent
            # Made of what was made of it, it is another one.
            await journal.restore(Parcel(last_position=10, incarnations=descent))
            *before, new = await journal.incarnations()
            assert before == descent
            assert new.id not in {each.id for each in descent}
            assert new.after_position == 10

    async def test_chains_are_refused_where_they_are_not_offered(self, journal: Journal) -> None:
        self.lacks(Feature.CHAIN)
        for use in (journal.begin_chain, journal.root, lambda: links_in(journal)):
            with pytest.raises(Unsupported) as raised:
                await use()
            assert raised.value.feature == Feature.CHAIN.value

    async def test_incarnations_are_refused_where_they_are_not_offered(
        self, journal: Journal
    ) -> None:
        self.lacks(Feature.INCARNATIONS)
        with pytest.raises(Unsupported) as raised:
            await journal.incarnations()
        assert raised.value.feature == Feature.INCARNATIONS.value


async def links_in(journal: Journal, *, page_size: int = 1_000) -> list[Link]:
    """All links of a journal."""
    return [link async for page in journal.read_chain(page_size=page_size) for link in page]


async def assert_chained(journal: Journal) -> None:
    """Asserts that each event has the link that follows from it and those before."""
    records: Sequence[Record] = await records_of(journal.read_all())
    links = links_of("", GENESIS, {}, records)
    assert await links_in(journal) == links
    assert await journal.root() == HistoryRoot(links[-1].position, links[-1].root)
