"""``python -m bench.postgres.page``: makes ``docs/explanation/scale.md`` from what was measured.

The prose is ``scale.md.in`` beside it. Its figures are those of ``postgres.json``, a report of
``scripts/bench postgres --json``, whose places are those of ``bench.page``, and of ``scale.json``,
which ``bench.postgres.scale --json`` has written: ``<<scale>>`` is the table of it, and
``<<scale NAME>>`` one of its figures.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from typing import Any

from bench.harness import Spread
from bench.page import FOLDER, page
from bench.report import Report, read
from bench.table import number, spread

PLACE = re.compile(r"<<scale(?: ([^<>]+))?>>")

Scale = dict[str, Any]

SIZES = {
    "event": "the table, bytes an event",
    "event_pkey": "the index on positions, bytes an event",
    "event_stream_id_version_key": "the index on streams and versions, bytes an event",
}
WORKS = {
    "append": "append, 1,000 events at once, events/s",
    "append_one_ms": "append one event, 50th percentile, ms",
    "read": "read streams, events/s",
    "read_all": "read the whole journal, events/s",
}


def made(prose: str, report: Report, scale: Scale) -> str:
    """The page.

    Raises:
        ValueError: The prose names something that was not measured.
    """
    return page(PLACE.sub(lambda found: _filled(scale, found[1]), prose), report)


def _filled(scale: Scale, name: str | None) -> str:
    if name is None:
        return _table(scale)
    figures = scale | _sums(scale)
    if name not in figures:
        raise ValueError(f"the prose asks for {name!r}")
    found = figures[name]
    return found if isinstance(found, str) else number(float(found))


def _sums(scale: Scale) -> Scale:
    """What follows from what was measured."""
    large = sum(scale["large sizes"].values())
    each = large / scale["events"]
    index = scale["large sizes"]["event_stream_id_version_key"] / scale["events"]
    return {
        "bytes": each,
        "gigabytes": large / 1e9,
        "billion_gb": each,  # a billion times so many bytes
        "billion_index_gb": index,
    }


def _table(scale: Scale) -> str:
    sizes = (scale["small"], scale["events"])
    table = [
        f"| | {number(sizes[0])} events | {number(sizes[1])} events | ratio |",
        "|---|---|---|---|",
    ]
    for name, said in SIZES.items():
        small, large = (
            scale[f"{which} sizes"][name] / size
            for which, size in zip(("small", "large"), sizes, strict=True)
        )
        table.append(f"| {said} | {number(small)} | {number(large)} | {number(large / small)} |")
    for name, said in WORKS.items():
        small, large = scale["rounds"][name]["small"], scale["rounds"][name]["large"]
        ratio = Spread.of([b / a for a, b in zip(small, large, strict=True)])
        middle = (number(statistics.median(each)) for each in (small, large))
        table.append(f"| {said} | {' | '.join(middle)} | {spread(ratio)} |")
    return "\n".join(table)


def main() -> int:
    """Makes the page."""
    scale = json.loads((FOLDER / "scale.json").read_text(encoding="utf-8"))
    prose = (FOLDER / "scale.md.in").read_text(encoding="utf-8")
    path = FOLDER / "scale.md"
    path.write_text(made(prose, read(FOLDER / "postgres.json"), scale), encoding="utf-8")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
