"""How a command runs: what it says, to whom, and how it ends.

What is not needed to show its help is imported late.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO, TypeVar

if TYPE_CHECKING:
    from daicho.journal import Journal

T = TypeVar("T")

OK = 0
FAILED = 1
MISUSED = 2
INTERRUPTED = 128 + 2
NOBODY_READS = 128 + 13
"""As a shell reports a program that was ended by SIGINT or SIGPIPE."""


def run(doing: Coroutine[object, object, T]) -> T:
    """Does what takes a loop. What the library logs is not printed: the commands say it."""
    import asyncio  # noqa: PLC0415 - nobody who asks for help waits for it
    import logging  # noqa: PLC0415 - as above

    logging.getLogger("daicho").addHandler(logging.NullHandler())
    return asyncio.run(doing)


def stored(url: str) -> str:
    """A URL that names what another process has stored.

    Raises:
        BadUrl: It can name nothing that lasts.
    """
    from urllib.parse import quote  # noqa: PLC0415

    from daicho.errors import BadUrl  # noqa: PLC0415

    if url.startswith("memory:") or url == "sqlite:///:memory:":
        raise BadUrl(url, "what is in memory is in another process; name a file")
    if url.startswith(("sqlite:", "postgresql:", "postgres:")):
        return url
    if url and "://" not in url:
        # What a shell passes need not be text.
        raise BadUrl(url, f"did you mean sqlite:///{quote(url, errors='replace')}?")
    raise BadUrl(
        url, "write sqlite:///FILE, sqlite:////FOLDER/FILE or postgresql://USER@HOST/DATABASE"
    )


def opened(url: str) -> Journal:
    """A journal that is to be read, not open yet: a mistyped name makes no file."""
    from daicho.app import journal_of  # noqa: PLC0415 - nobody who asks for help waits for it

    return journal_of(stored(url), read_only=True)


class Status:
    """Says on a terminal how far it has come."""

    def __init__(self) -> None:
        self._update: Callable[[str], None] | None = None
        self._stop: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        if sys.stderr is not None and sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415
            from rich.status import Status  # noqa: PLC0415

            status = Status("beginning", console=Console(stderr=True))
            status.start()
            self._update, self._stop = status.update, status.stop
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._stop is not None:
            self._stop()

    def show(self, text: str) -> None:
        """Says it, in place of what it said before."""
        if self._update is not None:
            self._update(text)


def say(text: str, code: int) -> int:
    """Prints what a command has to say; its exit code, or what it is if nobody reads it."""
    stream: TextIO | None = sys.stdout
    if stream is None:
        return code
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except OSError as error:
        code = nobody_reads()
        if isinstance(error, BrokenPipeError):
            return code
        return fail(f"standard output: {error.strerror}", FAILED)
    return code


def nobody_reads() -> int:
    """Writes no more to standard output; the exit code if whoever read it has left."""
    # Python itself writes what is left when it exits, and would complain again.
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return NOBODY_READS


def fail(text: str, code: int) -> int:
    """Says on standard error what went wrong; the exit code."""
    sys.stderr.write(f"daicho: {' '.join(text.splitlines())}\n")
    return code
