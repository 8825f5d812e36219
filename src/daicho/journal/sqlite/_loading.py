"""What a recovery begins with, in as few steps as there can be.

Beside a loop that computes each step of a statement may cost milliseconds; see ``_pages``. A stream
that does not exist is one step, one whose snapshot is its newest version two, and events are as
many more as a page of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daicho.journal.port import Loaded, Snapshot, StreamInfo
from daicho.journal.sqlite._pages import stream_page
from daicho.journal.sqlite._readers import snapshot_of
from daicho.journal.sqlite._sql import Values, first_row

if TYPE_CHECKING:
    import apsw


def loaded(db: apsw.Connection, stream: str, max_snapshot: int, page_size: int) -> Loaded:
    """The stream's version, its newest snapshot and the first events after that."""
    values: Values = {"stream": stream, "max_snapshot": max_snapshot}
    with first_row(db, "load_head", values) as row:
        if row is None:
            return Loaded(StreamInfo(stream, 0, 0), None, ())
        version, truncated_to, *taken = row
        info = StreamInfo(stream, version, truncated_to)
        snapshot: Snapshot | None = None
        first = truncated_to + 1
        if taken[0] is not None:
            snapshot = snapshot_of(stream, *taken)
            first = max(first, snapshot.version + 1)
        if first > version:
            return Loaded(info, snapshot, ())
        # Its ends are known, so few events are seen to be few.
        return Loaded(info, snapshot, stream_page(db, stream, first, version, page_size).page)
