"""Where coverage is measured: in this process, and in the programs that it starts."""

from __future__ import annotations

import os

MEASURED = "COVERAGE_PROCESS_CONFIG"
"""A program that has it in its environment measures itself, which takes longer than most do."""


def unmeasured() -> dict[str, str]:
    """The environment for a program that shows nothing new of what is covered."""
    return {name: value for name, value in os.environ.items() if name != MEASURED}
