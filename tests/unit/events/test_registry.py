"""A stored type name is a promise: it is found, it stays, and it never means two classes."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from google.protobuf.message import Message

from daicho.errors import DuplicateEventType, EventError, UnencodableEvent, UnknownEventType
from daicho.events import TypeRegistry
from wallet.v1 import PaymentMoney, ReceiveMoney


def message_class(full_name: str, pool: descriptor_pool.DescriptorPool) -> type[Message]:
    """A message class without fields that only ``pool`` knows."""
    package, _, name = full_name.rpartition(".")
    file = descriptor_pb2.FileDescriptorProto(name=f"{full_name}.proto", package=package)
    file.message_type.add(name=name)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))


def private_class(full_name: str) -> type[Message]:
    return message_class(full_name, descriptor_pool.DescriptorPool())


def test_an_imported_message_is_found_without_registering() -> None:
    registry = TypeRegistry()
    assert registry.name_of(ReceiveMoney) == "wallet.v1.ReceiveMoney"
    assert registry.class_of("wallet.v1.ReceiveMoney") is ReceiveMoney


def test_a_name_can_be_read_before_it_was_ever_written() -> None:
    assert TypeRegistry().class_of("wallet.v1.PaymentMoney") is PaymentMoney


def test_a_registered_name_is_the_one_that_is_written() -> None:
    registry = TypeRegistry()
    registry.register(ReceiveMoney, name="money-received")
    assert registry.name_of(ReceiveMoney) == "money-received"
    assert registry.class_of("money-received") is ReceiveMoney


def test_what_was_stored_under_the_full_name_is_read_after_another_name_is_registered() -> None:
    registry = TypeRegistry()
    registry.register(ReceiveMoney, name="money-received")
    assert registry.class_of("wallet.v1.ReceiveMoney") is ReceiveMoney


def test_a_renamed_type_is_read_under_its_old_names_and_written_under_its_own() -> None:
    registry = TypeRegistry()
    registry.register(ReceiveMoney, aliases=["purse.v1.MoneyIn", "purse.v2.MoneyIn"])
    assert registry.class_of("purse.v1.MoneyIn") is ReceiveMoney
    assert registry.class_of("purse.v2.MoneyIn") is ReceiveMoney
    assert registry.name_of(ReceiveMoney) == "wallet.v1.ReceiveMoney"


def test_registering_the_same_again_changes_nothing_and_may_add_aliases() -> None:
    registry = TypeRegistry()
    registry.register(ReceiveMoney, name="in", aliases=["money-in"])
    registry.register(ReceiveMoney, name="in", aliases=["money-in"])
    registry.register(ReceiveMoney, aliases=["earned"])
    assert registry.name_of(ReceiveMoney) == "in"
    assert registry.class_of("earned") is ReceiveMoney


@pytest.mark.parametrize("name", ["wallet.v1.NeverDefined", "", "wallet.v1", "no name at all"])
def test_a_name_that_nothing_defines_is_refused_with_the_name(name: str) -> None:
    with pytest.raises(UnknownEventType) as caught:
        TypeRegistry().class_of(name)
    assert caught.value.type_name == name
    assert repr(name) in str(caught.value)


def test_a_type_is_found_as_soon_as_its_module_has_been_imported() -> None:
    registry = TypeRegistry()
    with pytest.raises(UnknownEventType):
        registry.class_of("test_registry.Late")
    late = message_class("test_registry.Late", descriptor_pool.Default())
    assert registry.class_of("test_registry.Late") is late


def test_two_classes_for_one_registered_name_are_an_error() -> None:
    registry = TypeRegistry()
    registry.register(ReceiveMoney, name="money")
    with pytest.raises(DuplicateEventType) as caught:
        registry.register(PaymentMoney, name="money")
    error = caught.value
    assert (error.type_name, error.existing, error.new) == ("money", ReceiveMoney, PaymentMoney)
    assert "ReceiveMoney" in str(error)
    assert "PaymentMoney" in str(error)


def test_the_full_name_of_another_message_cannot_be_taken() -> None:
    registry = TypeRegistry()
    with pytest.raises(DuplicateEventType):
        registry.register(ReceiveMoney, name="wallet.v1.PaymentMoney")
    with pytest.raises(DuplicateEventType):
        registry.register(ReceiveMoney, aliases=["wallet.v1.PaymentMoney"])


def test_a_message_whose_full_name_was_taken_before_it_was_imported_is_refused() -> None:
    registry = TypeRegistry()
    registry.register(ReceiveMoney, aliases=["test_registry.Latecomer"])
    latecomer = message_class("test_registry.Latecomer", descriptor_pool.Default())
    with pytest.raises(DuplicateEventType) as caught:
        registry.name_of(latecomer)
    assert caught.value.existing is ReceiveMoney
    assert caught.value.new is latecomer


def test_a_refused_registration_leaves_nothing_behind() -> None:
    registry = TypeRegistry()
    with pytest.raises(DuplicateEventType):
        registry.register(ReceiveMoney, name="in", aliases=["fine", "wallet.v1.PaymentMoney"])
    for name in ("in", "fine"):
        with pytest.raises(UnknownEventType):
            registry.class_of(name)
    assert registry.name_of(ReceiveMoney) == "wallet.v1.ReceiveMoney"


def test_a_name_that_was_given_out_is_never_changed() -> None:
    registry = TypeRegistry()
    assert registry.name_of(ReceiveMoney) == "wallet.v1.ReceiveMoney"
    with pytest.raises(ValueError, match=r"'wallet\.v1\.ReceiveMoney' already.*'money'"):
        registry.register(ReceiveMoney, name="money")
    assert registry.name_of(ReceiveMoney) == "wallet.v1.ReceiveMoney"


def test_an_empty_name_is_refused() -> None:
    registry = TypeRegistry()
    with pytest.raises(ValueError, match="empty type name"):
        registry.register(ReceiveMoney, name="")
    with pytest.raises(ValueError, match="empty type name"):
        registry.register(ReceiveMoney, aliases=[""])


@pytest.mark.parametrize("cls", [dict, object, Message], ids=lambda cls: cls.__name__)
def test_only_protobuf_messages_have_a_name(cls: type[object]) -> None:
    with pytest.raises(UnencodableEvent, match="protobuf messages") as caught:
        TypeRegistry().name_of(cls)
    assert caught.value.cls is cls
    assert isinstance(caught.value, EventError)


def test_only_protobuf_messages_can_be_registered() -> None:
    with pytest.raises(UnencodableEvent):
        TypeRegistry().register(dict, name="a dictionary")  # type: ignore[arg-type]


def test_a_message_outside_the_default_pool_must_be_registered_before_it_is_stored() -> None:
    registry = TypeRegistry()
    stranger = private_class("test_registry.Stranger")
    with pytest.raises(UnencodableEvent, match="register it"):
        registry.name_of(stranger)
    registry.register(stranger)
    assert registry.name_of(stranger) == "test_registry.Stranger"
    assert registry.class_of("test_registry.Stranger") is stranger


def test_a_namesake_of_an_imported_message_is_refused() -> None:
    namesake = private_class("google.protobuf.Int64Value")
    for attempt in (TypeRegistry().name_of, TypeRegistry().register):
        with pytest.raises(DuplicateEventType) as caught:
            attempt(namesake)
        assert caught.value.existing is wrappers_pb2.Int64Value
        assert caught.value.new is namesake
