"""Links in the file: of what is appended, of what is there already, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from daicho.errors import ChainBroken
from daicho.journal.chain import GENESIS, HistoryRoot, Link, hash_of, links_of, root_of
from daicho.journal.lineage import Incarnation
from daicho.journal.port import NewEvent, Record
from daicho.journal.sqlite._sql import Value, Values, execute, execute_many, fetch, number

if TYPE_CHECKING:
    import apsw

CHAIN_SINCE = 3
"""The first version of the schema with links and incarnations."""

_PAGE = 100
"""Small, because a page may be of large events."""


class Head(Protocol):
    """Where a stream ends."""

    id: int
    version: int
    hash: bytes


class Links:
    """The links of what a transaction appends."""

    __slots__ = ("root", "rows")

    def __init__(self, root: bytes) -> None:
        self.root = root
        self.rows: list[Value] = []

    def add(
        self, head: Head, stream: str, version: int, position: int, events: Sequence[NewEvent]
    ) -> None:
        """Adds those of the events that follow a version, at the positions that follow another."""
        rows, link_hash, root = self.rows, head.hash, self.root
        for event in events:
            version += 1
            position += 1
            link_hash = hash_of(link_hash, stream, version, event)
            root = root_of(root, stream, version, position, link_hash)
            rows += (position, head.id, version, link_hash, root)
        head.hash = link_hash
        self.root = root


class BeginChain:
    """Gives every event a link. Whoever remembers streams has to ask for them again."""

    def __init__(self, journal: str, *, anew: bool) -> None:
        self._journal = journal
        self._anew = anew

    def __call__(self, db: apsw.Connection) -> None:
        """Does so, unless there is a chain already and it is not to be made anew."""
        if root(db) is not None:
            if not self._anew:
                return
            execute(db, "delete_chain")
            execute(db, "forget_truncated_positions")
        execute(db, "begin_chain")
        hashes: dict[str, bytes] = {}
        last, values = GENESIS, {"last_position": number(db, "last_position"), "page_size": _PAGE}
        after = 0
        while rows := fetch(db, "read_all", {**values, "after_position": after}):
            records = [Record(*row) for row in rows]
            links = links_of(self._journal, last, hashes, records)
            insert_links(db, links)
            hashes |= {link.stream: link.hash for link in links}
            last, after = links[-1].root, links[-1].position


def insert_links(db: apsw.Connection, links: Sequence[Link]) -> None:
    """Stores links of streams that exist."""
    execute_many(
        db,
        "restore_link",
        [(link.position, link.stream, link.version, link.hash, link.root) for link in links],
    )


def refuse_unlinked(db: apsw.Connection, journal: str) -> None:
    """Refuses to go on where events were appended without a link.

    Raises:
        ChainBroken: The newest event has none.
    """
    [(position,)] = fetch(db, "unlinked_position")
    if position is not None:
        raise unlinked(journal, position)


def unlinked(journal: str, position: int) -> ChainBroken:
    """The error that says so."""
    reason = "the newest event has no link: what appended it did not know of the chain"
    return ChainBroken(journal, position, reason)


def hashes_of_ids(db: apsw.Connection, ids: Collection[int]) -> dict[int, bytes]:
    """The newest hash of each of some streams, by their ids."""
    [(found,)] = fetch(db, "find_hashes", (json.dumps([*ids]),))
    pairs = cast("list[tuple[int, str]]", json.loads(found))
    return {id_: bytes.fromhex(digits) or GENESIS for id_, digits in pairs}


def hashes_of(db: apsw.Connection, streams: Collection[str]) -> dict[str, bytes]:
    """The newest hash of each of some streams that exist, by their names."""
    rows = fetch(db, "find_ids", (json.dumps([*streams]),))
    names = cast("dict[int, str]", dict(rows))
    return {names[id_]: found for id_, found in hashes_of_ids(db, names).items()}


def root(db: apsw.Connection) -> HistoryRoot | None:
    """What all of history has come to; None if there is no chain."""
    rows = fetch(db, "root")
    return HistoryRoot._make(rows[0]) if rows else None


def root_of_any_schema(db: apsw.Connection) -> HistoryRoot | None:
    """The same in a file whose schema this program may not have brought up to date."""
    return root(db) if _is_new(db) else None


def links(db: apsw.Connection, after_position: int, last_position: int, size: int) -> list[Link]:
    """The links that follow a position, up to another one."""
    if not _is_new(db):
        return []
    values: Values = {
        "after_position": after_position,
        "last_position": last_position,
        "page_size": size,
    }
    return [Link(*row) for row in fetch(db, "read_chain", values)]


def incarnations(db: apsw.Connection) -> list[Incarnation]:
    """The stores of the file's history; none if its schema is of an earlier version."""
    return [Incarnation(*row) for row in fetch(db, "incarnations")] if _is_new(db) else []


def _is_new(db: apsw.Connection) -> bool:
    return number(db, "schema_version") >= CHAIN_SINCE
