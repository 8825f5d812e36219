"""What is stored as JSON comes back as it went in, from the same bytes each time, or is refused."""

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daicho.errors import BadSchema, EventError, UndecodableEvent, UnencodableEvent
from daicho.events import Schema, stored_as


class Unit(Enum):
    PIECE = "piece"
    GRAM = "gram"


@dataclass(frozen=True)
class Line:
    sku: str
    count: int
    unit: Unit = Unit.PIECE


@stored_as("test.order")
@dataclass(frozen=True, slots=True)
class Order:
    id: UUID
    at: datetime
    day: date
    total: Decimal
    lines: tuple[Line, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    photo: bytes = b""
    after: timedelta | None = None
    share: float | None = None


@stored_as("test.tree")
class Tree(msgspec.Struct, frozen=True):
    name: str
    children: tuple[Tree, ...] = ()


@stored_as("test.loose")
@dataclass(eq=False)
class Loose:
    values: Sequence[float | None]
    whole: int = 0


# JSON has no lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]))
floats = st.floats(allow_nan=False, allow_infinity=False)
zones = st.sampled_from([UTC])
orders = st.builds(
    Order,
    id=st.uuids(),
    at=st.datetimes(timezones=zones),
    day=st.dates(),
    total=st.decimals(allow_nan=False, allow_infinity=False),
    lines=st.lists(
        st.builds(Line, texts, st.integers(-(2**63), 2**64 - 1), st.sampled_from(Unit)), max_size=3
    ).map(tuple),
    weights=st.dictionaries(texts, floats, max_size=4),
    numbers=st.dictionaries(st.integers(-(2**63), 2**63 - 1), texts, max_size=4),
    tags=st.frozensets(texts, max_size=4),
    photo=st.binary(max_size=16),
    after=st.none() | st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)),
    share=st.none() | floats,
)
trees = st.recursive(
    st.builds(Tree, texts), lambda inner: st.builds(Tree, texts, st.lists(inner).map(tuple))
)


@given(event=orders | trees)
def test_what_was_encoded_is_what_is_decoded(event: Order | Tree) -> None:
    name, payload = Schema().encode(event)
    assert name == Schema().type_name(type(event))
    decoded = Schema([Order, Tree]).decode(name, payload)
    assert type(decoded) is type(event)
    assert decoded == event


@given(data=st.data(), order=orders)
def test_equal_events_give_equal_bytes_in_whatever_order_they_were_filled(
    data: st.DataObject, order: Order
) -> None:
    shuffled = Order(
        order.id,
        order.at,
        order.day,
        order.total,
        order.lines,
        dict(data.draw(st.permutations(list(order.weights.items())))),
        dict(data.draw(st.permutations(list(order.numbers.items())))),
        frozenset(data.draw(st.permutations(list(order.tags)))),
        order.photo,
        order.after,
        order.share,
    )
    schema = Schema()
    assert schema.encode(shuffled) == schema.encode(order)


def test_the_bytes_can_be_read_in_a_database_shell() -> None:
    name, payload = Schema().encode(Tree("root", (Tree("leaf"),)))
    assert name == "test.tree"
    assert payload == b'{"name":"root","children":[{"name":"leaf","children":[]}]}'
    with sqlite3.connect(":memory:") as db:
        (leaf,) = db.execute(
            "SELECT json_extract(CAST(? AS TEXT), '$.children[0].name')", [payload]
        )
    assert leaf == ("leaf",)
    db.close()


def test_fields_of_a_later_version_are_ignored_and_missing_ones_have_their_defaults() -> None:
    decoded = Schema([Tree]).decode("test.tree", b'{"name":"a","color":"green"}')
    assert decoded == Tree("a")


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"null", b"{}", b'{"name":1}', b"\xff", b'{"name":"\xff"}']
)
def test_bytes_that_are_not_of_the_type_are_refused_with_type_and_reason(payload: bytes) -> None:
    with pytest.raises(UndecodableEvent) as caught:
        Schema([Tree]).decode("test.tree", payload)
    assert caught.value.type_name == "test.tree"
    assert caught.value.reason
    assert isinstance(caught.value.__cause__, ValueError)


@given(
    payload=st.binary(max_size=64)
    | st.recursive(
        st.none() | st.booleans() | floats | texts,
        lambda inner: (
            st.lists(inner) | st.dictionaries(texts | st.sampled_from(["name", "children"]), inner)
        ),
    ).map(lambda v: json.dumps(v).encode())
)
def test_any_bytes_decode_to_the_type_or_are_refused(payload: bytes) -> None:
    schema = Schema([Tree])
    try:
        decoded = schema.decode("test.tree", payload)
    except UndecodableEvent:
        return
    assert isinstance(decoded, Tree)
    assert schema.decode(*schema.encode(decoded)) == decoded


