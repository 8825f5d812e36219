"""A measuring process's side of ``bench.worker``. It knows the standard library alone.

It says that it is ready, and then answers each line with a line:

    < {"ready": "pykka 4.5.0"}
    > {"work": "tell", "count": 40000}
    < {"figure": 212345.6}

The end of its input ends it. What goes wrong is the answer too, and its traceback goes to standard
error; there goes also whatever else is printed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TextIO

Work = Callable[[int], float]


def serve(package: str, works: Mapping[str, Work]) -> None:
    """Does the works that it is told to, until its input ends."""
    answers = opened()
    answer(answers, {"ready": f"{package} {version(package)}"})
    for request in requests():
        answer(answers, done(works, request))


def opened() -> TextIO:
    """What was the standard output; from here on that is where errors go."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def requests() -> Iterator[dict[str, object]]:
    """What it is told, line by line."""
    for line in sys.stdin:
        yield json.loads(line)


def answer(answers: TextIO, what: Mapping[str, object]) -> None:
    """Answers a line."""
    answers.write(f"{json.dumps(what)}\n")
    answers.flush()


def done(works: Mapping[str, Work], request: Mapping[str, object]) -> dict[str, object]:
    """What came of a request."""
    try:
        return {"figure": works[str(request["work"])](int(str(request["count"])))}
    except Exception as error:  # noqa: BLE001 - who asked gets it
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


def rate(count: int, work: Callable[[], object]) -> float:
    """How often a second, if the work does it so often."""
    since = time.perf_counter()
    work()
    return count / (time.perf_counter() - since)


def resident() -> int:
    """The resident memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def packages(names: Sequence[str]) -> dict[str, str]:
    """Which Python this is, and the versions of those packages that are installed."""
    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    print(json.dumps(packages(sys.argv[1:])))
