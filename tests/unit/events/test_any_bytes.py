"""Any bytes under any name are an event, or are refused by a typed error: nothing else comes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daicho.entity.stored import decode_reply
from daicho.entity.v1 import EntitySnapshot, Outgoing, Rejection, Settled, Value
from daicho.errors import EventError, UndecodableEvent, UnknownEventType
from daicho.events import Codec, ProtobufCodec, Schema, parser_of
from tests.support.hostile import DEEP, payloads, refusal, texts
from tests.unit.entity.accounts import Account
from tests.unit.events.test_json_form import Order, Tree
from wallet.v1 import ReceiveMoney, Wallet

MESSAGES = (ReceiveMoney, Wallet, Outgoing, Settled, EntitySnapshot, Rejection, Value)
KNOWN = [message.DESCRIPTOR.full_name for message in MESSAGES] + [
    "test.order", "test.tree", "test.balance", "test.deposited"
]  # fmt: skip
NAMES = st.sampled_from(KNOWN) | texts() | st.sampled_from([".", "a" * 10_000])


def schema() -> Schema:
    known = Schema()
    for cls in (Order, Tree, *MESSAGES, *Account._kind_of_this().types):  # pyright: ignore[reportPrivateUsage]
        known.register(cls)
    return known


CODECS: list[Codec] = [schema(), ProtobufCodec()]


@pytest.mark.parametrize("codec", CODECS, ids=["schema", "protobuf"])
@given(name=NAMES, payload=payloads())
@example(name="\ud800", payload=b"")
@example(name="test.tree", payload=b'{"name":"a","children":' + b'[{"name":"","children":' * DEEP)
def test_any_bytes_under_any_name_are_an_event_or_refused(
    codec: Codec, name: str, payload: bytes
) -> None:
    error = refusal(EventError, lambda: codec.decode(name, payload))
    if isinstance(error, UnknownEventType):
        assert error.type_name == name
        assert name not in KNOWN or isinstance(codec, ProtobufCodec)
        with pytest.raises(UnknownEventType):
            parser_of(codec, name)
    elif error is not None:
        assert isinstance(error, UndecodableEvent)
        assert error.type_name == name
        assert error.reason


@given(
    name=st.sampled_from([Rejection.DESCRIPTOR.full_name, Value.DESCRIPTOR.full_name]) | NAMES,
    payload=payloads(),
)
@example(name=Rejection.DESCRIPTOR.full_name, payload=b"")
@example(name=Value.DESCRIPTOR.full_name, payload=b"\x0a\xff")
def test_any_bytes_are_a_stored_reply_or_refused(name: str, payload: bytes) -> None:
    error = refusal(EventError, lambda: decode_reply(CODECS[0], name, payload))
    assert error is None or repr(name) in str(error)


@pytest.mark.parametrize(
    "data", ["", "[1]", "1", '"x"', '{"self":1}', '{"reason":2}', '{"a":1e999}', "[" * DEEP]
)
def test_a_stored_rejection_whose_data_are_none_is_refused(data: str) -> None:
    payload = Rejection(reason="no", data_json=data).SerializeToString()
    with pytest.raises(UndecodableEvent) as caught:
        decode_reply(CODECS[0], Rejection.DESCRIPTOR.full_name, payload)
    assert caught.value.__cause__ is not None
