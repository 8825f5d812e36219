"""What nobody should write, and somebody does: texts, names and bytes for tests of bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st

E = TypeVar("E", bound=Exception)

AWKWARD = "%:/?#[]@&=\0\ud800\t\n.-_a0é\u202e"
"""Characters that mean something to one reader or another, or that are none."""

DEEP = 100_000
"""No recursion goes so far."""


def texts(max_size: int = 12) -> st.SearchStrategy[str]:
    """Any text, lone surrogates included."""
    any_character = st.characters(exclude_categories=())
    return st.text(any_character, max_size=max_size) | st.text(AWKWARD, max_size=max_size)


def payloads() -> st.SearchStrategy[bytes]:
    """Bytes that are something, or nearly, or not at all."""
    return st.one_of(
        st.binary(max_size=60),
        st.text('{}[]",:0123456789.eE-+ntrufalsid_', max_size=40).map(str.encode),
        # A field of protobuf whose length is right.
        st.builds(
            lambda number, content, rest: bytes([number << 3 | 2, len(content)]) + content + rest,
            st.integers(1, 15),
            st.binary(max_size=30),
            st.binary(max_size=10),
        ),
        st.sampled_from(
            [
                b"[" * DEEP,
                b'{"name":"a","children":' + b'[{"name":"a","children":' * DEEP,
                b'"\\ud800"',
                b'{"amount":1e400}',
                b'{"amount":' + b"9" * 5_000 + b"}",
                b"\xff" * 20,
                b"\x0a" * DEEP,
            ]
        ),
    )


def refusal(error: type[E], act: Callable[[], object]) -> E | None:
    """The error of that type that it ends in; None if it ends well. Any other error goes on."""
    try:
        act()
    except error as refused:
        return refused
    return None
