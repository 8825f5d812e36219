"""The commands ``daicho schema plan``, ``apply`` and ``check``: the tables of a journal.

What is not needed to show their help is imported late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from daicho.cli.running import FAILED, OK, run, say, stored
from daicho.cli.words import Flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daicho.journal import Migrating, Migration

_UP_TO_DATE = "the schema is up to date"


def plan(url: str, /, *, sql: Flag = False) -> int:
    """Says what has to be done to a journal's tables before this program can use them.

    Nothing is changed. Opening a journal does it, and so does daicho schema apply, for teams whose
    programs may not.

    Args:
        url: The journal, like postgresql://user@host/database?schema=wallet or sqlite:///wallet.db.
        sql: Prints the statements themselves.
    """
    pending = run(_journal(url).pending_migrations())
    if sql:
        return say("\n".join(each.sql.rstrip() for each in pending), OK) if pending else OK
    return say(_listed("to do", pending), OK)


def apply(url: str, /) -> int:
    """Does what daicho schema plan says, all of it or nothing.

    It waits for others that do the same. Programs of an earlier version that have the journal open
    go on.

    Args:
        url: The journal, like postgresql://user@host/database?schema=wallet or sqlite:///wallet.db.
    """
    return say(_listed("done", run(_journal(url).apply_migrations())), OK)


def check(url: str, /) -> int:
    """Says whether a journal's tables are those that this program needs; the exit code is 0 or 1.

    Args:
        url: The journal, like postgresql://user@host/database?schema=wallet or sqlite:///wallet.db.
    """
    pending = run(_journal(url).pending_migrations())
    return say(_listed("to do", pending), FAILED if pending else OK)


def _journal(url: str) -> Migrating:
    from daicho.app import journal_of  # noqa: PLC0415 - nobody who asks for help waits for it

    # Whatever lasts has tables.
    return cast("Migrating", journal_of(stored(url)))


def _listed(what: str, migrations: Sequence[Migration]) -> str:
    lines = [f"{what}: {each.version:04d} {each.name}" for each in migrations]
    return "\n".join(lines) or _UP_TO_DATE
