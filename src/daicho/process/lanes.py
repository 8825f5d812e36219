"""Deliveries: in order where order matters, side by side where it does not, and never given up.

What must stay in order is in one lane. The first of a lane is tried until it is done, so only its
own lane waits for a target that is broken; all others go on. What is done is up to the delivery;
here it either returns, or raises and is tried again.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable, Iterator

from daicho._frozen import frozen
from daicho.actor import ActorSystem, ExponentialBackoff

log = logging.getLogger("daicho.process")


@frozen
class DeliveryFailed:
    """On the event stream: something could not be delivered, and will be tried again."""

    what: str
    """What it is, in words."""
    sender: str
    """The stream of the entity that let it go, or whose event it is."""
    target: str
    """The stream of the entity that it is for."""
    attempts: int
    """How often in a row it was tried."""
    retry_after_s: float
    """Seconds until it is tried again."""
    error: Exception


class Delivery(ABC):
    """Something that is to be done once in effect.

    Args:
        position: Of its event, in the whole journal.
        not_before: When it is tried first, in seconds of the loop's clock.
    """

    __slots__ = ("not_before", "over", "position")

    def __init__(self, position: int, not_before: float) -> None:
        self.position = position
        self.not_before = not_before
        self.over = asyncio.Event()
        """Set when it is done, here or elsewhere, or not needed any more."""

    @property
    @abstractmethod
    def lane(self) -> Hashable:
        """Deliveries of one lane follow one another."""

    @property
    @abstractmethod
    def what(self) -> str:
        """What it is, in words."""

    @property
    @abstractmethod
    def way(self) -> tuple[str, str]:
        """The streams that it comes from and goes to."""

    @abstractmethod
    async def deliver(self) -> None:
        """Does it; raises if that must be tried again."""


class _Lane:
    """What is in one lane, and whether it waits after a failure."""

    __slots__ = ("items", "stuck", "task")

    def __init__(self) -> None:
        self.items: deque[Delivery] = deque()
        self.stuck = False
        self.task: asyncio.Task[None] | None = None


class Lanes:
    """All lanes of a courier.

    Args:
        system: Where failures are published.
        max_concurrent: How many deliveries are under way at once.
        max_waiting: How many there may be before ``room`` waits, not counting those of lanes that
            wait after a failure.
        backoff: The delays after failures.
    """

    def __init__(
        self,
        system: ActorSystem,
        *,
        max_concurrent: int,
        max_waiting: int,
        backoff: ExponentialBackoff,
    ) -> None:
        self.done = 0
        """How many deliveries are over."""
        self._system = system
        self._slots = asyncio.Semaphore(max_concurrent)
        self._max_waiting = max_waiting
        self._backoff = backoff
        self._lanes: dict[Hashable, _Lane] = {}
        self._waiting = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    def __iter__(self) -> Iterator[Delivery]:
        """All that is not over yet, in the order of each lane."""
        for lane in self._lanes.values():
            yield from (item for item in lane.items if not item.over.is_set())

    def add(self, item: Delivery) -> None:
        """Takes it into its lane."""
        key = item.lane
        lane = self._lanes.get(key)
        if lane is not None:
            lane.items.append(item)
            self._count(0 if lane.stuck else 1)
            return
        lane = self._lanes[key] = _Lane()
        lane.items.append(item)
        self._count(1)
        lane.task = asyncio.get_running_loop().create_task(self._run(key, lane))

    async def room(self) -> None:
        """Waits until there is room for more."""
        await self._has_room.wait()

    async def close(self) -> None:
        """Ends all that is under way; nothing is lost by that."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Hashable, lane: _Lane) -> None:
        while lane.items:
            item = lane.items[0]
            await _pause(item, item.not_before - self._system.loop.time())
            attempts = 0
            while not item.over.is_set():
                error = await self._try(item)
                if error is None:
                    item.over.set()
                    break
                attempts += 1
                await self._fail(lane, item, attempts, error)
            lane.items.popleft()
            self.done += 1
            self._count(-1)
        del self._lanes[key]

    async def _try(self, item: Delivery) -> Exception | None:
        async with self._slots:
            try:
                await item.deliver()
            except Exception as error:  # noqa: BLE001 - told to all, and tried again
                return error
        return None

    async def _fail(self, lane: _Lane, item: Delivery, attempts: int, error: Exception) -> None:
        """Tells of a failure, and waits before the next attempt."""
        if item.over.is_set():
            return
        delay = self._backoff.delay(attempts)
        sender, target = item.way
        log.warning(
            "%s from %s to %s failed %d times in a row, next in %.3g s: %r",
            item.what, sender, target, attempts, delay, error,
        )  # fmt: skip
        self._system.event_stream.publish(
            DeliveryFailed(item.what, sender, target, attempts, delay, error)
        )
        lane.stuck = True
        self._count(-len(lane.items))
        try:
            await _pause(item, delay)
        finally:
            lane.stuck = False
            self._count(len(lane.items))

    def _count(self, change: int) -> None:
        self._waiting += change
        if self._waiting < self._max_waiting:
            self._has_room.set()
        else:
            self._has_room.clear()


async def _pause(item: Delivery, seconds: float) -> None:
    """Waits so long, or until the delivery is not needed any more."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await item.over.wait()
    except TimeoutError:
        return
