"""Pages of events, each read as one row.

A row for each event costs the client more than the server: of a page as one row it makes a list of
payloads, and whole records only when somebody asks for one. See the fragment ``columns``.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, cast

import asyncpg

from daicho.errors import StoreError
from daicho.journal.page import Page
from daicho.journal.port import Loaded, Record, Snapshot, StreamInfo

Read = Callable[..., Awaitable[asyncpg.Record]]
"""Gets the one row of a statement, by its name and its values."""

_RECORD = cast(
    "Callable[[tuple[object, ...]], Record]", partial(cast("Any", tuple).__new__, Record)
)
"""A record of its ten values. Its own call takes twice as long."""

_COLUMNS = 10

_LOOKED_THROUGH = 20_000
"""How many events one statement looks through for some types."""


class _Columns(NamedTuple):
    """The one row of a page; without events all but the size are None."""

    size: int
    versions: bytes
    type_names: list[str]
    """One alone, if all are equal."""
    payloads: list[bytes]
    positions: bytes
    event_ids: bytes
    times_us: bytes
    correlation_ids: list[str | None] | None
    causation_ids: list[str | None] | None
    command_ids: list[str | None] | None


async def stream_pages(
    read: Read, stream: str, from_version: int, to_version: int, page_size: int
) -> AsyncIterator[Sequence[Record]]:
    """The pages of a stream."""
    limit = page_size
    while from_version <= to_version:
        try:
            row = await read("page_of_stream", stream, from_version, to_version, limit)
        except StoreError as error:
            limit = _smaller(limit, error)
            continue
        page = _page(row, repeat(stream))
        if page:
            from_version = page.versions[-1] + 1
            yield page
        if len(page) < limit:
            return


async def pages_of_all(
    read: Read,
    after_position: int,
    last_position: int,
    page_size: int,
    type_names: Sequence[str] | None,
) -> AsyncIterator[Sequence[Record]]:
    """The pages of the whole journal, up to its last position."""
    name = "page_of_all" if type_names is None else "page_of_types"
    more = () if type_names is None else (type_names, _LOOKED_THROUGH)
    limit = page_size
    while after_position < last_position:
        try:
            row = await read(name, after_position, last_position, limit, *more)
        except StoreError as error:
            limit = _smaller(limit, error)
            continue
        page = _page(row, row["streams"] or ())
        if len(page) == limit:
            after_position = struct.unpack(">q", row["positions"][-8:])[0]
        else:
            after_position = last_position if type_names is None else row["until"]
        if page:
            yield page


def _smaller(limit: int, error: StoreError) -> int:
    """A smaller page, where one was a row of more than a gigabyte, which PostgreSQL refuses."""
    if limit == 1 or not isinstance(error.__cause__, asyncpg.ProgramLimitExceededError):
        raise error
    return limit // 2


def _page(row: asyncpg.Record, streams: Iterable[str]) -> Page:
    columns = _Columns(*row[:_COLUMNS])
    size = columns.size
    if not size:
        return Page((), (), (), list)
    versions = _numbers(size, columns.versions)
    type_names = columns.type_names
    if len(type_names) < size:
        type_names = type_names * size
    make = partial(_records, columns, streams, versions, type_names)
    return Page(versions, type_names, columns.payloads, make)


def _records(
    columns: _Columns, streams: Iterable[str], versions: Sequence[int], type_names: Sequence[str]
) -> list[Record]:
    size = columns.size
    return list(
        map(
            _RECORD,
            zip(
                streams,
                versions,
                _numbers(size, columns.positions),
                type_names,
                columns.payloads,
                struct.unpack("16s" * size, columns.event_ids),
                _numbers(size, columns.times_us),
                columns.correlation_ids or repeat(None),
                columns.causation_ids or repeat(None),
                columns.command_ids or repeat(None),
                strict=False,
            ),
        )
    )


def _numbers(size: int, packed: bytes) -> Sequence[int]:
    return struct.unpack(f">{size}q", packed)


async def loaded(
    first: Callable[..., Awaitable[asyncpg.Record | None]],
    read: Read,
    stream: str,
    max_snapshot: int,
    page_size: int,
) -> Loaded:
    """The stream's version, its newest snapshot and the first events after that."""
    limit = page_size
    while True:
        try:
            row = await first("load", stream, max_snapshot, limit)
        except StoreError as error:
            limit = _smaller(limit, error)
            continue
        if row is None:
            return Loaded(StreamInfo(stream, 0, 0), None, ())
        info = StreamInfo(stream, row["head_version"], row["truncated_to"])
        snapshot = None if row["version"] is None else snapshot_of(stream, *row[-4:])
        page: Sequence[Record] = _page(row, repeat(stream))
        if limit < page_size:
            page = await _filled(read, info, page, page_size)
        return Loaded(info, snapshot, page)


async def _filled(
    read: Read, info: StreamInfo, page: Sequence[Record], page_size: int
) -> Sequence[Record]:
    """A page of a size, of what was there when its beginning was read."""
    found = [*page]
    if not found:
        return page
    more = stream_pages(read, info.stream, found[-1].version + 1, info.version, page_size)
    async for each in more:
        found += each
        if len(found) >= page_size:
            break
    return found[:page_size]


def snapshot_of(
    stream: str, version: int, type_name: str, payload: bytes, time_us: int
) -> Snapshot:
    """A snapshot of its row."""
    return Snapshot(
        stream=stream, version=version, type_name=type_name, payload=payload, time_us=time_us
    )
