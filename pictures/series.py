"""What a run's scrapes say over time: values, rates and quantiles, as Prometheus works them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

WINDOW = 5
"""Scrapes over which a rate is taken."""


@frozen
class Scrape:
    """The samples of one moment of the run, in seconds."""

    at: float
    samples: Sequence[Any]

    def sums(self, name: str, by: Sequence[str], **only: str) -> dict[tuple[str, ...], float]:
        """The samples of `name`, those with the same labels `by` added up."""
        found: dict[tuple[str, ...], float] = {}
        for sample in self.samples:
            if sample.name == name and only.items() <= sample.labels.items():
                key = tuple(sample.labels[label] for label in by)
                found[key] = found.get(key, 0.0) + sample.value
        return found


Lines = Mapping[tuple[str, ...], list[float]]


def values(scrapes: Sequence[Scrape], name: str, *by: str) -> Lines:
    """A gauge."""
    every = [scrape.sums(name, by) for scrape in scrapes]
    return {key: [each.get(key, 0.0) for each in every] for key in sorted({key for each in every for key in each})}


def rates(scrapes: Sequence[Scrape], name: str, *by: str, **only: str) -> Lines:
    """How fast a counter grows, per second."""
    every = [scrape.sums(name, by, **only) for scrape in scrapes]
    lines: dict[tuple[str, ...], list[float]] = {}
    for key in sorted({key for each in every for key in each}):
        line = lines[key] = []
        for number, scrape in enumerate(scrapes):
            before = max(0, number - WINDOW)
            time = scrape.at - scrapes[before].at
            line.append((every[number].get(key, 0.0) - every[before].get(key, 0.0)) / time if time else 0.0)
    return lines


def quantile(scrapes: Sequence[Scrape], name: str, part: float, label: str) -> Lines:
    """A quantile of a histogram by `label`, as `histogram_quantile` has it; NaN where nothing was observed."""
    buckets = rates(scrapes, f"{name}_bucket", label, "le")
    lines = {}
    for each in sorted({key[0] for key in buckets}):
        bounds = sorted((float(le), buckets[each, le]) for of, le in buckets if of == each)
        lines[(each,)] = [
            _within(part, [(bound, line[number]) for bound, line in bounds]) for number in range(len(scrapes))
        ]
    return lines


def _within(part: float, buckets: Sequence[tuple[float, float]]) -> float:
    wanted = part * buckets[-1][1]
    if not wanted:
        return float("nan")
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return low
