"""All of a journal, moved to another one.

:func:`copy` goes from one open journal to another, of any two engines that offer
``Feature.POSITIONS`` and ``Feature.RESTORE``.
"""

from daicho.journal import Journal
from daicho.moving.contents import contents_of
from daicho.moving.taking import take
from daicho.moving.tally import Counts, Moved, Progress, Show

__all__ = ["Counts", "Moved", "Progress", "Show", "copy"]


async def copy(source: Journal, target: Journal, *, progress: Show | None = None) -> Moved:
    """Brings all that a journal holds into another one, as it is; returns what that was.

    Events keep their versions, positions, times and ids, streams what they were truncated to. It
    reads the source up to the position that it had come to at the beginning, with the snapshots and
    replies that belong to it; every event, snapshot and reply is read back and compared.

    It can stop anywhere. Called again it compares what is there and goes on with what is missing;
    so it also brings over what the source has got since. What the source has forgotten since is
    forgotten too, if it is events; snapshots and replies stay.

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
