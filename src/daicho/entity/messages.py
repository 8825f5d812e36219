"""What travels to an entity beside plain commands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio

    from daicho.entity.entity import AnyEntity
    from daicho.events import Codec
    from daicho.journal import Reply


class Token(NamedTuple):
    """A moment in the life of an entity, to wait for elsewhere: see ``after`` of ``ask``."""

    stream: str
    version: int
    """The entity's version when it replied."""
    position: int
    """The position in the whole journal of the event with that version; 0 before the first event,
    or if it is gone."""


class Request:
    """A command with more than itself: a key, a moment to wait for, a wish for the version."""

    __slots__ = ("after_version", "command", "digest", "key", "lookup", "tries", "versioned")

    def __init__(
        self,
        command: object,
        *,
        key: str | None = None,
        digest: bytes = b"",
        after_version: int = 0,
        versioned: bool = False,
    ) -> None:
        self.command = command
        self.key = key
        self.digest = digest
        """Of the command, for its key."""
        self.after_version = after_version
        """The entity must have come so far before it decides."""
        self.versioned = versioned
        """Whether the reply is to be a ``Versioned``."""
        self.lookup: asyncio.Task[Reply | None] | None = None
        """What is stored under the key; asked for while the command is on its way."""
        self.tries = 0
        """How often an entity began with it."""


class Versioned(NamedTuple):
    """A reply, and the version of the entity when it gave it."""

    reply: object
    version: int


class Internal(ABC):
    """A message of the layers themselves, which is decided about as a command is."""

    __slots__ = ()

    @abstractmethod
    def decide(self, entity: AnyEntity, codec: Codec) -> object:
        """Does what a command handler does, plain or ``async``; returns the reply."""


class Fire(Internal):
    """A timer is due: its command is handled, and the timer settled, in one write.

    A timer that was cancelled, replaced or fired meanwhile does nothing. One whose command is
    rejected is settled all the same: it came to its end.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    async def decide(self, entity: AnyEntity, codec: Codec) -> None:
        """See the class."""
        await entity._fire(self.number, codec)  # pyright: ignore[reportPrivateUsage]
