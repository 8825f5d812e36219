"""Tables as people read them: columns as wide as what stands in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from wallet.answers import Column, Row, Table

LOOKED_AT = 1_000
"""So many rows decide how wide the columns are; all of a very long table are never held at once."""

_GAP = "  "


async def laid_out(table: Table) -> AsyncIterator[str]:
    """The lines of a table, with its heading first.

    A cell that is wider than all in the first :data:`LOOKED_AT` rows pushes its line to the right.
    """
    first: list[Row] = []
    async for row in table.rows:
        first.append(row)
        if len(first) == LOOKED_AT:
            break
    heading = [column.title for column in table.columns]
    widths = _widths([heading, *(row.cells for row in first)])
    yield _line(table.columns, widths, heading)
    for row in first:
        yield _line(table.columns, widths, row.cells)
    # Goes on where the loop above has left it.
    async for row in table.rows:
        yield _line(table.columns, widths, row.cells)


def _widths(lines: Iterable[Sequence[str]]) -> list[int]:
    return [max(map(len, cells)) for cells in zip(*lines, strict=True)]


def _line(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> str:
    padded = [
        cell.rjust(width) if column.is_number else cell.ljust(width)
        for column, width, cell in zip(columns, widths, cells, strict=True)
    ]
    return _GAP.join(padded).rstrip()
