"""Commands that move journals: ``backup``, ``copy``, ``export`` and ``import``."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

from cyclopts import Parameter

from daicho.cli.history import of_verified, verified_of
from daicho.cli.running import (
    FAILED,
    INTERRUPTED,
    OK,
    Status,
    fail,
    nobody_reads,
    opened,
    run,
    say,
    stored,
)
from daicho.cli.values import BadName
from daicho.cli.words import Flag, counted

if TYPE_CHECKING:
    from daicho.journal import Journal
    from daicho.journal.sqlite import Copied
    from daicho.moving import Export, Moved, Progress, Show

# "-" is a name here, and no option.
File = Annotated[str, Parameter(allow_leading_hyphen=True)]


def backup(url: str, file: str, /, *, overwrite: Flag = False) -> int:
    """Copies the file of a SQLite journal as it is now, while programs write to it.

    The backup is a journal itself: one file, which can be copied back or opened as it is. It is
    checked by SQLite, compared with the journal row by row, and synced, before it gets its name; so
    a file of that name is always whole. If the journal is chained, the backup is verified by that.

    Args:
        url: The journal, like sqlite:///wallet.db.
        file: The backup. Its folder has to exist.
        overwrite: Lets it take the place of a file of that name.
    """
    from daicho.errors import ChainBroken  # noqa: PLC0415 - nobody who asks for help waits
    from daicho.journal import SqliteJournal  # noqa: PLC0415 - as above
    from daicho.moving import back_up  # noqa: PLC0415 - as above

    def show(done: int, pages: int) -> None:
        status.show(f"{done:,} of {pages:,} pages")

    with Status() as status, _stoppable("nothing was left"):
        copied = back_up(opened(url), Path(file), overwrite=overwrite, progress=show)
    lines = [_of_copied(copied)]
    if copied.is_chained:
        with Status() as status, _stoppable(f"{file} was made, and not yet verified"):
            try:
                verified = verified_of(SqliteJournal(file, read_only=True), status)
            except ChainBroken as error:
                return fail(f"{file} was made and is the same as the journal, but {error}", FAILED)
        lines += [of_verified(verified), f"root: {verified.root}"]
    return say("\n".join(lines), OK)


def copy(source: str, target: str, /) -> int:
    """Brings all that a journal holds into another one.

    Events keep their versions, positions, times and ids; snapshots and replies under idempotency
    keys come along. All that arrives is compared with what has left. Stopped, it goes on where it
    was when it is given again; and given again later it brings what has come since.

    Args:
        source: The journal, like sqlite:///wallet.db; it is not written to.
        target: The other one, which is made where there is none. It is empty or holds the beginning
            of the first, and nobody else writes to it meanwhile.
    """
    from daicho.app import journal_of  # noqa: PLC0415 - nobody who asks for help waits for it
    from daicho.moving import copy as copy_all  # noqa: PLC0415

    first, second = opened(source), journal_of(stored(target))
    _refuse_same(first, second)

    async def copied() -> Moved:
        async with first, second:
            return await copy_all(first, second, progress=_shown(status))

    with Status() as status, _stoppable(_GOES_ON):
        moved = run(copied())
    return say(_of_moved("copied", moved), OK)


def export(url: str, file: File, /, *, overwrite: Flag = False) -> int:
    """Writes all that a journal holds as one stream, which any journal can take in.

    It can be compressed and sent: daicho export sqlite:///wallet.db - | zstd > wallet.zst. A file
    is read again and found whole before it gets its name.

    Args:
        url: The journal, like sqlite:///wallet.db; it is not written to.
        file: The file, or - for standard output. Its folder has to exist.
        overwrite: Lets it take the place of a file of that name.
    """
    from daicho.moving import new_file  # noqa: PLC0415 - nobody who asks for help waits for it

    journal = opened(url)
    with Status() as status, _stoppable("nothing was left"):
        if file == "-":
            return _export_to_pipe(journal, status)
        with new_file(Path(file), overwrite=overwrite) as partial:
            with partial.open("xb") as out:
                moved = _exported(journal, out, status)
            _look_over(partial, file, moved, status)
    return say(_of_moved("exported", moved), OK)


def import_(file: File, url: str, /) -> int:
    """Brings all that was exported into a journal.

    What arrives is compared with what was exported. Stopped, it goes on where it was when it is
    given again; and a later export of the same journal brings what has come since.

    Args:
        file: What daicho export has written, or - for standard input.
        url: The journal, like sqlite:///wallet.db, which is made where there is none. It is empty
            or holds the beginning of what was exported, and nobody else writes to it meanwhile.
    """
    from daicho.app import journal_of  # noqa: PLC0415 - nobody who asks for help waits for it
    from daicho.moving import import_ as import_all  # noqa: PLC0415

    journal = journal_of(stored(url))

    async def imported(found: Export) -> Moved:
        async with journal:
            return await import_all(found, journal, progress=_shown(status))

    # Its beginning is looked at first: a mistyped name must not make a journal.
    with Status() as status, _stoppable(_GOES_ON), _export_in(file) as found:
        moved = run(imported(found))
    return say(_of_moved("imported", moved), OK)


_GOES_ON = "the same command goes on from here"


@contextmanager
def _stoppable(what_is_left: str) -> Generator[None]:
    """Says after Ctrl-C what is left of the work."""
    try:
        yield
    except KeyboardInterrupt:
        fail(f"stopped; {what_is_left}", INTERRUPTED)
        raise


def _refuse_same(one: Journal, other: Journal) -> None:
    if repr(one) == repr(other):
        raise BadName(f"{one!r} is both; name another journal to copy into")


def _export_to_pipe(journal: Journal, status: Status) -> int:
    out = sys.stdout.buffer
    if out.isatty():
        raise BadName("an export is no text for a terminal; name a file, or pipe it")
    try:
        moved = _exported(journal, out, status)
    except BrokenPipeError:
        return nobody_reads()
    sys.stderr.write(f"{_of_moved('exported', moved)}\n")
    return OK


def _exported(journal: Journal, file: BinaryIO, status: Status) -> Moved:
    from daicho.moving import export as export_all  # noqa: PLC0415

    async def exported() -> Moved:
        async with journal:
            return await export_all(journal, file, progress=_shown(status))

    return run(exported())


def _look_over(partial: Path, name: str, moved: Moved, status: Status) -> None:
    """Reads a file that was just written, and finds in it what was written."""
    from daicho.errors import BadExport  # noqa: PLC0415
    from daicho.moving import look_over  # noqa: PLC0415

    with partial.open("rb") as file:
        found = look_over(file, name, show=_shown(status))
    if found.digest != moved.digest:
        raise BadExport(name, 0, "it does not hold what was written into it")


@contextmanager
def _export_in(file: str) -> Generator[Export]:
    from daicho.moving import Export  # noqa: PLC0415

    if file == "-":
        yield Export(sys.stdin.buffer, "standard input")
        return
    with Path(file).open("rb") as found:
        yield Export(found, file)


def _shown(status: Status) -> Show:
    def show(progress: Progress) -> None:
        counts = progress.counts
        more = counts.snapshots + counts.replies
        place = f"position {progress.position:,} of {progress.last_position:,}"
        status.show(f"{place}, {counts.events:,} events, {more:,} snapshots and replies")

    return show


def _of_moved(done: str, moved: Moved) -> str:
    counts = moved.counts
    what = (
        f"{counted(counts.events, 'event')}, {counted(counts.snapshots, 'snapshot')},"
        f" {counted(counts.replies, 'reply', 'replies')},"
        f" {counted(counts.truncated, 'truncated stream')}, up to position {moved.last_position:,}"
    )
    lines = [f"{done} and compared: {what}", f"SHA-256 of the content: {moved.digest}"]
    if moved.root is not None:
        lines.append(f"root: {moved.root}")
    if not moved.is_all:
        lines.append("the journal has gone on meanwhile; what came later is not there")
    return "\n".join(lines)


def _of_copied(copied: Copied) -> str:
    return (
        f"backed up and compared: {counted(copied.streams, 'stream')},"
        f" {counted(copied.events, 'event')}, {counted(copied.snapshots, 'snapshot')},"
        f" {counted(copied.replies, 'reply', 'replies')}, up to position {copied.last_position:,}"
    )
