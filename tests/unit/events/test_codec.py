"""A fact comes back as it went in, from the same bytes each time, or the error says why not."""

import pytest
from google.protobuf import descriptor_pb2, struct_pb2, wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st

from daicho.errors import UndecodableEvent, UnencodableEvent, UnknownEventType
from daicho.events import Codec, ProtobufCodec, TypeRegistry
from wallet.v1 import PaymentMoney, ReceiveMoney, Wallet

int64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
int32 = st.integers(min_value=-(2**31), max_value=2**31 - 1)


def struct(fields: dict[str, float]) -> struct_pb2.Struct:
    """A message with a map, filled in the order of ``fields``."""
    message = struct_pb2.Struct()
    for name, number in fields.items():
        message.fields[name].number_value = number
    return message


def test_the_protobuf_codec_is_a_codec() -> None:
    codec: Codec = ProtobufCodec()
    assert codec.type_name(Wallet) == "wallet.v1.Wallet"


def test_an_event_is_stored_under_its_full_name_in_the_binary_form() -> None:
    name, payload = ProtobufCodec().encode(ReceiveMoney(amount=12000))
    assert (name, payload) == ("wallet.v1.ReceiveMoney", b"\x08\xe0\x5d")


def test_an_event_without_content_has_an_empty_payload() -> None:
    codec = ProtobufCodec()
    assert codec.encode(PaymentMoney()) == ("wallet.v1.PaymentMoney", b"")
    assert codec.decode("wallet.v1.PaymentMoney", b"") == PaymentMoney()


@given(amount=int64)
def test_what_was_encoded_is_what_is_decoded(amount: int) -> None:
    codec = ProtobufCodec()
    for event in (ReceiveMoney(amount=amount), PaymentMoney(amount=amount), Wallet(deposit=amount)):
        decoded = codec.decode(*codec.encode(event))
        assert type(decoded) is type(event)
        assert decoded == event
        assert decoded is not event


@given(amount=int32)
def test_what_an_int32_wrote_is_read_as_the_same_amount(amount: int) -> None:
    # Int32Value has an int32 in field 1, where the events have their int64.
    written = wrappers_pb2.Int32Value(value=amount).SerializeToString()
    decoded = ProtobufCodec().decode("wallet.v1.ReceiveMoney", written)
    assert decoded == ReceiveMoney(amount=amount)


@given(data=st.data(), fields=st.dictionaries(st.text(), st.floats(allow_nan=False), max_size=8))
def test_equal_messages_give_equal_bytes_in_whatever_order_they_were_filled(
    data: st.DataObject, fields: dict[str, float]
) -> None:
    shuffled = dict(data.draw(st.permutations(list(fields.items()))))
    codec = ProtobufCodec()
    assert codec.encode(struct(fields)) == codec.encode(struct(shuffled))
    nested = struct_pb2.Value(struct_value=struct(fields))
    assert codec.encode(nested) == codec.encode(struct_pb2.Value(struct_value=struct(shuffled)))
    assert codec.decode(*codec.encode(nested)) == nested


def test_a_message_that_allows_extensions_comes_back() -> None:
    codec = ProtobufCodec()
    options = descriptor_pb2.FileOptions(java_package="example", deprecated=True)
    assert codec.decode(*codec.encode(options)) == options


def test_a_field_that_a_later_version_added_passes_through_unharmed() -> None:
    codec = ProtobufCodec()
    later = b"\x08\x05\x12\x03new"  # amount 5, and text in a field 2 of which nothing is known here
    decoded = codec.decode("wallet.v1.ReceiveMoney", later)
    assert isinstance(decoded, ReceiveMoney)
    assert decoded.amount == 5
    assert codec.encode(decoded) == ("wallet.v1.ReceiveMoney", later)


def test_the_registry_names_the_types() -> None:
    registry = TypeRegistry()
    registry.register(ReceiveMoney, name="money-received", aliases=["purse.v1.MoneyIn"])
    codec = ProtobufCodec(registry)
    assert codec.registry is registry
    assert codec.type_name(ReceiveMoney) == "money-received"
    assert codec.encode(ReceiveMoney(amount=1)) == ("money-received", b"\x08\x01")
    assert codec.decode("money-received", b"\x08\x01") == ReceiveMoney(amount=1)
    assert codec.decode("purse.v1.MoneyIn", b"\x08\x01") == ReceiveMoney(amount=1)


def test_types_registered_while_the_codec_is_in_use_are_known_at_once() -> None:
    codec = ProtobufCodec()
    with pytest.raises(UnknownEventType):
        codec.decode("purse.v1.MoneyIn", b"")
    codec.registry.register(ReceiveMoney, aliases=["purse.v1.MoneyIn"])
    assert codec.decode("purse.v1.MoneyIn", b"\x08\x01") == ReceiveMoney(amount=1)


@pytest.mark.parametrize("event", [{"amount": 5}, 5, None, b"\x08\x05", ReceiveMoney], ids=repr)
def test_what_is_no_message_cannot_be_stored(event: object) -> None:
    with pytest.raises(UnencodableEvent, match=r"cannot be stored.*protobuf messages") as caught:
        ProtobufCodec().encode(event)
    assert caught.value.cls is type(event)


def test_a_message_that_lacks_a_required_field_cannot_be_stored() -> None:
    codec = ProtobufCodec()
    for _ in range(2):  # the first of a class is looked up, the next ones are remembered
        with pytest.raises(UnencodableEvent, match="name_part") as caught:
            codec.encode(descriptor_pb2.UninterpretedOption.NamePart())
        assert caught.value.cls is descriptor_pb2.UninterpretedOption.NamePart


def test_a_type_name_that_nothing_defines_is_refused_with_the_name() -> None:
    with pytest.raises(UnknownEventType) as caught:
        ProtobufCodec().decode("wallet.v1.NeverDefined", b"")
    assert caught.value.type_name == "wallet.v1.NeverDefined"


@pytest.mark.parametrize(
    "payload",
    [b"\x08", b"\x08" + b"\xff" * 11, b"\x0f\x05", b"\x12\x7fcut"],
    ids=["cut inside a field", "number without end", "no such wire type", "cut inside text"],
)
def test_bytes_that_are_not_of_the_type_are_refused_with_type_and_reason(payload: bytes) -> None:
    codec = ProtobufCodec()
    for _ in range(2):  # the first of a name is looked up, the next ones are remembered
        with pytest.raises(UndecodableEvent) as caught:
            codec.decode("wallet.v1.ReceiveMoney", payload)
        assert caught.value.type_name == "wallet.v1.ReceiveMoney"
        assert caught.value.reason
        assert caught.value.reason in str(caught.value)


@given(payload=st.binary(max_size=64))
def test_any_bytes_decode_to_the_type_or_are_refused(payload: bytes) -> None:
    codec = ProtobufCodec()
    try:
        decoded = codec.decode("wallet.v1.Wallet", payload)
    except UndecodableEvent:
        return
    assert type(decoded) is Wallet
    assert codec.decode(*codec.encode(decoded)) == decoded
