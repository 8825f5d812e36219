"""The SQL of the journal, read from its files, with the name of the schema in it."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import NamedTuple

_HERE = resources.files("daicho.journal.postgres")
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)


class Script(NamedTuple):
    """A numbered file of ``migrations``."""

    version: int
    name: str
    text: str


def quoted(name: str) -> str:
    """A name as it is written in a statement."""
    return '"' + name.replace('"', '""') + '"'


@cache
def statements(schema: str) -> MappingProxyType[str, str]:
    """The text of every statement, by its name."""
    _, *parts = _NAME.split(_read("queries.sql"))
    texts = dict(zip(parts[::2], parts[1::2], strict=True))
    plain = {name: _COMMENT.sub("", text).strip() for name, text in texts.items()}
    return MappingProxyType({name: _filled(text, plain, schema) for name, text in plain.items()})


def _filled(text: str, plain: dict[str, str], schema: str) -> str:
    for name in ("columns", "unsettled"):
        text = text.replace(f"${name}", plain[name])
    return text.replace("$schema", quoted(schema))


@cache
def scripts(schema: str) -> tuple[Script, ...]:
    """The migrations, in order."""
    names = sorted(each.name for each in (_HERE / "migrations").iterdir())
    return tuple(
        Script(
            int(name[:4]),
            name[5:].removesuffix(".sql"),
            _read(f"migrations/{name}").replace("$schema", quoted(schema)),
        )
        for name in names
        if name.endswith(".sql")
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
