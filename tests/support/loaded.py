"""What a program has imported."""

from __future__ import annotations

import subprocess
import sys

from tests.support.coverage import unmeasured


def loaded_after(program: str) -> set[str]:
    """The modules that are loaded when a program is done, in a process of its own.

    Coverage is not measured there: what measures it imports much itself.
    """
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print(); print(*sys.modules)"],
        env=unmeasured(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())
