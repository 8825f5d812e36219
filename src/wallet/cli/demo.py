"""``wallet demo``: the article's program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from wallet.cli import loop
from wallet.cli.arguments import Amount, File, Interval, User
from wallet.cli.output import FAILED, Lines, fail, finished, for_a_shell, tell


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
    from daicho.errors import DaichoError, NotAJournal  # noqa: PLC0415
    from wallet import demo as article  # noqa: PLC0415
    from wallet.actor import BalanceOutOfRange  # noqa: PLC0415

    amounts = amounts or (12000, 4000, 3000, -8200)
    lines = Lines(sys.stdout)
    try:
        if journal == "memory" or _is_new(db):
            # Nothing to recover, so the check need not wait for that, and no file is made.
            article.check(0, amounts)
        failed_snapshots = loop.run(
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
        return fail(f"{error.store}: {error.reason}; {advice}", FAILED)
    except (DaichoError, BalanceOutOfRange, OSError) as error:
        lines.finish()
        return fail(for_a_shell(error), FAILED)
    except BaseException:
        lines.finish()
        raise
    for failed in failed_snapshots:
        tell(f"the snapshot at version {failed.version} was not stored: {failed.error}")
    return finished(lines, "" if journal == "memory" else "; all amounts were stored")


def _is_new(db: Path) -> bool:
    try:
        return db.stat().st_size == 0
    except OSError:
        return True
