"""Pages of events, each read as one row.

Beside a loop that computes, a thread may wait up to five milliseconds for the interpreter lock
after every step of a statement, so a page of 1,000 rows could take seconds. SQLite puts the columns
together instead: the payloads one behind the other in a single blob, their lengths in a JSON array
beside it, and so on. The page is one step, and cutting it up takes no longer than making 1,000 rows
would.

What only a whole record has stays as SQLite gave it until somebody asks for a record.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, cast

import apsw

from daicho.journal.page import Page
from daicho.journal.port import Record
from daicho.journal.sqlite._errors import FAULTS, store_error
from daicho.journal.sqlite._sql import Values, fetch, fetch_row, number, paged

_FEW = 1
"""Events that are read as rows: one is one step as it is, and takes less than half the time of a
page."""

_EVENT_ID_BYTES = 16
_EVENT_ID = f"{_EVENT_ID_BYTES}s"
_Ids = tuple[str | None, str | None, str | None]
_Make = Callable[[Sequence[int], Sequence[str], Sequence[bytes]], list[Record]]
_NO_IDS: _Ids = (None, None, None)

_RECORD = cast(
    "Callable[[tuple[object, ...]], Record]", partial(cast("Any", tuple).__new__, Record)
)
"""A record of its ten values. Its own call takes twice as long."""


class _Columns(NamedTuple):
    """The one row of a page. Texts are JSON arrays; a blob of nothing is None."""

    size: int
    first: int
    """The first version in a page of a stream, the first position in one of the whole journal."""
    last: int
    type_names: str
    lengths: str
    payloads: bytes | None
    positions: str
    event_ids: bytes | None
    times_us: str
    ids: str
    """Of those events alone that have one: the position and three ids of each."""
    versions: str = "[]"
    streams: str = "[]"


class Turned(NamedTuple):
    """A page, and what reads the one after it."""

    page: Sequence[Record]
    following: Turn | None = None
    """None where there can be no other page."""


Turn = Callable[[apsw.Connection], Turned]
"""Reads a page."""


def stream_page(
    db: apsw.Connection, stream: str, from_version: int, to_version: int, page_size: int
) -> Turned:
    """The next events of a stream; there may be more if the page is full."""
    page, last = _stream_page(db, stream, from_version, to_version, page_size)
    if len(page) < page_size or last >= to_version:
        return Turned(page)
    read = partial(stream_page, stream=stream, to_version=to_version, page_size=page_size)
    return Turned(page, partial(read, from_version=last + 1))


def _stream_page(
    db: apsw.Connection, stream: str, from_version: int, to_version: int, page_size: int
) -> tuple[Sequence[Record], int]:
    """The events, and the version of the last of them."""
    values: Values = {
        "stream": stream,
        "from_version": from_version,
        "to_version": to_version,
        "page_size": page_size,
    }
    are_few = min(page_size, to_version - from_version + 1) <= _FEW
    columns = None if are_few else _columns(db, "page_of_stream", "read_stream", values)
    if columns is not None and not columns.size:
        return [], 0
    if columns is not None:
        versions = range(columns.first, columns.last + 1)
        # Where somebody took events out between the two, the version of each is needed.
        if len(versions) == columns.size:
            make = partial(_records, columns, streams=partial(repeat, stream), positions=None)
            return _page(db, columns, versions, make), columns.last
    records = [Record(stream, *row[1:]) for row in fetch(db, "read_stream", values)]
    return records, records[-1].version if records else 0


def page_of_all(
    db: apsw.Connection,
    *,
    after_position: int,
    page_size: int,
    type_names: str | None,
    last_position: int | None = None,
) -> Turned:
    """The next events of the whole journal.

    ``last_position`` is where it ends, None if that is not known yet; ``type_names`` is a JSON
    array, or None for all.
    """
    if last_position is None:
        last_position = number(db, "last_position")
    page, last = _page_of_all(db, after_position, last_position, page_size, type_names)
    if len(page) < page_size or last >= last_position:
        return Turned(page)
    read = partial(page_of_all, page_size=page_size, type_names=type_names)
    return Turned(page, partial(read, after_position=last, last_position=last_position))


def _page_of_all(
    db: apsw.Connection,
    after_position: int,
    last_position: int,
    page_size: int,
    type_names: str | None,
) -> tuple[Sequence[Record], int]:
    """The events, and the position of the last of them."""
    values: dict[str, str | int] = {
        "after_position": after_position,
        "last_position": last_position,
        "page_size": page_size,
    }
    rows = "read_all"
    if type_names is not None:
        rows = "read_all_of_types"
        values["type_names"] = type_names
    columns = _columns(db, "page_of_all", rows, values)
    if columns is None:
        records = list(map(Record._make, fetch(db, rows, values)))
        return records, records[-1].position if records else 0
    if not columns.size:
        return [], 0
    make = partial(
        _records, columns, streams=partial(_texts, columns.streams), positions=_positions(columns)
    )
    return _page(db, columns, _numbers(columns.versions), make), columns.last


def _columns(db: apsw.Connection, page: str, rows: str, values: Values) -> _Columns | None:
    """The columns of a page; None if they do not fit, so that it has to be read row by row."""
    try:
        columns = _Columns(*fetch_row(db, paged(page, rows), values))
    except apsw.TooBigError:
        return None
    # Only by hand can an id of another length have been stored.
    has_ids = len(columns.event_ids or b"") == columns.size * _EVENT_ID_BYTES
    return columns if has_ids else None


def _positions(columns: _Columns) -> Sequence[int] | None:
    """Those of a page of the whole journal, where nothing is missing between its ends."""
    positions = range(columns.first, columns.last + 1)
    return positions if len(positions) == columns.size else None


def _page(
    db: apsw.Connection, columns: _Columns, versions: Sequence[int], make_records: _Make
) -> Page:
    type_names = _names(columns.type_names, columns.size)
    payloads = _cut(columns.payloads, columns.lengths)
    make = partial(make_records, versions, type_names, payloads)
    return Page(versions, type_names, payloads, partial(_made, make, db.filename))


def _made(make: Callable[[], list[Record]], file: str) -> list[Record]:
    """The records of a page, which somebody asks for after it was read.

    Raises:
        JournalCorrupt: A column is not what it would be in a sound file.
    """
    try:
        return make()
    except FAULTS as error:
        raise store_error(Path(file), error) from error


def _records(
    columns: _Columns,
    versions: Iterable[int],
    type_names: Iterable[str],
    payloads: Iterable[bytes],
    *,
    streams: Callable[[], Iterable[str]],
    positions: Sequence[int] | None,
) -> list[Record]:
    """Records of a page; ``positions`` is None if only the columns know them."""
    if positions is None:
        positions = _numbers(columns.positions)
    event_ids = struct.unpack(_EVENT_ID * columns.size, columns.event_ids or b"")
    ids = _ids(columns.ids, positions)
    return list(
        map(
            _RECORD,
            zip(
                streams(),
                versions,
                positions,
                type_names,
                payloads,
                event_ids,
                _numbers(columns.times_us),
                *ids,
                strict=False,
            ),
        )
    )


def _ids(text: str, positions: Sequence[int]) -> Iterable[Iterable[str | None]]:
    """Three columns of ids."""
    found = {position: (a, b, c) for position, a, b, c in json.loads(text)}
    if not found:
        return [repeat(None)] * 3
    return zip(*(found.get(position, _NO_IDS) for position in positions), strict=True)


def _cut(blob: bytes | None, lengths: str) -> Sequence[bytes]:
    """The blob in pieces of these lengths, a JSON array.

    ``[2,7]`` becomes the format ``2s7s``, so one call cuts them all: a quarter of the time of
    parsing the lengths and reading each piece.
    """
    # Not struct.unpack, which would keep the format of each page.
    return struct.Struct(f"{lengths[1:-1].replace(',', 's')}s").unpack(blob or b"")


def _numbers(text: str) -> list[int]:
    return cast("list[int]", json.loads(text))


def _texts(text: str) -> list[str]:
    return cast("list[str]", json.loads(text))


def _names(text: str, size: int) -> list[str]:
    """The names in a JSON array of that size; all are one object if they are equal.

    That they are is seen without parsing, in a third of the time. An array of so many elements has
    a comma between any two, so if it is one piece so many times, the piece is the element.
    """
    first = text[1:-1].partition(",")[0]
    if text == f"[{','.join([first] * size)}]":
        return [cast("str", json.loads(first))] * size
    return _texts(text)
