"""Taking what another journal has stored; it runs in the writer's thread, in a transaction.

Positions are given here, not by SQLite, which goes on from the largest there ever was.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from daicho.journal import checks
from daicho.journal.chain import links_of
from daicho.journal.lineage import descended
from daicho.journal.port import slice_of
from daicho.journal.sqlite._chain import (
    hashes_of,
    incarnations,
    insert_links,
    refuse_unlinked,
    root,
)
from daicho.journal.sqlite._rows import snapshot_row
from daicho.journal.sqlite._sql import Values, execute, execute_many, fetch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import apsw

    from daicho.journal.chain import Link
    from daicho.journal.port import Parcel


class Restore:
    """Stores a parcel. It may move a stream without an event, so nobody may rely on its version."""

    def __init__(self, journal: str, parcel: Parcel) -> None:
        self._journal = journal
        self._parcel = parcel

    def __call__(self, db: apsw.Connection) -> None:
        """Stores it.

        Raises:
            JournalError: It does not go on where the journal has ended; nothing was changed.
        """
        parcel = self._parcel
        refuse_unlinked(db, self._journal)
        truncated = parcel.gone()
        streams = dict.fromkeys(record.stream for record in parcel.records)
        versions, last_position = _heads(db, [*{**truncated, **streams}])
        checks.continuing(parcel, versions, last_position)
        links = self._links(db)
        new = [stream for stream in streams if stream not in versions and stream not in truncated]
        self._restore_streams(db, truncated, new)
        execute_many(db, "restore_event", parcel.records)
        self._restore_chain(db, links)
        execute_many(db, "save_snapshots", map(snapshot_row, parcel.snapshots))
        execute_many(db, "restore_reply", [(at, *reply) for at, reply in parcel.replies])
        reached = max([parcel.last_position, *(link.position for link in parcel.links[-1:])])
        if reached > last_position:
            execute(db, "begin_positions")
            execute(db, "raise_position", (reached,))
        if parcel.incarnations:
            self._restore_incarnations(db)

    def _restore_streams(
        self, db: apsw.Connection, truncated: Mapping[str, int], new: Sequence[str]
    ) -> None:
        rows = [*truncated.items(), *((stream, 0) for stream in new)]
        execute_many(
            db, "restore_stream", [(stream, slice_of(stream), version) for stream, version in rows]
        )
        for stream, version in truncated.items():
            values: Values = {"stream": stream, "to_version": version}
            execute(db, "note_truncated_position", values)
            execute(db, "truncate_events", values)

    def _links(self, db: apsw.Connection) -> list[Link]:
        """Those that the events get; none if there is no chain."""
        last = root(db)
        if last is None:
            return []
        records, given = self._parcel.records, self._parcel.links
        streams = {*(each.stream for each in records), *(each.stream for each in given)}
        return links_of(self._journal, last.digest, hashes_of(db, streams), records, given)

    def _restore_chain(self, db: apsw.Connection, links: Sequence[Link]) -> None:
        insert_links(db, links)
        here = {record.position for record in self._parcel.records}
        gone = [(link.position, link.stream) for link in links if link.position not in here]
        execute_many(db, "restore_truncated_position", gone)

    def _restore_incarnations(self, db: apsw.Connection) -> None:
        own = incarnations(db)[-1].id
        after = descended(self._parcel.incarnations, own, self._parcel.last_position)
        execute(db, "delete_incarnations")
        execute_many(db, "insert_incarnation", after)


def _heads(db: apsw.Connection, streams: list[str]) -> tuple[dict[str, int], int]:
    """The versions of those streams that exist, and the last position."""
    [(last_position, _, _, _, heads)] = fetch(db, "find_heads", (json.dumps(streams),))
    found = cast("list[tuple[int, int, int]]", json.loads(heads))
    return {streams[place]: version for place, _, version in found}, cast("int", last_position)
