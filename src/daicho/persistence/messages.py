"""What persistence tells an actor, and what it publishes on the event stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daicho.actor import PID


@dataclass(frozen=True, slots=True)
class RequestSnapshot:
    """A snapshot is due: the actor answers with ``persist_snapshot``, or not at all."""


@dataclass(frozen=True, slots=True)
class ReplayComplete:
    """The state is that of the journal; messages come from now on."""


@dataclass(frozen=True, slots=True)
class SnapshotFailed:
    """Published: a snapshot could not be written, read or pruned, or its strategy raised.

    Only time is lost by it.
    """

    pid: PID
    stream: str
    version: int
    error: BaseException
