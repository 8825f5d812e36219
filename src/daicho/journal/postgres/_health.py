"""What keeps readers of the whole journal from what is stored."""

from __future__ import annotations

from daicho._frozen import frozen


@frozen(kw_only=True)
class OldestTransaction:
    """The transaction that began first of those that write, on the whole server."""

    pid: int | None
    """Of its backend, for ``pg_terminate_backend``; None if it was prepared and has none."""
    application_name: str
    user: str
    age_s: float
    """How long it runs; 0 if this user may not know."""
    prepared: str | None = None
    """The name under which it was prepared, for ``ROLLBACK PREPARED``; None if it was not."""


@frozen(kw_only=True)
class Health:
    """How far readers of the whole journal may see, and who holds them back."""

    last_position: int
    """Up to here they see everything."""
    newest_position: int
    """That of the newest event. What is between the two is stored, and is seen when those
    transactions are over that began before its own."""
    held_back_by: OldestTransaction | None
