from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccountState(_message.Message):
    __slots__ = ("balance", "status", "under_way")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[AccountState.Status]
        STATUS_OPEN: _ClassVar[AccountState.Status]
        STATUS_FROZEN: _ClassVar[AccountState.Status]
        STATUS_CLOSED: _ClassVar[AccountState.Status]
    STATUS_UNSPECIFIED: AccountState.Status
    STATUS_OPEN: AccountState.Status
    STATUS_FROZEN: AccountState.Status
    STATUS_CLOSED: AccountState.Status
    class UnderWayEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    UNDER_WAY_FIELD_NUMBER: _ClassVar[int]
    balance: int
    status: AccountState.Status
    under_way: _containers.ScalarMap[str, int]
    def __init__(self, balance: _Optional[int] = ..., status: _Optional[_Union[AccountState.Status, str]] = ..., under_way: _Optional[_Mapping[str, int]] = ...) -> None: ...

class OpenWallet(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FreezeWallet(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class UnfreezeWallet(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CloseWallet(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WithdrawForTransfer(_message.Message):
    __slots__ = ("transfer_id", "target", "amount")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    target: str
    amount: int
    def __init__(self, transfer_id: _Optional[str] = ..., target: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class DepositForTransfer(_message.Message):
    __slots__ = ("transfer_id", "source", "amount")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    source: str
    amount: int
    def __init__(self, transfer_id: _Optional[str] = ..., source: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class CompleteTransfer(_message.Message):
    __slots__ = ("transfer_id",)
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    def __init__(self, transfer_id: _Optional[str] = ...) -> None: ...

class RefundTransfer(_message.Message):
    __slots__ = ("transfer_id", "reason")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    reason: str
    def __init__(self, transfer_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class WalletOpened(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WalletFrozen(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class WalletUnfrozen(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WalletClosed(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TransferWithdrawn(_message.Message):
    __slots__ = ("transfer_id", "target", "amount")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    target: str
    amount: int
    def __init__(self, transfer_id: _Optional[str] = ..., target: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class TransferDeposited(_message.Message):
    __slots__ = ("transfer_id", "source", "amount")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    source: str
    amount: int
    def __init__(self, transfer_id: _Optional[str] = ..., source: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class TransferCompleted(_message.Message):
    __slots__ = ("transfer_id",)
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    def __init__(self, transfer_id: _Optional[str] = ...) -> None: ...

class TransferRefunded(_message.Message):
    __slots__ = ("transfer_id", "reason", "amount")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    reason: str
    amount: int
    def __init__(self, transfer_id: _Optional[str] = ..., reason: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...
