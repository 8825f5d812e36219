"""Whether a commit is made where one stands, or by the writer's thread.

To hand a commit to the thread and to hear of it costs more than a quick disk takes for it: twice
the threads change places, each waits for the interpreter lock, and the loop is woken. So the loop's
thread makes small commits itself, as long as the disk is quick. What it cannot know beforehand it
learns: after a commit that held it up it leaves the next ones to the thread, twice as many each
time, and one less for each commit that was quick. So of a disk that is always slow it feels one
commit in a thousand, and of one that is slow each tenth time about a third of the slow ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from daicho.journal.port import Write

QUICK_S = 0.000_5
"""How long a commit may hold up the loop, in seconds; with the thread a single one takes about as
long from one end to the other."""

FEW_EVENTS = 32
FEW_BYTES = 65_536
"""The largest commits that it makes. With more events the time is in making rows of them, and then
a thread beside the loop is worth its price."""

LEAST_PAUSE = 8
LONGEST_PAUSE = 1_024


class Haste:
    """Learns whether the disk is quick."""

    __slots__ = ("_left", "_pause")

    def __init__(self) -> None:
        self._pause = 0
        self._left = 0

    def is_due(self, writes: Sequence[Write]) -> bool:
        """Whether the loop's thread commits these writes by itself."""
        if not _are_few(writes):
            return False
        if self._left:
            self._left -= 1
            return False
        return True

    def took(self, seconds: float) -> None:
        """Learns how long such a commit has taken."""
        if seconds <= QUICK_S:
            self._pause -= self._pause > 0
        else:
            self._left = self._pause = min(max(2 * self._pause, LEAST_PAUSE), LONGEST_PAUSE)


def _are_few(writes: Sequence[Write]) -> bool:
    events = size = 0
    for write in writes:
        events += len(write.events)
        if events > FEW_EVENTS:
            return False
        for event in write.events:
            size += len(event.payload)
        for reply in write.replies:
            size += len(reply.payload)
        if write.snapshot is not None:
            size += len(write.snapshot.payload)
    return size <= FEW_BYTES
