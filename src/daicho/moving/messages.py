"""What the port has, as messages of an export, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daicho.journal import (
    Incarnation,
    Link,
    Parcel,
    Record,
    Reply,
    Snapshot,
    StoredReply,
)
from daicho.moving import v1


def portion_of(parcel: Parcel) -> v1.Portion:
    """The message of a parcel."""
    return v1.Portion(
        truncations=[
            v1.Truncation(stream=stream, to_version=version)
            for stream, version in parcel.truncated.items()
        ],
        events=map(event_of, parcel.records),
        snapshots=[
            v1.Snapshot(
                stream=each.stream,
                version=each.version,
                type_name=each.type_name,
                payload=each.payload,
                time_us=each.time_us,
            )
            for each in parcel.snapshots
        ],
        replies=[v1.Reply(stream=each.stream, **each.reply._asdict()) for each in parcel.replies],
        links=_links(parcel),
    )


def _links(parcel: Parcel) -> Iterator[v1.Link]:
    here = {record.position for record in parcel.records}
    for stream, version, position, link_hash, _ in parcel.links:
        if position in here:
            yield v1.Link(position=position, hash=link_hash)
        else:
            yield v1.Link(position=position, hash=link_hash, stream=stream, version=version)


def parcel_of(portion: v1.Portion) -> Parcel:
    """The parcel of a message."""
    records = [record_of(each) for each in portion.events]
    return Parcel(
        links=_links_of(portion.links, records),
        truncated={each.stream: each.to_version for each in portion.truncations},
        records=records,
        snapshots=[
            Snapshot(
                stream=each.stream,
                version=each.version,
                type_name=each.type_name,
                payload=each.payload,
                time_us=each.time_us,
            )
            for each in portion.snapshots
        ],
        replies=[
            StoredReply(
                each.stream,
                Reply(
                    each.key,
                    each.command,
                    each.type_name,
                    each.payload,
                    each.version,
                    each.time_us,
                ),
            )
            for each in portion.replies
        ],
    )


def _links_of(links: Sequence[v1.Link], records: Sequence[Record]) -> list[Link]:
    """Links without their roots, which follow from them."""
    events = {record.position: (record.stream, record.version) for record in records}
    return [
        Link(*events.get(each.position, (each.stream, each.version)), each.position, each.hash, b"")
        for each in links
    ]


def incarnation_of(incarnation: v1.Incarnation) -> Incarnation:
    """The incarnation of a message."""
    return Incarnation(incarnation.id, incarnation.after_position)


def event_of(record: Record) -> v1.Event:
    """The message of an event."""
    return v1.Event(**record._asdict())


def record_of(event: v1.Event) -> Record:
    """The event of a message."""
    return Record(
        event.stream,
        event.version,
        event.position,
        event.type_name,
        event.payload,
        event.event_id,
        event.time_us,
        event.correlation_id if event.HasField("correlation_id") else None,
        event.causation_id if event.HasField("causation_id") else None,
        event.command_id if event.HasField("command_id") else None,
    )
