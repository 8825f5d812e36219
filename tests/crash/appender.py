"""A program that appends to a stream until it is ended, and prints what is acknowledged.

It takes the journal's path, the stream, and whether it commits in the loop. What it prints is with
the operating system before the next append, so the last words of a killed one are all there. What
a refused append comes to is printed too, by the name of its error.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from daicho.errors import JournalUnavailable, StoreError
from daicho.journal import Appended, NewEvent, Outcome, SqliteJournal, Write


async def append(journal: SqliteJournal, writes: list[Write]) -> list[Outcome]:
    """As the committer of actors does."""
    outcomes = journal.append_now(writes)
    return await journal.append(writes) if outcomes is None else outcomes


async def main(path: str, stream: str, where: str) -> None:
    commits_in_loop = where == "in-loop"
    journal = SqliteJournal(path, commits_in_loop=commits_in_loop, busy_timeout_s=0.3)
    async with journal:
        version = (await journal.stream_info(stream)).version
        while True:
            events = [
                NewEvent("event", b"%d" % (version + n) + bytes(2_000), bytes(16), 0)
                for n in (1, 2)
            ]
            try:
                [outcome] = await append(journal, [Write(stream, version, events)])
            except StoreError as error:
                print(type(error).__name__, flush=True)  # noqa: T201
                if isinstance(error, JournalUnavailable):
                    version = (await journal.stream_info(stream)).version
                await asyncio.sleep(0.01)
                continue
            assert isinstance(outcome, Appended), outcome
            version = outcome.version
            print(version, flush=True)  # noqa: T201


if __name__ == "__main__":
    # A limit of a file's size is an error of the write, as a full disk is.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    asyncio.run(main(*sys.argv[1:4]))
