"""A journal under load on a disk of ours, beside a journal in memory that does the same.

The states of the one in memory are what may be found afterwards. The power is cut after steps drawn
at random; what the disk holds then is opened on a new one. It has to be a state that the journal in
memory was in, all of it, and no older than what had been acknowledged.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from daicho.errors import JournalFull, JournalUnavailable, StoreError
from daicho.journal import (
    HistoryRoot,
    Journal,
    MemoryJournal,
    NewEvent,
    Reply,
    Snapshot,
    SqliteJournal,
    Write,
    verify,
)
from daicho.journal.chain import GENESIS
from tests.crash.disk import Disk, Image
from tests.crash.effort import TIMES, Tried
from tests.crash.faults import Faults

if TYPE_CHECKING:
    import pytest

CUTS = 40 * TIMES
TURNS = 60
STREAMS = 5
KEYED = 20
"""One of so many events is that of a command under a key."""
REFUSALS = (JournalUnavailable, JournalFull)
"""What a disk that fails comes to. Whoever is told that can try again."""
SURVIVAL = (0.0, 0.5, 0.9, 1.0)
"""Nothing that was not synced, some of it, most, all."""


T = TypeVar("T")


class Run(NamedTuple):
    """What was done, and when it was acknowledged."""

    disk: Disk
    states: list[bytes]
    """What the journal held at first and after each acknowledgement."""
    acknowledged: list[int]
    """How many steps the disk had made when each of the states but the first was acknowledged; at
    the end some may not have been."""
    faults: Faults


class Load:
    """Does the same to journals, as chance has it."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._versions = [0] * STREAMS
        self._number = 0

    def writes(self) -> list[Write]:
        chance = self._chance
        streams = chance.sample(range(STREAMS), chance.choice([1, 1, 1, 2, STREAMS]))
        return [self._write(stream) for stream in streams]

    def _write(self, stream: int) -> Write:
        chance = self._chance
        expected = self._versions[stream]
        events = [self._event() for _ in range(chance.choice([1, 1, 2, 30]))]
        self._versions[stream] += len(events)
        version = self._versions[stream]
        replies = [
            Reply(f"key-{each.time_us}", b"digest", "reply", b"done", version, 0)
            for each in events
            if each.time_us % KEYED == 0
        ]
        snapshot = None
        if chance.random() < 0.2:
            snapshot = self.snapshot(stream)
        return Write(f"s{stream}", expected, events, replies=replies, snapshot=snapshot)

    def snapshot(self, stream: int) -> Snapshot:
        payload = self._chance.randbytes(100)
        version = self._versions[stream]
        return Snapshot(
            stream=f"s{stream}", version=version, type_name="state", payload=payload, time_us=0
        )

    def truncation(self) -> tuple[str, int]:
        """Takes what it has of the longest stream, or a part of that."""
        stream = max(range(STREAMS), key=self._versions.__getitem__)
        return f"s{stream}", self._chance.randint(0, self._versions[stream])

    def _event(self) -> NewEvent:
        self._number += 1
        size = self._chance.choice([10, 100, 6_000])
        return NewEvent(
            "event", self._chance.randbytes(size), self._number.to_bytes(16), self._number
        )


async def state(journal: Journal) -> bytes:
    """A digest of everything that a journal holds."""
    infos = await journal.list_streams()
    # A chain of nothing is as good as none.
    root = await journal.root() or HistoryRoot(0, GENESIS)
    found: list[object] = [infos, await journal.last_position(), root]
    async for page in journal.read_all():
        for each in page:
            # To spell payloads out would take most of the time.
            found += [each._replace(payload=b""), sha256(each.payload).digest()]
            if each.time_us % KEYED == 0:
                found.append(await journal.load_reply(each.stream, f"key-{each.time_us}"))
    for info in infos:
        found += [
            tuple(getattr(snapshot, name) for name in ("version", "payload"))
            for snapshot in await journal.list_snapshots(info.stream)
        ]
    return sha256(repr(found).encode()).digest()


def one_thing(load: Load, chance: random.Random) -> Callable[[Journal], Awaitable[object]]:
    """What can be done to any journal, and again if a disk has refused it."""
    what = chance.random()
    if what < 0.05:
        stream, version = load.truncation()
        return lambda journal: journal.truncate(stream, to_version=version)
    if what < 0.1:
        snapshot = load.snapshot(chance.randrange(STREAMS))
        return lambda journal: journal.save_snapshot(snapshot)
    writes = load.writes()

    async def append(journal: Journal) -> None:
        if not (isinstance(journal, SqliteJournal) and journal.append_now(writes)):
            await journal.append(writes)

    return append


