"""The courier of an application: it sees to all that follows from what is stored.

It follows the journal. What entities let go it delivers, and brings the outcome back; timers it
rings when they are due; and processes it tells of the events that they react to. All of that is
done once in effect, whatever dies when, however many couriers there are, and however often
something is delivered: a command and a reaction carry an idempotency key, and an outcome or a timer
that is settled already does nothing. So a courier needs no lock and no leader, and its checkpoint
spares work but is not needed to be right.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Self

from daicho.actor import ExponentialBackoff
from daicho.entity.directory import Directory
from daicho.entity.v1 import Outgoing
from daicho.errors import JournalReadOnly, StoreError, SystemStopped, UnencodableEvent, Unsupported
from daicho.journal import Feature, Noticing
from daicho.process.checkpoint import Checkpoints
from daicho.process.follower import Follower, Take
from daicho.process.kind import ProcessKind
from daicho.process.lanes import Lanes
from daicho.process.office import Office
from daicho.process.outgoing import TYPE_NAMES, Post
from daicho.process.reacting import News
from daicho.process.v1 import Checkpoint

log = logging.getLogger("daicho.process")

_MAX_WAITING = 10_000
"""Deliveries that may wait before no more events are read for processes to react to."""

_ENTRIES = 10
"""A checkpoint is due after so many events for each entry that it has, so that its price is borne
by what it spares."""


class Courier:
    """Delivers for the entities of one application; used as ``async with``.

    Args:
        directory: Who lives.
        name: What its checkpoints are stored under; programs on one journal may share it.
        grace_s: Seconds that another program which stored something has for the consequences,
            before this one sees to them.
        poll_s: Seconds after which it looks for what other programs have stored.
        checkpoint_every: A checkpoint is due after so many events of the journal.
        max_concurrent: How many deliveries are under way at once.
        ask_timeout_s: Seconds that an entity has to answer, before it is asked again.
        backoff: The delays before something that failed is tried again.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        name: str = "main",
        grace_s: float = 5.0,
        poll_s: float = 1.0,
        checkpoint_every: int = 1_000,
        max_concurrent: int = 256,
        ask_timeout_s: float = 30.0,
        backoff: ExponentialBackoff | None = None,
    ) -> None:
        self._directory = directory
        self._journal = directory.journal
        self._poll_s = poll_s
        self._checkpoint_every = checkpoint_every
        self._backoff = backoff or ExponentialBackoff(initial=0.1, maximum=60.0)
        self._lanes = Lanes(
            directory.system,
            max_concurrent=max_concurrent,
            max_waiting=_MAX_WAITING,
            backoff=self._backoff,
        )
        self._office = Office(directory, self._lanes, grace_s=grace_s, ask_timeout_s=ask_timeout_s)
        self._checkpoints = Checkpoints(directory.journal, name)
        self._post = Post(self._office)
        # One for each, so that a process that is new, and reads all of history, or one that cannot
        # go on holds up no command and no other process.
        self._letters = self._follower(TYPE_NAMES, self._post.take)
        self._news = {
            news: self._follower(news.type_names, news.take)
            for kind in directory.kinds.values()
            if isinstance(kind, ProcessKind) and kind.reactions
            for news in [News(self._office, kind)]
        }
        self._followers = [self._letters, *self._news.values()]
        self._begun = asyncio.Event()
        self._saved = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._hears_no_more: Callable[[], None] | None = None
        self._closed = False
        _know_commands(directory)

    async def __aenter__(self) -> Self:
        """Begins to deliver.

        Raises:
            Unsupported: There are processes, and the journal's events have no order.
            StoreError: What the journal said when the checkpoint was read.
        """
        if Feature.POSITIONS in self._journal.features:
            await self._start()
        elif self._news:
            journal = type(self._journal).__name__
            raise Unsupported(journal, Feature.POSITIONS.value, "processes follow them")
        else:
            self._followers.clear()
            self._begun.set()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._closed = True
        if self._hears_no_more is not None:
            self._hears_no_more()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lanes.close()
        if self._progress or self._letters.position != self._saved:
            # A journal that never answers must not keep the application from its end.
            await self._save(within_s=self._directory.system.shutdown_timeout)

    def wake(self) -> None:
        """Something was stored that may have consequences."""
        for follower in self._followers:
            follower.wake()

    async def settled(self) -> None:
        """Waits until all that is stored has had its consequences, and these had theirs.

        Every event was reacted to, every command delivered that is due, and its outcome is known to
        the sender. Timers that are not due are left alone. Under load there is always something
        new, and what fails is tried for ever, so give it a limit: ``asyncio.timeout``.

        Raises:
            SystemStopped: The application is closed.
            StoreError: What the journal said.
        """
        before = -1
        while before != (before := self._progress):
            await self.passed(await self._journal.last_position())

    async def passed(self, position: int) -> None:
        """Waits until the consequences of all events up to a position of the journal are stored.

        Not what follows from these in turn. Timers that are not due are left alone.

        Raises:
            SystemStopped: The application is closed.
        """
        if self._closed:
            raise SystemStopped(self._directory.system.address)
        task = asyncio.create_task(self._wait_for(position))
        self._tasks.add(task)
        try:
            await task
        except asyncio.CancelledError:
            if self._closed and not _is_cancelled():
                raise SystemStopped(self._directory.system.address) from None
            raise
        finally:
            self._tasks.discard(task)

    # --- the work ---------------------------------------------------------------------------------

    async def _start(self) -> None:
        checkpoint = await self._checkpoints.load()
        begin_at = await self._office.begin()
        self._letters.position = self._saved = checkpoint.position
        self._post.restore(checkpoint.pending)
        try:
            for news, follower in self._news.items():
                news.warn()
                follower.position = news.begin(checkpoint.following)
                await news.restore(checkpoint.unreacted)
        except BaseException:
            await self._lanes.close()
            raise
        self._directory.interesting |= {Outgoing}.union(*(news.classes for news in self._news))
        self._directory.wake = self.wake
        if isinstance(self._journal, Noticing):
            self._hears_no_more = self._journal.on_append(self.wake)
        for follower in self._followers:
            self._do(follower.run(), "the following of the journal")
        self._do(self._post.alarms.run(), "the ringing of timers")
        self._do(self._begin(begin_at), "the delivery of what was there")
        self._do(self._save_regularly(), "the storing of checkpoints")

    def _do(self, work: Coroutine[object, object, None], what: str) -> None:
        task = asyncio.create_task(work, name=what)
        task.add_done_callback(self._ended)
        self._tasks.add(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Says that something of the courier has died, which nobody would notice else."""
        if self._closed:
            return
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            log.error(
                "%s has died; until the application is opened again nobody sees to it",
                task.get_name(), exc_info=error,
            )  # fmt: skip

    def _follower(self, type_names: Collection[str], take: Take) -> Follower:
        return Follower(self._journal, type_names, take, poll_s=self._poll_s)

    async def _begin(self, position: int) -> None:
        """Delivers what the past has left, once all of it is read."""
        await self._letters.reached(position)
        await self._recall()
        self._post.start()
        self._begun.set()

    async def _recall(self) -> None:
        # There may be very many snapshots, so the application does not wait for it.
        for attempt in itertools.count(1):
            try:
                await self._post.recall()
                break
            except StoreError as error:
                delay = self._backoff.delay(attempt)
                log.warning(
                    "what snapshots know of commands cannot be read, next try in %.3g s: %r",
                    delay, error,
                )  # fmt: skip
                await asyncio.sleep(delay)

    async def _wait_for(self, position: int) -> None:
        await self._begun.wait()
        for follower in self._followers:
            await follower.reached(position)
        self._post.alarms.ring()
        # An event that is placed at last goes on to the instances that it is for.
        while items := [item for item in self._lanes if item.position <= position]:
            for item in items:
                await item.over.wait()

    @property
    def _progress(self) -> int:
        """Changes whenever something was read or done."""
        return self._lanes.done + sum(follower.taken for follower in self._followers)

    # --- checkpoints ------------------------------------------------------------------------------

    async def _save_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            news = self._letters.position - self._saved
            if news >= max(self._checkpoint_every, _ENTRIES * len(self._post)):
                await self._save()

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            position=self._letters.position,
            pending=self._post.save(),
            following=[
                each
                for news, follower in self._news.items()
                for each in news.following(follower.position)
            ],
            unreacted=[
                each
                for news, follower in self._news.items()
                for each in news.unreacted(follower.position)
            ],
        )

    async def _save(self, *, within_s: float | None = None) -> None:
        checkpoint = self._checkpoint()
        if not checkpoint.position:
            return
        self._saved = checkpoint.position
        try:
            async with asyncio.timeout(within_s):
                await self._checkpoints.save(
                    checkpoint,
                    {reaction for news in self._news for reaction in news.reactions},
                    self._directory.clock.now_us(),
                )
        except JournalReadOnly:
            return  # whoever only looks has delivered nothing that was not stored
        except Exception as error:  # noqa: BLE001 - it is an aid; the one before it stays
            log.warning("the courier's checkpoint could not be stored: %r", error)


def _is_cancelled() -> bool:
    """Whether it is the task at hand that somebody cancelled, not what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _know_commands(directory: Directory) -> None:
    """Lets stored commands be read that no run of this program has stored before."""
    for kind in directory.kinds.values():
        for command in kind.commands:
            # What has no lasting name was never stored, and cannot be sent.
            with suppress(UnencodableEvent):
                directory.schema.register(command)
