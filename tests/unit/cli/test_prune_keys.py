"""``daicho prune-keys``: a command whose key is forgotten is done again, so it takes no more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import daicho
from daicho.cli import main
from daicho.entity import SystemClock
from tests.unit.check.shelves import Put, Shelf

DAY_US = 86_400_000_000


class Earlier(SystemClock):
    """The machine's clock, some days ago."""

    def __init__(self, days: int) -> None:
        self._back_us = days * DAY_US

    def now_us(self) -> int:
        return super().now_us() - self._back_us


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)

    async def fill() -> None:
        for days in (100, 80, 0):
            clock = Earlier(days)
            async with daicho.open("sqlite:///keys.db", entities=[Shelf], clock=clock) as app:
                for number in range(2):
                    key = f"{days}-{number}"
                    await app.entity(Shelf, "a").ask(Put("x"), idempotency_key=key)

    asyncio.run(fill())
    return tmp_path


def test_keys_that_are_older_are_forgotten_and_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for age, count in (("90d", 2), ("90d", 0), ("1w", 2), ("12h", 0)):
        assert main(["prune-keys", "sqlite:///keys.db", "--older-than", age]) == 0
        assert capsys.readouterr() == (f"{count} keys are forgotten\n", "")


def test_the_events_stay(folder: Path) -> None:
    assert main(["prune-keys", "sqlite:///keys.db", "--older-than", "0s"]) == 0

    async def version() -> int:
        async with daicho.open("sqlite:///keys.db", entities=[Shelf]) as app:
            return await app.entity(Shelf, "a").version()

    assert asyncio.run(version()) == 6


@pytest.mark.parametrize("age", ["90", "d", "-1d", "1y", "1.5d", "", "99999999999d"])
def test_an_age_that_is_none_is_misuse(
    folder: Path, capsys: pytest.CaptureFixture[str], age: str
) -> None:
    assert main(["prune-keys", "sqlite:///keys.db", f"--older-than={age}"]) == 2
    assert "no length of time; write it like 90d" in capsys.readouterr().err


def test_what_is_missing_or_below_0_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (("--older-than", "1d"), "URL is missing"),
        (("sqlite:///keys.db",), "--older-than is missing"),
        (("sqlite:///keys.db", "--older-than", "-1d"), "'-1d' is no length of time"),
    ):
        assert main(["prune-keys", *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.endswith("; see daicho prune-keys --help\n")


def test_an_age_beyond_all_time_is_misuse(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune-keys", "sqlite:///keys.db", "--older-than", "365250d"]) == 0
    for age in ("365251d", "999999999w"):
        assert main(["prune-keys", "sqlite:///keys.db", "--older-than", age]) == 2
        assert "longer than 1,000 years" in capsys.readouterr().err


def test_a_mistyped_name_makes_no_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune-keys", "sqlite:///kyes.db", "--older-than", "90d"]) == 1
    assert "there is no file" in capsys.readouterr().err
    assert not (folder / "kyes.db").exists()
    assert main(["prune-keys", "memory:", "--older-than", "90d"]) == 2
