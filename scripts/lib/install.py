"""Makes or renews the scripts' environment: ``install.py NAME PINS PROJECT``.

Installs into ``.venv`` what ``requirements/NAME.txt`` pins, and this checkout, with nothing but the
standard library and pip. PINS and PROJECT are fingerprints of the two; one that is noted in
``.venv`` already is not installed again. Of several that are started at once, one works and the
others wait.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"

# Some systems leave ensurepip out. Then the environment has no pip, and the system's serves it.
PIP_INSIDE = find_spec("ensurepip") is not None

# Says that the environment was made here, in this place and by this version of Python.
MARK = VENV / "made-by-scripts"
MARKED = f"{VENV} {sys.version_info.major}.{sys.version_info.minor}\n"

# Settings of pip that would send packages elsewhere or unpin them. Which index it asks stays as is.
FOREIGN = {
    f"PIP_{option}"
    for option in ("CONSTRAINT", "PREFIX", "PYTHON", "REQUIRE_HASHES", "ROOT", "TARGET", "USER")
}


def main(name: str, pins: str, project: str) -> int:
    """Bring the environment up to date; the exit code, pip's where pip failed."""
    try:
        checkout = os.open(ROOT, os.O_RDONLY)
        fcntl.flock(checkout, fcntl.LOCK_EX)  # let go by the system however this program ends
        if not sound():
            make()
        requirements = ROOT / "requirements" / f"{name}.txt"
        step(name, pins, "--require-hashes", "--requirement", str(requirements))
        step("project", project, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    except subprocess.CalledProcessError as error:
        print(f"pip could not install what {name!r} needs; its words are above", file=sys.stderr)
        return error.returncode
    except OSError as error:
        place = error.filename or VENV
        print(
            f"{place}: {error.strerror}; the scripts keep their environment in {VENV}: work in a"
            " checkout that you may write, and remove a .venv there that is not yours",
            file=sys.stderr,
        )
        return 1
    return 0


def sound() -> bool:
    """Whether the environment was made here and still works."""
    if not MARK.is_file() or MARK.read_text() != MARKED or not PYTHON.exists():
        return False
    probe = [str(PYTHON), "-c", "import pip" if PIP_INSIDE else "pass"]
    return subprocess.run(probe, check=False, stderr=subprocess.DEVNULL).returncode == 0


def make() -> None:
    """Make the environment anew; one that these scripts did not make is left alone."""
    if VENV.exists() and not MARK.exists():
        sys.exit(f"{VENV} was not made by these scripts; move it away and try again")
    print(f"making {VENV} with Python {sys.version.split()[0]}", file=sys.stderr)
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    MARK.write_text("unfinished")  # first, so that what is cut short is known as ours
    venv.create(VENV, symlinks=True, with_pip=PIP_INSIDE)
    MARK.write_text(MARKED)


def step(name: str, fingerprint: str, *arguments: str) -> None:
    """Let pip install the arguments, unless the fingerprint says that they are."""
    note = VENV / f"installed-{name}"
    if note.is_file() and note.read_text() == fingerprint:
        return
    note.unlink(missing_ok=True)
    print(f"installing {name} (once, until it changes)", file=sys.stderr)
    pip = [str(PYTHON), "-m", "pip"]
    if not PIP_INSIDE:
        pip = [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    environment = {k: v for k, v in os.environ.items() if k not in FOREIGN}
    quiet = ("--quiet", "--quiet", "--disable-pip-version-check", "--no-input", "--no-user")
    subprocess.run([*pip, "install", *quiet, *arguments], check=True, env=environment)
    note.write_text(fingerprint)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
