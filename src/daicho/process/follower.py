"""Reads what comes into the journal, in order, for as long as the application runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from daicho.actor import ExponentialBackoff
from daicho.journal import Journal, Record

Take = Callable[[Record], Awaitable[None]]
"""Gets an event; the next one waits for it."""

log = logging.getLogger("daicho.process")

_BACKOFF = ExponentialBackoff(initial=0.05, maximum=10.0)


class Follower:
    """Gives every event of some types to ``take``, in the order of the journal.

    Args:
        journal: What is followed.
        type_names: The stored names of the events.
        take: Gets the events, one after the other.
        poll_s: Seconds after which it looks again if nobody woke it.
    """

    def __init__(
        self,
        journal: Journal,
        type_names: Collection[str],
        take: Take,
        *,
        poll_s: float,
    ) -> None:
        self.position = 0
        """All up to here has been taken; where it begins, until it runs."""
        self.taken = 0
        """How many events were taken."""
        self._journal = journal
        self._type_names = tuple(type_names)
        self._take = take
        self._poll_s = poll_s
        self._woken = asyncio.Event()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def wake(self) -> None:
        """There may be something new."""
        self._woken.set()

    async def reached(self, position: int) -> None:
        """Waits until all events up to a position were taken."""
        if position <= self.position:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((position, waiter))
        self.wake()
        await waiter

    async def run(self) -> None:
        """Follows until it is cancelled."""
        failures = 0
        while True:
            self._woken.clear()
            try:
                await self._read_on()
            except Exception as error:  # noqa: BLE001 - whatever it is, what is stored stays
                failures += 1
                delay = _BACKOFF.delay(failures)
                log.warning(
                    "the journal cannot be followed from position %d, next try in %.3g s: %r",
                    self.position, delay, error,
                )  # fmt: skip
                await asyncio.sleep(delay)
                continue
            failures = 0
            await self._rest()

    async def _read_on(self) -> None:
        last = await self._journal.last_position()
        if last <= self.position:
            return
        pages = self._journal.read_all(after_position=self.position, type_names=self._type_names)
        async for page in pages:
            for record in page:
                await self._take(record)
                self.taken += 1
                self.position = record.position
            self._tell()
        # What follows the last of these types, as far as it was there before the reading.
        self.position = max(self.position, last)
        self._tell()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._poll_s):
                await self._woken.wait()
        except TimeoutError:
            return

    def _tell(self) -> None:
        waiting, self._waiters = self._waiters, []
        for position, waiter in waiting:
            if position > self.position:
                self._waiters.append((position, waiter))
            elif not waiter.done():
                waiter.set_result(None)
