"""What a command line says, as values."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_SPAN = re.compile(r"([0-9]{1,9})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LONGEST_DAYS = 365_250


class BadName(ValueError):
    """A name on the command line does not lead to what is needed; the text says why."""


def span(text: str) -> timedelta:
    """A length of time: ``90d``, ``12h``; the units are s, m, h, d and w.

    Raises:
        ValueError: It is none.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no length of time; write it like 90d, 12h or 30m")
    number, unit = match.groups()
    seconds = int(number) * _SECONDS[unit]
    if seconds > _LONGEST_DAYS * _SECONDS["d"]:
        raise ValueError(f"{text!r} is longer than 1,000 years")
    return timedelta(seconds=seconds)


def point(text: str) -> datetime:
    """A time: ``2030-05-01``, ``2030-05-01T12:30:00+02:00``; in UTC where it names no zone.

    Raises:
        ValueError: It is none.
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; write it like 2030-05-01 or 2030-05-01T12:30:00+02:00"
        ) from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
