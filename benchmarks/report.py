"""The report: Markdown, first clipal against its goals, then a table for each item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.contestants import CLIPAL, DIRECT
from benchmarks.item import Compare, Goal, Item, Metric
from benchmarks.results import Figure, Results

_NOTHING: Final = "-"


def markdown(results: Results, items: Sequence[Item], machine: str, setting: str, plot: str | None = None) -> str:
    """The whole report.

    Parameters:
        machine: its description.
        setting: what was run, and how long.
        plot: the address of a picture, as seen from the report.
    """
    parts = [f"# The report of `make bench`\n\n{machine}\n\n{setting} [How to read it](../benchmarks/README.md)."]
    if plot is not None:
        parts.append(f"![Each item against its references]({plot})")
    parts.append("## clipal against its goals\n\n" + _table(_goals(results, items)))
    for item in items:
        parts.append(f"## {item.key}) {item.title}\n\n{_table(_figures(results, item))}")
    if results.problems:
        parts.append("## Not measured\n\n" + "\n".join(f"- {problem}" for problem in results.problems))
    return "\n\n".join(parts) + "\n"


def goal_title(item: Item, goal: Goal) -> str:
    """What a goal is about: whose it is, the metric, and what that is compared with."""
    metric = next(each for each in item.metrics if each.key == goal.metric)
    whose = "" if goal.contestant == CLIPAL else f"{goal.contestant}: "
    return f"{whose}{metric.title} {goal.compare.value}".strip()


def _goals(results: Results, items: Sequence[Item]) -> Iterator[Sequence[str]]:
    peers = results.peers()
    yield ("item", "figure", "median (least to most)", "goal", "reached", *peers, "the original in Go")
    for item in items:
        for goal in item.goals:
            figure = results.compared(item, goal)
            reached = _NOTHING if figure is None else "yes" if goal.reached(figure.median) else "**no**"
            limit = f"{'≥' if goal.least else '≤'} {goal.limit:g}"
            compared = [results.compared(item, goal, peer) if goal.contestant == CLIPAL else None for peer in peers]
            yield (
                item.key,
                goal_title(item, goal),
                _spread(figure),
                limit,
                reached,
                *map(_spread, compared),
                _original(goal),
            )


def _original(goal: Goal) -> str:
    if goal.original is None:
        return _NOTHING
    least, most = goal.original
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def _figures(results: Results, item: Item) -> Iterator[Sequence[str]]:
    yield ("", *(metric.title for metric in item.metrics))
    for name in results.measured(item):
        yield (name, *(_cell(results, item, name, metric) for metric in item.metrics))


def _cell(results: Results, item: Item, name: str, metric: Metric) -> str:
    """A median, and after it the ratio to nginx's where the metric has one."""
    if metric.ratio and name == DIRECT:
        return _NOTHING
    figure = results.figure(item, name, metric.key)
    text = _NOTHING if figure is None else f"{figure.median:.{metric.digits}f}"
    ratio = results.compared(item, Goal(metric.key, Compare.RATIO, 0), name) if metric.ratio else None
    return text if ratio is None else f"{text} ({ratio.median:.2f} x)"


def _spread(figure: Figure | None) -> str:
    if figure is None:
        return _NOTHING
    return f"{figure.median:.2f} ({figure.least:.2f} to {figure.most:.2f})"


def _table(rows: Iterator[Sequence[str]]) -> str:
    """A table of Markdown; the first row is its head."""
    head = next(rows)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
