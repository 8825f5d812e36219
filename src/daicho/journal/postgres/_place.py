"""Where a journal is, in words for whoever reads an error."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit


def store_name(dsn: str, schema: str) -> str:
    """The server, the database and the schema, without a user, a password or other options."""
    parts = urlsplit(dsn)
    _, _, host = parts.netloc.rpartition("@")
    # Where the host is behind the question mark, as that of a socket is.
    given = {} if host else dict(parse_qsl(parts.query))
    where = "&".join(f"{name}={given[name]}" for name in ("host", "port") if name in given)
    return f"postgresql://{host}{parts.path}{where and f'?{where}'} (schema {schema!r})"


def names_itself(dsn: str) -> bool:
    """Whether the URL says what the connections are called on the server."""
    return "application_name" in dict(parse_qsl(urlsplit(dsn).query))
