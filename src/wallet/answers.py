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
class Table:
    """What a command came to, where that is any number of answers."""

    heading: str
    """For people, above the answers' texts."""
    rows: AsyncIterator[Answer]
