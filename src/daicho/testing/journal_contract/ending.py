"""Opening, closing, and ends in the middle: what was cancelled, and who else has it open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from daicho.errors import ConcurrencyConflict, JournalClosed
from daicho.journal import Appended, Journal, StreamInfo, Write
from daicho.testing.journal_contract.engine import EngineTests, Store, appended, records_of


class EndingTests(EngineTests):
    """Promises about opening and closing, and about what was cancelled."""

    async def test_the_content_survives_closing(self, journals: Store) -> None:
        stream = self.stream(1)
        journal = journals()
        async with journal:
            events = await self.fill(journal, stream, 3)
            await journal.save_snapshot(self.snapshot(stream, 2))
        async with journal:
            self.assert_stored(await records_of(journal.read(stream)), stream, 1, events)
            [outcome] = await journal.append([Write(stream, 3, self.events(1))])
            assert appended(outcome).version == 4
        async with journals() as other:
            assert await other.stream_info(stream) == StreamInfo(stream, 4, 0)
            self.assert_snapshot(await other.load_snapshot(stream), self.snapshot(stream, 2))

    async def test_a_journal_that_is_not_open_refuses(self, journals: Store) -> None:
        journal = journals()
        for _ in range(2):
            for use in self._uses(journal):
                with pytest.raises(JournalClosed, match="use it inside its 'async with'"):
                    await use()
            async with journal:
                pass

    async def test_a_reader_ends_when_the_journal_is_closed(self, journals: Store) -> None:
        stream = self.stream(1)
        async with journals() as journal:
            await self.fill(journal, stream, 4)
            pages = journal.read(stream, page_size=2)
            await anext(pages)
        with pytest.raises(JournalClosed):
            await anext(pages)

    async def test_it_is_opened_once_at_a_time(self, journal: Journal) -> None:
        with pytest.raises(RuntimeError, match="is open already"):
            await journal.__aenter__()
        await self.fill(journal, self.stream(1), 1)

    async def test_closing_stores_what_was_accepted_or_raises(self, journals: Store) -> None:
        streams = [self.stream(number) for number in range(30)]
        async with journals() as journal:
            tasks = [
                asyncio.create_task(journal.append([Write(stream, 0, self.events(2))]))
                for stream in streams
            ]
            await asyncio.sleep(0)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        async with journals() as journal:
            for stream, result in zip(streams, results, strict=True):
                version = (await journal.stream_info(stream)).version
                assert version == (0 if isinstance(result, JournalClosed) else 2)
                assert isinstance(result, (list, JournalClosed))

    async def test_a_cancelled_append_breaks_no_other(self, journal: Journal) -> None:
        streams = [self.stream(number) for number in range(40)]
        tasks = [
            asyncio.create_task(journal.append([Write(stream, 0, self.events(3))]))
            for stream in streams
        ]
        # Some are cancelled before they began, some while they wait.
        for task in tasks[:10]:
            task.cancel()
        await asyncio.sleep(0)
        for task in tasks[10:20]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results[20:]:
            assert isinstance(result, list)
        for number, stream in enumerate(streams):
            version = (await journal.stream_info(stream)).version
            assert version == 3 if number >= 20 else version in (0, 3)
            # The stream goes on from where it is.
            [outcome] = await journal.append([Write(stream, version, self.events(1))])
            assert appended(outcome).version == version + 1

    @pytest.mark.parametrize("turns", [*range(12), 20, 40, 80])
    async def test_a_cancelled_append_is_stored_whole_or_not_at_all(
        self, journals: Store, turns: int
    ) -> None:
        """Cancelled after some turns of the loop, so at every ``await`` that the engine has."""
        streams = [self.stream(number) for number in range(6)]
        writes = [Write(stream, 0, self.events(4)) for stream in streams]
        writes += [Write(stream, 4, self.events(2, first=4)) for stream in streams]
        async with journals() as journal:
            task = asyncio.create_task(journal.append(writes))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            [result] = await asyncio.gather(task, return_exceptions=True)
        # What was accepted is stored now, or never.
        async with journals() as journal:
            versions = [(await journal.stream_info(stream)).version for stream in streams]
            assert versions in ([0] * 6, [6] * 6)
            if not isinstance(result, BaseException):
                assert versions == [6] * 6
            for stream, version in zip(streams, versions, strict=True):
                records = await records_of(journal.read(stream))
                self.assert_stored(records, stream, 1, self.events(version))

    async def test_a_caller_may_change_its_list_after_it_was_cancelled(
        self, journals: Store
    ) -> None:
        stream, events = self.stream(1), self.events(3)
        writes = [Write(stream, 0, events)]
        async with journals() as journal:
            task = asyncio.create_task(journal.append(writes))
            await asyncio.sleep(0)
            task.cancel()
            writes.clear()
            await asyncio.gather(task, return_exceptions=True)
        async with journals() as journal:
            found = await records_of(journal.read(stream))
            self.assert_stored(found, stream, 1, events if found else [])

    async def test_of_two_journals_on_one_store_exactly_one_wins(self, journals: Store) -> None:
        """Each remembers what the other knows nothing of."""
        one, other = journals(), journals()
        if one is other:
            pytest.skip("not offered: two journals on one store")
        stream = self.stream(1)
        async with one, other:
            for version in range(0, 40, 2):
                results = await asyncio.gather(
                    *(
                        journal.append([Write(stream, version, self.events(2, first=number))])
                        for number, journal in enumerate((one, other))
                    )
                )
                kinds = [type(outcome) for [outcome] in results]
                assert sorted(kinds, key=str) == sorted([Appended, ConcurrencyConflict], key=str)
            records = await records_of(one.read(stream))
            assert records == await records_of(other.read(stream))
            assert [record.version for record in records] == list(range(1, 41))

    def _uses(self, journal: Journal) -> list[Callable[[], Awaitable[object]]]:
        stream = self.stream(1)
        return [
            lambda: journal.append([]),
            lambda: journal.append([Write(stream, 0, self.events(1))]),
            lambda: records_of(journal.read(stream)),
            lambda: records_of(journal.read_all()),
            journal.last_position,
            lambda: journal.stream_info(stream),
            journal.list_streams,
            lambda: journal.load_snapshot(stream),
            lambda: journal.save_snapshot(self.snapshot(stream, 1)),
            lambda: journal.list_snapshots(stream),
            lambda: journal.delete_snapshots(stream, max_version=1),
            lambda: journal.truncate(stream, to_version=0),
            lambda: journal.load_reply(stream, "key"),
            lambda: journal.prune_replies(before_us=0),
        ]
