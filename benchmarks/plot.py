"""The plot: a small picture for each goal, with a bar for each contestant, the goal, and the original in Go's range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.item import Compare, Goal, Item
from benchmarks.proxies import CLIPAL, CONTESTANTS, DIRECT, FORWARDER, NGINX
from benchmarks.report import goal_title
from benchmarks.results import Figure, Results

_COLUMNS: Final = 3
_COLOURS: Final = {DIRECT: "#bbbbbb", NGINX: "#4c9f70", FORWARDER: "#e0a458", CLIPAL: "#3d6fb6"}


def draw(results: Results, items: Sequence[Item], path: Path) -> None:
    """Writes the plot to `path`, as SVG."""
    goals = [(item, goal) for item in items for goal in item.goals]
    rows = math.ceil(len(goals) / _COLUMNS)
    figure, grid = pyplot.subplots(rows, _COLUMNS, figsize=(12, 1.7 * rows), squeeze=False, layout="constrained")
    for axes, (item, goal) in zip(grid.flat, goals, strict=False):
        _draw_goal(axes, results, item, goal)
    for axes in list(grid.flat)[len(goals) :]:
        axes.set_axis_off()
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def _draw_goal(axes: Axes, results: Results, item: Item, goal: Goal) -> None:
    bars = _bars(results, item, goal)
    names, figures = list(bars), list(bars.values())
    least = [each.median - each.least for each in figures]
    most = [each.most - each.median for each in figures]
    axes.barh(
        names,
        [each.median for each in figures],
        xerr=[least, most],
        color=[_COLOURS[name] for name in names],
        error_kw={"elinewidth": 0.8, "capsize": 2},
    )
    axes.axvline(goal.limit, color="#c0392b", linestyle="--", linewidth=1)
    if goal.original is not None:
        axes.axvspan(*goal.original, color="#8e6fae", alpha=0.25, linewidth=0)
    axes.invert_yaxis()
    axes.set_title(f"{item.key}) {goal_title(item, goal)}", fontsize=8)
    axes.tick_params(labelsize=7)


def _bars(results: Results, item: Item, goal: Goal) -> dict[str, Figure]:
    """The contestants of one picture; those that a figure is compared with are its zero or its one."""
    bars = {}
    for name in CONTESTANTS:
        figure = results.compared(item, goal, name)
        if figure is not None and not (name == DIRECT and goal.compare is Compare.RATIO):
            bars[name] = figure
    return bars
