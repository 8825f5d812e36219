"""Transactions on the journal's tables: which writes are accepted, and how they get in fast.

Everything here runs in the writer's thread, beside an event loop that computes; only the smallest
appends run in the loop's own, where the disk is quick. Beside the loop a thread waits up to five
milliseconds for the interpreter lock each time it comes back from SQLite, which is far longer than
SQLite takes. So what counts is how often it comes back:

- Rows are inserted by statements of many rows, which stay prepared; see ``_rows``.
- The ids and versions of streams are remembered, so no statement has to ask for them. They hold as
  long as nobody else appends, and whoever appends moves the journal's last position, because no
  position is used twice. The INSERT itself compares it.
- So in the usual case nothing is asked, and a batch of up to 1,024 events needs no BEGIN and no
  COMMIT either: it is one statement, a transaction by itself. If that finds another position than
  expected, it stores nothing, and the batch goes the long way. There, too, what has to be asked is
  one row, however many streams it is about.
- Replies are inserted in the hope that their keys are free, as they are where nobody else does the
  same command just now: one statement more, and a BEGIN and a COMMIT around the two. If fewer go in
  than there are, all is undone, and the long way asks which keys are taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import apsw

from daicho.errors import ChainBroken, ConcurrencyConflict, JournalError, KeyTaken
from daicho.journal.chain import GENESIS
from daicho.journal.port import Appended, Outcome, Reply, Write, slice_of
from daicho.journal.sqlite import _rows
from daicho.journal.sqlite._chain import BeginChain, Links, hashes_of_ids, unlinked
from daicho.journal.sqlite._errors import FAULTS, MISREAD
from daicho.journal.sqlite._restoring import Restore
from daicho.journal.sqlite._rows import Statement
from daicho.journal.sqlite._sql import Value, executor, fetch

Change = Callable[[apsw.Connection], object]
"""Something other than an append that is done inside a transaction. It raises a ``Refusal`` before
it has changed anything, or not at all; what SQLite raises undoes the whole transaction."""

Refusal = ValueError | JournalError
"""What a change that was refused comes to."""

_Key = tuple[str, str]
"""A stream and an idempotency key."""

_APPENDED = cast(
    "Callable[[tuple[int, int]], Appended]", partial(cast("Any", tuple).__new__, Appended)
)
"""``Appended`` of its two values. Its own call takes twice as long, and there is one for each
write."""

_MAX_HEADS = 16_384
_FEW_HEADS = 1_024
"""Streams that are remembered; beyond that all are forgotten, and beyond the small number when
nobody writes for a moment. Each takes about 180 bytes when its actor has left, and a batch of 500
of which none is remembered takes a fiftieth longer."""

_UNKNOWN = -1


class _Head:
    """Where a stream ends. It changes, as a new tuple for each write would take longer."""

    __slots__ = ("hash", "id", "version")

    def __init__(self, id: int, version: int) -> None:  # noqa: A002
        self.id = id
        self.version = version
        self.hash = GENESIS
        """Of its newest event, if the journal is chained."""


class _Found(NamedTuple):
    """What a transaction that remembers too little asks for."""

    last_position: int
    last_stream_id: int
    root: bytes | None
    """None if the journal is not chained."""
    unlinked: int | None
    """The position of the newest event, if it has no link and there is a chain."""
    heads: str
    """A JSON array of the place, id and version of each stream that exists; its place is that of
    its name among those that were asked for. A name that came back would be another text, and be
    there twice for as long as it is remembered."""


class _Plan:
    """What a batch of appends comes to, given the heads of its streams."""

    __slots__ = ("events", "links", "outcomes", "replies", "snapshots", "streams")

    def __init__(self, root: bytes | None) -> None:
        self.links = None if root is None else Links(root)
        self.outcomes: list[list[Outcome]] = []
        self.events: list[Value] = []
        self.streams: list[Value] = []
        self.replies: list[Value] = []
        self.snapshots: list[Value] = []

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

    def __init__(self, journal: str, db: apsw.Connection) -> None:
        self._journal = journal
        self._db = db
        self._execute = executor(db)
        # By the name of the stream. True only while the last position is the journal's.
        self._heads: dict[str, _Head] = {}
        self._last_position = _UNKNOWN
        self._last_stream_id = _UNKNOWN
        self._root: bytes | None = None

    def commit(
        self, appends: Sequence[Sequence[Write]], changes: Sequence[Change] = ()
    ) -> tuple[list[list[Outcome]] | ChainBroken, list[object]]:
        """Does all in one transaction; returns each append's outcomes and each change's result.

        The result of a change that was refused is its ``Refusal``. If somebody has appended without
        a link, all appends are refused.

        Raises:
            apsw.Error: Nothing was stored, or with an I/O error it is not known; it can be tried
                again.
            UnicodeDecodeError: A text in the file is none; nothing was stored.
        """
        try:
            outcomes: list[list[Outcome]] | ChainBroken | None
            outcomes = None if changes else self._append_as_remembered(appends)
            results: list[object] = []
            if outcomes is None:
                self._execute("BEGIN IMMEDIATE")
                try:
                    outcomes = self._append(appends)
                except ChainBroken as broken:
                    outcomes = broken
                results = [self._apply(change) for change in changes]
                self._execute("COMMIT")
        except BaseException as error:
            self._forget()
            if isinstance(error, MISREAD):
                self._db.release_memory()
            raise
        if len(self._heads) > _MAX_HEADS:
            self._heads.clear()
        return outcomes, results

    def rest(self) -> None:
        """Nobody writes for a moment; those whose streams are remembered may be gone."""
        if len(self._heads) > _FEW_HEADS:
            self._heads.clear()

    def _append_as_remembered(
        self, appends: Sequence[Sequence[Write]]
    ) -> list[list[Outcome]] | None:
        """Appends without asking for the heads; None, and nothing stored, if that cannot be."""
        heads = self._heads
        for writes in appends:
            for write in writes:
                if write.stream not in heads:
                    return None
        plan = self._plan(appends, set())
        # Without a row there is nothing that would find out whether the conflicts are true.
        if not plan.events and not plan.replies:
            return None
        events = _rows.of_events(plan.events)
        if len(events) == 1 and not (plan.replies or plan.snapshots or plan.links):
            is_true = self._insert_events(events)
        else:
            self._execute("BEGIN IMMEDIATE")
            is_true = self._insert_replies(plan.replies) and self._insert_events(events)
            if is_true:
                self._insert_links(plan.links)
                self._insert_snapshots(plan.snapshots)
                self._execute("COMMIT")
        if not is_true:
            self._forget()
            return None
        return plan.outcomes

    def _append(self, appends: Sequence[Sequence[Write]]) -> list[list[Outcome]]:
        """Appends inside the transaction that is open."""
        if not appends:
            return []
        self._find_heads({write.stream for writes in appends for write in writes})
        plan = self._plan(appends, self._find_replies(appends))
        self._insert_streams(plan.streams)
        events = _rows.of_events(plan.events)
        inserted = self._insert_replies(plan.replies) and self._insert_events(events)
        assert inserted, "the last position moved or a key was taken inside a transaction"
        self._insert_links(plan.links)
        self._insert_snapshots(plan.snapshots)
        return plan.outcomes

    def _find_heads(self, streams: set[str]) -> None:
        names = [*streams - self._heads.keys()]
        found = self._look(names)
        if (found.last_position, found.root) != (self._last_position, self._root):
            self._heads.clear()
            if len(names) != len(streams):
                names = [*streams]
                found = self._look(names)
        if found.unlinked is not None:
            raise unlinked(self._journal, found.unlinked)
        self._last_position = found.last_position
        self._last_stream_id = found.last_stream_id
        self._root = found.root
        new: dict[int, _Head] = {}
        for place, id_, version in json.loads(found.heads):
            new[id_] = self._heads[names[place]] = _Head(id_, version)
        if found.root is not None and new:
            for id_, newest in hashes_of_ids(self._db, new).items():
                new[id_].hash = newest

    def _look(self, names: Sequence[str]) -> _Found:
        [row] = fetch(self._db, "find_heads", (json.dumps(names),))
        return _Found._make(row)

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
        plan = _Plan(self._root)
        rows, links = plan.events, plan.links
        position = self._last_position
        for writes in appends:
            outcomes: list[Outcome] = []
            for stream, expected, events, _, replies, snapshot in writes:
                head = heads.get(stream)
                version = 0 if head is None else head.version
                if version != expected:
                    outcomes.append(ConcurrencyConflict(stream, expected, version))
                    continue
                if replies:
                    key = plan.answer(stream, replies, taken)
                    if key is not None:
                        outcomes.append(KeyTaken(stream, expected, version, key))
                        continue
                if events:
                    if head is None:
                        self._last_stream_id += 1
                        head = heads[stream] = _Head(self._last_stream_id, 0)
                        plan.streams += (head.id, stream, slice_of(stream))
                    stream_id = head.id
                    for event in events:
                        version += 1
                        rows += (stream_id, version)
                        rows += event
                    if links is not None:
                        links.add(head, stream, expected, position, events)
                    position += version - expected
                    head.version = version
                if snapshot is not None:
                    plan.snapshots += _rows.snapshot_row(snapshot)
                outcomes.append(_APPENDED((version, position)))
            plan.outcomes.append(outcomes)
        return plan

    def _insert_streams(self, rows: list[Value]) -> None:
        for text, values, _ in _rows.of_streams(rows):
            self._execute(text, values)

    def _insert_events(self, statements: Sequence[Statement]) -> bool:
        """Inserts the rows, or nothing if the last position or root is not what is remembered."""
        for text, values, rows in statements:
            values.extend((self._last_position, self._root))
            self._execute(text, values)
            if self._db.changes() != rows:
                return False
            self._last_position += rows
        return True

    def _insert_links(self, links: Links | None) -> None:
        if links is not None:
            self._root = links.root
            for text, values, _ in _rows.of_links(links.rows):
                self._execute(text, values)

    def _insert_replies(self, rows: list[Value]) -> bool:
        """Inserts the rows; false if a key is taken, or the last position has moved."""
        for text, values, count in _rows.of_replies(rows):
            values.append(self._last_position)
            self._execute(text, values)
            if self._db.changes() != count:
                return False
        return True

    def _insert_snapshots(self, rows: list[Value]) -> None:
        for text, values, _ in _rows.of_snapshots(rows):
            self._execute(text, values)

    def _apply(self, change: Change) -> object:
        try:
            return change(self._db)
        except FAULTS:
            raise  # among them there are ValueErrors, too
        except (ValueError, JournalError) as refusal:
            return refusal
        finally:
            if isinstance(change, Restore | BeginChain):
                # It may move streams, or give them hashes, and leave the last position, which is
                # what guards the rest.
                self._heads.clear()
                self._last_position = _UNKNOWN

    def _forget(self) -> None:
        """Goes back to what is in the file."""
        self._heads.clear()
        self._last_position = _UNKNOWN
        # A statement may have ended the transaction already, as OR ROLLBACK and a full disk do.
        if self._db.in_transaction:
            self._execute("ROLLBACK")
