"""An application that forgets everything with the test."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Self

import daicho.app
from daicho.app import App
from daicho.entity import Clock as AnyClock
from daicho.entity.entity import AnyEntity
from daicho.events import Schema
from daicho.journal import Journal, MemoryJournal
from daicho.testing.clock import Clock


def app(
    *entities: type[AnyEntity],
    journal: str | Journal | None = None,
    clock: AnyClock | None = None,
    schema: Schema | None = None,
    max_live: int = 100_000,
    passivate_after_s: float = 300.0,
    max_waiting: int = 100_000,
    max_mailbox: int = 10_000,
    ask_timeout_s: float = 5.0,
) -> App:
    """An application of these entities in memory; it begins with ``async with``.

    Its time stands still. To see what a restart sees, leave it and open another one on the same
    ``MemoryJournal``.

    Args:
        entities: The classes of entities and processes that live here.
        journal: Another journal, or its URL; a new one in memory if None.
        clock: The application's time; a ``testing.Clock`` that nobody moves if None.
        schema: As with ``daicho.open``.
        max_live: As with ``daicho.open``.
        passivate_after_s: As with ``daicho.open``; these are seconds of the event loop.
        max_waiting: As with ``daicho.open``.
        max_mailbox: As with ``daicho.open``.
        ask_timeout_s: As with ``daicho.open``; these are seconds of the event loop.

    Raises what ``daicho.open`` raises.
    """
    return daicho.app.open(
        MemoryJournal() if journal is None else journal,
        entities=entities,
        schema=schema,
        clock=Clock() if clock is None else clock,
        max_live=max_live,
        passivate_after_s=passivate_after_s,
        max_waiting=max_waiting,
        max_mailbox=max_mailbox,
        ask_timeout_s=ask_timeout_s,
    )


class Apps:
    """Opens applications for one test, and closes all of them at its end.

    It is what the fixture ``daicho_app`` gives; elsewhere it is used as ``async with``.

    Args:
        clock: The time of the applications that are opened without one.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = Clock() if clock is None else clock
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def __call__(
        self,
        *entities: type[AnyEntity],
        journal: str | Journal | None = None,
        clock: AnyClock | None = None,
        schema: Schema | None = None,
        max_live: int = 100_000,
        passivate_after_s: float = 300.0,
        max_waiting: int = 100_000,
        max_mailbox: int = 10_000,
        ask_timeout_s: float = 5.0,
    ) -> App:
        """An application of these entities that is open already; see :func:`app`."""
        opened = app(
            *entities,
            journal=journal,
            clock=self.clock if clock is None else clock,
            schema=schema,
            max_live=max_live,
            passivate_after_s=passivate_after_s,
            max_waiting=max_waiting,
            max_mailbox=max_mailbox,
            ask_timeout_s=ask_timeout_s,
        )
        return await self._stack.enter_async_context(opened)
