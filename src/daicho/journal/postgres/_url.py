"""A journal of a URL: what belongs to Daicho is taken out of it, the rest is the driver's."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from daicho.errors import BadUrl
from daicho.journal.postgres._journal import PostgresJournal

_SWITCHES = {"yes": True, "no": False}
_SECONDS = ("connect_timeout_s", "answer_timeout_s", "patience_s")
_OWN = ("schema", "connections", *_SECONDS, "prepared_statements", "notices", "chained")

_DRIVERS = (
    *("host", "port", "user", "password", "passfile", "database", "dbname"),
    *("service", "target_session_attrs", "krbsrvname", "gsslib"),
    *("sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)
"""What asyncpg looks for in a URL. It sends the server whatever else is there, as a setting."""

_SERVERS = ("application_name", "options")
"""What goes to the server on purpose, as libpq sends it. All its settings fit into ``options``."""

_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": (
        *("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
    ),
}

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.%]+\]|[^\[\]:]+)(:(?P<port>[0-9]{1,5}))?")
_LAST_PORT = 65_535


def from_url(url: str, *, read_only: bool = False) -> PostgresJournal:
    """The journal of a URL, not open yet.

    Behind the question mark stand ``schema``, ``connections``, ``connect_timeout_s``,
    ``answer_timeout_s``, ``patience_s``, and ``prepared_statements``, ``notices`` and ``chained``
    that are ``yes`` or ``no``, which mean what they mean to :class:`PostgresJournal`; and what the
    driver takes, such as ``sslmode``. Settings of the server are written as libpq has them:
    ``options=-c%20statement_timeout%3D5s``.

    Raises:
        BadUrl: It names no journal, or an option that does not exist.
    """
    _check(url)
    parts = urlsplit(url)
    options: dict[str, Any] = {}
    rest: list[tuple[str, str]] = []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in _OWN:
            options[name] = _own(url, name, value)
        else:
            _check_option(url, name, value)
            rest.append((name, value))
    _check_once(url, parts, rest)
    # The driver would take an empty name for one.
    path = parts.path if parts.path != "/" else ""
    dsn = parts._replace(path=path, query=urlencode(rest)).geturl()
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
    if not url.startswith(f"{parts.scheme}://"):
        raise BadUrl(url, "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    _check_hosts(url, parts)


def _check_hosts(url: str, parts: SplitResult) -> None:
    # What is wrong here may be a piece of a password, so it is not said again.
    user, _, hosts = parts.netloc.rpartition("@")
    if "@" in user:
        raise BadUrl(url, "in a name or a password an '@' is written %40")
    if hosts and not all(map(_is_host, hosts.split(","))):
        raise BadUrl(
            url,
            "a host, or a host and a port such as db.example:5432, is wanted before the first '/'"
            " or '?'; in a name or a password these are written %2F and %3F",
        )


def _is_host(text: str) -> bool:
    if text.startswith("/"):
        return True  # the folder of a socket
    found = _HOST.fullmatch(text)
    if found is None or int(found["port"] or 0) > _LAST_PORT:
        return False
    try:
        unquote(found["name"]).encode("idna")
    except UnicodeError:
        return False
    return True


def _check_once(url: str, parts: SplitResult, rest: list[tuple[str, str]]) -> None:
    """Refuses what the driver would pass over, because something before it says it already."""
    before = {
        "host": parts.netloc.rpartition("@")[2],
        "user": parts.username,
        "password": parts.password,
        "dbname": parts.path.strip("/"),
    }
    before |= {"port": before["host"], "database": before["dbname"]}
    for name, _ in rest:
        if before.get(name):
            raise BadUrl(
                url,
                f"{name} is said before the '?' or left to the default there, and again behind it;"
                " write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or all of it behind the '?'",
            )


def _check_option(url: str, name: str, value: str) -> None:
    """Refuses what the driver does not know, and would send to the server as a setting."""
    if name not in (*_DRIVERS, *_SERVERS):
        near = get_close_matches(name, (*_OWN, *_DRIVERS, *_SERVERS), n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise BadUrl(
            url,
            f"there is no option {name!r}; {meant}Daicho takes {', '.join(_OWN)}, its driver"
            f" {', '.join((*_DRIVERS, *_SERVERS))}; a setting of the server is written"
            " options=-c%20NAME%3DVALUE",
        )
    if name in _CHOICES and value not in _CHOICES[name]:
        raise BadUrl(url, f"{name} is one of {', '.join(_CHOICES[name])}, not {value!r}")
    if name == "host" and not all(map(_is_host, value.split(","))):
        raise BadUrl(url, f"host is a host, or several with commas between, not {value!r}")
    if name == "port" and not all(map(_is_port, value.split(","))):
        raise BadUrl(url, f"port is a number, or several with commas between, not {value!r}")


def _is_port(text: str) -> bool:
    return bool(re.fullmatch(r"\d{1,5}", text, re.ASCII)) and int(text) <= _LAST_PORT


def _own(url: str, name: str, value: str) -> str | float | bool:
    """The value of an option of Daicho's own."""
    match name:
        case "schema":
            return value
        case "connections":
            return _number(url, name, value)
        case _ if name in _SECONDS:
            return _seconds(url, name, value)
        case _ if value in _SWITCHES:
            return _SWITCHES[value]
        case _:
            raise BadUrl(url, f"{name} is yes or no, not {value!r}")


def _number(url: str, name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII):
        raise BadUrl(url, f"{name} is a number, not {text!r}")
    return int(text)


def _seconds(url: str, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadUrl(url, f"{name} is a number of seconds, not {text!r}") from None
