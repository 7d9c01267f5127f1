"""The plot: a panel for each item, with a bar for each contestant, the goal, and the original in Go's range.

A panel shows the figure of the item's first goal. Where clipal stands alone, it shows a bar for each goal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.contestants import CLIPAL, DIRECT, FORWARDER, LOOP, NGINX, POOL, TWISTD, WORKERS
from benchmarks.item import Item
from benchmarks.report import goal_title
from benchmarks.results import Figure, Results

_COLUMNS: Final = 4
_COLOURS: Final = {
    DIRECT: "#bbbbbb",
    NGINX: "#4c9f70",
    LOOP: "#ecd29c",
    FORWARDER: "#e0a458",
    CLIPAL: "#3d6fb6",
    TWISTD: "#8fb3e0",
    WORKERS: "#8fb3e0",
    POOL: "#5aa9a3",
}
_PEER: Final = "#a05d7c"


def draw(results: Results, items: Sequence[Item], path: Path) -> None:
    """Writes the plot to `path`, as SVG."""
    rows = math.ceil(len(items) / _COLUMNS)
    mpl.rc("svg", fonttype="none", hashsalt="clipal")  # text stays text, which keeps the file small
    mpl.rc("font", size=7)
    figure, grid = pyplot.subplots(rows, _COLUMNS, figsize=(13, 1.5 * rows), squeeze=False, layout="constrained")
    for axes, item in zip(grid.flat, items, strict=False):
        _draw_item(axes, results, item)
    for axes in list(grid.flat)[len(items) :]:
        axes.set_axis_off()
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def _draw_item(axes: Axes, results: Results, item: Item) -> None:
    goal = item.goals[0]
    bars = _bars(results, item)
    others = _COLOURS[CLIPAL] if len(item.contestants) == 1 else _PEER
    colours = [_COLOURS.get(name, others) for name in bars]
    figures = list(bars.values())
    spread = [[each.median - each.least for each in figures], [each.most - each.median for each in figures]]
    medians = [each.median for each in figures]
    axes.barh(list(bars), medians, xerr=spread, color=colours, error_kw={"elinewidth": 0.8})
    axes.axvline(goal.limit, color="#c0392b", linestyle="--", linewidth=1)
    if goal.original is not None:
        axes.axvspan(*goal.original, color="#8e6fae", alpha=0.4, linewidth=1.5)
    axes.invert_yaxis()
    axes.set_title(f"{item.key}: {goal_title(item, goal) if len(bars) > 1 else item.title}", fontsize=7)
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(length=0)  # a mark for each would be half of the file
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _bars(results: Results, item: Item) -> dict[str, Figure]:
    """The bars of one panel; those that a figure is compared with are its zero or its one."""
    goal = item.goals[0]
    if len(item.contestants) == 1:
        figures = {each.metric: results.compared(item, each) for each in item.goals}
    else:
        names = [name for name in results.measured(item) if not (name == DIRECT and goal.compare.divides)]
        figures = {name: results.compared(item, goal, name) for name in names}
    return {name: figure for name, figure in figures.items() if figure is not None}
