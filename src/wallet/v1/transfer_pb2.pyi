from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransferState(_message.Message):
    __slots__ = ("source", "target", "amount", "stage", "reason")
    class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STAGE_UNSPECIFIED: _ClassVar[TransferState.Stage]
        STAGE_WITHDRAWING: _ClassVar[TransferState.Stage]
        STAGE_DEPOSITING: _ClassVar[TransferState.Stage]
        STAGE_COMPLETING: _ClassVar[TransferState.Stage]
        STAGE_REFUNDING: _ClassVar[TransferState.Stage]
        STAGE_DONE: _ClassVar[TransferState.Stage]
        STAGE_REFUSED: _ClassVar[TransferState.Stage]
    STAGE_UNSPECIFIED: TransferState.Stage
    STAGE_WITHDRAWING: TransferState.Stage
    STAGE_DEPOSITING: TransferState.Stage
    STAGE_COMPLETING: TransferState.Stage
    STAGE_REFUNDING: TransferState.Stage
    STAGE_DONE: TransferState.Stage
    STAGE_REFUSED: TransferState.Stage
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    amount: int
    stage: TransferState.Stage
    reason: str
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., amount: _Optional[int] = ..., stage: _Optional[_Union[TransferState.Stage, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class StartTransfer(_message.Message):
    __slots__ = ("source", "target", "amount")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    amount: int
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class TransferStarted(_message.Message):
    __slots__ = ("source", "target", "amount")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    amount: int
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class MoneyLeft(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MoneyArrived(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TransferRefused(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class TransferEnded(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
