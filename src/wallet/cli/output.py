"""What the command line says: answers on standard output, the rest on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TextIO

from wallet.answers import Answer, Table
from wallet.cli.layout import laid_out

OK = 0
FAILED = 1
MISUSED = 2
INTERRUPTED = 128 + 2
NOBODY_READS = 128 + 13
"""As a shell reports a program that was ended by SIGINT or SIGPIPE."""


class Lines:
    """Standard output, for lines that others decide on.

    A line that cannot be written makes nobody fail but the command as a whole: what the wallet does
    must not depend on whether somebody reads along.
    """

    def __init__(self, stream: TextIO | None) -> None:
        # None in a process that was started without a standard output.
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._error: OSError | None = None

    @property
    def is_open(self) -> bool:
        """Whether all lines could be written so far."""
        return self._error is None

    def write(self, line: str) -> None:
        """Writes a line, unless one before could not be written.

        Characters that the stream's encoding has not are written as escapes.
        """
        if self._stream is not None and self._error is None:
            known = line.encode(self._encoding, "backslashreplace").decode(self._encoding)
            try:
                self._stream.write(f"{known}\n")
            except OSError as error:
                self._error = error

    def flush(self) -> None:
        """Lets who reads along see what was written."""
        if self._stream is not None and self._error is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._error = error

    def finish(self) -> OSError | None:
        """Writes what is left; returns why not all was written."""
        self.flush()
        if self._stream is not None and self._error is not None:
            # Python itself writes what is left when it exits, and would complain again.
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
        return self._error


def finished(lines: Lines, outcome: str) -> int:
    """Ends the output of a command that went well; its exit code."""
    match lines.finish():
        case None:
            return OK
        case BrokenPipeError():
            return NOBODY_READS
        case error:
            return fail(f"standard output: {error.strerror}{outcome}", FAILED)


def tell(text: str) -> None:
    """Says a line on standard error."""
    print("wallet:", printable(" ".join(text.splitlines())), file=sys.stderr)


def fail(text: str, code: int) -> int:
    """Says why a command ends with that code."""
    tell(text)
    return code


def printable(text: str) -> str:
    """A text that does nothing to a terminal but stand there; names may hold any character."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def as_json(data: Mapping[str, object]) -> str:
    """An object of JSON on one line, of ASCII alone, so that it passes through every encoding."""
    from json import dumps  # noqa: PLC0415 - nobody who asks for help waits for it

    return dumps(data)


def for_a_shell(error: Exception) -> str:
    """What an error says, without the library's options that a command does not have."""
    from daicho.errors import JournalLocked  # noqa: PLC0415

    advice = "another process holds it; try again when that has ended"
    return str(error).replace(JournalLocked.advice, advice)


async def say(result: Answer | Table, lines: Lines, *, json: bool) -> None:
    """Writes what a command came to, as it comes, for people or for programs."""
    async for line in _lines(result, json=json):
        lines.write(line)
        if not lines.is_open:
            return


async def _lines(result: Answer | Table, *, json: bool) -> AsyncIterator[str]:
    match result:
        case Answer():
            yield as_json(result.data) if json else printable(result.text)
        case Table() if json:
            async for row in result.rows:
                yield as_json(row.data)
        case Table():
            async for line in laid_out(result):
                yield printable(line)
