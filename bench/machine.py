"""What a run ran on: versions, settings, cores, and the disk. Never the name of the machine."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import apsw

MOUNTS = Path("/proc/self/mounts")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def describe(folder: Path, *, loop: str, synchronous: str) -> dict[str, str]:
    """What belongs beside the figures."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "apsw": f"{apsw.apsw_version()} (SQLite {apsw.sqlite_lib_version()})",
        "protobuf": version("protobuf"),
        "loop": f"uvloop {version('uvloop')}" if loop == "uvloop" else loop,
        "synchronous": synchronous,
        "machine": f"{os.cpu_count()} cores, {sys.platform} {platform.machine()}",
        "file system": file_system(folder) or "unknown",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "load before": load(),
    }


def has_uvloop() -> bool:
    """Whether uvloop is installed."""
    return find_spec("uvloop") is not None


def load() -> str:
    """The load of the last minute, ours and that of others; empty where the system does not say."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""


def file_system(folder: Path) -> str | None:
    """The type of the file system of a folder; None where the system does not say."""
    if not MOUNTS.exists():
        return None
    return type_in(MOUNTS.read_text(encoding="utf-8"), folder.resolve())


def type_in(mounts: str, folder: Path) -> str | None:
    """The type of the deepest mount that holds a folder, from lines as in ``/proc/self/mounts``."""
    depth, found = -1, None
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split()
        # Blanks and such are written in octal there.
        path = Path(point.encode().decode("unicode_escape"))
        # Of two mounts on one point the later hides the earlier.
        if folder.is_relative_to(path) and len(path.parts) >= depth:
            depth, found = len(path.parts), kind
    return found
