"""What the article's rows mean: the way from the port's records to its columns, and back.

A row of ``wallet_event`` holds a name and one whole number, and a row of ``wallet_snapshot`` the
balance; so a message fits only if its type is one of three, and its bytes hold that number and
nothing else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from daicho.errors import JournalCorrupt, Unsupported
from daicho.journal import Feature, NewEvent, Record, Snapshot
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet

_M = TypeVar("_M", bound=Message)

_EVENTS: dict[str, type[ReceiveMoney | PaymentMoney]] = {
    "receive_money": ReceiveMoney,
    "payment_money": PaymentMoney,
}
_EVENT_NAMES = {cls.DESCRIPTOR.full_name: name for name, cls in _EVENTS.items()}
_WALLET = Wallet.DESCRIPTOR.full_name

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_NO_ID = bytes(16)


class EventRow(NamedTuple):
    """A row of ``wallet_event``, without the user and the version."""

    event_name: str
    event_value: int
    timestamp: str


def event_row(journal: str, event: NewEvent) -> EventRow:
    """The columns of an event.

    Raises:
        Unsupported: It has metadata, or is not exactly one of the article's two events.
    """
    if (event.correlation_id, event.causation_id, event.command_id) != (None, None, None):
        raise Unsupported(
            journal, Feature.METADATA.value, "the table wallet_event has no columns for ids"
        )
    name = _EVENT_NAMES.get(event.type_name)
    if name is None:
        raise _no_column(journal, event.type_name, " and ".join(_EVENT_NAMES))
    cls = _EVENTS[name]
    message = _parsed(cls, event.payload)
    # Made again without what this program does not know, so that nothing is lost in silence.
    if message is None or cls(amount=message.amount).SerializeToString() != event.payload:
        raise _no_column(journal, f"{event.type_name} of these bytes", "its amount")
    return EventRow(name, message.amount, _text(event.time))


def deposit_of(journal: str, snapshot: Snapshot) -> int:
    """The column of a snapshot.

    Raises:
        Unsupported: It is not exactly a ``wallet.v1.Wallet``.
    """
    if snapshot.type_name != _WALLET:
        raise _no_column(journal, snapshot.type_name, f"the snapshot {_WALLET}")
    wallet = _parsed(Wallet, snapshot.payload)
    if wallet is None or Wallet(deposit=wallet.deposit).SerializeToString() != snapshot.payload:
        raise _no_column(journal, f"{_WALLET} of these bytes", "its deposit")
    return wallet.deposit


def record_of(store: str, stream: str, row: tuple[object, ...]) -> Record:
    """The event of a row (version, event_name, event_value, timestamp); it has no id, all zeros.

    Raises:
        JournalCorrupt: A column holds what the article's program never writes there.
    """
    where = f"wallet_event of {stream!r}"
    version = whole(store, f"{where} has the version", row[0])
    where = f"version {version} of {stream!r}"
    name = row[1]
    cls = _EVENTS.get(name) if isinstance(name, str) else None
    if cls is None:
        raise JournalCorrupt(store, f"{where} has the event_name {name!r}, which is none of ours")
    amount = whole(store, f"{where} has the event_value", row[2])
    return Record(
        stream=stream,
        version=version,
        position=0,
        type_name=cls.DESCRIPTOR.full_name,
        payload=cls(amount=amount).SerializeToString(),
        event_id=_NO_ID,
        time_us=_time_us(store, where, row[3]),
        correlation_id=None,
        causation_id=None,
        command_id=None,
    )


def snapshot_of(store: str, stream: str, row: tuple[object, ...]) -> Snapshot:
    """The snapshot of a row (saved_version, deposit); when it was taken is not stored, so 1970.

    Raises:
        JournalCorrupt: A column holds what the article's program never writes there.
    """
    version = whole(store, f"wallet_snapshot of {stream!r} has the saved_version", row[0])
    deposit = whole(store, f"wallet_snapshot of {stream!r} has the deposit", row[1])
    payload = Wallet(deposit=deposit).SerializeToString()
    return Snapshot(stream=stream, version=version, type_name=_WALLET, payload=payload, time_us=0)


def whole(store: str, what: str, value: object) -> int:
    """The value of a column ``INT``, which to SQLite is a wish and not a rule.

    Raises:
        JournalCorrupt: It is no whole number.
    """
    if not isinstance(value, int):
        raise JournalCorrupt(store, f"{what} {value!r}, which is no whole number")
    return value


def _parsed(cls: type[_M], payload: bytes) -> _M | None:
    try:
        return cls.FromString(payload)
    except DecodeError:
        return None


def _no_column(journal: str, what: str, room: str) -> Unsupported:
    reason = f"the article's tables have no column for a {what}, only for {room}"
    return Unsupported(journal, Feature.ANY_TYPE.value, reason)


def _text(time: datetime) -> str:
    """A time as Go's driver for SQLite stores it, in UTC and with microseconds."""
    return time.isoformat(sep=" ", timespec="microseconds")


def _time_us(store: str, where: str, value: object) -> int:
    """The time of a row, in the zone of the machine that wrote it; UTC where none is given."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is not None:
            # Go writes nanoseconds, which are cut off here.
            return (time.replace(tzinfo=time.tzinfo or UTC) - _EPOCH) // _MICROSECOND
    except ValueError as error:
        raise JournalCorrupt(store, f"{where} has the timestamp {value!r}: {error}") from error
    raise JournalCorrupt(store, f"{where} has the timestamp {value!r}, which is no text")
