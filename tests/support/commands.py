"""A command, as a test sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Ended(NamedTuple):
    """How it ended, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]
"""Runs a command of these arguments."""
