"""A message with what travels beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from daicho.actor.pid import PID


@final
class Envelope:
    """A message, who wants the reply, and headers.

    A bare message travels without one; it is made where there is a sender or a header, and for
    middleware. Treat it as immutable: middleware that changes something makes another.
    """

    __slots__ = ("headers", "message", "sender")

    def __init__(
        self,
        message: object,
        sender: PID | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message
        self.sender = sender
        self.headers = headers

    def __repr__(self) -> str:
        return f"Envelope({self.message!r}, sender={self.sender}, headers={self.headers})"


def message_of(item: object) -> object:
    """The message of what a mailbox holds."""
    return item.message if isinstance(item, Envelope) else item


def sender_of(item: object) -> PID | None:
    """Who wants the reply to what a mailbox holds."""
    return item.sender if isinstance(item, Envelope) else None


def enveloped(item: object) -> Envelope:
    """What a mailbox holds, in an envelope."""
    return item if type(item) is Envelope else Envelope(item)
