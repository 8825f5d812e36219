"""What persistence tells an actor, and what it publishes on the event stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daicho._frozen import frozen

if TYPE_CHECKING:
    from daicho.actor import PID


@frozen
class RequestSnapshot:
    """A snapshot is due: the actor answers with ``persist_snapshot``, or not at all."""


@frozen
class ReplayComplete:
    """The state is that of the journal; messages come from now on."""


@frozen
class SnapshotFailed:
    """Published: a snapshot could not be written, read or pruned, or its strategy raised.

    Only time is lost by it.
    """

    pid: PID
    stream: str
    version: int
    error: BaseException
