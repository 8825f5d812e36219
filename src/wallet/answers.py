"""What commands come to, in words and as values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command came to."""

    text: str
    """For people."""
    data: Mapping[str, object]
    """For programs: values of JSON."""


@dataclass(frozen=True, slots=True)
class Column:
    """What stands in a place of every row."""

    title: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One of any number of answers."""

    cells: tuple[str, ...]
    """For people: one a column."""
    data: Mapping[str, object]
    """For programs: values of JSON."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a command came to, where that is any number of answers."""

    columns: tuple[Column, ...]
    rows: AsyncIterator[Row]
    """Read once."""
