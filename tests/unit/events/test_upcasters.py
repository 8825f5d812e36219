"""What was stored by an old version is read as what it means now; what went wrong is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pytest

from daicho.errors import BadSchema, UndecodableEvent
from daicho.events import Schema, Several, Upcaster, stored_as, upcast, upcast_bytes
from wallet.v1 import PaymentMoney, ReceiveMoney


@stored_as("shop.added", aliases=["store.added"])
@dataclass(frozen=True)
class Added1:
    sku: str


@stored_as("shop.added", version=2)
@dataclass(frozen=True)
class Added2:
    sku: str
    count: int


@stored_as("shop.added", version=3, aliases=["shop.put"])
@dataclass(frozen=True)
class Added3:
    sku: str
    count: int
    currency: str


@stored_as("shop.priced")
@dataclass(frozen=True)
class Priced:
    sku: str
    cents: int


@upcast(Added1, Added2)
def count(old: Added1) -> Added2:
    return Added2(old.sku, 1)


@upcast(Added2, Added3)
def currency(old: Added2) -> Added3:
    return Added3(old.sku, old.count, "EUR")


@upcast_bytes("shop.added")
def count_in_bytes(payload: bytes) -> bytes:
    return payload.replace(b"}", b',"count":1}')


@upcast_bytes("shop.added", version=2)
def currency_in_bytes(payload: bytes) -> bytes:
    return payload.replace(b"}", b',"currency":"EUR"}')


@pytest.mark.parametrize("first", [count, count_in_bytes], ids=["message", "bytes"])
@pytest.mark.parametrize("second", [currency, currency_in_bytes], ids=["message", "bytes"])
def test_every_version_is_read_as_the_last_one(first: Upcaster, second: Upcaster) -> None:
    schema = Schema([Added3], [second, first])
    schema.validate()
    for _ in range(2):  # the first of a name is looked up, the next ones are remembered
        assert schema.decode("shop.added", b'{"sku":"a"}') == Added3("a", 1, "EUR")
        assert schema.decode("shop.added@2", b'{"sku":"a","count":7}') == Added3("a", 7, "EUR")
        stored = b'{"sku":"a","count":7,"currency":"JPY"}'
        assert schema.decode("shop.added@3", stored) == Added3("a", 7, "JPY")
    for name in ("shop.added", "shop.added@2", "shop.added@3"):
        assert schema.knows(name)


def test_what_is_stored_under_an_alias_of_an_old_version_is_upcasted_too() -> None:
    schema = Schema(upcasters=[count, currency])
    assert schema.decode("store.added", b'{"sku":"a"}') == Added3("a", 1, "EUR")


def test_an_upcaster_may_lead_to_an_alias() -> None:
    @upcast_bytes("shop.taken", to=["store.added"])
    def back(payload: bytes) -> Iterable[tuple[str, bytes]]:
        yield "store.added", payload

    # The class that has the alias may be named only by an upcaster that comes later.
    for schema in (Schema([Added1], [back, count]), Schema(upcasters=[back, count])):
        schema.validate()
        assert schema.decode("shop.taken", b'{"sku":"a"}') == Added2("a", 1)


def test_the_upcasters_classes_are_registered_with_them() -> None:
    schema = Schema(upcasters=[count])
    assert schema.decode("shop.added@2", b'{"sku":"a","count":7}') == Added2("a", 7)
    assert schema.knows("store.added")


def test_a_class_without_a_mark_is_upcasted_once_it_is_registered() -> None:
    @dataclass(frozen=True)
    class Old:
        name: str

    @upcast(Old, Added1)
    def renamed(old: Old) -> Added1:
        return Added1(old.name)

    schema = Schema(upcasters=[renamed])
    with pytest.raises(BadSchema, match=r"renamed: .*Old cannot be stored"):
        schema.validate()
    schema.register(Old, name="shop.old")
    schema.validate()
    assert schema.decode("shop.old", b'{"name":"a"}') == Added1("a")


def test_messages_are_upcasted_to_records_and_to_messages() -> None:
    @upcast(PaymentMoney, ReceiveMoney)
    def turned(old: PaymentMoney) -> ReceiveMoney:
        return ReceiveMoney(amount=-old.amount)

    @upcast(ReceiveMoney, Priced)
    def priced(old: ReceiveMoney) -> Priced:
        return Priced("", old.amount)

    stored = PaymentMoney(amount=5).SerializeToString()
    assert Schema(upcasters=[turned]).decode("wallet.v1.PaymentMoney", stored) == ReceiveMoney(
        amount=-5
    )
    both = Schema(upcasters=[turned, priced])
    both.validate()
    assert both.decode("wallet.v1.PaymentMoney", stored) == Priced("", -5)


def test_the_bytes_of_a_message_that_changed_under_its_name_lead_to_its_next_version() -> None:
    @upcast_bytes("wallet.v1.ReceiveMoney")
    def doubled(payload: bytes) -> bytes:
        message = ReceiveMoney.FromString(payload)
        return ReceiveMoney(amount=2 * message.amount).SerializeToString()

    schema = Schema(upcasters=[doubled])
    schema.register(ReceiveMoney, version=2)
    schema.validate()
    assert schema.encode(ReceiveMoney(amount=5))[0] == "wallet.v1.ReceiveMoney@2"
    old = ReceiveMoney(amount=5).SerializeToString()
    assert schema.decode("wallet.v1.ReceiveMoney", old) == ReceiveMoney(amount=10)
    assert schema.decode("wallet.v1.ReceiveMoney@2", old) == ReceiveMoney(amount=5)


# --- one to several -------------------------------------------------------------------------------


@stored_as("shop.bought")
@dataclass(frozen=True)
class Bought:
    skus: list[str]


@upcast(Bought, Added1, Priced)
def split(old: Bought) -> Iterator[Added1 | Priced]:
    for sku in old.skus:
        yield Added1(sku)
        yield Priced(sku, 100)


@upcast_bytes("shop.noise", to=())
def silent(payload: bytes) -> Iterable[tuple[str, bytes]]:
    return []


def test_one_event_becomes_several_each_followed_to_its_last_version_in_order() -> None:
    schema = Schema(upcasters=[count, split, currency_in_bytes], types=[Added3])
    schema.validate()
    assert schema.decode("shop.bought", b'{"skus":["a","b"]}') == Several(
        (Added3("a", 1, "EUR"), Priced("a", 100), Added3("b", 1, "EUR"), Priced("b", 100))
    )


def test_one_event_becomes_none() -> None:
    schema = Schema(upcasters=[silent, split])
    schema.validate()
    assert schema.decode("shop.noise", b"anything") == Several(())
    assert schema.decode("shop.bought", b'{"skus":[]}') == Several(())


def test_an_iterable_of_one_event_is_that_event() -> None:
    @upcast(Bought, Added1)
    def first(old: Bought) -> list[Added1]:
        return [Added1(old.skus[0])]

    assert Schema(upcasters=[first]).decode("shop.bought", b'{"skus":["a"]}') == Added1("a")


def test_an_old_version_among_the_targets_of_another_is_followed_too() -> None:
    @upcast_bytes("shop.both", to=["shop.added", "shop.priced", "shop.noise"])
    def both(payload: bytes) -> Iterable[tuple[str, bytes]]:
        yield "shop.added", payload
        yield "shop.noise", b""
        yield "shop.priced", b'{"sku":"p","cents":5}'

    schema = Schema([Priced], [both, count, silent])
    assert schema.decode("shop.both", b'{"sku":"a"}') == Several((Added2("a", 1), Priced("p", 5)))


# --- what goes wrong ------------------------------------------------------------------------------


def broken(function: Callable[[Added1], object]) -> Schema:
    return Schema([Priced], [replace(count, function=function)])


def raises(old: Added1) -> Added2:
    raise LookupError("no count")


def raises_half_way(old: Added1) -> Iterator[Added2]:
    yield Added2(old.sku, 1)
    raise LookupError("no count")


async def asynchronous(old: Added1) -> AsyncIterator[Added2]:
    yield Added2(old.sku, 1)


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (raises, LookupError),
        (raises_half_way, LookupError),
        (asynchronous, TypeError),
        (lambda old: None, TypeError),
        (lambda old: old, TypeError),
        (lambda old: [Added2("a", 1), Priced("a", 1)], TypeError),
        (lambda old: "text", TypeError),
    ],
    ids=["raises", "half way", "asynchronous", "nothing", "unnamed", "one unnamed", "text"],
)
def test_an_upcaster_that_fails_is_named_with_the_type_and_the_cause(
    function: Callable[[Added1], object], cause: type[Exception]
) -> None:
    schema = broken(function)
    with pytest.raises(UndecodableEvent) as caught:
        schema.decode("store.added", b'{"sku":"a"}')
    assert caught.value.type_name == "store.added"
    assert f"upcaster {function.__qualname__} of 'shop.added' failed" in caught.value.reason
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.parametrize(
    "result",
    [None, "text", [b""], [("shop.priced", "text")], [("shop.added", b"")], [("a", b"", b"")], b""],
    ids=repr,
)
def test_an_upcaster_of_bytes_that_gives_something_else_is_refused(result: object) -> None:
    @upcast_bytes("shop.raw", to=["shop.priced"])
    def raw(payload: bytes) -> Iterable[tuple[str, bytes]]:
        return []

    one = replace(count_in_bytes, function=lambda payload: result)
    several = replace(raw, function=lambda payload: result)
    if not isinstance(result, bytes):
        with pytest.raises(UndecodableEvent, match=r"of 'shop\.added' failed"):
            Schema([Added2], [one]).decode("shop.added", b"{}")
    if result != b"":
        with pytest.raises(UndecodableEvent, match=r"of 'shop\.raw' failed"):
            Schema([Priced], [several]).decode("shop.raw", b"{}")


def test_bytes_that_an_upcaster_spoiled_are_told_with_its_name() -> None:
    @upcast_bytes("shop.added")
    def spoiled(payload: bytes) -> bytes:
        return b"{"

    with pytest.raises(UndecodableEvent, match=r"upcaster .*spoiled made no 'shop.added@2'"):
        Schema([Added2], [spoiled]).decode("shop.added", b'{"sku":"a"}')


def test_bytes_that_are_no_old_version_are_refused_before_an_upcaster_sees_them() -> None:
    with pytest.raises(UndecodableEvent, match="truncated") as caught:
        Schema(upcasters=[count]).decode("shop.added", b"{")
    assert "upcaster" not in caught.value.reason


def test_what_a_next_upcaster_of_bytes_cannot_get_as_bytes_is_told() -> None:
    @upcast(Added1, Added2)
    def wrong(old: Added1) -> Added2:
        return Added2(old.sku, "many")  # type: ignore[arg-type]

    schema = Schema([Added3], [wrong, currency_in_bytes])
    with pytest.raises(UndecodableEvent, match="could not be read back"):
        schema.decode("shop.added", b'{"sku":"a"}')


def test_upcasters_that_contradict_each_other_are_not_used() -> None:
    schema = Schema([Added3, Priced], [count, count_in_bytes])
    for _ in range(2):
        with pytest.raises(BadSchema, match="two upcasters"):
            schema.decode("shop.added", b'{"sku":"a"}')
    assert schema.decode("shop.priced", b'{"sku":"a","cents":1}') == Priced("a", 1)


def test_an_upcaster_can_be_looked_at_and_tried() -> None:
    assert count.source is Added1
    assert count.targets == (Added2,)
    assert count.function(Added1("a")) == Added2("a", 1)
    assert currency_in_bytes.source == "shop.added@2"
    assert currency_in_bytes.targets == ("shop.added@3",)


def test_one_text_in_place_of_several_targets_is_refused() -> None:
    with pytest.raises(TypeError, match="several names are expected"):
        upcast_bytes("shop.a", to="shop.b")
