"""What an engine may have beside the port, each a protocol of its own.

Whoever has a use for one of these asks whether the journal has it, and does without it where it has
not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol, cast, runtime_checkable

from daicho.journal.port import Journal, Outcome, Write


class Claiming(Protocol):
    """What an engine with ``Feature.EPOCHS`` has beside the rest: who owns a slice, since when."""

    async def claim(self, slices: Collection[int], owner: str) -> dict[int, int]:
        """Makes the owner that of the slices; returns the epoch of each, which is a new one.

        It waits for appends to these slices that are being committed. When it returns, their events
        can be read, and every later write that names an earlier epoch is refused.

        Args:
            slices: Numbers of 0 to 1,023; nothing is claimed twice.
            owner: A name for whoever looks at it; it decides nothing.

        Raises:
            ValueError: There is no such slice.
            StoreError: What the store answers; then some may be claimed.
        """
        ...


class Migration(NamedTuple):
    """A step from one version of a journal's tables to the next."""

    version: int
    """The version of the schema after it."""
    name: str
    sql: str
    """Its statements."""


class Migrating(Protocol):
    """What an engine with tables has beside the rest; the journal need not be open for it."""

    async def pending_migrations(self) -> list[Migration]:
        """What has to be done before this version of Daicho can use it; changes nothing.

        Raises:
            StoreError: It cannot be reached, or is something else, or of a later version.
        """
        ...

    async def apply_migrations(self) -> list[Migration]:
        """Does what is pending, all or nothing of it, and returns what that was.

        Raises:
            StoreError: As above; nothing was changed.
        """
        ...


AppendNow = Callable[[Sequence[Write]], list[Outcome] | None]
"""What an engine may offer besides as its method ``append_now``: it does what ``append`` does, at
once and in the caller's thread. It is None, and nothing is stored, where ``append`` would do it
better, because it could take longer than a callback of the loop should."""


Tell = Callable[[list[Outcome] | Exception], object]
"""Takes the outcomes of an append, or why there are none."""

AppendSoon = Callable[[Sequence[Write], Tell], None]
"""What an engine may offer besides as its method ``append_soon``: it does what ``append`` does, and
nobody has to wait for it, so that there need not be a task. It begins at once. It raises what is
raised about writes that are never right, and that the journal is closed; what comes of the others,
or the error, it tells: once, in a callback of the loop that belongs to no task, and not before it
has returned. No writes at all are told, too, as no outcomes.

Appends are stored in the order of their calls. The sequence of writes may change when the call has
returned. Whoever raises when he is told keeps nobody else from being told. A program that ends in
the middle is told as ``JournalUnavailable``, if there is a loop to tell it.

An actor's commits come in parts of what has gathered, so that the actors go on with one while the
engine stores another: an engine that would rather have all of it at once does not offer this."""


@runtime_checkable
class Noticing(Protocol):
    """What an engine may have besides: it hears at once that another process has appended."""

    def on_append(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Calls ``tell`` in the loop when another process may have appended.

        It may do so without reason, and may miss some: who follows the journal looks by itself all
        the same. What it returns ends it.
        """
        ...


def append_now_of(journal: Journal) -> AppendNow | None:
    """The journal's ``append_now``, if it has one; see :func:`append_soon_of`."""
    return cast("AppendNow | None", _way_to_append(journal, "append_now"))


def append_soon_of(journal: Journal) -> AppendSoon | None:
    """The journal's ``append_soon``, if it has one.

    An heir that has an ``append`` of its own, or an object that was given one, without one of these
    wants to see every write; then it is None, as it is where an heir says ``append_soon = None``.
    """
    return cast("AppendSoon | None", _way_to_append(journal, "append_soon"))


def _way_to_append(journal: Journal, name: str) -> object:
    if "append" in getattr(journal, "__dict__", {}):
        return None
    for kind in type(journal).__mro__:
        if name in vars(kind):
            found = vars(kind)[name]
            return None if found is None else found.__get__(journal)
        if "append" in vars(kind):
            return None
    return None
