"""A command of the command line: it opens the wallets, does one thing, and ends."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from wallet.cli import loop
from wallet.cli.commands import VIEWS, Command, open_wallet
from wallet.cli.output import FAILED, MISUSED, Lines, fail, finished, for_a_shell, say
from wallet.cli.where import NO_FILE, Where

if TYPE_CHECKING:
    from pathlib import Path

    from wallet.cli.where import Purpose

HERE = Where()
"""Where the wallets are if nothing is said."""

WHERE = inspect.Parameter("where", inspect.Parameter.KEYWORD_ONLY, default=HERE, annotation=Where)
"""What a command takes on the command line beside what it takes anywhere."""


def run(command: Command, *args: object, where: Where = HERE, **kwargs: object) -> int:
    """Does a command where the options say, and says what it came to; its exit code."""
    from daicho.errors import DaichoError  # noqa: PLC0415

    lines = Lines(sys.stdout)
    try:
        loop.run(_serve(command, args, kwargs, where, lines))
    except (DaichoError, OSError) as error:
        lines.finish()
        return failed(error, where.file)
    except BaseException:
        lines.finish()
        raise
    return finished(lines, "" if command in VIEWS.values() else "; the command was done")


async def _serve(
    command: Command,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    where: Where,
    lines: Lines,
) -> None:
    async with where.teller(_purpose(command)) as teller:
        await say(await command(teller, *args, **kwargs), lines, json=where.json)


def _purpose(command: Command) -> Purpose:
    if command in VIEWS.values():
        return "look"
    return "make" if command is open_wallet else "change"


def failed(error: Exception, file: Path | None) -> int:
    """Says what went wrong, and what to do about it; the exit code."""
    return fail(*problem(error, file))


def problem(error: Exception, file: Path | None) -> tuple[str, int]:
    """What went wrong, what to do about it, and the exit code."""
    from daicho.errors import (  # noqa: PLC0415
        BadUrl,
        JournalLocked,
        NotAJournal,
        PersistFailed,
        Rejected,
    )

    match error:
        case Rejected():
            # Its data are for programs; the reason is a sentence.
            return error.reason, FAILED
        case NotAJournal():
            return f"{error.store}: {error.reason}; {_advice(error, file)}", FAILED
        case BadUrl():
            return str(error), MISUSED
        case PersistFailed(__cause__=JournalLocked(store=store)):
            return f"{store}: another process holds it; nothing was done, try again later", FAILED
        case _:
            return for_a_shell(error), FAILED


def _advice(error: Exception, file: Path | None) -> str:
    from daicho.errors import NotAJournal  # noqa: PLC0415
    from wallet.article_file import Owner, owner_of  # noqa: PLC0415

    assert isinstance(error, NotAJournal)
    if file is not None and error.reason == NO_FILE:
        return "'wallet open NAME' makes it, or name another one with --db"
    if file is not None and owner_of(file) is Owner.ARTICLE:
        return (
            f"it has the tables of the article, which 'wallet demo --db {file}' uses;"
            " name another file with --db"
        )
    return f"{error.advice} with --db"
