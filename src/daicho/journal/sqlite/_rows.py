"""Rows and the statements that insert them, as few as apsw can keep prepared.

There is a statement for each power of two of rows; rows of NULL, which it passes over, fill up the
rest. apsw keeps a prepared statement while its text has at most 16,384 bytes, and so few
parameters a row mean many rows: 1,024 of events without ids in their metadata, as most are, and 512
of those that have some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daicho.journal.sqlite._sql import Value, repeated

if TYPE_CHECKING:
    from daicho.journal.port import Snapshot


Statement = tuple[str, list[Value], int]
"""The text of a statement, its parameters, and how many rows it inserts."""


def of_events(rows: list[Value]) -> list[Statement]:
    """What inserts the rows of nine columns; it takes the list apart."""
    if _have_ids(rows):
        return _statements("insert_events", rows, 9, at_once=512)
    # The last column of nine, of the eight that are left, and of seven.
    del rows[8::9], rows[7::8], rows[6::7]
    return _statements("insert_plain_events", rows, 6, at_once=1_024)


def of_streams(rows: list[Value]) -> list[Statement]:
    """What inserts new streams."""
    return _statements("insert_streams", rows, 3, at_once=512)


def of_links(rows: list[Value]) -> list[Statement]:
    """What inserts links."""
    return _statements("insert_links", rows, 5, at_once=512)


def of_replies(rows: list[Value]) -> list[Statement]:
    """What inserts replies."""
    return _statements("insert_replies", rows, 7, at_once=512)


def snapshot_row(snapshot: Snapshot) -> tuple[Value, ...]:
    """The row of a snapshot."""
    return (
        snapshot.stream,
        snapshot.version,
        snapshot.type_name,
        snapshot.payload,
        snapshot.time_us,
    )


def of_snapshots(rows: list[Value]) -> list[Statement]:
    """What stores snapshots."""
    return _statements("save_snapshots", rows, 5, at_once=512)


def _have_ids(rows: list[Value]) -> bool:
    # By columns, because that is one call for all events and not one for each.
    correlations, causations, commands = rows[6::9], rows[7::9], rows[8::9]
    events = len(commands)
    return not (
        commands.count(None) == correlations.count(None) == causations.count(None) == events
    )


def _statements(name: str, rows: list[Value], columns: int, *, at_once: int) -> list[Statement]:
    width = at_once * columns
    if 0 < len(rows) <= width:
        return [_statement(name, rows, columns)]
    return [
        _statement(name, rows[start : start + width], columns)
        for start in range(0, len(rows), width)
    ]


def _statement(name: str, values: list[Value], columns: int) -> Statement:
    count = len(values) // columns
    size = 1 << (count - 1).bit_length()
    values += [None] * ((size - count) * columns)
    return repeated(name, size), values, count
