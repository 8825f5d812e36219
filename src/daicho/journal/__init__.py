"""What is remembered: streams of events and their snapshots. It knows bytes, never protobuf.

The contract is in :mod:`daicho.journal.port`; :class:`MemoryJournal` and :class:`SqliteJournal`
keep it, and :mod:`daicho.journal.postgres`, which is an extra.
"""

from daicho.journal.chain import HistoryRoot, Link
from daicho.journal.lineage import Bookmark, Incarnation, bookmark, position_after
from daicho.journal.memory import MemoryJournal
from daicho.journal.offers import Claiming, Migrating, Migration, Noticing
from daicho.journal.page import Page, columns, facts
from daicho.journal.port import (
    MAX_VERSION,
    PAGE_SIZE,
    SLICES,
    Appended,
    Feature,
    Journal,
    Loaded,
    NewEvent,
    Outcome,
    Parcel,
    Record,
    Reply,
    Snapshot,
    StoredReply,
    StreamInfo,
    Write,
    slice_of,
)
from daicho.journal.sqlite import SqliteJournal
from daicho.journal.verifying import Verified, verify

__all__ = [
    "MAX_VERSION",
    "PAGE_SIZE",
    "SLICES",
    "Appended",
    "Bookmark",
    "Claiming",
    "Feature",
    "HistoryRoot",
    "Incarnation",
    "Journal",
    "Link",
    "Loaded",
    "MemoryJournal",
    "Migrating",
    "Migration",
    "NewEvent",
    "Noticing",
    "Outcome",
    "Page",
    "Parcel",
    "Record",
    "Reply",
    "Snapshot",
    "SqliteJournal",
    "StoredReply",
    "StreamInfo",
    "Verified",
    "Write",
    "bookmark",
    "columns",
    "facts",
    "position_after",
    "slice_of",
    "verify",
]
