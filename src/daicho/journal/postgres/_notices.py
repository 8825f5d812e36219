"""Who follows the journal hears at once that another process has appended.

``LISTEN`` and ``NOTIFY`` carry no event, and what they carry may be lost: they only wake who would
look a second later anyway.

A transaction that notifies waits for all others that do, so an append does not do it itself. After
an append a statement of its own does, one for all appends of a moment; it waits for no disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections.abc import Callable
from typing import Any

from daicho.errors import JournalError
from daicho.journal.postgres._connections import Connection, Connections, close
from daicho.journal.postgres._errors import FAULTS

log = logging.getLogger("daicho.journal")

_PAUSE_S = 0.02
"""Between two notices of one process."""

_AGAIN_S = 1.0
"""After what could not be reached, before it is tried again."""

Tell = Callable[[], None]


class Notices:
    """Tells other processes of appends, and hears of theirs.

    Args:
        connections: How the server is reached.
        schema: The name of the journal's schema.
        hears: Whether a connection can listen; one through a pooler of transactions cannot.
    """

    def __init__(self, connections: Connections, schema: str, *, hears: bool) -> None:
        self._connections = connections
        self._channel = f"daicho_{hashlib.sha256(schema.encode()).hexdigest()[:16]}"
        self._hears = hears
        self._own = uuid.uuid4().hex
        self._tells: list[Tell] = []
        self._listening: asyncio.Task[None] | None = None
        self._announcing: asyncio.Task[None] | None = None
        self._is_due = False

    def on_append(self, tell: Tell) -> Tell:
        """Calls ``tell`` when another process may have appended; what it returns ends that."""
        self._tells.append(tell)
        if self._hears and self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        return lambda: self._tells.remove(tell)

    def announce(self) -> None:
        """This process has appended."""
        self._is_due = True
        if self._announcing is None:
            self._announcing = asyncio.create_task(self._announce())

    async def close(self) -> None:
        """Tells and hears no more."""
        tasks = [task for task in (self._listening, self._announcing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _announce(self) -> None:
        try:
            while self._is_due:
                self._is_due = False
                await self._connections.read(self._notify)
                await asyncio.sleep(_PAUSE_S)
        except JournalError as error:
            # Who follows looks by itself.
            log.debug("appends were not announced: %s", error)
        finally:
            self._announcing = None

    async def _notify(self, db: Connection) -> None:
        await db.fetchrow(self._connections.statements["notify"], self._channel, self._own)

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (JournalError, *FAULTS) as error:
                log.debug("appends of others are not heard of: %s", error)
            await asyncio.sleep(_AGAIN_S)

    async def _listen_once(self) -> None:
        """Listens for as long as the connection is there."""
        db = await self._connections.connect()
        lost = asyncio.Event()
        try:
            db.add_termination_listener(lambda _: lost.set())
            await db.add_listener(self._channel, self._heard)
            # Something may have come while nobody listened.
            self._tell()
            await lost.wait()
        finally:
            await _leave(db)

    def _heard(self, _db: Any, _pid: int, _channel: str, payload: object) -> None:  # noqa: ANN401
        if payload != self._own:
            self._tell()

    def _tell(self) -> None:
        for tell in [*self._tells]:
            tell()


async def _leave(db: Connection) -> None:
    if not db.is_closed():
        await asyncio.shield(close(db))
