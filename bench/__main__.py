"""``python -m bench [SUBJECT …]``: measures, prints a table, and writes it as JSON if asked."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench import ask, durable, entity, journal, machine, memory, replay, spawn, tell
from bench.harness import Options, Result, Subject, header, measure, row

SUBJECTS: dict[str, Subject] = {
    "tell": tell.subject,
    "ask": ask.subject,
    "spawn": spawn.subject,
    "memory": memory.subject,
    "durable": durable.subject,
    "entity": entity.subject,
    "journal": journal.subject,
    "replay": replay.subject,
}

LEGEND = """\
Each cell: median (least…most) of the rounds. A line that is indented is another package's.
daicho / limit is taken round by round; 1 is the limit itself, v marks where less is better."""


def main(arguments: list[str]) -> int:
    """Runs what was asked for; returns the exit code."""
    chosen = _parse(arguments)
    if chosen.uvloop and not machine.has_uvloop():
        print("uvloop is not installed; leave --uvloop out, or install it", file=sys.stderr)
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=chosen.dir) as folder:
        options = Options(folder=Path(folder), rounds=chosen.rounds, quick=chosen.quick)
        loop = "uvloop" if chosen.uvloop else "asyncio"
        settings = machine.describe(options.folder, loop=loop, synchronous="FULL")
        settings["rounds"] = (
            f"{options.rounds}{', quick: not for quoting' if options.quick else ''}"
        )
        for name, value in settings.items():
            print(f"{name:12}  {value}")
        if settings["file system"] in machine.IN_MEMORY:
            print(
                f"warning: {chosen.dir} is in memory, where syncing is free: what is durable looks"
                " faster than it is; name a folder on a disk with --dir",
                file=sys.stderr,
            )
        print(f"\n{header()}", flush=True)
        results = _run(chosen.subjects or list(SUBJECTS), options, loop)
    settings |= {"load after": machine.load(), "seconds": f"{time.monotonic() - began:.0f}"}
    print(f"\n{LEGEND}\nload after {settings['load after']}, {settings['seconds']} s")
    if chosen.json is not None:
        report = {"settings": settings, "results": [result.as_json() for result in results]}
        chosen.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def _run(subjects: list[str], options: Options, loop: str) -> list[Result]:
    results: list[Result] = []

    async def run() -> None:
        for name in subjects:
            folder = options.folder / name
            folder.mkdir()
            async with SUBJECTS[name](replace(options, folder=folder)) as cases:
                for case in cases:
                    for result in await measure(case, options):
                        results.append(result)
                        print(row(result), flush=True)

    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - an extra

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    else:
        asyncio.run(run())
    return results


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measures Daicho beside the raw limit of the same work, in turns.",
    )
    parser.add_argument(
        "subjects",
        nargs="*",
        metavar="SUBJECT",
        help=f"{', '.join(SUBJECTS)}; all if none is named",
    )
    parser.add_argument("--rounds", type=int, help="rounds that count; 5, with --quick 2")
    parser.add_argument(
        "--quick", action="store_true", help="a part of the work: shows that all of it runs"
    )
    parser.add_argument("--uvloop", action="store_true", help="on uvloop instead of asyncio")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes settings and results")
    parser.add_argument(
        "--dir", type=Path, default=Path(), help="where files are made; the current folder"
    )
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.subjects) - SUBJECTS.keys():
        parser.error(f"no subject {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    if chosen.rounds is None:
        chosen.rounds = 2 if chosen.quick else 5
    if chosen.rounds < 1:
        parser.error("at least one round counts")
    if not chosen.dir.is_dir():
        parser.error(f"there is no folder {chosen.dir}")
    return chosen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
