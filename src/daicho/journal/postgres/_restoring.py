"""Taking what another journal has stored, in one transaction of several statements.

Nobody else should write meanwhile. Whoever does waits, and then begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import cast

from daicho.journal import checks
from daicho.journal.chain import Link, links_of
from daicho.journal.lineage import descended
from daicho.journal.port import MAX_VERSION, Parcel, slice_of
from daicho.journal.postgres._connections import Connection


async def restore(
    db: Connection, sql: MappingProxyType[str, str], store: str, parcel: Parcel
) -> None:
    """Stores a parcel.

    Raises:
        JournalError: It does not go on where the journal has ended; nothing was changed.
    """
    truncated = parcel.gone()
    streams = [*{**truncated, **dict.fromkeys(record.stream for record in parcel.records)}]
    async with db.transaction():
        await db.execute(sql["bounded"])
        [began] = await db.fetch(sql["begin_writing"])
        if began["chained"]:
            await db.execute(sql["lock_chain"])
        await db.execute(sql["lock_events"])
        last_position = cast("int", await db.fetchval(sql["newest_position"]))
        rows = await db.fetch(sql["restored_heads"], streams)
        versions = {cast("str", row[0]): cast("int", row[1]) for row in rows}
        checks.continuing(parcel, versions, last_position)
        links = await _links(db, sql, store, parcel)
        await _restore_streams(db, sql, truncated, streams)
        await _insert(db, sql["restore_events"], parcel.records)
        await _restore_chain(db, sql, parcel, links)
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
        ends = [*(r.position for r in parcel.records[-1:]), *(link.position for link in links[-1:])]
        last = max([parcel.last_position, *ends])
        if last > last_position:
            await db.execute(sql["raise_position"], last)
        if parcel.incarnations:
            await _restore_incarnations(db, sql, parcel)


async def _links(
    db: Connection, sql: MappingProxyType[str, str], store: str, parcel: Parcel
) -> list[Link]:
    """Those that the events get; none if there is no chain."""
    root = await db.fetchrow(sql["root"], MAX_VERSION)
    if root is None:
        return []
    streams = {*(each.stream for each in parcel.records), *(each.stream for each in parcel.links)}
    hashes = {row[0]: row[1] for row in await db.fetch(sql["newest_hashes"], [*streams])}
    return links_of(store, root[1], hashes, parcel.records, parcel.links)


async def _restore_chain(
    db: Connection, sql: MappingProxyType[str, str], parcel: Parcel, links: Sequence[Link]
) -> None:
    await _insert(db, sql["restore_links"], links)
    here = {record.position for record in parcel.records}
    gone = {link.stream: link.position for link in links if link.position not in here}
    await _insert(db, sql["restore_truncated_positions"], [*gone.items()])


async def _restore_incarnations(
    db: Connection, sql: MappingProxyType[str, str], parcel: Parcel
) -> None:
    own = (await db.fetch(sql["incarnations"]))[-1][0]
    after = descended(parcel.incarnations, own, parcel.last_position)
    await db.execute(sql["delete_incarnations"])
    await _insert(db, sql["insert_incarnations"], after)


async def _restore_streams(
    db: Connection,
    sql: MappingProxyType[str, str],
    truncated: Mapping[str, int],
    streams: Sequence[str],
) -> None:
    rows = [(stream, slice_of(stream), truncated.get(stream, 0)) for stream in streams]
    await _insert(db, sql["restore_streams"], rows)
    for stream, version in truncated.items():
        await db.fetchval(sql["truncate"], stream, version)


async def _insert(db: Connection, text: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        await db.execute(text, *zip(*rows, strict=True))
