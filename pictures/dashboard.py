"""Draws a run as the dashboard shows it, with the panels that say most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot
from matplotlib.axes import Axes

from pictures.series import Lines, Scrape, quantile, rates, values

_COLOURS: Final = ("#3d6fb6", "#e0a458", "#4c9f70", "#8e6fae", "#c0392b", "#777777")


def draw(scrapes: Sequence[Scrape], path: Path) -> None:
    """Writes the picture to `path`, as SVG."""
    mpl.rcParams.update({"svg.hashsalt": "clipal", "svg.fonttype": "none"})
    times = [scrape.at for scrape in scrapes]
    figure, grid = pyplot.subplots(4, 2, figsize=(12, 10), layout="constrained")
    panels = iter(grid.flat)
    _stack(next(panels), "Requests per second, by status", times, rates(scrapes, "clipal_requests_total", "status"))
    _lines(next(panels), "Open requests", times, values(scrapes, "clipal_open_requests", "client"))
    _states(next(panels), times, values(scrapes, "clipal_provider_available", "provider"))
    _lines(next(panels), "Cooldowns, seconds left", times, values(scrapes, "clipal_provider_rest_seconds", "provider"))
    attempts = rates(scrapes, "clipal_attempts_total", "provider", "outcome")
    _stack(next(panels), "Attempts per second, by provider and outcome", times, attempts)
    failovers = rates(scrapes, "clipal_failovers_total", "provider", "reason")
    _stack(next(panels), "Failovers per second, by provider and reason", times, failovers)
    name = "clipal_time_to_first_byte_seconds"
    both = {
        (key[0], title): line
        for title, part in (("p50", 0.5), ("p99", 0.99))
        for key, line in quantile(scrapes, name, part, "provider").items()
    }
    _lines(next(panels), "Time to first byte, s", times, both)
    tokens = rates(scrapes, "clipal_tokens_total", "kind")
    _stack(
        next(panels),
        "Tokens per minute, by kind",
        times,
        {key: [60 * each for each in line] for key, line in tokens.items()},
    )
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def _lines(axes: Axes, title: str, times: Sequence[float], lines: Lines) -> None:
    shown = {key: line for key, line in lines.items() if any(line)}
    for colour, (key, line) in zip(_COLOURS, shown.items(), strict=False):
        axes.plot(times, line, label=" ".join(key), color=colour, linewidth=1.2)
    _dress(axes, title, times)


def _stack(axes: Axes, title: str, times: Sequence[float], lines: Lines) -> None:
    shown = {key: line for key, line in lines.items() if any(line)}
    if shown:
        axes.stackplot(times, *shown.values(), labels=[": ".join(key) for key in shown], colors=_COLOURS, alpha=0.8)
    _dress(axes, title, times)


def _states(axes: Axes, times: Sequence[float], lines: Lines) -> None:
    """A bar for each provider: green where it may be asked, red while it cools down."""
    for row, line in enumerate(lines.values()):
        ends = [*times[1:], times[-1]]
        for state, colour in ((1.0, "#4c9f70"), (0.0, "#c0392b")):
            spans = [(at, end - at) for at, end, value in zip(times, ends, line, strict=True) if value == state]
            axes.broken_barh(spans, (row - 0.3, 0.6), color=colour)
    axes.set_yticks(range(len(lines)), [key[0] for key in lines])
    _dress(axes, "Available providers", times)


def _dress(axes: Axes, title: str, times: Sequence[float]) -> None:
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlim(times[0], times[-1])
    axes.set_xlabel("seconds", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc="upper left")