def test_what_a_class_refuses_to_be_made_of_is_undecodable() -> None:
    @stored_as("test.positive")
    @dataclass
    class Positive:
        number: int

        def __post_init__(self) -> None:
            if self.number < 0:
                raise ArithmeticError("negative")

    schema = Schema([Positive])
    assert schema.decode("test.positive", b'{"number":1}') == Positive(1)
    with pytest.raises(UndecodableEvent, match="negative") as caught:
        schema.decode("test.positive", b'{"number":-1}')
    assert isinstance(caught.value.__cause__, ArithmeticError)


def test_a_list_may_stand_where_a_sequence_is_annotated() -> None:
    schema = Schema()
    assert schema.encode(Loose((1.5, None))) == ("test.loose", b'{"values":[1.5,null],"whole":0}')
    decoded = schema.decode("test.loose", b'{"values":[1.5,null]}')
    assert isinstance(decoded, Loose)
    assert decoded.values == [1.5, None]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    order = Order(
        UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), Decimal(1), share=number
    )
    for event in (order, Loose([None, number])):
        with pytest.raises(UnencodableEvent) as caught:
            Schema().encode(event)
        assert caught.value.cls is type(event)


def test_what_could_not_be_read_back_is_not_stored() -> None:
    schema = Schema()
    for wrong in ("text", True, 1.5, None, object(), "\ud800"):
        with pytest.raises(UnencodableEvent) as caught:
            schema.encode(Loose([], wrong))  # type: ignore[arg-type]
        assert caught.value.__cause__ is not None
    assert schema.encode(Loose([], 2**70))[1] == b'{"values":[],"whole":%d}' % 2**70


def test_an_object_of_a_subclass_that_would_lose_its_fields_is_not_stored() -> None:
    @dataclass(frozen=True)
    class Longer(Line):
        note: str = ""

    order = Order(
        UUID(int=1),
        datetime(2026, 1, 1, tzinfo=UTC),
        date(2026, 1, 1),
        Decimal(1),
        (Longer("a", 1, note="lost"),),
    )
    with pytest.raises(UnencodableEvent, match="would be read back as"):
        Schema().encode(order)


def test_an_event_that_contains_itself_is_not_stored() -> None:
    @stored_as("test.ring")
    @dataclass
    class Ring:
        inner: list[object]

    ring = Ring([])
    ring.inner.append(ring)
    with pytest.raises(UnencodableEvent, match="recursion"):
        Schema().encode(ring)


def test_a_class_that_msgspec_has_no_form_for_is_refused_and_told_by_validate() -> None:
    @stored_as("test.unresolved")
    @dataclass
    class Unresolved:
        number: NeverDefined  # type: ignore[name-defined]  # noqa: F821

    schema = Schema([Unresolved])
    with pytest.raises(UnencodableEvent, match="NeverDefined"):
        schema.encode(Unresolved(1))
    with pytest.raises(UndecodableEvent, match="NeverDefined"):
        schema.decode("test.unresolved", b"{}")
    with pytest.raises(BadSchema, match="NeverDefined"):
        schema.validate()


def test_without_msgspec_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    schema = Schema([Line2])
    attempts = [lambda: schema.encode(Line2(1)), lambda: schema.decode("test.line", b"{}")]
    for attempt in [*attempts, schema.validate]:
        with pytest.raises(EventError, match=r"pip install 'daicho\[msgspec\]'"):
            attempt()


def test_that_msgspec_is_missing_is_one_problem_of_a_schema(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    with pytest.raises(BadSchema) as caught:
        Schema([Tree, Line2]).validate()
    [problem] = caught.value.problems
    assert problem == (
        "Line2, Tree cannot be stored: dataclasses and Structs need msgspec:"
        " pip install 'daicho[msgspec]'"
    )


@stored_as("test.line")
@dataclass
class Line2:
    number: int


def test_msgspec_is_imported_only_by_those_who_store_such_a_class() -> None:
    program = """
import sys
from daicho.events import Schema
from wallet.v1 import ReceiveMoney
schema = Schema([ReceiveMoney])
schema.validate()
schema.decode(*schema.encode(ReceiveMoney(amount=1)))
assert "msgspec" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
