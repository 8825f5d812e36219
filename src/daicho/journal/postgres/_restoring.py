"""Taking what another journal has stored, in one transaction of several statements.

Nobody else may write meanwhile, so nobody is held up by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import cast

from daicho.journal import checks
from daicho.journal.port import Parcel, slice_of
from daicho.journal.postgres._connections import Connection


async def restore(db: Connection, sql: MappingProxyType[str, str], parcel: Parcel) -> None:
    """Stores a parcel.

    Raises:
        JournalError: It does not go on where the journal has ended; nothing was changed.
    """
    streams = [*{**parcel.truncated, **dict.fromkeys(record.stream for record in parcel.records)}]
    async with db.transaction():
        await db.fetchval(sql["durably"])
        last_position = cast("int", await db.fetchval(sql["restored_position"]))
        rows = await db.fetch(sql["restored_heads"], streams)
        versions = {cast("str", row[0]): cast("int", row[1]) for row in rows}
        checks.continuing(parcel, versions, last_position)
        await _restore_streams(db, sql, parcel, streams)
        await _insert(db, sql["restore_events"], parcel.records)
        snapshots = {(s.stream, s.version): s for s in parcel.snapshots}.values()
        await _insert(
            db,
            sql["save_snapshots"],
            [(s.stream, s.version, s.type_name, s.payload, s.time_us) for s in snapshots],
        )
        replies = {(stream, reply.key): reply for stream, reply in parcel.replies}
        await _insert(
            db, sql["restore_replies"], [(at[0], *reply) for at, reply in replies.items()]
        )
        last = max([parcel.last_position, *(record.position for record in parcel.records[-1:])])
        if last > last_position:
            await db.execute(sql["raise_position"], last)


async def _restore_streams(
    db: Connection, sql: MappingProxyType[str, str], parcel: Parcel, streams: Sequence[str]
) -> None:
    truncated = parcel.truncated
    rows = [(stream, slice_of(stream), truncated.get(stream, 0)) for stream in streams]
    await _insert(db, sql["restore_streams"], rows)
    for stream, version in truncated.items():
        await db.fetchval(sql["truncate"], stream, version)


async def _insert(db: Connection, text: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        await db.execute(text, *zip(*rows, strict=True))
