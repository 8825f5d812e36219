from daicho.entity.v1 import entity_pb2 as _entity_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Checkpoint(_message.Message):
    __slots__ = ("position", "pending", "following", "unreacted")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    FOLLOWING_FIELD_NUMBER: _ClassVar[int]
    UNREACTED_FIELD_NUMBER: _ClassVar[int]
    position: int
    pending: _containers.RepeatedCompositeFieldContainer[Pending]
    following: _containers.RepeatedCompositeFieldContainer[Following]
    unreacted: _containers.RepeatedCompositeFieldContainer[Unreacted]
    def __init__(self, position: _Optional[int] = ..., pending: _Optional[_Iterable[_Union[Pending, _Mapping]]] = ..., following: _Optional[_Iterable[_Union[Following, _Mapping]]] = ..., unreacted: _Optional[_Iterable[_Union[Unreacted, _Mapping]]] = ...) -> None: ...

class Pending(_message.Message):
    __slots__ = ("sender", "position", "outgoing", "version")
    SENDER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    OUTGOING_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    sender: str
    position: int
    outgoing: _entity_pb2.Outgoing
    version: int
    def __init__(self, sender: _Optional[str] = ..., position: _Optional[int] = ..., outgoing: _Optional[_Union[_entity_pb2.Outgoing, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class Following(_message.Message):
    __slots__ = ("process", "type_name", "position")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    TYPE_NAME_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    process: str
    type_name: str
    position: int
    def __init__(self, process: _Optional[str] = ..., type_name: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class Unreacted(_message.Message):
    __slots__ = ("process", "stream", "version", "type_name")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPE_NAME_FIELD_NUMBER: _ClassVar[int]
    process: str
    stream: str
    version: int
    type_name: str
    def __init__(self, process: _Optional[str] = ..., stream: _Optional[str] = ..., version: _Optional[int] = ..., type_name: _Optional[str] = ...) -> None: ...