async def insist(faults: Faults, ask: Callable[[], Awaitable[T]]) -> T:
    """Asks until it is not refused any more."""
    while True:
        try:
            return await ask()
        except REFUSALS:
            faults.told()


async def do_to_both(
    do: Callable[[Journal], Awaitable[object]],
    journal: SqliteJournal,
    model: MemoryJournal,
    faults: Faults,
) -> tuple[bytes, bool]:
    """Does it until it is done; the state after that, and whether it was acknowledged.

    What is refused has changed nothing. Only of what was under way in a journal that cannot be used
    nobody knows, so all of it may have happened.
    """
    before = await state(model)
    while True:
        refusal = await refused(do, journal)
        if refusal is None:
            await do(model)
            return await state(model), True
        faults.told()
        found = await insist(faults, lambda: state(journal))
        if found != before:
            assert type(refusal) is JournalUnavailable, refusal
            await do(model)
            assert found == await state(model)
            return found, False


async def refused(
    do: Callable[[Journal], Awaitable[object]], journal: Journal
) -> JournalUnavailable | JournalFull | None:
    try:
        await do(journal)
    except REFUSALS as refusal:
        return refusal
    return None


async def run_under_load(
    folder: Path,
    disk: Disk,
    seed: int,
    patch: pytest.MonkeyPatch,
    *,
    synchronous: str = "FULL",
    commits_in_loop: bool = True,
    faults: Faults | None = None,
) -> Run:
    """Opens a journal three times and writes each time until it is closed."""
    # Checkpoints come often, and a disk that notes everything counts as quick.
    patch.setattr("daicho.journal.sqlite._writer._BUSY_CHECKPOINT_BYTES", 300_000)
    patch.setattr("daicho.journal.sqlite._haste.QUICK_S", 1e9)
    disk.faults = faults = faults or Faults()
    path = folder / "journal.db"

    async def opened() -> SqliteJournal:
        journal = SqliteJournal(path, commits_in_loop=commits_in_loop, chained=chained)
        # Not through the argument, which takes no setting that loses what is stored.
        patch.setattr(journal, "_synchronous", synchronous)
        return await journal.__aenter__()

    # Every other seed has a chain of hashes, which a cut must not break either.
    chained = bool(seed % 2)
    chance = random.Random(seed)
    load = Load(chance)
    acknowledged: list[int] = []
    with disk.under_sqlite():
        async with MemoryJournal(chained=chained) as model:
            states = [await state(model)]
            for _ in range(3):
                journal = await insist(faults, opened)
                assert await insist(faults, lambda: state(journal)) == states[-1]  # noqa: B023
                for _ in range(TURNS // 3):
                    faults.go_on()
                    found, is_sure = await do_to_both(
                        one_thing(load, chance), journal, model, faults
                    )
                    if found == states[-1]:
                        continue
                    states.append(found)
                    if is_sure:
                        # With it, what came before and was told to be unsure.
                        count = len(states) - 1 - len(acknowledged)
                        acknowledged += [len(disk.steps)] * count
                await closed(journal, faults)
    disk.faults = Faults()
    return Run(disk, states, acknowledged, faults)


async def closed(journal: SqliteJournal, faults: Faults) -> None:
    """Closes it; what the disk has against that is told, and it is closed all the same."""
    try:
        await journal.__aexit__()
    except REFUSALS:
        faults.told()


async def found_in(image: Image, folder: Path) -> bytes:
    """The state that a journal has after a cut, from which it goes on.

    Raises:
        StoreError: It cannot be opened, or not read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in image.items():
        (folder / name).write_bytes(content)
    # On a whole disk, which spares the wait for the real one.
    with Disk().under_sqlite():
        async with SqliteJournal(folder / "journal.db") as journal:
            found = await state(journal)
            await journal.append([Write("new", 0, [NewEvent("event", b"", bytes(16), 0)])])
            if await journal.root() is not None:
                await verify(journal)
    db = sqlite3.connect(folder / "journal.db")
    whole = db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    return found if whole else b"not whole"


async def cut_often(run: Run, fault: str, seed: int, folder: Path) -> Tried:
    chance = random.Random(seed)
    total = lost = told = wrong = 0
    for _ in range(CUTS):
        after = chance.randrange(len(run.disk.steps) + 1)
        image = run.disk.cut_power(after, chance, chance.choice(SURVIVAL))
        promised = bisect_right(run.acknowledged, after)
        total += promised
        kept = 0
        try:
            found = await found_in(image, folder)
        except StoreError:
            told += 1
        else:
            if found in run.states:
                kept = run.states.index(found)
            else:
                wrong += 1
        lost += max(0, promised - kept)
    return Tried(fault, CUTS, seed, total, lost, told, wrong)
