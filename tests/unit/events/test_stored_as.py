"""A class has a lasting name because it was given one, and what cannot have one is told why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import pytest

from daicho.errors import UnencodableEvent
from daicho.events import Schema, stored_as
from wallet.v1 import ReceiveMoney


@stored_as("test.plain")
@dataclass
class Plain:
    number: int


@stored_as("test.record", version=3, aliases=["test.former@3", "test.first"])
@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    number: int


@stored_as("test.struct", version=2)
class Struct(msgspec.Struct, frozen=True):
    number: int


@pytest.mark.parametrize(
    ("cls", "name"),
    [(Plain, "test.plain"), (Record, "test.record@3"), (Struct, "test.struct@2")],
    ids=["dataclass", "slots", "Struct"],
)
def test_a_version_above_one_is_part_of_the_stored_name(cls: type[object], name: str) -> None:
    assert Schema([cls]).type_name(cls) == name
    assert Schema().type_name(cls) == name


def test_a_decorated_class_stays_what_it_was() -> None:
    assert Record(number=1) == Record(number=1)
    assert Record.__slots__ == ("number",)
    assert not hasattr(Record(number=1), "__dict__")
    assert Struct(2).number == 2


def test_a_subclass_has_no_name_until_it_is_given_its_own() -> None:
    @dataclass
    class Child(Plain):
        pass

    class StructChild(Struct, frozen=True):
        pass

    for cls in (Child, StructChild):
        with pytest.raises(UnencodableEvent, match="not inherited") as caught:
            Schema().type_name(cls)
        assert caught.value.cls is cls
    assert Schema().type_name(stored_as("test.child")(Child)) == "test.child"
    assert Schema().type_name(Plain) == "test.plain"


def test_a_subclass_that_is_no_dataclass_of_its_own_is_refused() -> None:
    class Child(Plain):
        more = 1

    with pytest.raises(TypeError, match="@dataclass on each subclass"):
        stored_as("test.child")(Child)
    with pytest.raises(UnencodableEvent, match="needs @dataclass too"):
        Schema().encode(Child(1))


def test_inside_of_the_dataclass_decorator_it_says_to_go_outside() -> None:
    with pytest.raises(TypeError, match=r"write @stored_as\(…\) above @dataclass"):

        @dataclass(slots=True)
        @stored_as("test.inside")
        class Inside:
            number: int

    with pytest.raises(TypeError, match=r"write @stored_as\(…\) above @dataclass"):

        @dataclass(slots=True)
        @stored_as("test.inside")
        class Child(Plain):
            more: int


@pytest.mark.parametrize(
    "what", [int, object, lambda: None, Plain(1)], ids=["int", "object", "function", "instance"]
)
def test_what_is_neither_dataclass_nor_struct_is_a_type_error(what: type[object]) -> None:
    with pytest.raises(TypeError):
        stored_as("test.wrong")(what)


def test_a_protobuf_message_is_sent_to_register() -> None:
    with pytest.raises(TypeError, match=r"Schema\.register"):
        stored_as("test.money")(ReceiveMoney)


def test_without_a_name_the_error_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"write @stored_as\('shop\.plain'\) above Plain"):
        stored_as(Plain)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a name, a str, not 5"):
        stored_as(5)  # type: ignore[arg-type]


def test_a_class_has_one_name() -> None:
    with pytest.raises(ValueError, match=r"stored as 'test\.plain' already"):
        stored_as("test.other")(Plain)
    assert Schema().type_name(Plain) == "test.plain"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is not empty"),
        ("a@2", "contains '@'"),
        ("@", "contains '@'"),
        ("a\0b", "contains NUL"),
        ("x" * 1_001, "1001 bytes"),
        ("é" * 501, "1002 bytes"),
        ("\ud800", "surrogates"),
    ],
)
def test_a_name_that_cannot_be_stored_is_refused(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        stored_as(name)
    with pytest.raises(ValueError, match=reason):
        Schema().register(ReceiveMoney, name=name)


def test_the_longest_name_has_a_thousand_bytes() -> None:
    @stored_as("é" * 500, version=1_000)
    @dataclass
    class Long:
        pass

    assert Schema().type_name(Long) == "é" * 500 + "@1000"


@pytest.mark.parametrize("version", [0, -1, 1_001])
def test_a_version_that_cannot_be_is_refused(version: int) -> None:
    with pytest.raises(ValueError, match="not from 1 to 1000"):
        stored_as("test.version", version=version)


@pytest.mark.parametrize(
    ("aliases", "reason"),
    [([""], "is not empty"), (["a\0"], "contains NUL"), (["fine", "x" * 1_001], "1001 bytes")],
)
def test_an_alias_that_cannot_be_stored_is_refused(aliases: Iterable[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        stored_as("test.alias", aliases=aliases)
    with pytest.raises(ValueError, match=reason):
        Schema().register(Plain, aliases=aliases)


def test_one_text_in_place_of_several_aliases_is_refused() -> None:
    with pytest.raises(TypeError, match=r"write \['test\.old'\]"):
        stored_as("test.alias", aliases="test.old")
