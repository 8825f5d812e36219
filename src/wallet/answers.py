"""What commands come to, in words and as values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple


class Answer(NamedTuple):
    """What a command came to."""

    text: str
    """For people."""
    data: Mapping[str, object]
    """For programs: values of JSON."""


class Column(NamedTuple):
    """What stands in a place of every row."""

    title: str
    is_number: bool = False


class Row(NamedTuple):
    """One of any number of answers."""

    cells: tuple[str, ...]
    """For people: one a column."""
    data: Mapping[str, object]
    """For programs: values of JSON."""


class Table(NamedTuple):
    """What a command came to, where that is any number of answers."""

    columns: tuple[Column, ...]
    rows: AsyncIterator[Row]
    """Read once."""
