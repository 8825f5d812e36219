"""The command line of the wallet.

What is not needed to understand a command, or to show its help, is imported late.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TextIO

try:
    from cyclopts import App, CycloptsError, Parameter, Token
except ImportError as error:
    raise SystemExit(f"wallet: {error}; install the extra 'cli' of daicho") from None

OK = 0
FAILED = 1
MISUSED = 2
INTERRUPTED = 128 + 2
NOBODY_READS = 128 + 13
"""As a shell reports a program that was ended by SIGINT or SIGPIPE."""

LARGEST = 2**63 - 1

_WHOLE = re.compile(r"([+-]?)0*([0-9]+)")
_MAX_USER_BYTES = 1_024
_MAX_SHOWN = 40


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _whole(text: str, example: str) -> int:
    shown = _shortened(text)
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown!r} is no whole number; write it like {example}")
    sign, digits = match.groups()
    # So many digits need not become a number to be known as too large a one.
    if len(digits) > len(str(LARGEST)) or int(digits) > LARGEST:
        raise ValueError(f"{shown} does not fit into 64 bits; the largest is {LARGEST}, + or -")
    return int(sign + digits)


def _amount(_: object, tokens: Sequence[Token]) -> int:
    return _whole(tokens[0].value, "12000 or -8200")


def _interval(_: object, tokens: Sequence[Token]) -> int:
    return _whole(tokens[0].value, "5, or 0 for no snapshots")


def _text(text: str) -> bytes:
    # What a shell passes need not be text, but what SQLite opens and stores has to be.
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{_shortened(text)!r} is not UTF-8") from None


def _user(_: object, tokens: Sequence[Token]) -> str:
    name = tokens[0].value
    size = len(_text(name))
    if not 0 < size <= _MAX_USER_BYTES:
        raise ValueError(
            f"{_shortened(name)!r} has {size} bytes; a user's name has 1 to {_MAX_USER_BYTES}"
        )
    return name


def _file(_: object, tokens: Sequence[Token]) -> Path:
    name = tokens[0].value
    if not _text(name):
        raise ValueError("it is empty; name a file, like db.sqlite3")
    return Path(name)


Amount = Annotated[int, Parameter(converter=_amount)]
Interval = Annotated[int, Parameter(converter=_interval)]
User = Annotated[str, Parameter(converter=_user)]
File = Annotated[Path, Parameter(converter=_file)]


def _version() -> str:
    from importlib import metadata  # noqa: PLC0415

    try:
        return metadata.version("daicho")
    except metadata.PackageNotFoundError:
        return "of a checkout that is not installed"


app = App(
    name="wallet",
    help="An event-sourced wallet: the reference application of Daicho.",
    help_format="plaintext",
    version=_version,
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)


class Lines:
    """Standard output, for lines that others decide on.

    A line that cannot be written makes nobody fail but the command as a whole: what the wallet does
    must not depend on whether somebody reads along.
    """

    def __init__(self, stream: TextIO | None) -> None:
        # None in a process that was started without a standard output.
        self._stream = stream
        self._error: OSError | None = None

    def write(self, line: str) -> None:
        """Writes a line, unless one before could not be written."""
        if self._stream is not None and self._error is None:
            try:
                self._stream.write(f"{line}\n")
            except OSError as error:
                self._error = error

    def finish(self) -> OSError | None:
        """Writes what is left; returns why not all was written."""
        if self._stream is not None and self._error is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._error = error
        if self._stream is not None and self._error is not None:
            # Python itself writes what is left when it exits, and would complain again.
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
        return self._error


@app.command(usage="Usage: wallet demo [AMOUNT ...] [OPTIONS]")
def demo(
    *amounts: Amount,
    db: File = Path("db.sqlite3"),
    user: User = "user_id",
    snapshot_interval: Interval = 5,
    journal: Literal["article", "daicho", "memory"] = "article",
) -> int:
    """Runs the article's program once: the wallet recovers, takes the amounts, and stops.

    Run it again: the wallet remembers. As in the article, the wallet prints its lines while it
    handles an amount, before that is stored.

    Args:
        amounts: Whole numbers; a negative one is a payment. Without any: 12000 4000 3000 -8200.
        db: The SQLite file; made where there is none.
        user: Whose wallet it is.
        snapshot_interval: Events from one snapshot to the next; 0 or less: no snapshots.
        journal: Where events are stored: the article's own tables, Daicho's journal, or memory.
    """
    # Nobody who asks for help waits for the library and its engines.
    import asyncio  # noqa: PLC0415

    from daicho.errors import DaichoError, NotAJournal  # noqa: PLC0415
    from wallet import demo as article  # noqa: PLC0415
    from wallet.actor import BalanceOutOfRange  # noqa: PLC0415

    amounts = amounts or (12000, 4000, 3000, -8200)
    lines = Lines(sys.stdout)
    try:
        if journal == "memory" or _is_new(db):
            # Nothing to recover, so the check need not wait for that, and no file is made.
            article.check(0, amounts)
        failed_snapshots = asyncio.run(
            article.run(
                amounts,
                journal=article.journal_of(journal, db),
                user=user,
                snapshot_interval=snapshot_interval,
                say=lines.write,
            )
        )
    except NotAJournal as error:
        lines.finish()
        other = article.journal_in(db)
        advice = error.advice if other is None else f"use --journal {other}, or {error.advice}"
        return _fail(f"{error.store}: {error.reason}; {advice}", FAILED)
    except (DaichoError, BalanceOutOfRange, OSError) as error:
        lines.finish()
        return _fail(_for_a_shell(error), FAILED)
    except BaseException:
        lines.finish()
        raise
    for failed in failed_snapshots:
        _tell(f"the snapshot at version {failed.version} was not stored: {failed.error}")
    return _finished(lines, "" if journal == "memory" else "; all amounts were stored")


def _finished(lines: Lines, outcome: str) -> int:
    match lines.finish():
        case None:
            return OK
        case BrokenPipeError():
            return NOBODY_READS
        case error:
            return _fail(f"standard output: {error.strerror}{outcome}", FAILED)


def _for_a_shell(error: Exception) -> str:
    """What an error says, without the library's options that this command does not have."""
    from daicho.errors import JournalLocked  # noqa: PLC0415

    advice = "another process holds it; try again when that has ended"
    return str(error).replace(JournalLocked.advice, advice)


def _is_new(db: Path) -> bool:
    try:
        return db.stat().st_size == 0
    except OSError:
        return True


def _tell(text: str) -> None:
    print("wallet:", " ".join(text.splitlines()), file=sys.stderr)


def _fail(text: str, code: int) -> int:
    _tell(text)
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name (those of the process if None); its exit code.

    It is 0 if all went well, 1 if not, 2 for arguments that are not understood, 130 after Ctrl-C,
    and 141 if whoever read the output has left.
    """
    logging.getLogger("daicho").addHandler(logging.NullHandler())
    try:
        return app(sys.argv[1:] if arguments is None else arguments) or OK
    except CycloptsError as error:
        return _fail(str(error), MISUSED)
    except KeyboardInterrupt:
        return INTERRUPTED
