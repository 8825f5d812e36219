"""Where a journal is, in words for whoever reads an error."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit


def store_name(dsn: str, schema: str) -> str:
    """The server, the database and the schema, without a user, a password or other options."""
    parts = urlsplit(dsn)
    _, _, host = parts.netloc.rpartition("@")
    # Where the host is behind the question mark, as that of a socket is.
    given = {} if host else dict(parse_qsl(parts.query))
    where = "&".join(f"{name}={given[name]}" for name in ("host", "port") if name in given)
    return f"postgresql://{host}{parts.path}{where and f'?{where}'} (schema {schema!r})"


def names(dsn: str, option: str) -> bool:
    """Whether the URL has an option."""
    return option in dict(parse_qsl(urlsplit(dsn).query))


def in_turn(dsn: str) -> tuple[str, ...]:
    """The URL, beginning with each of its hosts once."""
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    count = len((hosts or options.get("host", "")).split(","))
    if count == 1:
        return (dsn,)

    def turned(by: int) -> str:
        told = {
            name: _turned(options[name], by, count) for name in {"host", "port"} & options.keys()
        }
        netloc = f"{user}{at}{_turned(hosts, by, count)}"
        return parts._replace(netloc=netloc, query=urlencode(options | told)).geturl()

    return tuple(map(turned, range(count)))


def _turned(text: str, by: int, count: int) -> str:
    """What is said of each host, or of all at once."""
    each = text.split(",")
    return ",".join(each[by:] + each[:by]) if len(each) == count else text
