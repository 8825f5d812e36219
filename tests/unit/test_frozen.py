"""``frozen`` promises what ``@dataclass(frozen=True, slots=True)`` does; so each is held to it."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import sys
from collections.abc import Callable

import pytest

from daicho._frozen import frozen


@frozen
class Nothing:
    """Without fields."""


@frozen
class Point:
    """With a default, and a method."""

    x: int
    y: int = 0

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x is negative")

    def far(self) -> int:
        return self.x + self.y


@frozen
class Solid(Point):
    z: int = 1


@frozen(kw_only=True)
class Named:
    name: str
    size: int = 1


@frozen(eq=False)
class Alone:
    x: int


@dataclasses.dataclass(frozen=True, slots=True)
class Like:
    x: int
    y: int = 0


def test_it_is_made_by_position_by_name_and_by_default() -> None:
    assert (Point(1).x, Point(1).y) == (1, 0)
    assert Point(1, 2) == Point(y=2, x=1)
    assert (Named(name="a").name, Named(name="a").size) == ("a", 1)
    assert Solid(1, 2, 3).far() == 3


@pytest.mark.parametrize(
    "make",
    [
        Point,
        lambda: Point(1, 2, 3),  # type: ignore[call-arg]
        lambda: Point(1, w=2),  # type: ignore[call-arg]
        lambda: Named("a"),  # type: ignore[call-arg]
        lambda: Nothing(1),  # type: ignore[call-arg]
    ],
)
def test_other_arguments_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        make()


def test_what_it_checks_itself_is_checked() -> None:
    with pytest.raises(ValueError, match="x is negative"):
        Point(-1)
    with pytest.raises(ValueError, match="x is negative"):
        Solid(-1)


def test_it_cannot_change_and_has_no_room_for_more() -> None:
    point = Point(1)
    for name in ("x", "other"):
        with pytest.raises(AttributeError, match=f"Point cannot change: '{name}'"):
            setattr(point, name, 2)
        with pytest.raises(AttributeError, match=f"Point cannot change: '{name}'"):
            delattr(point, name)
    assert point == Point(1)
    assert not hasattr(point, "__dict__")


def test_it_is_equal_to_its_like_alone() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert Point(1, 2) != Point(2, 1)
    assert Point(1, 2) != (1, 2)  # type: ignore[comparison-overlap]
    assert Point(1, 1) != Solid(1, 1)
    assert Nothing() == Nothing()
    assert len({Nothing(), Nothing(), Point(1), Point(1)}) == 2


def test_without_eq_each_is_itself_alone() -> None:
    one = Alone(1)
    assert one != Alone(1)
    assert len({one, one, Alone(1)}) == 2


def test_it_says_what_it_holds() -> None:
    assert repr(Nothing()) == "Nothing()"
    assert repr(Solid(1, 2)) == "Solid(x=1, y=2, z=1)"
    items: list[object] = []
    itself = Point(1, items)  # type: ignore[arg-type]
    items.append(itself)
    assert repr(itself) == "Point(x=1, y=[...])"


def test_it_is_matched_by_its_fields() -> None:
    match Solid(1, 2, 3):
        case Solid(x, y, z=z):
            assert (x, y, z) == (1, 2, 3)
    assert Point.__match_args__ == ("x", "y")
    assert Named.__match_args__ == ()


@dataclasses.dataclass(frozen=True)
class WithMore(Point):
    z: int = 5


@dataclasses.dataclass(frozen=True, slots=True)
class WithMoreSlots(Point):
    z: int = 5


@dataclasses.dataclass(frozen=True)
class OfNothing(Nothing):
    z: int = 5


@pytest.mark.parametrize(
    "value",
    [
        Nothing(),
        Point(1, 2),
        Solid(1),
        Named(name="a"),
        Alone(1),
        WithMore(1, 2, 3),
        WithMoreSlots(1, 2, 3),
        OfNothing(3),
    ],
)
def test_it_can_be_copied_and_pickled(value: object) -> None:
    for each in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert type(each) is type(value)
        assert repr(each) == repr(value)


def test_its_signature_is_that_of_a_dataclass() -> None:
    assert inspect.signature(Point) == inspect.signature(Like)
    assert str(inspect.signature(Named)) == "(*, name: 'str', size: 'int' = 1) -> None"
    assert list(inspect.signature(Solid).parameters) == ["x", "y", "z"]
    assert Point.__init__.__qualname__ == "Point.__init__"


@pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace is there from 3.13 on")
def test_copy_replaces_its_fields() -> None:
    replace: Callable[..., object] = vars(copy)["replace"]
    assert replace(Point(1, 2), y=3) == Point(1, 3)


def test_dataclasses_take_it_for_one_of_theirs() -> None:
    assert dataclasses.replace(Point(1, 2), y=3) == Point(1, 3)
    assert dataclasses.replace(Named(name="a"), size=3) == Named(name="a", size=3)
    assert dataclasses.asdict(Solid(1, 2)) == {"x": 1, "y": 2, "z": 1}
    assert [(each.name, each.type, each.default) for each in dataclasses.fields(Point(1))] == [
        (each.name, each.type, each.default) for each in dataclasses.fields(Like(1))
    ]


def test_a_dataclass_can_inherit_it() -> None:
    @dataclasses.dataclass(frozen=True)
    class Heir(Point):
        z: int = 5

    assert repr(Heir(1, 2)).endswith("Heir(x=1, y=2, z=5)")
    with pytest.raises(dataclasses.FrozenInstanceError):
        Heir(1).x = 2  # type: ignore[misc]


def test_a_class_that_inherits_it_without_more_is_made_in_the_same_way() -> None:
    class Heir(Named):
        __slots__ = ()

    assert (Heir(name="a").name, Named(name="b").name) == ("a", "b")
