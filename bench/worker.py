"""A process beside this one that measures when it is told to; ``bench.peers.protocol`` is its side.

It is started once and works through its standard input and output, a JSON object a line. While it
is not told to do anything it waits for a line, and takes no time from whoever is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from bench.harness import LeftOut

ROOT = Path(__file__).parents[1]
ANSWER_S = 120.0
"""Nothing that a worker is asked for takes nearly as long."""


class Worker:
    """A measuring process; used as ``async with``."""

    def __init__(self, python: Path, module: str, arguments: Sequence[str] = ()) -> None:
        self._command = (str(python), "-m", module, *arguments)
        self._module = module
        self.about = ""
        """What it says it is: a name and versions."""

    async def __aenter__(self) -> Self:
        """Starts it, and waits until it is ready.

        Raises:
            LeftOut: It cannot be started.
        """
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": path}
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
            )
        except OSError as error:
            raise LeftOut(f"{self._command[0]} does not start: {error.strerror}") from error
        try:
            self.about = str((await self._answer())["ready"])
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            print(f"{self._module} did not end by itself and was killed", file=sys.stderr)

    async def measure(self, work: str, count: int) -> float:
        """Lets it do so much of some work; returns what it measured.

        Raises:
            LeftOut: It failed, or does not answer.
        """
        assert self._process.stdin is not None
        request = json.dumps({"work": work, "count": count})
        try:
            self._process.stdin.write(f"{request}\n".encode())
            await self._process.stdin.drain()
        except ConnectionError as error:
            raise LeftOut(f"{self._module} has ended") from error
        return float((await self._answer())["figure"])

    async def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_S)
        except TimeoutError:
            raise LeftOut(f"{self._module} gave no answer in {ANSWER_S:.0f} s") from None
        if not line:
            raise LeftOut(f"{self._module} has ended; what it said is above")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LeftOut(f"{self._module}: {answer['error']}")
        return answer
