"""What an engine gives to its tests, and what helps them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from typing import ClassVar
from uuid import UUID

import pytest
import pytest_asyncio

from daicho.journal import (
    Appended,
    Feature,
    Journal,
    NewEvent,
    Outcome,
    Record,
    Reply,
    Snapshot,
    Write,
)
from daicho.journal.offers import append_now_of, append_soon_of
from daicho.testing.around import JournalAround

Store = Callable[[], Journal]
"""Makes a journal that is not open yet; all that one of them makes share their content."""

EVERYTHING = frozenset(Feature)
"""All that an engine may offer; take off what it does not: ``EVERYTHING - {Feature.REPLIES}``."""


async def records_of(pages: AsyncIterable[Sequence[Record]]) -> list[Record]:
    """All records of the pages, none of which may be empty."""
    found: list[Record] = []
    async for page in pages:
        assert page
        found.extend(page)
    return found


def positions_of(records: Sequence[Record]) -> list[int]:
    """Where the records are in the whole journal."""
    return [record.position for record in records]


def appended(outcome: Outcome) -> Appended:
    """The outcome of a write that was stored."""
    assert isinstance(outcome, Appended), outcome
    return outcome


class AtOnce(JournalAround):
    """Appends with ``append_now`` whatever that takes, and the rest with ``append``."""

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """See :meth:`Journal.append`."""
        append_now = append_now_of(self.inner)
        assert append_now is not None, f"{self.inner!r} has no append_now"
        outcomes = append_now(writes)
        return await self.inner.append(writes) if outcomes is None else outcomes


class Soon(JournalAround):
    """Appends with ``append_soon``."""

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """See :meth:`Journal.append`."""
        append_soon = append_soon_of(self.inner)
        assert append_soon is not None, f"{self.inner!r} has no append_soon"
        loop = asyncio.get_running_loop()
        told: asyncio.Future[list[Outcome]] = loop.create_future()
        has_returned = False

        def tell(said: list[Outcome] | Exception) -> None:
            if told.cancelled():
                return
            if not has_returned:
                told.set_exception(AssertionError("it told before it had returned"))
            elif asyncio.current_task() is not None:
                told.set_exception(AssertionError("it told from within a task"))
            elif isinstance(said, Exception):
                told.set_exception(said)
            else:
                told.set_result(said)

        append_soon(writes, tell)
        has_returned = True
        return await told


class EngineTests:
    """An engine, as the tests see it."""

    features: ClassVar[frozenset[Feature]] = EVERYTHING - {Feature.EPOCHS}
    """What the engine offers; asking for the rest has to be refused."""

    appends_now: ClassVar[bool] = False
    """Whether the engine has an ``append_now``."""

    appends_soon: ClassVar[bool] = False
    """Whether the engine has an ``append_soon``."""

    def __init_subclass__(cls) -> None:
        # Whatever mode pytest-asyncio is in, and whichever loops a project's own tests share.
        for name, value in list(vars(cls).items()):
            if name.startswith("test") and inspect.iscoroutinefunction(value):
                setattr(cls, name, pytest.mark.asyncio(loop_scope="function")(value))

    @pytest.fixture
    def store(self) -> Store:
        """What the suite of an engine overrides."""
        pytest.fail(
            f"{type(self).__name__} has no fixture 'store'; write one that returns what makes its"
            " journals: @pytest.fixture def store(self, tmp_path): return partial(MyJournal, …)",
            pytrace=False,
        )

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Runs every test once for each way to append that the engine has."""
        ways = ["append"]
        ways += ["append_now"] * self.appends_now + ["append_soon"] * self.appends_soon
        if len(ways) > 1 and "way" in metafunc.fixturenames:
            metafunc.parametrize("way", ways)

    @pytest.fixture
    def way(self) -> str:
        """How the journals of the test append."""
        return "append"

    @pytest.fixture
    def journals(self, store: Store, way: str) -> Store:
        """Makes the engine's journals, which append the way that is tested."""
        if way == "append":
            return store
        # An engine may give the same one each time, and then that has to be so with these.
        kind = AtOnce if way == "append_now" else Soon
        around: dict[int, JournalAround] = {}

        def make() -> Journal:
            inner = store()
            return around.setdefault(id(inner), kind(inner))

        return make

    def stream(self, number: int) -> str:
        """The name of a stream that the engine takes."""
        return f"stream-{number}"

    def event(self, number: int) -> NewEvent:
        """An event that the engine takes, different for each number."""
        return NewEvent(
            type_name=f"test.v1.Event{number % 3}",
            payload=b"payload %d" % number,
            event_id=UUID(int=number).bytes,
            time_us=1_700_000_000_123_456 + number,
        )

    def snapshot(self, stream: str, version: int, number: int = 0) -> Snapshot:
        """A snapshot that the engine takes, different for each number."""
        return Snapshot(
            stream=stream,
            version=version,
            type_name="test.v1.State",
            payload=b"state %d" % number,
            time_us=1_700_000_000_654_321 + number,
        )

    def reply(self, key: str, number: int = 0) -> Reply:
        """A reply under a key, different for each number."""
        return Reply(
            key=key,
            command=b"digest %d" % number,
            type_name=f"test.v1.Reply{number % 3}",
            payload=b"reply %d" % number,
            version=number,
            time_us=1_700_000_000_123_456 + number,
        )

    @pytest_asyncio.fixture(loop_scope="function")
    async def journal(self, journals: Store) -> AsyncIterator[Journal]:
        """One that is open."""
        async with journals() as journal:
            yield journal

    def need(self, *features: Feature) -> None:
        """Skips the test of a part that the engine does not offer."""
        missing = set(features) - self.features
        if missing:
            pytest.skip(f"not offered: {', '.join(sorted(f.value for f in missing))}")

    def lacks(self, feature: Feature) -> None:
        """Skips the test of what an engine does that does not offer a part."""
        if feature in self.features:
            pytest.skip(f"offered: {feature.value}")

    def events(self, count: int, first: int = 0) -> list[NewEvent]:
        """Some events that the engine takes."""
        return [self.event(first + number) for number in range(count)]

    def assert_stored(
        self, records: Sequence[Record], stream: str, first: int, events: Sequence[NewEvent]
    ) -> None:
        """Asserts that the records are those events, with versions from ``first`` on."""
        assert [record.version for record in records] == list(range(first, first + len(events)))
        for record, event in zip(records, events, strict=True):
            assert record.stream == stream
            assert (record.type_name, record.payload) == (event.type_name, event.payload)
            if Feature.METADATA in self.features:
                assert record[3:] == event

    def assert_snapshot(self, found: Snapshot | None, expected: Snapshot | None) -> None:
        """Asserts that a snapshot is another one, as far as the engine keeps it."""
        if found is None or expected is None or Feature.METADATA in self.features:
            assert found == expected
            return
        assert (found.stream, found.version) == (expected.stream, expected.version)
        assert (found.type_name, found.payload) == (expected.type_name, expected.payload)

    async def fill(self, journal: Journal, stream: str, count: int) -> list[NewEvent]:
        """Appends the first events of a stream."""
        events = self.events(count)
        [outcome] = await journal.append([Write(stream, 0, events)])
        assert appended(outcome).version == count
        return events
