"""What a journal refuses: what is never right, and what it does not offer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from daicho.errors import Unsupported
from daicho.journal import (
    MAX_VERSION,
    Feature,
    Journal,
    Snapshot,
    Write,
)
from daicho.testing.journal_contract.engine import (
    EngineTests,
    appended,
    positions_of,
    records_of,
)


class RefusingTests(EngineTests):
    """Promises about what is refused."""

    async def test_arguments_that_are_never_right_are_refused(self, journal: Journal) -> None:
        stream, event = self.stream(1), self.event(1)
        too_large = MAX_VERSION + 1
        wrong: list[Callable[[], Awaitable[object]]] = [
            lambda: journal.append([Write(stream, 0, [])]),
            lambda: journal.append([Write(stream, -1, [event])]),
            lambda: journal.append([Write(stream, too_large, [event])]),
            lambda: journal.append([Write(stream, 0, [event._replace(event_id=b"short")])]),
            lambda: journal.append([Write(stream, 0, [event._replace(time_us=1 << 62)])]),
            lambda: journal.append([Write(stream, 0, [event._replace(time_us=-(1 << 62))])]),
            lambda: journal.append([Write(stream, 0, [event._replace(command_id="\0")])]),
            lambda: journal.append([Write(stream, 0, [event]), Write(stream, 1, [])]),
            lambda: journal.append([Write(stream, 0, [], snapshot=self.snapshot(stream, 0))]),
            lambda: journal.append([Write(stream, 0, [event], snapshot=self.snapshot(stream, 2))]),
            lambda: journal.append([Write(stream, 0, [event], snapshot=self.snapshot(stream, -1))]),
            lambda: journal.append(
                [Write(stream, 0, [event], snapshot=self.snapshot(self.stream(2), 1))]
            ),
            lambda: records_of(journal.read(stream, from_version=-1)),
            lambda: records_of(journal.read(stream, from_version=too_large)),
            lambda: records_of(journal.read(stream, to_version=-1)),
            lambda: records_of(journal.read(stream, to_version=too_large)),
            lambda: records_of(journal.read(stream, page_size=0)),
            lambda: journal.list_streams(limit=0),
            lambda: journal.list_streams(limit=-1),
            lambda: journal.list_streams("\0"),
            lambda: journal.load_snapshot("", max_version=1),
            lambda: journal.load_snapshot(stream, max_version=-1),
            lambda: journal.save_snapshot(self.snapshot(stream, -1)),
            lambda: journal.save_snapshot(self.snapshot("", 1)),
            lambda: journal.list_snapshots(""),
        ]
        if Feature.POSITIONS in self.features:
            wrong += [
                lambda: records_of(journal.read_all(after_position=-1)),
                lambda: records_of(journal.read_all(after_position=too_large)),
                lambda: records_of(journal.read_all(page_size=0)),
                lambda: records_of(journal.read_all(type_names=[""])),
            ]
        if Feature.DELETE_SNAPSHOTS in self.features:
            wrong.append(lambda: journal.delete_snapshots(stream, max_version=-1))
        if Feature.TRUNCATE in self.features:
            wrong.append(lambda: journal.truncate(stream, to_version=-1))
        for number, use in enumerate(wrong):
            with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own
                await use()
            assert await journal.list_streams() == [], number
        assert await journal.list_snapshots(stream) == []

    async def test_a_payload_that_is_too_large_is_refused(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("daicho.journal.checks.MAX_PAYLOAD_BYTES", 3)
        writes = [Write(self.stream(1), 0, [self.event(1)._replace(payload=b"four")])]
        with pytest.raises(ValueError, match="a payload has 4 bytes, allowed are 3"):
            await journal.append(writes)
        assert await journal.list_streams() == []

    async def test_a_value_of_another_type_is_refused_before_it_is_stored(
        self, journal: Journal
    ) -> None:
        stream, event = self.stream(1), self.event(1)
        for wrong in (
            event._replace(payload="text"),  # type: ignore[arg-type]
            event._replace(payload=bytearray(b"may change")),  # type: ignore[arg-type]
            event._replace(event_id="0123456789abcdef"),  # type: ignore[arg-type]
            event._replace(type_name=b"bytes"),  # type: ignore[arg-type]
            event._replace(command_id=7),  # type: ignore[arg-type]
        ):
            with pytest.raises(TypeError):
                await journal.append([Write(stream, 0, [event, wrong])])
        assert await journal.list_streams() == []

    async def _assert_unsupported(
        self, journal: Journal, feature: Feature, use: Awaitable[object]
    ) -> None:
        with pytest.raises(Unsupported) as raised:
            await use
        assert raised.value.feature == feature.value
        assert raised.value.reason
        assert await journal.list_streams() == []

    async def test_a_write_with_an_epoch_is_refused_where_epochs_are_not_offered(
        self, journal: Journal
    ) -> None:
        self.lacks(Feature.EPOCHS)
        writes = [
            Write(self.stream(1), 0, self.events(1)),
            Write(self.stream(2), 0, self.events(1), epoch=1),
        ]
        await self._assert_unsupported(journal, Feature.EPOCHS, journal.append(writes))

    async def test_a_write_with_a_reply_is_refused_where_replies_are_not_offered(
        self, journal: Journal
    ) -> None:
        self.lacks(Feature.REPLIES)
        writes = [
            Write(self.stream(1), 0, self.events(1)),
            Write(self.stream(2), 0, self.events(1), replies=[self.reply("key")]),
        ]
        await self._assert_unsupported(journal, Feature.REPLIES, journal.append(writes))
        alone = [Write(self.stream(1), 0, [], replies=[self.reply("key")])]
        await self._assert_unsupported(journal, Feature.REPLIES, journal.append(alone))

    async def test_loading_and_pruning_replies_is_refused_where_they_are_not_offered(
        self, journal: Journal
    ) -> None:
        self.lacks(Feature.REPLIES)
        for use in (journal.load_reply(self.stream(1), "key"), journal.prune_replies(before_us=0)):
            await self._assert_unsupported(journal, Feature.REPLIES, use)

    async def test_a_type_is_refused_where_not_every_type_is_offered(
        self, journal: Journal
    ) -> None:
        self.lacks(Feature.ANY_TYPE)
        writes = [
            Write(self.stream(1), 0, self.events(1)),
            Write(self.stream(1), 1, [self.event(1)._replace(type_name="of.something.Else")]),
        ]
        await self._assert_unsupported(journal, Feature.ANY_TYPE, journal.append(writes))
        snapshot = Snapshot(
            stream=self.stream(1), version=1, type_name="of.something.Else", payload=b"", time_us=0
        )
        await self._assert_unsupported(journal, Feature.ANY_TYPE, journal.save_snapshot(snapshot))

    @pytest.mark.parametrize("field", ["correlation_id", "causation_id", "command_id"])
    async def test_metadata_is_refused_where_it_is_not_offered(
        self, journal: Journal, field: str
    ) -> None:
        self.lacks(Feature.METADATA)
        event = self.event(1)._replace(**{field: "some id"})  # type: ignore[arg-type]
        use = journal.append([Write(self.stream(1), 0, [event])])
        await self._assert_unsupported(journal, Feature.METADATA, use)

    async def test_the_whole_journal_is_refused_where_positions_are_not_offered(
        self, journal: Journal
    ) -> None:
        self.lacks(Feature.POSITIONS)
        await self._assert_unsupported(journal, Feature.POSITIONS, journal.last_position())
        use = records_of(journal.read_all())
        await self._assert_unsupported(journal, Feature.POSITIONS, use)
        [outcome] = await journal.append([Write(self.stream(1), 0, self.events(2))])
        assert appended(outcome).position == 0
        assert positions_of(await records_of(journal.read(self.stream(1)))) == [0, 0]

    async def test_the_newest_snapshot_is_kept_where_a_history_is_not_offered(
        self, journal: Journal
    ) -> None:
        self.lacks(Feature.SNAPSHOT_HISTORY)
        stream = self.stream(1)
        for version in (1, 2):
            await journal.save_snapshot(self.snapshot(stream, version, number=version))
        [listed] = await journal.list_snapshots(stream)
        self.assert_snapshot(listed, self.snapshot(stream, 2, number=2))

    async def test_deleting_snapshots_is_refused_where_it_is_not_offered(
        self, journal: Journal
    ) -> None:
        self.lacks(Feature.DELETE_SNAPSHOTS)
        use = journal.delete_snapshots(self.stream(1), max_version=1)
        await self._assert_unsupported(journal, Feature.DELETE_SNAPSHOTS, use)

    async def test_truncation_is_refused_where_it_is_not_offered(self, journal: Journal) -> None:
        self.lacks(Feature.TRUNCATE)
        use = journal.truncate(self.stream(1), to_version=0)
        await self._assert_unsupported(journal, Feature.TRUNCATE, use)
