"""``python -m bench.plots [FOLDER]``: draws the plots of ``docs/explanation/performance.json``.

It runs in an environment of its own, in which matplotlib is; ``scripts/performance`` calls it.
Letters become outlines, so no picture depends on the fonts of whoever looks at it, and the ground
is white, so it can be read on any page. The same report gives the same bytes.
"""

# What it imports is in an environment of its own.
# pyright: reportMissingImports=false

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter

from bench.drawing import DAICHO, LIMIT, Mark, Plot, Row, plots
from bench.page import FOLDER
from bench.report import read
from bench.table import number

INK, FAINT, GOAL = "#1f2328", "#d0d7de", "#cf222e"
FIXED = {DAICHO: ("#0969da", "o"), LIMIT: ("#57606a", "D")}
OTHERS = (("#bc4c00", "s"), ("#1a7f37", "^"), ("#8250df", "v"), ("#9a6700", "P"), ("#bf3989", "X"))

WIDTH, ROW, FRAME = 7.2, 0.36, 1.5
"""In inches."""

STYLE = {
    "svg.hashsalt": "daicho",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": FAINT,
}


def draw(plot: Plot, path: Path) -> None:
    """Draws a plot as SVG."""
    with mpl.rc_context(STYLE):
        height = FRAME + ROW * len(plot.rows)
        figure, axes = plt.subplots(figsize=(WIDTH, height), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
        figure.set_facecolor("white")
        looks = _looks(plot)
        for place, row in enumerate(plot.rows):
            _draw_row(axes, place, row, looks)
        _draw_axes(axes, plot)
        handles = list(dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True)).items())
        figure.legend(
            [handle for _, handle in handles],
            [label for label, _ in handles],
            loc="outside lower center",
            ncols=min(4, len(handles)),
            frameon=False,
            fontsize=9,
        )
        figure.suptitle(plot.title, fontsize=12, fontweight="bold")
        figure.savefig(path, format="svg", metadata={"Date": None, "Description": plot.digest})
        plt.close(figure)


def _looks(plot: Plot) -> dict[str, tuple[str, str]]:
    """A colour and a shape for each series, the same in all rows."""
    names = dict.fromkeys(mark.series for row in plot.rows for mark in row.marks)
    free = iter(OTHERS)
    return {name: FIXED[name] if name in FIXED else next(free) for name in names}


def _draw_row(axes: Any, place: int, row: Row, looks: dict[str, tuple[str, str]]) -> None:  # noqa: ANN401 - matplotlib is not there for a type checker
    for mark in row.marks:
        _draw_mark(axes, place, mark, looks[mark.series])
    if row.goal is not None:
        axes.plot(
            [row.goal, row.goal],
            [place - 0.38, place + 0.38],
            color=GOAL,
            linewidth=2,
            label="goal",
            zorder=2,
        )


def _draw_mark(axes: Any, place: int, mark: Mark, look: tuple[str, str]) -> None:  # noqa: ANN401 - likewise
    colour, shape = look
    axes.plot(
        [mark.least, mark.most], [place, place], color=colour, linewidth=3, alpha=0.35, zorder=3
    )
    axes.plot(mark.median, place, shape, color=colour, markersize=6, label=mark.series, zorder=4)


def _draw_axes(axes: Any, plot: Plot) -> None:  # noqa: ANN401 - likewise
    axes.set_yticks(range(len(plot.rows)), [row.label for row in plot.rows], fontsize=8.5)
    axes.set_ylim(len(plot.rows) - 0.4, -0.6)
    axes.set_xlabel(plot.axis, fontsize=9)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    if plot.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    else:
        axes.set_xlim(left=0)
        axes.axvline(1, color=INK, linewidth=1)


def main(arguments: list[str]) -> int:
    """Draws all plots of the report in a folder; takes away what is not drawn any more."""
    folder = Path(arguments[0]) if arguments else FOLDER
    drawn = plots(read(folder / "performance.json"))
    target = folder / "plots"
    target.mkdir(exist_ok=True)
    for old in target.glob("*.svg"):
        old.unlink()
    for plot in drawn:
        draw(plot, target / f"{plot.name}.svg")
        print(target / f"{plot.name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
