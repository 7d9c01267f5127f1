"""The samples of all rounds, and their medians.

Contestants are compared within a round, in which they ran one after the other and the machine was in much the same
state. The report shows the median of these comparisons, with the least and the most.
"""

from __future__ import annotations

import statistics
from typing import TypeAlias

from attrs import define, field, frozen

from benchmarks.bench import Sample
from benchmarks.item import Compare, Goal, Item
from benchmarks.proxies import CLIPAL, DIRECT, NGINX

Rounds: TypeAlias = dict[int, Sample]


@frozen
class Figure:
    """The median of some values, the least, and the most."""

    median: float
    least: float
    most: float


@define
class Results:
    """All samples.

    Attributes:
        rounds: how many rounds were run.
        problems: a line for each sample that could not be taken.
    """

    rounds: int = 0
    problems: list[str] = field(factory=list)
    _samples: dict[tuple[str, str], Rounds] = field(factory=dict)

    def add(self, item: Item, name: str, number: int, sample: Sample) -> None:
        """Notes a contestant's sample of round `number`."""
        self._samples.setdefault((item.key, name), {})[number] = sample

    def measured(self, item: Item, name: str) -> bool:
        """Whether there is a sample."""
        return (item.key, name) in self._samples

    def figure(self, item: Item, name: str, metric: str) -> Figure | None:
        """A metric of one contestant, over all rounds."""
        return _figure([sample[metric] for sample in self._rounds(item, name).values()])

    def compared(self, item: Item, goal: Goal, name: str = CLIPAL) -> Figure | None:
        """A contestant's figure, compared as `goal` says; None if a sample is missing."""
        if goal.compare is Compare.PLAIN:
            return self.figure(item, name, goal.metric)
        other = self._rounds(item, DIRECT if goal.compare is Compare.OVER_DIRECT else NGINX)
        values = []
        for number, sample in self._rounds(item, name).items():
            if number not in other:
                continue
            ours, theirs = sample[goal.metric], other[number][goal.metric]
            if goal.compare is not Compare.RATIO:
                values.append(ours - theirs)
            elif theirs:
                values.append(ours / theirs)
        return _figure(values)

    def _rounds(self, item: Item, name: str) -> Rounds:
        return self._samples.get((item.key, name), {})


def _figure(values: list[float]) -> Figure | None:
    if not values:
        return None
    return Figure(statistics.median(values), min(values), max(values))
