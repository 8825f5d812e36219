"""Where a journal is, in words for whoever reads an error."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit, urlunsplit


def store_name(dsn: str, schema: str) -> str:
    """The server, the database and the schema, without a user, a password or options."""
    parts = urlsplit(dsn)
    _, _, host = parts.netloc.rpartition("@")
    return f"postgresql://{host}{parts.path} (schema {schema!r})"


def hosts_of(dsn: str) -> list[str]:
    """The hosts, with their ports, in the order in which they are tried."""
    _, _, hosts = urlsplit(dsn).netloc.rpartition("@")
    return hosts.split(",")


def with_hosts(dsn: str, hosts: Sequence[str]) -> str:
    """The same with other hosts."""
    parts = urlsplit(dsn)
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=user + at + ",".join(hosts)))


def names(dsn: str, option: str) -> bool:
    """Whether the URL has an option."""
    return option in dict(parse_qsl(urlsplit(dsn).query))
