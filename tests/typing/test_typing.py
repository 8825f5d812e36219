"""Types are a promise too: both checkers find in ``asking.py`` what it says, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ASKING = HERE / "asking.py"
IGNORE = "# type: ignore"


def mypy(path: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    config = ("--config-file", str(ROOT / "pyproject.toml"))
    return subprocess.run(
        [sys.executable, "-m", "mypy", *config, "--cache-dir", str(cache), str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def pyright(folder: Path) -> subprocess.CompletedProcess[str]:
    """Strict, and an ignore that ignores nothing is an error."""
    settings = {
        "include": ["."],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "extraPaths": [str(ROOT / "src")],
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    return subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "-p", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_mypy_knows_each_reply_and_refuses_each_mistake(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    cache = tmp_path_factory.mktemp("mypy")
    checked = mypy(ASKING, cache)
    assert checked.returncode == 0, checked.stdout
    # And it does look: each mistake that is not ignored is found.
    bare = tmp_path / "asking_bare.py"
    bare.write_text(without_ignores())
    found = mypy(bare, cache).stdout
    assert found.count(" error: ") >= ASKING.read_text().count(IGNORE), found


def test_pyright_knows_each_reply_and_refuses_each_mistake(tmp_path: Path) -> None:
    shutil.copy(ASKING, tmp_path)
    checked = pyright(tmp_path)
    assert checked.returncode == 0, checked.stdout
    (tmp_path / ASKING.name).write_text(without_ignores())
    found = pyright(tmp_path).stdout
    assert found.count(" error: ") >= ASKING.read_text().count(IGNORE), found


def without_ignores() -> str:
    lines = ASKING.read_text().splitlines()
    return "\n".join(line.partition(f"  {IGNORE}")[0] for line in lines) + "\n"
