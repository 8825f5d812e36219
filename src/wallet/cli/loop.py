"""How a command does what takes a loop."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def run(doing: Coroutine[object, object, T]) -> T:
    """Does it. What the library logs meanwhile is not printed: the command says what matters."""
    # Nobody who asks for help waits for these.
    import asyncio  # noqa: PLC0415
    import logging  # noqa: PLC0415

    logging.getLogger("daicho").addHandler(logging.NullHandler())
    return asyncio.run(doing)
