"""One codec for all that a program stores: messages as protobuf has them, records as JSON."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, make_dataclass
from threading import Barrier
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

from daicho.errors import (
    BadSchema,
    DuplicateEventType,
    UndecodableEvent,
    UnencodableEvent,
    UnknownEventType,
)
from daicho.events import Codec, ProtobufCodec, Schema, stored_as
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet

if TYPE_CHECKING:
    from google.protobuf.message import Message


@stored_as("shop.item-added", aliases=["shop.added"])
@dataclass(frozen=True)
class ItemAdded:
    sku: str


class Bare(msgspec.Struct, frozen=True):
    number: int


@dataclass(frozen=True)
class BareToo:
    number: int


def test_a_schema_is_a_codec() -> None:
    codec: Codec = Schema()
    assert codec.type_name(Wallet) == "wallet.v1.Wallet"


@pytest.mark.parametrize(
    "event", [ReceiveMoney(amount=12_000), PaymentMoney(), struct_pb2.Struct()], ids=str
)
def test_messages_are_stored_as_the_protobuf_codec_stores_them(event: Message) -> None:
    stored = Schema().encode(event)
    assert stored == ProtobufCodec().encode(event)
    for schema in (Schema(), Schema([type(event)])):
        assert schema.decode(*stored) == event


def test_a_map_in_a_message_gives_equal_bytes_in_whatever_order_it_was_filled() -> None:
    one, other = struct_pb2.Struct(), struct_pb2.Struct()
    for number in range(9):
        one.fields[str(number)].number_value = number
        other.fields[str(8 - number)].number_value = 8 - number
    assert Schema().encode(one) == Schema().encode(other)


def test_a_record_is_known_once_it_is_named_registered_or_stored() -> None:
    registered, used = Schema(), Schema()
    registered.register(ItemAdded)
    used.encode(ItemAdded("a"))
    for schema in (Schema([ItemAdded]), registered, used):
        assert schema.knows("shop.item-added")
        assert schema.decode("shop.item-added", b'{"sku":"a"}') == ItemAdded("a")
        assert schema.decode("shop.added", b'{"sku":"a"}') == ItemAdded("a")


def test_a_name_that_nothing_defines_is_unknown_until_its_class_is_registered() -> None:
    schema = Schema()
    assert not schema.knows("shop.item-added")
    with pytest.raises(UnknownEventType) as caught:
        schema.decode("shop.item-added", b"{}")
    assert caught.value.type_name == "shop.item-added"
    schema.register(ItemAdded)
    assert schema.decode("shop.item-added", b'{"sku":"a"}') == ItemAdded("a")


def test_messages_of_imported_modules_are_known_without_a_word() -> None:
    assert Schema().knows("wallet.v1.ReceiveMoney")
    assert not Schema().knows("wallet.v1.NeverDefined")


@pytest.mark.parametrize("cls", [Bare, BareToo])
def test_a_class_that_cannot_be_decorated_is_registered_with_its_name(cls: type[Bare]) -> None:
    schema = Schema()
    with pytest.raises(UnencodableEvent, match="stored_as, or register it with name"):
        schema.encode(cls(1))
    schema.register(cls, name="shop.bare", version=2, aliases=["shop.naked"])
    schema.register(cls)
    schema.register(cls, aliases=["shop.nude"])
    assert schema.encode(cls(1)) == ("shop.bare@2", b'{"number":1}')
    for name in ("shop.bare@2", "shop.naked", "shop.nude"):
        assert schema.decode(name, b'{"number":1}') == cls(1)
    assert not schema.knows("shop.bare")


def test_a_message_is_registered_under_another_name_and_version() -> None:
    schema = Schema()
    schema.register(ReceiveMoney, name="money-in", version=2, aliases=["purse.MoneyIn"])
    assert schema.encode(ReceiveMoney(amount=1)) == ("money-in@2", b"\x08\x01")
    for name in ("money-in@2", "purse.MoneyIn", "wallet.v1.ReceiveMoney"):
        assert schema.decode(name, b"\x08\x01") == ReceiveMoney(amount=1)
    schema.register(PaymentMoney, version=3)
    assert schema.type_name(PaymentMoney) == "wallet.v1.PaymentMoney@3"


def test_a_name_that_was_given_out_is_never_changed() -> None:
    schema = Schema()
    schema.register(Bare, name="shop.bare")
    for cls, name in ((Bare, "shop.other"), (ItemAdded, "shop.other")):
        with pytest.raises(ValueError, match=r"stored as .* already"):
            schema.register(cls, name=name)
    with pytest.raises(ValueError, match=r"version 2 of ItemAdded needs name=…"):
        schema.register(ItemAdded, version=2)
    assert schema.type_name(Bare) == "shop.bare"
    assert schema.type_name(ItemAdded) == "shop.item-added"


def test_two_classes_for_one_name_are_an_error() -> None:
    schema = Schema([ItemAdded])
    with pytest.raises(DuplicateEventType) as caught:
        schema.register(Bare, name="shop.item-added")
    assert (caught.value.existing, caught.value.new) == (ItemAdded, Bare)
    with pytest.raises(DuplicateEventType):
        schema.register(ReceiveMoney, name="shop.item-added")
    with pytest.raises(DuplicateEventType):
        schema.register(ReceiveMoney, aliases=["shop.item-added"])
    with pytest.raises(DuplicateEventType):
        schema.register(Bare, name="wallet.v1.ReceiveMoney")
    assert schema.type_name(ReceiveMoney) == "wallet.v1.ReceiveMoney"
    assert schema.decode("shop.item-added", b'{"sku":"a"}') == ItemAdded("a")


def test_a_message_whose_full_name_was_taken_before_it_was_imported_is_refused() -> None:
    schema = Schema()
    schema.register(Bare, name="test_schema.Late")
    file = descriptor_pb2.FileDescriptorProto(name="test_schema_late.proto", package="test_schema")
    file.message_type.add(name="Late")
    pool = descriptor_pool.Default()
    pool.Add(file)
    late = message_factory.GetMessageClass(pool.FindMessageTypeByName("test_schema.Late"))
    with pytest.raises(DuplicateEventType) as caught:
        schema.encode(late())
    assert (caught.value.existing, caught.value.new) == (Bare, late)


def test_a_name_that_two_classes_claim_is_read_as_neither() -> None:
    schema = Schema([ItemAdded])
    schema.register(Bare, name="shop.bare", aliases=["shop.item-added", "shop.added"])
    for name in ("shop.item-added", "shop.added"):
        with pytest.raises(BadSchema, match=name):
            schema.decode(name, b'{"sku":"a"}')
    assert schema.decode("shop.bare", b'{"number":1}') == Bare(1)


@pytest.mark.parametrize("event", [{"amount": 5}, 5, None, b"\x08\x05", ReceiveMoney], ids=repr)
def test_what_is_neither_message_nor_record_cannot_be_stored(event: object) -> None:
    with pytest.raises(UnencodableEvent, match="only protobuf messages, dataclasses") as caught:
        Schema().encode(event)
    assert caught.value.cls is type(event)
    with pytest.raises(UnencodableEvent):
        Schema([type(event)])


def test_a_message_that_lacks_a_required_field_cannot_be_stored() -> None:
    schema = Schema()
    for _ in range(2):  # the first of a class is looked up, the next ones are remembered
        with pytest.raises(UnencodableEvent, match="name_part") as caught:
            schema.encode(descriptor_pb2.UninterpretedOption.NamePart())
        assert caught.value.cls is descriptor_pb2.UninterpretedOption.NamePart


def test_bytes_that_are_no_message_are_refused_with_type_and_reason() -> None:
    schema = Schema()
    for _ in range(2):  # the first of a name is looked up, the next ones are remembered
        with pytest.raises(UndecodableEvent) as caught:
            schema.decode("wallet.v1.ReceiveMoney", b"\x08")
        assert caught.value.type_name == "wallet.v1.ReceiveMoney"
        assert caught.value.reason


def test_a_schema_is_learned_from_many_threads_at_once() -> None:
    schema = Schema()
    classes: list[type[Any]] = [
        stored_as(f"shop.thread-{number}")(make_dataclass(f"Thread{number}", [("number", int)]))
        for number in range(200)
    ]
    together = Barrier(8)

    def use(part: int) -> None:
        together.wait()
        # Every class is met by two threads, in another order.
        for cls in classes[part // 2 :: 4][:: 1 if part % 2 else -1]:
            schema.register(cls, aliases=[f"shop.part-{part}.{cls.__name__}"])
            for name in (schema.encode(cls(7))[0], f"shop.part-{part}.{cls.__name__}"):
                assert schema.decode(name, b'{"number":7}') == cls(7)
        schema.validate()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(8)))
    assert all(schema.knows(schema.type_name(cls)) for cls in classes)
