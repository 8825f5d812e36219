"""A copy and an import that are killed anywhere go on where they were, and end with the same."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daicho.journal import SqliteJournal, Write
from daicho.moving import contents, export, look_over
from tests.support.moving import event, everything_in, fill, reply, snapshot

SEED = 34
ROUNDS = 12

# Moves in small steps and prints a line after each. What is printed is with the operating system,
# so whoever reads it kills it at about that step, while the next ones are on their way.
MOVER = """
import asyncio, sys
from daicho.journal import SqliteJournal
from daicho.moving import Export, contents, copy, import_

contents._PAGE = contents._PAGE_OF_SNAPSHOTS = 20
what, source, target = sys.argv[1:]

def show(progress):
    print(progress.position, flush=True)

async def move():
    async with SqliteJournal(target) as into:
        if what == "copy":
            async with SqliteJournal(source, read_only=True) as journal:
                await copy(journal, into, progress=show)
        else:
            with open(source, "rb") as file:
                await import_(Export(file, source), into, progress=show)

asyncio.run(move())
"""


async def fill_much(journal: SqliteJournal) -> None:
    await fill(journal)
    position = await journal.last_position()
    for number in range(40):
        stream = f"stream-{number}"
        events = [event(position + count) for count in range(1, 26)]
        position += len(events)
        await journal.append(
            [
                Write(
                    stream,
                    0,
                    events,
                    replies=[reply(f"key-{count}", count) for count in range(3)],
                    snapshot=snapshot(stream, 20),
                )
            ]
        )
        if not number % 4:
            await journal.truncate(stream, to_version=number % 26)


def move_and_kill(what: str, source: Path, target: Path, lines: int) -> bool:
    """Kills a mover after so many steps; whether it had not ended before."""
    mover = subprocess.Popen(
        [sys.executable, "-c", MOVER, what, str(source), str(target)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert mover.stdout is not None
    with mover, mover.stdout as output:
        for number, _ in enumerate(output):
            if number == lines:
                mover.kill()
    assert mover.returncode in (0, -signal.SIGKILL)
    return mover.returncode != 0


@pytest.mark.crash
@pytest.mark.parametrize("what", ["copy", "import"])
async def test_what_was_killed_goes_on_without_gaps_or_doubles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(contents, "_PAGE", 20)
    source, target = tmp_path / "source.db", tmp_path / "target.db"
    async with SqliteJournal(source, chained=True) as journal:
        await fill_much(journal)
        expected = await everything_in(journal)
        if what == "import":
            with (tmp_path / "export").open("wb") as file:
                await export(journal, file)
    origin = source if what == "copy" else tmp_path / "export"
    chance = random.Random(SEED)
    steps = killed = 0
    for _ in range(ROUNDS):
        # It gets past what is there, and some of it is done anew each time.
        was_killed = move_and_kill(what, origin, target, steps + chance.randrange(6))
        killed += was_killed
        if not was_killed:
            break
        async with SqliteJournal(target) as journal:
            found = await everything_in(journal)
        # What is there is a beginning, and nothing rests on what is not there.
        assert found.records == expected.records[: len(found.records)]
        if found.snapshots or found.replies:
            assert found.records == expected.records
        steps = len(found.records) // 20
    assert killed >= 5
    while move_and_kill(what, origin, target, sys.maxsize):
        pass
    async with SqliteJournal(target) as journal:
        assert await everything_in(journal) == expected


# Exports or backs up for ever, each time under the same name.
MAKER = """
import asyncio, sys
from pathlib import Path
from daicho.journal import SqliteJournal
from daicho.moving import back_up, export, new_file

what, source, target = sys.argv[1:]

async def make():
    journal = SqliteJournal(source, read_only=True)
    while True:
        if what == "backup":
            back_up(journal, Path(target), overwrite=True)
        else:
            with new_file(Path(target), overwrite=True) as partial:
                async with journal:
                    with partial.open("xb") as file:
                        await export(journal, file)
        print("made", flush=True)

asyncio.run(make())
"""


@pytest.mark.crash
@pytest.mark.parametrize("what", ["backup", "export"])
async def test_a_file_whose_maker_was_killed_is_whole(tmp_path: Path, what: str) -> None:
    source, target = tmp_path / "source.db", tmp_path / "target"
    async with SqliteJournal(source, chained=True) as journal:
        await fill_much(journal)
        expected = await everything_in(journal)
    chance = random.Random(SEED)
    for _ in range(6):
        maker = subprocess.Popen(
            [sys.executable, "-c", MAKER, what, str(source), str(target)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert maker.stdout is not None
        last = chance.randrange(8)
        with maker, maker.stdout as output:
            for number, _ in enumerate(output):
                if number == last:
                    maker.kill()
        assert maker.returncode == -signal.SIGKILL
        if what == "backup":
            async with SqliteJournal(target, read_only=True) as journal:
                assert await everything_in(journal) == expected
        else:
            with target.open("rb") as file:
                assert look_over(file, "target").counts.events == len(expected.records)
