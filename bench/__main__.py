"""``python -m bench [SUBJECT …]``: measures, prints a table, and keeps all rounds if asked."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from bench import (
    ask,
    chain,
    durable,
    growth,
    journal,
    latency,
    machine,
    memory,
    overload,
    population,
    postgres,
    replay,
    spawn,
    start,
    table,
    team,
    tell,
)
from bench.harness import Line, Options, Subject, measure
from bench.report import Report

SUBJECTS: dict[str, Subject] = {
    "tell": tell.subject,
    "ask": ask.subject,
    "spawn": spawn.subject,
    "memory": memory.subject,
    "durable": durable.subject,
    "latency": latency.subject,
    "journal": journal.subject,
    "chain": chain.subject,
    "replay": replay.subject,
    "postgres": postgres.subject,
    "population": population.subject,
    "growth": growth.subject,
    "start": start.subject,
    "overload": overload.subject,
}

BY_NAME_ALONE = {"postgres"}
"""Those that are measured where they are named: they have a page of their own."""

GROWTH, GROWTH_QUICK = 10_000_000, 2_000_000


def main(arguments: list[str]) -> int:
    """Runs what was asked for; returns the exit code."""
    chosen = _parse(arguments)
    if chosen.uvloop and not machine.has_uvloop():
        print("uvloop is not installed; leave --uvloop out, or install it", file=sys.stderr)
        return 2
    began = time.monotonic()
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=chosen.dir) as folder:
        options = Options(
            folder=Path(folder),
            peers=team.found(None if chosen.no_peers else chosen.peers, notes),
            rounds=chosen.rounds,
            quick=chosen.quick,
            beside_uvloop=machine.has_uvloop() and not chosen.uvloop,
            growth=chosen.growth,
            postgres=chosen.postgres,
            notes=notes,
        )
        settings = _settings(options, "uvloop" if chosen.uvloop else "asyncio")
        for name, value in settings.items():
            print(f"{name:12}  {value}")
        if settings["file system"] in machine.IN_MEMORY:
            notes.append(
                f"{chosen.dir} is in memory, where syncing is free: what is durable looks faster"
                " than it is; name a folder on a disk with --dir"
            )
        print(f"\n{table.header()}", flush=True)
        subjects = chosen.subjects or [name for name in SUBJECTS if name not in BY_NAME_ALONE]
        lines, took = _run(subjects, options, uvloop=chosen.uvloop)
    settings |= {"load after": machine.load(), "seconds": f"{time.monotonic() - began:.0f}"}
    settings["of them"] = ", ".join(f"{name} {seconds:.0f}" for name, seconds in took.items())
    print(f"\n{table.LEGEND}\n\n{table.summary(lines)}")
    for note in notes:
        print(f"note: {note}")
    print(f"\nload after {settings['load after']}, {settings['seconds']} s: {settings['of them']}")
    if chosen.json is not None:
        Report(settings=settings, lines=lines, notes=notes).write(chosen.json)
    return 0


def _settings(options: Options, loop: str) -> dict[str, str]:
    settings = machine.describe(options.folder, loop=loop, synchronous="FULL")
    peers = dict(options.peers.installed)
    if peers:
        python = peers.pop("python")
        listed = ", ".join(f"{name} {version}" for name, version in peers.items())
        settings["peers"] = f"{listed}, on {python}"
    settings["rounds"] = f"{options.rounds}{', quick: not for quoting' if options.quick else ''}"
    return settings


def _run(
    subjects: list[str], options: Options, *, uvloop: bool
) -> tuple[list[Line], dict[str, float]]:
    """The lines of the subjects, and how many seconds each subject took."""
    lines: list[Line] = []
    took: dict[str, float] = {}

    async def run() -> None:
        for name in subjects:
            folder = options.folder / name
            folder.mkdir()
            told, since = len(options.notes), time.monotonic()
            async with aclosing(SUBJECTS[name](replace(options, folder=folder))) as cases:
                async for case in cases:
                    lines.append(await measure(case, options, name))
                    print(table.rows(lines[-1]), flush=True)
            took[name] = time.monotonic() - since
            for note in options.notes[told:]:
                print(f"note: {note}", file=sys.stderr)

    if uvloop:
        import uvloop as faster  # noqa: PLC0415 - an extra

        with asyncio.Runner(loop_factory=faster.new_event_loop) as runner:
            runner.run(run())
    else:
        asyncio.run(run())
    return lines, took


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measures Daicho beside the raw limit of the same work and beside other"
        " packages, in turns.",
    )
    parser.add_argument(
        "subjects",
        nargs="*",
        metavar="SUBJECT",
        help=f"{', '.join(SUBJECTS)}; all but {', '.join(BY_NAME_ALONE)} if none is named",
    )
    parser.add_argument("--rounds", type=int, help="rounds that count; 5, with --quick 2")
    parser.add_argument(
        "--quick", action="store_true", help="a part of the work: shows that all of it runs"
    )
    parser.add_argument(
        "--uvloop", action="store_true", help="all on uvloop; otherwise some lines have it beside"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keeps every round, and settings")
    parser.add_argument(
        "--dir", type=Path, default=Path(), help="where files are made; the current folder"
    )
    parser.add_argument(
        "--growth", type=_events, metavar="EVENTS", help="of the long history: 10M, with --quick 2M"
    )
    parser.add_argument(
        "--postgres", metavar="URL", help="of a server to measure on; one of its own"
    )
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="that of their environment")
    parser.add_argument("--no-peers", action="store_true", help="leaves the other packages out")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.subjects) - SUBJECTS.keys():
        parser.error(f"no subject {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    if chosen.rounds is None:
        chosen.rounds = 2 if chosen.quick else 5
    if chosen.growth is None:
        chosen.growth = GROWTH_QUICK if chosen.quick else GROWTH
    if chosen.rounds < 1:
        parser.error("at least one round counts")
    if not chosen.dir.is_dir():
        parser.error(f"there is no folder {chosen.dir}")
    return chosen


def _events(text: str) -> int:
    """A number of events, as 500k or 10M."""
    size = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    return int(text if size == 1 else text[:-1]) * size


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
