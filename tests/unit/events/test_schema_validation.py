"""What does not fit together is told before anything is read, all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, make_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daicho.errors import BadSchema
from daicho.events import Schema, Upcaster, stored_as, upcast, upcast_bytes
from wallet.v1 import PaymentMoney, ReceiveMoney


def record(name: str, *, version: int = 1, aliases: Iterable[str] = ()) -> type[object]:
    """A stored class of its own, without fields."""
    cls = make_dataclass(f"{name.title()}{version}", [])
    return stored_as(name, version=version, aliases=aliases)(cls)


def step(source: type[object] | str, *targets: type[object] | str) -> Upcaster:
    """An upcaster that is looked at, never run."""
    return Upcaster(source, targets, lambda content: content, named=len(targets) != 1)


def problems(schema: Schema) -> tuple[str, ...]:
    try:
        schema.validate()
    except BadSchema as error:
        return error.problems
    return ()


def test_a_schema_that_fits_together_is_accepted() -> None:
    a1, a2, b = record("a"), record("a", version=2), record("b")
    assert problems(Schema()) == ()
    assert problems(Schema([ReceiveMoney, a2, a1, b])) == ()
    assert problems(Schema([record("a", version=2, aliases=["a"])])) == ()
    assert problems(Schema([b], [step(a1, a2), step("c", "b"), step("d")])) == ()


def test_a_version_that_nothing_reads_is_told() -> None:
    schema = Schema([record("a", version=4), record("b", version=2)], [step("a@2", "a@3")])
    missing_target, gap_of_a, gap_of_b = problems(schema)
    assert "'a@3', which has neither a class nor an upcaster" in missing_target
    assert "'a' is at version 4, but nothing reads version 1, 3;" in gap_of_a
    assert "'b' is at version 2, but nothing reads version 1;" in gap_of_b


def test_a_version_of_a_message_that_nothing_reads_is_told() -> None:
    schema = Schema()
    schema.register(ReceiveMoney, name="money", version=2)
    (gap,) = problems(schema)
    assert "'money' is at version 2, but nothing reads version 1;" in gap
    schema.register(PaymentMoney, name="money")
    assert problems(schema) == ()


def test_two_upcasters_for_one_source_are_told_also_through_an_alias() -> None:
    a, b = record("a", aliases=["was-a"]), record("b")
    for other in (a, "a", "was-a"):
        (problem,) = problems(Schema([b], [step(a, b), step(other, "b")]))
        assert "'a' has two upcasters" in problem


def test_an_upcaster_that_leads_to_what_nobody_knows_is_told() -> None:
    to_nobody, to_no_version = problems(Schema([record("a")], [step("a", "nobody", "a@2")]))
    assert "from 'a' to 'nobody', which has neither a class nor an upcaster" in to_nobody
    assert "from 'a' to 'a@2', which has neither a class nor an upcaster" in to_no_version


def test_an_alias_that_is_anothers_name_or_alias_is_told() -> None:
    a, b, c = record("a"), record("b", aliases=["a", "x"]), record("c", aliases=["x"])
    d = record("d", aliases=["wallet.v1.ReceiveMoney"])
    for types in ([a, b, c, d], [d, c, b, a]):
        found = sorted(problems(Schema(types)))
        assert len(found) == 3
        assert found[0].startswith("'a' is the name of A1, and an alias of B1")
        assert found[1].startswith("'wallet.v1.ReceiveMoney' is the name of ReceiveMoney")
        assert found[2].startswith("'x' is an alias of several: ")
    assert problems(Schema([record("e", aliases=["e"])])) == ()


def test_an_upcaster_of_a_class_without_a_name_is_told() -> None:
    @dataclass
    class Nameless:
        pass

    (problem,) = problems(Schema(upcasters=[step(Nameless, record("a"))]))
    assert "Nameless cannot be stored: it has no lasting name" in problem


def test_two_classes_for_one_name_among_upcasters_are_told() -> None:
    (problem,) = problems(Schema([record("a")], [step(record("a"), record("b"))]))
    assert "the event type 'a' is A1 already" in problem


def test_a_circle_is_told_with_its_way() -> None:
    schema = Schema([record("c", aliases=["was-c"])], [step("a", "b"), step("b", "x", "was-c")])
    schema.register(record("x"))
    assert problems(schema) == ()
    (circle,) = problems(
        Schema(
            [record("c", aliases=["was-c"]), record("x")],
            [step("a", "b"), step("b", "x", "was-c"), step("c", "a")],
        )
    )
    way = circle.removeprefix("upcasters go round in a circle: ").split(" → ")
    assert way[0] == way[-1]
    assert " → ".join(way[:-1]) in {"a → b → c", "b → c → a", "c → a → b"}


def test_an_upcaster_to_its_own_source_is_a_circle() -> None:
    a = record("a", aliases=["was-a"])
    for upcaster in (step(a, a), step("was-a", "a"), step("a", "was-a")):
        assert problems(Schema([a], [upcaster])) == ("upcasters go round in a circle: a → a",)


def test_all_problems_are_told_at_once_and_in_the_text() -> None:
    schema = Schema(
        [record("a", version=3), record("b", aliases=["c"]), record("c")],
        [step("d", "d"), step("e", "nobody"), step("f", "b"), step("f", "b")],
    )
    with pytest.raises(BadSchema) as caught:
        schema.validate()
    assert len(caught.value.problems) == 5
    for problem in caught.value.problems:
        assert problem in str(caught.value)


@given(
    read=st.dictionaries(
        st.integers(1, 12), st.sampled_from(["class", "bytes", "alias", "message"]), min_size=1
    ),
    top=st.integers(1, 12),
)
def test_exactly_the_versions_that_nothing_reads_are_told(read: dict[int, str], top: int) -> None:
    # The highest version has a class; it is what all upcasters lead to.
    read = {version: how for version, how in read.items() if version < top}
    aliases = [
        "t" if version == 1 else f"t@{version}" for version, how in read.items() if how == "alias"
    ]
    last = record("t", version=top, aliases=aliases)
    types, upcasters = [last], []
    for version, how in read.items():
        if how == "class":
            types.append(record("t", version=version))
        elif how == "message":
            upcasters.append(step(record("t", version=version), last))
        elif how == "bytes":
            name = "t" if version == 1 else f"t@{version}"
            upcasters.append(step(name, "t" if top == 1 else f"t@{top}"))
    missing = ", ".join(str(version) for version in range(1, top) if version not in read)
    found = problems(Schema(types, upcasters))
    assert len(found) == (1 if missing else 0)
    if missing:
        assert f"'t' is at version {top}, but nothing reads version {missing};" in found[0]


@st.composite
def ways(draw: st.DrawFn) -> tuple[list[tuple[str, list[str]]], list[set[str]]]:
    """Ways without a circle between names, and circles planted among other names."""
    circles: list[set[str]] = []
    arrows: list[tuple[str, list[str]]] = []
    straight = [f"s{number}" for number in range(draw(st.integers(1, 6)))]
    for place, name in enumerate(straight[:-1]):
        later = st.sampled_from(straight[place + 1 :])
        arrows.append((name, draw(st.lists(later, unique=True, min_size=1, max_size=3))))
    for number in range(draw(st.integers(0, 3))):
        names = [f"c{number}.{place}" for place in range(draw(st.integers(1, 4)))]
        circles.append(set(names))
        for name, following in zip(names, [*names[1:], names[0]], strict=True):
            # A circle may also have ways out of it.
            out = draw(st.lists(st.sampled_from(straight), unique=True, max_size=2))
            arrows.append((name, draw(st.permutations([following, *out]))))
    return draw(st.permutations(arrows)), circles


@given(planted=ways(), data=st.data())
def test_exactly_the_planted_circles_are_told_whatever_they_go_through(
    planted: tuple[list[tuple[str, list[str]]], list[set[str]]], data: st.DataObject
) -> None:
    arrows, circles = planted
    names = sorted({name for source, targets in arrows for name in (source, *targets)} | {"s0"})
    # Every name may be a class or bytes alone, and be called by its name or an alias.
    classes = {name: record(name, aliases=[f"was-{name}"]) for name in names}
    ends = [name for name in names if name not in dict(arrows)]
    kept = [*ends, *data.draw(st.lists(st.sampled_from(names), unique=True))]

    def called(name: str) -> str:
        return data.draw(st.sampled_from([name, f"was-{name}"] if name in kept else [name]))

    upcasters = []
    for source, targets in arrows:
        if all(name in kept for name in (source, *targets)) and data.draw(st.booleans()):
            upcasters.append(step(classes[source], *[classes[name] for name in targets]))
        else:
            upcasters.append(step(called(source), *[called(name) for name in targets]))
    found = problems(Schema([classes[name] for name in kept], upcasters))
    assert all(problem.startswith("upcasters go round in a circle: ") for problem in found)
    told = [set(problem.partition(": ")[2].split(" → ")) for problem in found]
    assert sorted(map(sorted, told)) == sorted(map(sorted, circles))


def test_the_decorators_make_upcasters_that_validate() -> None:
    a1, a2 = record("a"), record("a", version=2)

    @upcast(a1, a2)
    def forward(old: object) -> object:
        return a2()

    @upcast_bytes("b", version=3, to=["a", "a@2"])
    def away(payload: bytes) -> Iterable[tuple[str, bytes]]:
        return []

    assert problems(Schema(upcasters=[forward, away])) == ()
