"""Recovery: from what is stored back to the state.

The newest snapshot that can be used, the events after it, and nothing else. A snapshot that cannot
be used (its bytes, its type, or the handler says no) gives way to the one before it and at last to
a full replay. An event that cannot be applied ends it: a state without that event would be a wrong
one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Protocol

from daicho.errors import JournalUnavailable, RecoveryFailed, UndecodableEvent
from daicho.events import Codec, Several, parser_of
from daicho.journal import PAGE_SIZE, Journal, Loaded, Record, Snapshot, StreamInfo, columns
from daicho.persistence.settings import Settings

REPLAY_PAGE_SIZE = 4_000
"""Events of a page of a long replay."""


class Incarnation(Protocol):
    """The actor that is being recovered."""

    stream: str
    version: int
    """The version of the state so far."""

    def apply(self, message: object) -> Awaitable[object] | None:
        """Lets its handler have a snapshot."""
        ...

    def apply_events(self, events: Sequence[object]) -> Awaitable[object] | None:
        """Lets its handler have the next events, each of which moves ``version``.

        If one raises, ``version`` is that event's.
        """
        ...

    def snapshot_failed(self, snapshot: Snapshot, error: Exception) -> None:
        """A snapshot was of no use."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether it is to stop, so that recovering it is of no use."""
        ...


