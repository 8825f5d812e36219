"""How the journal asks the server, as long as it is open."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from daicho.errors import JournalClosed, JournalReadOnly
from daicho.journal.postgres._connections import Connections, Settings
from daicho.journal.postgres._writer import Writer

if TYPE_CHECKING:
    import asyncpg

_FIRST_LOOK_S = 0.001
_LAST_LOOK_S = 0.05


class Bounds(NamedTuple):
    """How far the journal has come; see the statement ``bounds``."""

    top: int
    newest: int
    settled: int


class Asking:
    """What every part of the journal asks with.

    Args:
        settings: How the server is reached.
        sql: The text of every statement.
        patience_s: How long ``last_position`` waits for transactions that are not over.
    """

    def __init__(
        self, settings: Settings, sql: MappingProxyType[str, str], patience_s: float
    ) -> None:
        self._settings = settings
        self._sql = sql
        self._patience_s = patience_s
        self._open: tuple[Writer | None, Connections] | None = None

    def __repr__(self) -> str:
        return f"PostgresJournal({self._settings.store!r})"

    async def last_position(self) -> int:
        """The position of the newest event; see :meth:`Journal.last_position`.

        Where a transaction that began before that of the newest event is not over, and is not after
        ``patience_s``, it is the last one before all of these.
        """
        self._connections()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        bounds = await self._bounds()
        wanted = bounds.newest
        pause_s = _FIRST_LOOK_S
        while bounds.top < wanted and loop.time() + pause_s <= deadline:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LAST_LOOK_S)
            bounds = await self._bounds()
        return bounds.settled

    def _writer(self) -> Writer:
        writer, _ = self._opened()
        if writer is None:
            raise JournalReadOnly(
                self._settings.store, "it was opened with read_only=True", advice="open it without"
            )
        return writer

    def _connections(self) -> Connections:
        _, connections = self._opened()
        return connections

    def _opened(self) -> tuple[Writer | None, Connections]:
        if self._open is None:
            raise JournalClosed(repr(self))
        return self._open

    async def _bounds(self) -> Bounds:
        return Bounds(*await self._row("bounds"))

    async def _rows(self, name: str, *values: object) -> list[asyncpg.Record]:
        text = self._sql[name]
        return await self._connections().read(lambda db: db.fetch(text, *values))

    async def _first(self, name: str, *values: object) -> asyncpg.Record | None:
        text = self._sql[name]
        return await self._connections().read(lambda db: db.fetchrow(text, *values))

    async def _row(self, name: str, *values: object) -> asyncpg.Record:
        row = await self._first(name, *values)
        assert row is not None, f"{name} gives one row"
        return row

    async def _change(self, name: str, *values: object) -> list[asyncpg.Record]:
        # One statement: who is stopped in the middle of several holds what he has locked.
        text = self._sql[name]
        return await self._connections().change(lambda db: db.fetch(text, *values))

    async def _changed(self, name: str, *values: object) -> Any:  # noqa: ANN401 - of the statement
        [row] = await self._change(name, *values)
        return row[0]
