"""What a batch of appends comes to, and how it is laid out for the one statement that stores it.

The statement takes a batch by stream: where each is expected to end, and the rows of all. What
the writes to one stream do depends on where that ends, so the batch is laid out on a supposition:
that each stream ends where the first write to it expects. Mostly that is so. If it is not, and the
stream has one write, that write is refused and the others are stored. If it has several, one of
the others may be right, so nothing is stored, and all is laid out anew with what is known by then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, cast

from daicho.errors import ConcurrencyConflict, KeyTaken, SliceLost
from daicho.journal.port import Appended, NewEvent, Outcome, Reply, Snapshot, Write, slice_of

MAX_EVENTS = 1 << 20
"""In one transaction: as many positions belong to it."""

MAX_BYTES = 512 * 1_024 * 1_024
"""The payloads of one append. PostgreSQL takes a message of a gigabyte, and there is more in it."""

_APPENDED = cast(
    "Callable[[tuple[int, int]], Appended]", partial(cast("Any", tuple).__new__, Appended)
)
"""``Appended`` of its two values. Its own call takes twice as long, and there is one for each
write."""


class Answer(NamedTuple):
    """What the statement says; the migration that makes the functions tells what each means."""

    stored: bool | None
    base: int | None
    last: int | None = None
    elsewhere: list[int] | None = None
    ends: list[int] | None = None
    taken: list[int] | None = None
    keys: list[str] | None = None
    lost: list[int] | None = None
    epochs: list[int] | None = None


class _Accepted(NamedTuple):
    """A write that is stored if its stream is where it is supposed to be."""

    at: int
    """The number of its stream, from 1 on."""
    version: int
    number: int
    """That of its last event in the batch, from 1 on; 0 if it has no events."""


class _Streams:
    """Columns: the streams of a batch."""

    __slots__ = ("ends", "grows", "names", "places", "slices", "strict")

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.names: list[str] = []
        self.slices: list[int] = []
        self.ends: list[int] = []
        self.grows: list[bool] = []
        self.strict: list[bool] = []


class Plan:
    """A batch of appends, and what is known of its streams by now.

    Args:
        appends: The writes of each.
        may_be_short: Whether one event may be stored by the function for one, which the journal
            does not have if it is chained.
    """

    def __init__(self, appends: Sequence[Sequence[Write]], *, may_be_short: bool = True) -> None:
        self._appends = appends
        self._may_be_short = may_be_short
        self._ends: dict[str, int] = {}
        self._taken: set[tuple[str, str]] = set()
        self._lost: dict[tuple[int, int], int] = {}
        self._names: list[str] = []
        self._verdicts: list[Outcome | _Accepted] = []

    def lay_out(self) -> tuple[str, tuple[object, ...]] | None:
        """The statement's name and its values; None if there is nothing to store any more."""
        short = self._short() if self._may_be_short else None
        return self._in_columns() if short is None else short

    def _in_columns(self) -> tuple[str, tuple[object, ...]] | None:
        """The statement for whatever there can be: columns, by stream."""
        streams = _Streams()
        versions: list[int] = []  # where each stream ends, as it grows
        owners: dict[tuple[int, int], None] = {}
        taken = set(self._taken)
        events: list[NewEvent] = []
        event_places: list[int] = []
        event_versions: list[int] = []
        replies: list[tuple[int, str, Reply]] = []
        snapshots: list[tuple[int, Snapshot]] = []
        verdicts: list[Outcome | _Accepted] = []
        places = streams.places
        for writes in self._appends:
            for stream, expected, new, epoch, answers, snapshot in writes:
                if epoch is not None:
                    owner = (slice_of(stream), epoch)
                    if (current := self._lost.get(owner)) is not None:
                        verdicts.append(SliceLost(stream, *owner, current))
                        continue
                    owners[owner] = None
                at = places.get(stream)
                if at is None:
                    at = self._add_stream(streams, versions, stream, expected)
                else:
                    streams.strict[at - 1] = True
                version = versions[at - 1]
                if version != expected:
                    verdicts.append(ConcurrencyConflict(stream, expected, version))
                    continue
                if answers:
                    key = _taken_key(stream, answers, taken)
                    if key is not None:
                        verdicts.append(KeyTaken(stream, expected, version, key))
                        continue
                    replies += zip(repeat(at), repeat(stream), answers)
                count = len(new)
                if count:
                    streams.grows[at - 1] = True
                    events += new
                    event_places += repeat(at, count)
                    event_versions += range(version + 1, version + count + 1)
                    version += count
                    versions[at - 1] = version
                if snapshot is not None:
                    snapshots.append((at, snapshot))
                verdicts.append(_Accepted(at, version, len(events) if count else 0))
        self._names, self._verdicts = streams.names, verdicts
        if not events and not replies:
            return None
        by_stream = (streams.names, streams.slices, streams.ends)
        by_event = (event_places, event_versions, *_columns(events, 7))
        is_plain = not (owners or replies or snapshots) and not any(streams.strict)
        if is_plain and _are_alone(by_event[-3:], len(events)):
            return "append_plain", (*by_stream, *by_event[:-3])
        return "append", (
            *by_stream, streams.grows, streams.strict,
            [slice_ for slice_, _ in owners], [epoch for _, epoch in owners],
            *by_event,
            *_columns([(at, stream, *reply) for at, stream, reply in replies], 8),
            *_columns(
                [(at, s.stream, s.version, s.type_name, s.payload, s.time_us)
                 for at, s in snapshots], 6
            ),
        )  # fmt: skip

    def _short(self) -> tuple[str, tuple[object, ...]] | None:
        """The statement for one event of a stream that exists, if that is all there is.

        It is looked for first, because laying out columns would take longer than sending it.
        """
        if len(self._appends) != 1 or len(self._appends[0]) != 1:
            return None
        stream, expected, events, epoch, replies, snapshot = self._appends[0][0]
        if not expected or len(events) != 1 or epoch is not None or replies or snapshot is not None:
            return None
        type_name, payload, event_id, time_us, *ids = events[0]
        if not all(each is None for each in ids):
            return None
        self._names, self._verdicts = [stream], [_Accepted(1, expected + 1, 1)]
        return "append_one", (stream, expected, type_name, payload, event_id, time_us)

    def _add_stream(
        self, streams: _Streams, versions: list[int], stream: str, expected: int
    ) -> int:
        end = self._ends.get(stream, expected)
        streams.names.append(stream)
        streams.slices.append(slice_of(stream))
        streams.ends.append(end)
        streams.grows.append(False)
        streams.strict.append(False)
        versions.append(end)
        streams.places[stream] = len(streams.names)
        return len(streams.names)

    def learn(self, answer: Answer) -> None:
        """Takes in why nothing was stored; the function for one event does not say it."""
        self._may_be_short = False
        for slice_, current in zip(answer.lost or (), answer.epochs or (), strict=True):
            wrong = [
                owner for owner in self._owners() if owner[0] == slice_ and owner[1] != current
            ]
            self._lost |= dict.fromkeys(wrong, current)
        for at, end in zip(answer.elsewhere or (), answer.ends or (), strict=True):
            self._ends[self._names[at - 1]] = end
        for at, key in zip(answer.taken or (), answer.keys or (), strict=True):
            self._taken.add((self._names[at - 1], key))

    def _owners(self) -> set[tuple[int, int]]:
        return {
            (slice_of(write.stream), write.epoch)
            for writes in self._appends
            for write in writes
            if write.epoch is not None
        }

    def outcomes(self, answer: Answer | None) -> list[list[Outcome]]:
        """What became of each write, given what the statement has said, if there was one."""
        refused: dict[int, int | str] = {}
        base = last = 0
        if answer is not None:
            if answer.elsewhere or answer.taken:
                refused = self._refusals(answer)
            base, last = answer.base or 0, answer.last or 0
        verdicts = iter(self._verdicts)
        found: list[list[Outcome]] = []
        for writes in self._appends:
            outcomes: list[Outcome] = []
            # The writes come first, so that the last of them takes no verdict of the next append.
            for write, verdict in zip(writes, verdicts, strict=False):
                if type(verdict) is not _Accepted:
                    outcomes.append(cast("Outcome", verdict))
                    continue
                at, version, number = verdict
                if at in refused:
                    outcomes.append(_refusal(write, refused[at]))
                    continue
                if number:
                    last = base + number
                outcomes.append(_APPENDED((version, last)))
            found.append(outcomes)
        return found

    def _refusals(self, answer: Answer) -> dict[int, int | str]:
        """Of the streams that were refused: where they end, or the key that is taken."""
        refused: dict[int, int | str] = {}
        for at, key in zip(answer.taken or (), answer.keys or (), strict=True):
            refused.setdefault(at, key)
        ends = zip(answer.elsewhere or (), answer.ends or (), strict=True)
        return {**refused, **dict(ends)}


def _refusal(write: Write, why: int | str) -> Outcome:
    if isinstance(why, int):
        return ConcurrencyConflict(write.stream, write.expected_version, why)
    return KeyTaken(write.stream, write.expected_version, write.expected_version, why)


def _taken_key(stream: str, replies: Sequence[Reply], taken: set[tuple[str, str]]) -> str | None:
    """Takes the keys of the replies; or does nothing and returns one that is taken."""
    keys = [(stream, reply.key) for reply in replies]
    for key in keys:
        if key in taken:
            return key[1]
    taken.update(keys)
    return None


def _are_alone(ids: Sequence[Sequence[object]], count: int) -> bool:
    """Whether none of so many events has an id of others."""
    return all(each.count(None) == count for each in ids)


def _columns(rows: Sequence[tuple[object, ...]], count: int) -> list[Sequence[object]]:
    """The columns of rows that have so many."""
    if not rows:
        return [()] * count
    return [*zip(*rows, strict=True)]
