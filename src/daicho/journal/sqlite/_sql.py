"""The SQL of the journal, read from its files, and the few ways in which it is run.

apsw's types name a class that Python 3.11 does not have, so to a type checker its statements and
rows are unknown there. They get their types here, once.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import apsw

Value = str | int | bytes | None
"""What is in a column of ours."""

Values = Sequence[Value] | Mapping[str, Value]

_HERE = Path(__file__).parent
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)
_ROW = re.compile(r"\(\?(?:, \?)*\)")


class Executor(Protocol):
    """Runs the text of a statement."""

    def __call__(self, text: str, values: Sequence[Value] = (), /) -> object: ...


def executor(db: apsw.Connection) -> Executor:
    """What runs the text of a statement, for who runs many."""
    return cast("Executor", cast("Any", db).cursor().execute)


def pragma(db: apsw.Connection, name: str, value: str | int) -> object:
    """Sets a pragma and returns what it is then, where it says so."""
    return cast("Any", db).pragma(name, value)


def page_size_bytes(db: apsw.Connection) -> int:
    """The size of the file's pages."""
    return cast("int", cast("Any", db).pragma("page_size"))


def execute(db: apsw.Connection, name: str, values: Values = ()) -> None:
    """Runs a statement that has no result."""
    fetch(db, name, values)


def execute_many(db: apsw.Connection, name: str, rows: Iterable[Sequence[Value]]) -> None:
    """Runs a statement that has no result once for each row of values."""
    cast("Any", db).executemany(_STATEMENTS[name], rows)


def fetch(db: apsw.Connection, name: str, values: Values = ()) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    cursor = cast("Any", db).execute(_STATEMENTS[name], values)
    return cast("list[tuple[Any, ...]]", cursor.fetchall())


@contextmanager
def first_row(
    db: apsw.Connection, name: str, values: Values = ()
) -> Generator[tuple[Any, ...] | None]:
    """The first row of a statement, None if there is none.

    While the block runs the statement is not at its end. So what else is read in it is of the same
    moment, without a BEGIN and a COMMIT.
    """
    cursor = cast("Any", db).execute(_STATEMENTS[name], values)
    try:
        yield cursor.fetchone()
    finally:
        cursor.close()


def fetch_row(db: apsw.Connection, text: str, values: Values = ()) -> tuple[Any, ...]:
    """The one row of the text of a statement."""
    cursor = cast("Any", db).execute(text, values)
    [row] = cursor.fetchall()
    return cast("tuple[Any, ...]", row)


def number(db: apsw.Connection, name: str) -> int:
    """The one number that a statement asks for."""
    (value,) = fetch_row(db, _STATEMENTS[name])
    return cast("int", value)


@cache
def paged(page: str, rows: str) -> str:
    """The text of a statement that makes one row of another's rows, which it calls ``found``."""
    return f"WITH found AS ({_STATEMENTS[rows]})\n{_STATEMENTS[page]}"


@cache
def repeated(name: str, rows: int) -> str:
    """The text of a statement, with its row of parameters ``rows`` times."""
    text = _STATEMENTS[name]
    row = _ROW.search(text)
    assert row, f"{name} has no row of parameters"
    # Without spaces, because apsw keeps only prepared statements of up to 16,384 bytes.
    values = ",".join([row.group().replace(" ", "")] * rows)
    return text[: row.start()] + values + text[row.end() :]


def migrations() -> list[str]:
    """The migrations in order; a journal that has seen the first n of them is at version n."""
    folder = _HERE / "migrations"
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))]


def migration_names() -> list[str]:
    """What each of them is called."""
    return [path.stem[5:] for path in sorted((_HERE / "migrations").glob("*.sql"))]


def _named_statements() -> dict[str, str]:
    # Comments go, because SQLite keeps the text of a prepared statement.
    _, *parts = _NAME.split((_HERE / "queries.sql").read_text(encoding="utf-8"))
    return {
        name: _COMMENT.sub("", text).strip()
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


_STATEMENTS = _named_statements()
