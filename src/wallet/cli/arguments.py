"""What the command line takes for an amount, a name, a time or a file, and what it refuses."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token

LARGEST = 2**63 - 1

_WHOLE = re.compile(r"([+-]?)0*([0-9]+)")
_MAX_USER_BYTES = 1_024
_MAX_NAME_BYTES = 255
_MAX_SHOWN = 40
_RESERVED = "daicho:"


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _whole(text: str, example: str, *, signs: str = "") -> int:
    shown = _shortened(text)
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown!r} is no whole number; write it like {example}")
    sign, digits = match.groups()
    # So many digits need not become a number to be known as too large a one.
    if len(digits) > len(str(LARGEST)) or int(digits) > LARGEST:
        raise ValueError(f"{shown} does not fit into 64 bits; the largest is {LARGEST}{signs}")
    return int(sign + digits)


def amount_of(_: object, tokens: Sequence[Token]) -> int:
    """A whole number of 64 bits, where a negative one has a meaning."""
    return _whole(tokens[0].value, "12000 or -8200", signs=", + or -")


def _money(_: object, tokens: Sequence[Token]) -> int:
    # A wallet itself says what it thinks of 0 and less.
    return _whole(tokens[0].value, "12000")


def _interval(_: object, tokens: Sequence[Token]) -> int:
    return _whole(tokens[0].value, "5, or 0 for no snapshots")


def _version(_: object, tokens: Sequence[Token]) -> int:
    version = _whole(tokens[0].value, "12")
    if version < 0:
        raise ValueError(f"{version} is no version; they are counted from 0")
    return version


def _first_version(_: object, tokens: Sequence[Token]) -> int:
    version = _whole(tokens[0].value, "12")
    if version < 1:
        raise ValueError(f"{version} is no version of an event; they are counted from 1")
    return version


def _text(text: str) -> bytes:
    # What a shell passes need not be text, but what SQLite opens and stores has to be.
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{_shortened(text)!r} is not UTF-8") from None


def _sized(text: str, what: str, largest: int) -> str:
    size = len(_text(text))
    if not 0 < size <= largest:
        raise ValueError(f"{_shortened(text)!r} has {size} bytes; {what} has 1 to {largest}")
    return text


def _user(_: object, tokens: Sequence[Token]) -> str:
    return _sized(tokens[0].value, "a user's name", _MAX_USER_BYTES)


def _name(_: object, tokens: Sequence[Token]) -> str:
    return _sized(tokens[0].value, "a wallet's name", _MAX_NAME_BYTES)


def _key(_: object, tokens: Sequence[Token]) -> str:
    key = _sized(tokens[0].value, "a key", _MAX_NAME_BYTES)
    if "\0" in key:
        raise ValueError("a key contains no NUL")
    if key.startswith(_RESERVED):
        raise ValueError(
            f"keys that begin with {_RESERVED!r} are kept for what wallets tell others"
        )
    return key


def _words(_: object, tokens: Sequence[Token]) -> str:
    _text(tokens[0].value)
    return tokens[0].value


def _time(_: object, tokens: Sequence[Token]) -> datetime:
    text = tokens[0].value
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        shown = _shortened(text)
        raise ValueError(f"{shown!r} is no time; write it like 2026-03-29T18:30:00Z") from None
    return time


def _file(_: object, tokens: Sequence[Token]) -> Path:
    name = tokens[0].value
    if not _text(name):
        raise ValueError("it is empty; name a file, like db.sqlite3")
    return Path(name)


Amount = Annotated[int, Parameter(converter=amount_of)]
Money = Annotated[int, Parameter(converter=_money)]
"""An amount that is put in, taken out or moved."""
Interval = Annotated[int, Parameter(converter=_interval)]
Version = Annotated[int, Parameter(converter=_version)]
FirstVersion = Annotated[int, Parameter(converter=_first_version)]
User = Annotated[str, Parameter(converter=_user)]
Name = Annotated[str, Parameter(converter=_name)]
"""The name of a wallet."""
Key = Annotated[
    str | None,
    Parameter(
        converter=_key,
        help="Any text. The same command again under the same key gives the same answer, and does"
        " nothing.",
    ),
]
"""An idempotency key."""
Words = Annotated[str, Parameter(converter=_words, show_default=False)]
Time = Annotated[datetime, Parameter(converter=_time)]
File = Annotated[Path, Parameter(converter=_file)]
