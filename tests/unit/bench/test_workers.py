"""A measuring process does what it is told; a failure of it is told and not taken for a figure."""

import sys
from pathlib import Path

import pytest

from bench import team
from bench.harness import LeftOut
from bench.worker import Worker

PYTHON = Path(sys.executable)


def worker(*arguments: str) -> Worker:
    return Worker(PYTHON, "tests.support.fake_peer", arguments)


async def test_a_worker_says_what_it_is_and_gives_figures() -> None:
    async with worker() as peer:
        assert peer.about.startswith("pytest ")
        assert await peer.measure("double", 21) == 42
        assert await peer.measure("double", 4) == 8


async def test_what_a_worker_prints_besides_is_no_answer() -> None:
    async with worker() as peer:
        assert await peer.measure("chatter", 3) == 3


@pytest.mark.parametrize(
    ("work", "words"),
    [("fail", "ValueError: it does not work"), ("die", "has ended"), ("unknown", "KeyError")],
)
async def test_a_failure_of_a_worker_is_told(work: str, words: str) -> None:
    async with worker() as peer:
        with pytest.raises(LeftOut, match=words):
            await peer.measure(work, 1)


async def test_a_worker_that_cannot_start_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(LeftOut, match="does not start"):
        async with Worker(tmp_path / "python", "tests.support.fake_peer"):
            pass
    with pytest.raises(LeftOut, match="has ended"):
        async with Worker(PYTHON, "tests.support.no_such_module"):
            pass


async def test_peers_that_are_not_installed_are_noted(tmp_path: Path) -> None:
    notes: list[str] = []
    assert team.found(None, notes).python is None
    assert team.found(tmp_path / "python", notes).python is None
    assert [note.startswith("no peer was measured: ") for note in notes] == [True, True]
    notes.clear()
    peers = team.found(PYTHON, notes)
    assert len(notes) == len(team.WORKS)
    async with peers.team("tell", tmp_path) as those:
        assert those.sides("tell", 1) == {}


async def test_a_peer_that_does_not_start_is_noted(tmp_path: Path) -> None:
    notes: list[str] = []
    peers = team.Peers(notes=notes, python=PYTHON, installed={"pykka": "0"})
    async with peers.team("tell", tmp_path) as those:
        assert those.sides("tell", 1) == {}
    assert [note.partition(": bench")[0] for note in notes] == ["tell: pykka is left out"]
