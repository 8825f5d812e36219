"""Files with flipped bits, and files that were cut short: what is told, and what nobody can tell.

SQLite has no checksum of a page. A flipped bit that makes its structures contradict each other is
told; one inside a payload, an id or a number is another payload, id or number. What is promised is
that whatever is told is told by a typed error. The write-ahead log has checksums, and what comes
after a damage in it counts as never written, because a log that was torn looks the same.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from daicho.errors import StoreError
from daicho.journal import NewEvent, Record, SqliteJournal, Write
from tests.crash.effort import TIMES, Tried, Try, seeded

DAMAGES = 60 * TIMES
STREAMS = 10
EVENTS = 400


async def fill(path: Path, chance: random.Random, events: int = EVENTS) -> Callable[[Path], None]:
    """Makes a file of short events; what copies it as it is with its log, before it is closed."""
    async with SqliteJournal(path, synchronous="NORMAL") as journal:
        for number in range(events):
            stream, version = number % STREAMS, number // STREAMS
            payload = b"%d" % number
            event = NewEvent("event", payload, chance.randbytes(16), number, command_id="command")
            await journal.append([Write(f"s{stream}", version, [event])])
        log = path.with_name("journal.db-wal").read_bytes()
        main = path.read_bytes()

    def copy(to: Path) -> None:
        to.write_bytes(main)
        to.with_name(f"{to.name}-wal").write_bytes(log)

    return copy


async def content(path: Path) -> list[Record]:
    """All events, read from all of them and stream by stream."""
    async with SqliteJournal(path) as journal:
        found = [record async for page in journal.read_all() for record in page]
        for info in await journal.list_streams():
            found += [record async for page in journal.read(info.stream) for record in page]
    return found


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def cut_short(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(1, len(content))])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def fresh(tmp_path: Path) -> Path:
    folder = tmp_path / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder / "journal.db"


@pytest.mark.crash
async def test_a_file_that_was_cut_short_is_refused(path: Path, tmp_path: Path, tried: Try) -> None:
    seed = seeded(190)
    chance = random.Random(seed)
    await fill(path, chance)
    for _ in range(DAMAGES):
        damaged = fresh(tmp_path)
        shutil.copyfile(path, damaged)
        cut_short(damaged, chance)
        with pytest.raises(StoreError):
            await content(damaged)
    fault = "the closed file is cut short"
    tried(Tried(fault, DAMAGES, seed, acknowledged=EVENTS * DAMAGES, told=DAMAGES))


@pytest.mark.crash
async def test_a_flipped_bit_is_told_by_a_typed_error_where_it_can_be_told(
    path: Path, tmp_path: Path, tried: Try
) -> None:
    seed = seeded(200)
    chance = random.Random(seed)
    await fill(path, chance)
    whole = await content(path)
    told = wrong = 0
    for _ in range(DAMAGES * 3):
        damaged = fresh(tmp_path)
        shutil.copyfile(path, damaged)
        flip(damaged, chance)
        try:
            wrong += await content(damaged) != whole
        except StoreError:
            told += 1
    fault = "a bit of the closed file is flipped"
    times = DAMAGES * 3
    tried(Tried(fault, times, seed, acknowledged=EVENTS * times, told=told, wrong=wrong))
    assert told
    # Not a promise, but the truth: without hashes in the events nobody can tell these.
    assert wrong


@pytest.mark.crash
async def test_a_text_that_a_flipped_bit_has_made_a_blob_is_told_by_a_typed_error(
    path: Path, tmp_path: Path
) -> None:
    """SQLite takes a blob for JSON that it has made itself, and so makes JSON that is none."""
    await fill(path, random.Random(0), events=20)
    whole = path.read_bytes()
    told: list[str] = []
    # The type of a text of seven bytes, as "command" is; one less is that of a blob of seven.
    for at in (at for at, byte in enumerate(whole) if byte == 2 * 7 + 13):
        damaged = fresh(tmp_path)
        damaged.write_bytes(whole[:at] + bytes([2 * 7 + 12]) + whole[at + 1 :])
        # Whether it is told depends on where it stands; nothing but this error may come.
        try:
            await content(damaged)
        except StoreError as error:
            told.append(error.reason)
    assert any("a column of its events is of another type" in each for each in told)


@pytest.mark.crash
@pytest.mark.parametrize("damage", [flip, cut_short])
async def test_of_a_damaged_log_what_comes_before_the_damage_is_there_and_nothing_else(
    path: Path, tmp_path: Path, tried: Try, damage: Callable[[Path, random.Random], None]
) -> None:
    seed = seeded(210)
    chance = random.Random(seed)
    copy = await fill(path, chance)
    async with SqliteJournal(path) as journal:
        whole = [record async for page in journal.read_all() for record in page]
    lost = 0
    for _ in range(DAMAGES):
        damaged = fresh(tmp_path)
        copy(damaged)
        damage(damaged.with_name("journal.db-wal"), chance)
        async with SqliteJournal(damaged) as journal:
            found = [record async for page in journal.read_all() for record in page]
        assert found == whole[: len(found)]
        lost += len(whole) - len(found)
    fault = f"the write-ahead log of a killed program: {damage.__name__.replace('_', ' ')}"
    tried(Tried(fault, DAMAGES, seed, acknowledged=EVENTS * DAMAGES, lost=lost))
