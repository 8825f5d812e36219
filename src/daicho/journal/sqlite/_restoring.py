"""Taking what another journal has stored; it runs in the writer's thread, in a transaction.

Positions are given here, not by SQLite, which goes on from the largest there ever was.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from daicho.journal import checks
from daicho.journal.port import slice_of
from daicho.journal.sqlite._rows import snapshot_row
from daicho.journal.sqlite._sql import execute, execute_many, fetch

if TYPE_CHECKING:
    import apsw

    from daicho.journal.port import Parcel


class Restore:
    """Stores a parcel. It may move a stream without an event, so nobody may rely on its version."""

    def __init__(self, parcel: Parcel) -> None:
        self._parcel = parcel

    def __call__(self, db: apsw.Connection) -> None:
        """Stores it.

        Raises:
            JournalError: It does not go on where the journal has ended; nothing was changed.
        """
        parcel = self._parcel
        streams = dict.fromkeys(record.stream for record in parcel.records)
        versions, last_position = _heads(db, [*{**parcel.truncated, **streams}])
        checks.continuing(parcel, versions, last_position)
        self._restore_streams(db, [stream for stream in streams if stream not in versions])
        execute_many(db, "restore_event", parcel.records)
        execute_many(db, "save_snapshots", map(snapshot_row, parcel.snapshots))
        execute_many(db, "restore_reply", [(at, *reply) for at, reply in parcel.replies])
        if parcel.last_position > last_position:
            execute(db, "begin_positions")
            execute(db, "raise_position", (parcel.last_position,))

    def _restore_streams(self, db: apsw.Connection, new: list[str]) -> None:
        truncated = self._parcel.truncated
        rows = [*truncated.items(), *((stream, 0) for stream in new if stream not in truncated)]
        execute_many(
            db, "restore_stream", [(stream, slice_of(stream), version) for stream, version in rows]
        )
        for stream, version in truncated.items():
            execute(db, "truncate_events", {"stream": stream, "to_version": version})


def _heads(db: apsw.Connection, streams: list[str]) -> tuple[dict[str, int], int]:
    """The versions of those streams that exist, and the last position."""
    [(last_position, _, heads)] = fetch(db, "find_heads", (json.dumps(streams),))
    found = cast("list[tuple[int, int, int]]", json.loads(heads))
    return {streams[place]: version for place, _, version in found}, cast("int", last_position)
