"""Failures that a test has not looked at.

A scenario cannot know whether a test will go on to expect an error, so ``when`` keeps it. A test
that ends there would pass whatever happened. So each failure that nobody has looked at speaks up
when it is thrown away, as a coroutine does that nobody awaits; and where a test runner watches, the
test fails.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

_watchers: list[list[Failure]] = []


class Failure:
    """An error that some expectation should have looked at; ``RuntimeWarning`` if none does.

    Args:
        text: What the one who reads of it has to know.
        error: What the message ended in.
    """

    __slots__ = ("error", "is_seen", "text")

    def __init__(self, text: str, error: Exception) -> None:
        self.text = text
        self.error = error
        self.is_seen = False
        for watcher in _watchers:
            watcher.append(self)

    # The module may be gone before the last failure is, so it brings what it needs.
    def __del__(self, warn: Callable[..., None] = warnings.warn) -> None:
        if not self.is_seen:
            warn(self.text, RuntimeWarning, stacklevel=2)


class NoFailureUnseen:
    """Whoever leaves this block has looked at all failures that were made in it.

    Raises:
        AssertionError: When it is left: one was never looked at; ``__cause__`` is its error.
    """

    def __init__(self) -> None:
        self._failures: list[Failure] = []

    def __enter__(self) -> None:
        _watchers.append(self._failures)

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        __tracebackhide__ = True
        _watchers.remove(self._failures)
        unseen = [each for each in self._failures if not each.is_seen]
        for each in unseen:
            each.is_seen = True
        if unseen and error is None:
            raise AssertionError(unseen[0].text) from unseen[0].error