class SnapshotRefused(Exception):
    """The handler raised on the snapshot of this version; it may have used half of it."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


async def recover(
    settings: Settings, actor: Incarnation, usable: int, remembered: Snapshot | None = None
) -> int:
    """Rebuilds the state from the stream and the snapshots up to version ``usable``.

    ``remembered`` is a state that was recovered before and spares the way to the stored snapshot.

    Returns the version of the snapshot that it began from, 0 if from none.

    Raises:
        SnapshotRefused: The object is spoiled; another one has to do without that snapshot.
        JournalUnavailable: Another object may have more luck.
        RecoveryFailed: It cannot be done.
    """
    try:
        if remembered is not None and remembered.version <= usable:
            before = await settings.journal.stream_info(actor.stream)
            if remembered.version <= before.version:
                await _from_remembered(settings, actor, remembered)
                await _replay(settings, actor, before, None)
                return remembered.version
        loaded = await _from_snapshot(settings, actor, usable)
        snapshot_version = actor.version
        if not snapshot_version and settings.initial is not None:
            await done(actor.apply(settings.initial()))
        await _replay(settings, actor, loaded.info, loaded.page)
    except (RecoveryFailed, SnapshotRefused, JournalUnavailable):
        raise
    except Exception as error:
        raise RecoveryFailed(actor.stream, None, None, error) from error
    return snapshot_version


async def _from_remembered(settings: Settings, actor: Incarnation, remembered: Snapshot) -> None:
    actor.version = remembered.version
    await done(actor.apply(settings.codec.decode(remembered.type_name, remembered.payload)))


async def _from_snapshot(settings: Settings, actor: Incarnation, usable: int) -> Loaded:
    """Lets the actor have the newest snapshot that is of use; returns what was read with it."""
    while True:
        loaded = await settings.journal.load(actor.stream, max_snapshot=usable, page_size=PAGE_SIZE)
        snapshot = loaded.snapshot
        if snapshot is None:
            return loaded
        try:
            state = _state_of(settings, snapshot)
        except Exception as error:  # noqa: BLE001 - promise 8: the one before is tried
            actor.snapshot_failed(snapshot, error)
            usable = snapshot.version - 1
            continue
        actor.version = snapshot.version
        try:
            await done(actor.apply(state))
        except Exception as error:
            actor.snapshot_failed(snapshot, error)
            raise SnapshotRefused(snapshot.version) from error
        return loaded


def _state_of(settings: Settings, snapshot: Snapshot) -> object:
    state = settings.codec.decode(snapshot.type_name, snapshot.payload)
    if isinstance(state, Several):
        reason = "upcasters made several of it, and a state is one"
        raise UndecodableEvent(snapshot.type_name, reason)
    return state


async def _replay(
    settings: Settings, actor: Incarnation, before: StreamInfo, page: Sequence[Record] | None
) -> None:
    """Applies the first page, if that was read already, and all that is stored after it."""
    parsers = _Parsers(settings.codec)
    if page:
        await _apply(settings, actor, parsers, before, page)
    if page is None or len(page) >= PAGE_SIZE or actor.version < before.version:
        read = settings.journal.read(
            actor.stream, from_version=actor.version + 1, page_size=REPLAY_PAGE_SIZE
        )
        async for following in read:
            if actor.stopping:
                return
            await _apply(settings, actor, parsers, before, following)
    if actor.version < before.version:
        raise await _gap(settings.journal, actor, before, ())


async def _apply(
    settings: Settings,
    actor: Incarnation,
    parsers: _Parsers,
    before: StreamInfo,
    page: Sequence[Record],
) -> None:
    versions, type_names, payloads = columns(page)
    first = actor.version + 1
    if not _follow(first, versions):
        raise await _gap(settings.journal, actor, before, versions)
    events, error = parsers.parse(type_names, payloads)
    try:
        await done(actor.apply_events(events))
    except Exception as failure:
        name = type_names[actor.version - first]
        raise RecoveryFailed(actor.stream, actor.version, name, failure) from failure
    if error is not None:
        name = type_names[len(events)]
        raise RecoveryFailed(actor.stream, first + len(events), name, error) from error


def _follow(first: int, versions: Sequence[int]) -> bool:
    """Whether these are the versions from ``first`` on, without a gap."""
    wanted = range(first, first + len(versions))
    return versions == wanted or list(versions) == list(wanted)


class _Parsers(dict[str, Callable[[bytes], object]]):
    """What makes events of payloads, by the stored name of their type."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self._codec = codec

    def __missing__(self, type_name: str) -> Callable[[bytes], object]:
        parser = self[type_name] = parser_of(self._codec, type_name)
        return parser

    def parse(
        self, type_names: Sequence[str], payloads: Sequence[bytes]
    ) -> tuple[list[object], Exception | None]:
        """The events; if there is one that cannot be read, those before it and what is wrong.

        A page at once takes two thirds of the time of asking the codec for each.
        """
        try:
            if len(set(type_names)) == 1:
                return list(map(self[type_names[0]], payloads)), None
            pairs = zip(type_names, payloads, strict=True)
            return [self[name](payload) for name, payload in pairs], None
        except Exception:  # noqa: BLE001 - which of them it was is found out below
            return self._parse_one_by_one(type_names, payloads)

    def _parse_one_by_one(
        self, type_names: Sequence[str], payloads: Sequence[bytes]
    ) -> tuple[list[object], Exception | None]:
        events: list[object] = []
        for name, payload in zip(type_names, payloads, strict=True):
            try:
                events.append(self[name](payload))
            except Exception as error:  # noqa: BLE001 - it is returned
                return events, self._reason(name, payload, error)
        return events, None

    def _reason(self, type_name: str, payload: bytes, error: Exception) -> Exception:
        """The codec's own words for a failure of its parser."""
        try:
            self._codec.decode(type_name, payload)
        except Exception as told:  # noqa: BLE001 - it is returned
            return told
        return error


async def _gap(
    journal: Journal, actor: Incarnation, before: StreamInfo, versions: Sequence[int]
) -> Exception:
    """What it means that these versions follow ``actor.version``, or none does."""
    now = await journal.stream_info(actor.stream)
    if now.truncated_to > before.truncated_to:
        # Another writer stored a snapshot and pruned: that snapshot is the way now.
        return JournalUnavailable(repr(journal), f"{actor.stream!r} was truncated during a read")
    missing = actor.version + 1
    follows = "nothing follows"
    for version in versions:
        if version != missing:
            follows = f"version {version} follows"
            break
        missing += 1
    error = LookupError(
        f"the event is missing: {follows}, the stream is at version {now.version}"
        f" and truncated to {now.truncated_to}"
    )
    return RecoveryFailed(actor.stream, missing, "missing", error)


async def done(pending: Awaitable[object] | None) -> None:
    """Waits for what a handler returned, if it can be awaited."""
    if pending is not None and isawaitable(pending):
        await pending
