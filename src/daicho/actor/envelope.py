"""A message with what travels beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from daicho.actor.pid import PID

if TYPE_CHECKING:
    from daicho.actor.ask import Ask


@final
class Envelope:
    """A message, who wants the reply, and headers.

    A bare message travels without one; it is made where there is a sender or a header, and for
    middleware. Treat it as immutable: middleware that changes something makes another.
    """

    __slots__ = ("asker", "headers", "message")

    def __init__(
        self,
        message: object,
        sender: PID | Ask | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message
        self.asker = sender
        """Who wants the reply; an ask is here itself, for its PID is made when it is looked at."""
        self.headers = headers

    @property
    def sender(self) -> PID | None:
        """Who wants the reply."""
        return pid_of(self.asker)

    def __repr__(self) -> str:
        return f"Envelope({self.message!r}, sender={self.sender}, headers={self.headers})"


def pid_of(asker: PID | Ask | None) -> PID | None:
    """The PID of who wants a reply."""
    return asker if asker is None or isinstance(asker, PID) else asker.pid


def message_of(item: object) -> object:
    """The message of what a mailbox holds."""
    return item.message if isinstance(item, Envelope) else item


def sender_of(item: object) -> PID | None:
    """Who wants the reply to what a mailbox holds."""
    return item.sender if isinstance(item, Envelope) else None


def enveloped(item: object) -> Envelope:
    """What a mailbox holds, in an envelope."""
    return item if type(item) is Envelope else Envelope(item)
