"""Makes or renews an environment of the scripts: ``install.py ENVIRONMENT NAME=FINGERPRINT …``.

ENVIRONMENT is a folder of this checkout, ``.venv`` or one beside it. Installed into it are, one
after another, what ``requirements/NAME.txt`` pins or, for the name ``project``, this checkout, with
nothing but the standard library and pip. What is noted in the environment with that fingerprint is
not installed again. Of several that are started at once, one works and the others wait.
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

# Some systems leave ensurepip out. Then the environment has no pip, and the system's serves it.
PIP_INSIDE = find_spec("ensurepip") is not None

# Settings of pip that would send packages elsewhere or unpin them. Which index it asks stays as is.
FOREIGN = {
    f"PIP_{option}"
    for option in ("CONSTRAINT", "PREFIX", "PYTHON", "REQUIRE_HASHES", "ROOT", "TARGET", "USER")
}

# With these, pip builds what comes as source with the pinned tools that are there already.
BUILT_HERE = ("--no-build-isolation", "--use-pep517")


def main(folder: str, *steps: str) -> int:
    """Bring an environment up to date; the exit code, pip's where pip failed."""
    environment = Environment(ROOT / folder)
    wanted = dict(each.split("=", 1) for each in steps)
    name = ""
    try:
        checkout = os.open(ROOT, os.O_RDONLY)
        fcntl.flock(checkout, fcntl.LOCK_EX)  # let go by the system however this program ends
        if not environment.sound():
            environment.make()
        for name, fingerprint in wanted.items():
            environment.install(name, fingerprint, *arguments_for(name, wanted))
    except subprocess.CalledProcessError as error:
        print(f"pip could not install what {name!r} needs; its words are above", file=sys.stderr)
        return error.returncode
    except OSError as error:
        place = error.filename or environment.path
        print(
            f"{place}: {error.strerror}; the scripts keep this environment in {environment.path}:"
            f" work in a checkout that you may write, and remove a {folder} that is not yours",
            file=sys.stderr,
        )
        return 1
    return 0


def arguments_for(name: str, wanted: dict[str, str]) -> list[str]:
    """What pip is told to install."""
    if name == "project":
        return ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    pinned = ["--require-hashes", "--requirement", str(ROOT / "requirements" / f"{name}.txt")]
    return [*BUILT_HERE, *pinned] if f"{name}-build" in wanted else pinned


class Environment:
    """A virtual environment of the scripts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._python = path / "bin" / "python"
        # Says that it was made here, in this place and by this version of Python.
        self._mark = path / "made-by-scripts"
        self._marked = f"{path} {sys.version_info.major}.{sys.version_info.minor}\n"

    def sound(self) -> bool:
        """Whether it was made here and still works."""
        if not self._mark.is_file() or self._mark.read_text() != self._marked:
            return False
        if not self._python.exists():
            return False
        probe = [str(self._python), "-c", "import pip" if PIP_INSIDE else "pass"]
        return subprocess.run(probe, check=False, stderr=subprocess.DEVNULL).returncode == 0

    def make(self) -> None:
        """Make it anew; one that these scripts did not make is left alone."""
        if self.path.exists() and not self._mark.exists():
            sys.exit(f"{self.path} was not made by these scripts; move it away and try again")
        print(f"making {self.path} with Python {sys.version.split()[0]}", file=sys.stderr)
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir()
        self._mark.write_text("unfinished")  # first, so that what is cut short is known as ours
        venv.create(self.path, symlinks=True, with_pip=PIP_INSIDE)
        self._mark.write_text(self._marked)

    def install(self, name: str, fingerprint: str, *arguments: str) -> None:
        """Let pip install the arguments, unless the fingerprint says that they are."""
        note = self.path / f"installed-{name}"
        if note.is_file() and note.read_text() == fingerprint:
            return
        note.unlink(missing_ok=True)
        print(f"installing {name} (once, until it changes)", file=sys.stderr)
        pip = [str(self._python), "-m", "pip"]
        if not PIP_INSIDE:
            pip = [sys.executable, "-m", "pip", "--python", str(self._python)]
        environment = {k: v for k, v in os.environ.items() if k not in FOREIGN}
        quiet = ("--quiet", "--quiet", "--disable-pip-version-check", "--no-input", "--no-user")
        subprocess.run([*pip, "install", *quiet, *arguments], check=True, env=environment)
        note.write_text(fingerprint)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
