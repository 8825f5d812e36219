"""A journal of a URL: what belongs to Daicho is taken out of it, the rest is the driver's."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from daicho.errors import BadUrl
from daicho.journal.postgres._journal import PostgresJournal

_SWITCHES = {"yes": True, "no": False}
_SECONDS = ("connect_timeout_s", "answer_timeout_s", "patience_s")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:]*)(:(?P<port>[0-9]{1,5}))?")
_LAST_PORT = 65_535


def from_url(url: str, *, read_only: bool = False) -> PostgresJournal:
    """The journal of a URL, not open yet.

    Behind the question mark stand ``schema``, ``connections``, ``connect_timeout_s``,
    ``answer_timeout_s``, ``patience_s``, and ``prepared_statements``, ``notices`` and ``chained``
    that are ``yes`` or ``no``, which mean what they mean to :class:`PostgresJournal`, and whatever
    the driver takes.

    Raises:
        BadUrl: It names no journal.
    """
    _check(url)
    parts = urlsplit(url)
    options: dict[str, Any] = {}
    rest: list[tuple[str, str]] = []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        match name:
            case "schema":
                options[name] = value
            case "connections":
                options[name] = _number(url, name, value)
            case "prepared_statements" | "notices" | "chained":
                if value not in _SWITCHES:
                    raise BadUrl(url, f"{name} is yes or no, not {value!r}")
                options[name] = _SWITCHES[value]
            case _ if name in _SECONDS:
                options[name] = _seconds(url, name, value)
            case _:
                rest.append((name, value))
    dsn = parts._replace(query=urlencode(rest)).geturl()
    try:
        return PostgresJournal(dsn, read_only=read_only, **options)
    except ValueError as error:
        raise BadUrl(url, str(error)) from error


def _check(url: str) -> None:
    """Refuses what the driver would stumble over, or take for something else."""
    try:
        plain = unquote(url, errors="strict").encode().decode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise BadUrl(url, f"it is not UTF-8: {error.reason}") from error
    if "\0" in plain:
        raise BadUrl(url, "it contains NUL")
    parts = urlsplit(url)
    _, _, hosts = parts.netloc.rpartition("@")
    if not url.startswith(f"{parts.scheme}://"):
        raise BadUrl(url, "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    for host in hosts.split(","):
        found = _HOST.fullmatch(host)
        if found is None or int(found["port"] or 0) > _LAST_PORT:
            raise BadUrl(url, f"{host!r} is no host and port")


def _number(url: str, name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII):
        raise BadUrl(url, f"{name} is a number, not {text!r}")
    return int(text)


def _seconds(url: str, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadUrl(url, f"{name} is a number of seconds, not {text!r}") from None
