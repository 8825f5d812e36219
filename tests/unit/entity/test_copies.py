"""What is copied before it waits for the disk: everything that could change."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

import msgspec
import pytest

import daicho
from daicho.entity.copies import COPIERS
from wallet.v1 import Wallet


@dataclass(frozen=True)
class Constant:
    name: str
    at: datetime | None
    kind: Literal["a", "b"]
    pairs: tuple[tuple[str, int], ...]
    inner: "Constant | None" = None
    unit: ClassVar[list[str]] = []


@dataclass(frozen=True)
class HoldsAList:
    items: list[int]


@dataclass(frozen=True)
class HoldsIt:
    inner: HoldsAList


@dataclass(frozen=True)
class Cannot:
    be: "read"  # type: ignore[name-defined]  # noqa: F821


@dataclass
class Open:
    amount: int


class FrozenStruct(msgspec.Struct, frozen=True):
    amount: int


class StructWithADict(msgspec.Struct, frozen=True):
    amounts: dict[str, int]


@pytest.mark.parametrize("cls", [int, str, bool, type(None), Constant, FrozenStruct])
def test_what_never_changes_is_not_copied(cls: type) -> None:
    assert COPIERS[cls] is None


@pytest.mark.parametrize(
    "reply",
    [
        HoldsAList([1]),
        HoldsIt(HoldsAList([1])),
        Open(1),
        StructWithADict({"a": 1}),
        [1, [2]],
        {"a": [1]},
        ([1],),
        Wallet(deposit=1),
    ],
)
def test_what_can_change_is_copied_to_its_depth(reply: object) -> None:
    copier = COPIERS[type(reply)]
    assert copier is not None
    made = copier(reply)
    assert made == reply
    assert made is not reply


def test_what_cannot_be_looked_into_is_copied() -> None:
    assert COPIERS[Cannot] is not None


@daicho.stored_as("test.items")
@dataclass(frozen=True)
class Items:
    items: tuple[int, ...] = ()
    seen: list[int] = None  # type: ignore[assignment]


def test_a_list_in_a_frozen_reply_is_one_of_its_own() -> None:
    copier = COPIERS[Items]
    assert copier is not None
    first = Items((1,), [1])
    copied = copier(first)
    first.seen.append(2)
    assert copied == Items((1,), [1])
