"""Transactions on the journal's tables: which writes are accepted, and how they get in fast.

Everything here runs in the writer's thread, beside an event loop that computes. Then a thread waits
up to five milliseconds for the interpreter lock each time it comes back from SQLite, which is far
longer than SQLite takes. So what counts is how often it comes back:

- Rows are inserted by statements of up to 512 rows, which stay prepared. There is one for each
  power of two; rows of NULL, which the statement passes over, fill up the rest.
- The ids and versions of streams are remembered, so no statement has to ask for them. They hold as
  long as nobody else appends, and whoever appends moves the journal's last position, because no
  position is used twice. The INSERT itself compares it.
- So in the usual case nothing is asked, and a batch that is not large needs no BEGIN and no COMMIT
  either: it is one statement, a transaction by itself. If that finds another position than
  expected, it stores nothing, and the batch goes the long way.
- Replies are inserted in the hope that their keys are free, as they are where nobody else does the
  same command just now: one statement more, and a BEGIN and a COMMIT around the two. If fewer go in
  than there are, all is undone, and the long way asks which keys are taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import apsw

from daicho.errors import ConcurrencyConflict, KeyTaken
from daicho.journal.port import Appended, Outcome, Reply, Write, slice_of
from daicho.journal.sqlite._sql import Value, executor, fetch, number, repeated

Change = Callable[[apsw.Connection], object]
"""Something other than an append that is done inside a transaction. It raises ``ValueError`` before
it has changed anything, or not at all; what SQLite raises undoes the whole transaction."""

_Key = tuple[str, str]
"""A stream and an idempotency key."""

_CHUNK_ROWS = 512
_EVENT_COLUMNS = 9
_STREAM_COLUMNS = 3
_REPLY_COLUMNS = 7
_MAX_HEADS = 65_536
_UNKNOWN = -1


@dataclass(slots=True)
class _Plan:
    """What a batch of appends comes to, given the heads of its streams."""

    outcomes: list[list[Outcome]] = field(default_factory=list[list[Outcome]])
    events: list[Value] = field(default_factory=list[Value])
    streams: list[Value] = field(default_factory=list[Value])
    replies: list[Value] = field(default_factory=list[Value])

    def answer(self, stream: str, replies: Sequence[Reply], taken: set[_Key]) -> str | None:
        """Adds the replies and takes their keys; or does nothing and returns one that is taken."""
        keys = [(stream, reply.key) for reply in replies]
        for key in keys:
            if key in taken:
                return key[1]
        taken.update(keys)
        for reply in replies:
            self.replies.append(stream)
            self.replies += reply
        return None


class Ledger:
    """The one way by which a process changes the file."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._execute = executor(db)
        # The id and version of streams. True only while the last position is the journal's.
        self._heads: dict[str, tuple[int, int]] = {}
        self._last_position = _UNKNOWN
        self._last_stream_id = _UNKNOWN

    def commit(
        self, appends: Sequence[Sequence[Write]], changes: Sequence[Change] = ()
    ) -> tuple[list[list[Outcome]], list[object]]:
        """Does all in one transaction; returns each append's outcomes and each change's result.

        The result of a change that was refused is its ``ValueError``.

        Raises:
            apsw.Error: Nothing was stored, or with an I/O error it is not known; it can be tried
                again.
        """
        try:
            outcomes = None if changes else self._append_as_remembered(appends)
            results: list[object] = []
            if outcomes is None:
                self._execute("BEGIN IMMEDIATE")
                outcomes = self._append(appends)
                results = [self._apply(change) for change in changes]
                self._execute("COMMIT")
        except BaseException:
            self._forget()
            raise
        if len(self._heads) > _MAX_HEADS:
            self._heads.clear()
        return outcomes, results

    def _append_as_remembered(
        self, appends: Sequence[Sequence[Write]]
    ) -> list[list[Outcome]] | None:
        """Appends without asking for the heads; None, and nothing stored, if that cannot be."""
        if not all(write.stream in self._heads for writes in appends for write in writes):
            return None
        plan = self._plan(appends, set())
        # Without a row there is nothing that would find out whether the conflicts are true.
        if not plan.events and not plan.replies:
            return None
        is_one_statement = not plan.replies and len(plan.events) <= _CHUNK_ROWS * _EVENT_COLUMNS
        if not is_one_statement:
            self._execute("BEGIN IMMEDIATE")
        if not (self._insert_replies(plan.replies) and self._insert_events(plan.events)):
            self._forget()
            return None
        if not is_one_statement:
            self._execute("COMMIT")
        return plan.outcomes

    def _append(self, appends: Sequence[Sequence[Write]]) -> list[list[Outcome]]:
        """Appends inside the transaction that is open."""
        if not appends:
            return []
        last_position = number(self._db, "last_position")
        if last_position != self._last_position:
            self._heads.clear()
            self._last_position = last_position
            self._last_stream_id = number(self._db, "last_stream_id")
        self._find_heads({write.stream for writes in appends for write in writes})
        plan = self._plan(appends, self._find_replies(appends))
        self._insert_streams(plan.streams)
        inserted = self._insert_replies(plan.replies) and self._insert_events(plan.events)
        assert inserted, "the last position moved or a key was taken inside a transaction"
        return plan.outcomes

    def _find_heads(self, streams: set[str]) -> None:
        unknown = streams - self._heads.keys()
        if unknown:
            found = fetch(self._db, "find_heads", (json.dumps(list(unknown)),))
            self._heads.update((name, (id_, version)) for name, id_, version in found)

    def _find_replies(self, appends: Sequence[Sequence[Write]]) -> set[_Key]:
        """Those of the writes' keys that are taken."""
        wanted = [
            (write.stream, reply.key)
            for writes in appends
            for write in writes
            for reply in write.replies
        ]
        if not wanted:
            return set()
        return set(cast("list[_Key]", fetch(self._db, "find_replies", (json.dumps(wanted),))))

    def _plan(self, appends: Sequence[Sequence[Write]], taken: set[_Key]) -> _Plan:
        """Decides about each write, in order; heads and keys become what they will be."""
        heads = self._heads
        plan = _Plan()
        rows = plan.events
        position = self._last_position
        for writes in appends:
            outcomes: list[Outcome] = []
            for stream, expected, events, _, replies in writes:
                stream_id, version = heads.get(stream) or (0, 0)
                if version != expected:
                    outcomes.append(ConcurrencyConflict(stream, expected, version))
                    continue
                if replies:
                    key = plan.answer(stream, replies, taken)
                    if key is not None:
                        outcomes.append(KeyTaken(stream, expected, version, key))
                        continue
                    if not events:
                        outcomes.append(Appended(version, position))
                        continue
                if not stream_id:
                    stream_id = self._last_stream_id = self._last_stream_id + 1
                    plan.streams += (stream_id, stream, slice_of(stream))
                for event in events:
                    version += 1
                    rows += (stream_id, version)
                    rows += event
                position += version - expected
                heads[stream] = (stream_id, version)
                outcomes.append(Appended(version, position))
            plan.outcomes.append(outcomes)
        return plan

    def _insert_streams(self, rows: list[Value]) -> None:
        for statement, values, _ in _statements("insert_streams", rows, _STREAM_COLUMNS):
            self._execute(statement, values)

    def _insert_events(self, rows: list[Value]) -> bool:
        """Inserts the rows, or nothing if the last position is not the one that is remembered."""
        for statement, values, count in _statements("insert_events", rows, _EVENT_COLUMNS):
            values.append(self._last_position)
            self._execute(statement, values)
            if self._db.changes() != count:
                return False
            self._last_position += count
        return True

    def _insert_replies(self, rows: list[Value]) -> bool:
        """Inserts the rows; false if a key is taken, or the last position has moved."""
        for statement, values, count in _statements("insert_replies", rows, _REPLY_COLUMNS):
            values.append(self._last_position)
            self._execute(statement, values)
            if self._db.changes() != count:
                return False
        return True

    def _apply(self, change: Change) -> object:
        try:
            return change(self._db)
        except ValueError as refusal:
            return refusal

    def _forget(self) -> None:
        """Goes back to what is in the file."""
        self._heads.clear()
        self._last_position = _UNKNOWN
        # A statement may have ended the transaction already, as OR ROLLBACK and a full disk do.
        if self._db.in_transaction:
            self._execute("ROLLBACK")


def _statements(
    name: str, rows: list[Value], columns: int
) -> Iterator[tuple[str, list[Value], int]]:
    """What inserts the rows: statements with their values, and how many rows each one inserts."""
    width = _CHUNK_ROWS * columns
    for start in range(0, len(rows), width):
        values = rows[start : start + width]
        count = len(values) // columns
        size = 1 << (count - 1).bit_length()
        values += [None] * ((size - count) * columns)
        yield repeated(name, size), values, count
