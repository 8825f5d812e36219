"""All of a journal, moved: to another journal, or to a file and from there.

:func:`copy` goes from one open journal to another, of any two engines that offer
``Feature.POSITIONS`` and ``Feature.RESTORE``. :func:`export` and :func:`import_` do the same with a
file between the two, which can be kept, compressed and carried. :func:`back_up` copies the file of
a SQLite journal.
"""

from typing import BinaryIO

from daicho.journal import Journal
from daicho.moving.backup import back_up
from daicho.moving.contents import contents_of
from daicho.moving.files import new_file
from daicho.moving.stream import Export, look_over, write
from daicho.moving.taking import take
from daicho.moving.tally import Counts, Moved, Progress, Show

__all__ = [
    "Counts",
    "Export",
    "Moved",
    "Progress",
    "Show",
    "back_up",
    "copy",
    "export",
    "import_",
    "look_over",
    "new_file",
]


async def copy(source: Journal, target: Journal, *, progress: Show | None = None) -> Moved:
    """Brings all that a journal holds into another one, as it is; returns what that was.

    Events keep their versions, positions, times and ids, streams what they were truncated to. It
    reads the source up to the position that it had come to at the beginning, with the snapshots and
    replies that belong to it; every event, snapshot and reply is read back and compared.

    It can stop anywhere. Called again it compares what is there and goes on with what is missing;
    so it also brings over what the source has got since. Events that the source has forgotten since
    are forgotten there too; its snapshots and replies stay.

    Args:
        source: An open journal; it is not written to.
        target: An open journal that is empty, or holds the beginning of the source. Nobody else
            writes to it meanwhile.
        progress: Is called after each step.

    Raises:
        JournalsDiffer: The target holds something else. If that is seen in its first events,
            nothing was changed.
        JournalCorrupt: A stream of the source has a gap.
        Unsupported: One of the two lacks what it takes.
        StoreError: What a journal said.
    """
    return await take(await contents_of(source), target, show=progress)


async def export(source: Journal, file: BinaryIO, *, progress: Show | None = None) -> Moved:
    """Writes all that :func:`copy` would bring over into a file; returns what that was.

    The file is written from its beginning to its end, so it may be a pipe. It is whole when this
    returns; whoever kept it syncs it, and may :func:`look_over` it.

    Args:
        source: An open journal; it is not written to.
        file: It is open for bytes. It is written to in the loop's thread.
        progress: Is called after each step.

    Raises:
        SourceTruncated: Streams were truncated meanwhile, and the file is of no use.
        Unsupported: The journal has no positions.
        StoreError: What the journal said.
        OSError: What the file said.
    """
    return await write(await contents_of(source), file, show=progress)


async def import_(export: Export, target: Journal, *, progress: Show | None = None) -> Moved:
    """Brings all that was exported into a journal; returns what that was.

    It is a :func:`copy` whose source is a file: it can stop anywhere and go on with the file opened
    anew, it compares what arrives, and a later export of the same journal brings what has come
    since.

    Args:
        export: The export: ``Export(file, name)`` of a file that is open for bytes.
        target: An open journal that is empty, or holds the beginning of what was exported. Nobody
            else writes to it meanwhile.
        progress: Is called after each step.

    Raises:
        BadExport: The file is cut short or was changed. What comes before that place is stored.
        JournalsDiffer: The target holds something else, as with :func:`copy`.
        JournalCorrupt: A stream in the file has a gap.
        Unsupported: The target cannot store what another one has stored.
        StoreError: What the target said.
        OSError: What the file said.
    """
    return await take(export, target, show=progress)
