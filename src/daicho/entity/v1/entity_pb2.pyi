from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outgoing(_message.Message):
    __slots__ = ("number", "target_entity", "target_id", "command_type", "command", "due_us", "timer")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TARGET_ENTITY_FIELD_NUMBER: _ClassVar[int]
    TARGET_ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_TYPE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    DUE_US_FIELD_NUMBER: _ClassVar[int]
    TIMER_FIELD_NUMBER: _ClassVar[int]
    number: int
    target_entity: str
    target_id: str
    command_type: str
    command: bytes
    due_us: int
    timer: str
    def __init__(self, number: _Optional[int] = ..., target_entity: _Optional[str] = ..., target_id: _Optional[str] = ..., command_type: _Optional[str] = ..., command: _Optional[bytes] = ..., due_us: _Optional[int] = ..., timer: _Optional[str] = ...) -> None: ...

class Settled(_message.Message):
    __slots__ = ("number", "outcome")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[Settled.Outcome]
        OUTCOME_REPLIED: _ClassVar[Settled.Outcome]
        OUTCOME_REJECTED: _ClassVar[Settled.Outcome]
        OUTCOME_FIRED: _ClassVar[Settled.Outcome]
        OUTCOME_CANCELLED: _ClassVar[Settled.Outcome]
    OUTCOME_UNSPECIFIED: Settled.Outcome
    OUTCOME_REPLIED: Settled.Outcome
    OUTCOME_REJECTED: Settled.Outcome
    OUTCOME_FIRED: Settled.Outcome
    OUTCOME_CANCELLED: Settled.Outcome
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    number: int
    outcome: Settled.Outcome
    def __init__(self, number: _Optional[int] = ..., outcome: _Optional[_Union[Settled.Outcome, str]] = ...) -> None: ...

class EntitySnapshot(_message.Message):
    __slots__ = ("state_type", "state", "last_number", "pending")
    STATE_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    state_type: str
    state: bytes
    last_number: int
    pending: _containers.RepeatedCompositeFieldContainer[Outgoing]
    def __init__(self, state_type: _Optional[str] = ..., state: _Optional[bytes] = ..., last_number: _Optional[int] = ..., pending: _Optional[_Iterable[_Union[Outgoing, _Mapping]]] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("json",)
    JSON_FIELD_NUMBER: _ClassVar[int]
    json: str
    def __init__(self, json: _Optional[str] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("reason", "data_json")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DATA_JSON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    data_json: str
    def __init__(self, reason: _Optional[str] = ..., data_json: _Optional[str] = ...) -> None: ...
