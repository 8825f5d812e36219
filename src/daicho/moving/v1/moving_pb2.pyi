from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Frame(_message.Message):
    __slots__ = ("header", "portion", "trailer")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    PORTION_FIELD_NUMBER: _ClassVar[int]
    TRAILER_FIELD_NUMBER: _ClassVar[int]
    header: Header
    portion: Portion
    trailer: Trailer
    def __init__(self, header: _Optional[_Union[Header, _Mapping]] = ..., portion: _Optional[_Union[Portion, _Mapping]] = ..., trailer: _Optional[_Union[Trailer, _Mapping]] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("format", "last_position", "beginning", "chained", "incarnations")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    LAST_POSITION_FIELD_NUMBER: _ClassVar[int]
    BEGINNING_FIELD_NUMBER: _ClassVar[int]
    CHAINED_FIELD_NUMBER: _ClassVar[int]
    INCARNATIONS_FIELD_NUMBER: _ClassVar[int]
    format: int
    last_position: int
    beginning: _containers.RepeatedCompositeFieldContainer[Event]
    chained: bool
    incarnations: _containers.RepeatedCompositeFieldContainer[Incarnation]
    def __init__(self, format: _Optional[int] = ..., last_position: _Optional[int] = ..., beginning: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., chained: _Optional[bool] = ..., incarnations: _Optional[_Iterable[_Union[Incarnation, _Mapping]]] = ...) -> None: ...

class Portion(_message.Message):
    __slots__ = ("truncations", "events", "snapshots", "replies", "links")
    TRUNCATIONS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    truncations: _containers.RepeatedCompositeFieldContainer[Truncation]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    snapshots: _containers.RepeatedCompositeFieldContainer[Snapshot]
    replies: _containers.RepeatedCompositeFieldContainer[Reply]
    links: _containers.RepeatedCompositeFieldContainer[Link]
    def __init__(self, truncations: _Optional[_Iterable[_Union[Truncation, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., snapshots: _Optional[_Iterable[_Union[Snapshot, _Mapping]]] = ..., replies: _Optional[_Iterable[_Union[Reply, _Mapping]]] = ..., links: _Optional[_Iterable[_Union[Link, _Mapping]]] = ...) -> None: ...

class Trailer(_message.Message):
    __slots__ = ("truncations", "events", "snapshots", "replies", "digest", "root")
    TRUNCATIONS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    truncations: int
    events: int
    snapshots: int
    replies: int
    digest: bytes
    root: bytes
    def __init__(self, truncations: _Optional[int] = ..., events: _Optional[int] = ..., snapshots: _Optional[int] = ..., replies: _Optional[int] = ..., digest: _Optional[bytes] = ..., root: _Optional[bytes] = ...) -> None: ...

class Incarnation(_message.Message):
    __slots__ = ("id", "after_position")
    ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    after_position: int
    def __init__(self, id: _Optional[bytes] = ..., after_position: _Optional[int] = ...) -> None: ...

class Link(_message.Message):
    __slots__ = ("position", "hash", "stream", "version")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    position: int
    hash: bytes
    stream: str
    version: int
    def __init__(self, position: _Optional[int] = ..., hash: _Optional[bytes] = ..., stream: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class Truncation(_message.Message):
    __slots__ = ("stream", "to_version")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    stream: str
    to_version: int
    def __init__(self, stream: _Optional[str] = ..., to_version: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("stream", "version", "position", "type_name", "payload", "event_id", "time_us", "correlation_id", "causation_id", "command_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TYPE_NAME_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSATION_ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    stream: str
    version: int
    position: int
    type_name: str
    payload: bytes
    event_id: bytes
    time_us: int
    correlation_id: str
    causation_id: str
    command_id: str
    def __init__(self, stream: _Optional[str] = ..., version: _Optional[int] = ..., position: _Optional[int] = ..., type_name: _Optional[str] = ..., payload: _Optional[bytes] = ..., event_id: _Optional[bytes] = ..., time_us: _Optional[int] = ..., correlation_id: _Optional[str] = ..., causation_id: _Optional[str] = ..., command_id: _Optional[str] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("stream", "version", "type_name", "payload", "time_us")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPE_NAME_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    stream: str
    version: int
    type_name: str
    payload: bytes
    time_us: int
    def __init__(self, stream: _Optional[str] = ..., version: _Optional[int] = ..., type_name: _Optional[str] = ..., payload: _Optional[bytes] = ..., time_us: _Optional[int] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("stream", "key", "command", "type_name", "payload", "version", "time_us")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    TYPE_NAME_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    stream: str
    key: str
    command: bytes
    type_name: str
    payload: bytes
    version: int
    time_us: int
    def __init__(self, stream: _Optional[str] = ..., key: _Optional[str] = ..., command: _Optional[bytes] = ..., type_name: _Optional[str] = ..., payload: _Optional[bytes] = ..., version: _Optional[int] = ..., time_us: _Optional[int] = ...) -> None: ...
