"""What the port has, as messages of an export, and back."""

from __future__ import annotations

from daicho.journal import Parcel, Record, Reply, Snapshot, StoredReply
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
    )


def parcel_of(portion: v1.Portion) -> Parcel:
    """The parcel of a message."""
    return Parcel(
        truncated={each.stream: each.to_version for each in portion.truncations},
        records=[record_of(each) for each in portion.events],
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
