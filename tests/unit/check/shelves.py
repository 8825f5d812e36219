"""Shelves in several versions of a program, and journals that the oldest one has written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import daicho
import daicho.testing
from daicho.journal import Journal, MemoryJournal, Record
from daicho.testing import Clock
from tests.support.journals import Edit


@daicho.stored_as("shelf.state")
@dataclass(slots=True)
class Contents:
    items: list[str] = field(default_factory=list[str])
    weight: int = 0


@daicho.stored_as("shelf.put")
@dataclass(frozen=True, slots=True)
class Put:
    item: str
    weight: int = 1


@daicho.stored_as("shelf.taken")
@dataclass(frozen=True, slots=True)
class Taken:
    item: str


@daicho.stored_as("shelf.dust")
@dataclass(frozen=True, slots=True)
class Dust:
    """A command for later."""


class Shelf(daicho.Entity[Contents], name="shelf"):
    """The program that has written everything."""

    snapshot = daicho.every(2)

    @daicho.command
    def put(self, command: Put) -> int:
        self.emit(command)
        return len(self.state.items)

    @daicho.command
    def take(self, command: Taken) -> None:
        self.emit(command)

    @daicho.command
    def dust(self, command: Dust) -> None:
        self.schedule(command, name="dust", after=timedelta(days=1))

    @daicho.event
    def was_put(self, event: Put) -> None:
        self.state.items.append(event.item)
        self.state.weight += event.weight

    @daicho.event
    def was_taken(self, event: Taken) -> None:
        self.state.items.remove(event.item)


class Tidy(daicho.Entity[Contents], name="shelf"):
    """A later program, which forgot that anything is ever taken, and when to dust."""

    @daicho.event
    def was_put(self, event: Put) -> None:
        self.state.items.append(event.item)
        self.state.weight += event.weight


class Heavy(daicho.Entity[Contents], name="shelf"):
    """A later program that counts otherwise."""

    @daicho.command
    def dust(self, command: Dust) -> None:
        """Nothing to do."""

    @daicho.event
    def was_put(self, event: Put) -> None:
        self.state.items.append(event.item)
        self.state.weight += 2 * event.weight

    @daicho.event
    def was_taken(self, event: Taken) -> None:
        self.state.items.remove(event.item)


class Picky(daicho.Entity[Contents], name="shelf"):
    """A later program that cannot bear tea."""

    @daicho.event
    def was_put(self, event: Put) -> None:
        if event.item == "tea":
            raise ValueError("no tea here")
        self.state.items.append(event.item)
        self.state.weight += event.weight

    @daicho.event
    def was_taken(self, event: Taken) -> None:
        self.state.items.remove(event.item)


async def put(journal: Journal, id_: str, *items: str, clock: Clock | None = None) -> None:
    """Lets the oldest program put items on a shelf."""
    async with daicho.testing.app(Shelf, journal=journal, clock=clock) as app:
        for item in items:
            await app.entity(Shelf, id_).ask(Shelf.put, Put(item))


@asynccontextmanager
async def filled(**shelves: str) -> AsyncIterator[MemoryJournal]:
    """An open journal with these shelves, each with the items that its letters stand for."""
    journal = MemoryJournal()
    for id_, items in shelves.items():
        await put(journal, id_, *items)
    async with journal:
        yield journal


def without(*versions: int) -> Edit:
    """What a reader sees of a stream that has lost events."""

    def edit(record: Record) -> Record | None:
        return None if record.version in versions else record

    return edit
