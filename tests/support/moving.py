"""Journals that are moved: what is in them, and how one looks at all of it."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from daicho.journal import (
    Appended,
    HistoryRoot,
    Journal,
    Link,
    NewEvent,
    Record,
    Reply,
    Snapshot,
    StoredReply,
    StreamInfo,
    Write,
)


class Everything(NamedTuple):
    """All that the port tells of a journal."""

    streams: list[StreamInfo]
    records: list[Record]
    snapshots: list[Snapshot]
    replies: list[StoredReply]
    last_position: int
    links: list[Link]
    root: HistoryRoot | None


async def everything_in(journal: Journal) -> Everything:
    records = [record async for page in journal.read_all() for record in page]
    return Everything(
        await journal.list_streams(limit=1_000_000),
        records,
        await journal.list_all_snapshots(limit=1_000_000),
        await journal.list_replies(limit=1_000_000),
        await journal.last_position(),
        [link async for page in journal.read_chain() for link in page],
        await journal.root(),
    )


def event(number: int) -> NewEvent:
    """An event, different for each number; some have ids of others."""
    ids = (f"correlation-{number}", None, f"command-{number}") if number % 3 else (None,) * 3
    return NewEvent(
        f"test.v1.Event{number % 4}", b"%d" % number, UUID(int=number).bytes, number * 7, *ids
    )


def snapshot(stream: str, version: int, payload: bytes = b"state") -> Snapshot:
    return Snapshot(
        stream=stream, version=version, type_name="test.v1.State", payload=payload, time_us=version
    )


def reply(key: str, version: int = 0) -> Reply:
    return Reply(key, b"digest", "test.v1.Reply", key.encode(), version, version * 11)


async def append(journal: Journal, stream: str, count: int, *, replies: bool = False) -> int:
    """Appends events one by one, each with a reply if asked for; the version of the stream."""
    version = (await journal.stream_info(stream)).version
    for _ in range(count):
        number = await journal.last_position() + 1
        stored = [reply(f"{stream}-{version + 1}", version + 1)] if replies else []
        [outcome] = await journal.append([Write(stream, version, [event(number)], replies=stored)])
        assert isinstance(outcome, Appended), outcome
        version = outcome.version
    return version


async def fill(journal: Journal) -> None:
    """A little of everything that a journal can hold."""
    await append(journal, "whole", 5, replies=True)
    await append(journal, "begun", 4)
    await append(journal, "gone", 3)
    await append(journal, "whole", 2)
    await append(journal, "last", 2)
    await journal.truncate("begun", to_version=2)
    await journal.truncate("gone", to_version=3)
    # The last positions that there were are of events that are gone.
    await journal.truncate("last", to_version=2)
    await journal.save_snapshot(snapshot("begun", 2))
    await journal.save_snapshot(snapshot("begun", 4))
    await journal.save_snapshot(snapshot("a courier", 12, b""))
    await journal.append([Write("no stream", 0, [], replies=[reply("rejected")])])
