"""What changes the file other than an append; it runs in the writer's thread, in a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daicho.journal import checks
from daicho.journal.sqlite._chain import refuse_unlinked
from daicho.journal.sqlite._readers import stream_info
from daicho.journal.sqlite._rows import snapshot_row
from daicho.journal.sqlite._sql import Values, execute

if TYPE_CHECKING:
    import apsw

    from daicho.journal.port import Snapshot


def save_snapshot(db: apsw.Connection, snapshot: Snapshot) -> None:
    """Stores a snapshot, in place of one of the same version."""
    execute(db, "save_snapshots", snapshot_row(snapshot))


def delete_snapshots(db: apsw.Connection, stream: str, max_version: int) -> int:
    """Deletes the snapshots up to a version and returns how many there were."""
    execute(db, "delete_snapshots", {"stream": stream, "max_version": max_version})
    return db.changes()


def prune_replies(db: apsw.Connection, before_us: int, limit: int, keep_prefix: str) -> int:
    """Deletes the oldest replies before a time and returns how many there were."""
    values: Values = {"before_us": before_us, "limit": limit, "keep_prefix": keep_prefix}
    execute(db, "prune_replies", values)
    return db.changes()


def truncate(db: apsw.Connection, journal: str, stream: str, to_version: int) -> int:
    """Deletes the events up to a version and returns how many there were.

    Raises:
        ChainBroken: Events have no link, and would be gone before anybody has seen that.
        ValueError: The stream has not come to that version; nothing was changed.
    """
    checks.truncation(stream_info(db, stream), to_version)
    refuse_unlinked(db, journal)
    values: Values = {"stream": stream, "to_version": to_version}
    execute(db, "note_truncated_position", values)
    execute(db, "note_truncation", values)
    execute(db, "truncate_events", values)
    return db.changes()
