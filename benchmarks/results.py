"""The samples of all rounds, and their medians.

Contestants are compared within a round, in which they ran one after the other and the machine was in much the same
state. The report shows the median of these comparisons, with the least and the most.
"""

from __future__ import annotations

import statistics
from typing import TypeAlias

from attrs import define, field, frozen

from benchmarks.bench import Sample
from benchmarks.contestants import CONTESTANTS
from benchmarks.item import Goal, Item

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

    def measured(self, item: Item) -> list[str]:
        """Who has a sample, in the order of the contestants, peers behind them."""
        names = [name for key, name in self._samples if key == item.key]
        return sorted(names, key=lambda name: CONTESTANTS.index(name) if name in CONTESTANTS else len(CONTESTANTS))

    def peers(self) -> list[str]:
        """Who was measured beside the contestants that are built in."""
        return list(dict.fromkeys(name for _, name in self._samples if name not in CONTESTANTS))

    def figure(self, item: Item, name: str, metric: str) -> Figure | None:
        """A metric of one contestant, over all rounds."""
        return _figure([sample[metric] for sample in self._rounds(item, name).values()])

    def compared(self, item: Item, goal: Goal, name: str | None = None) -> Figure | None:
        """A contestant's figure, compared as `goal` says; None if a sample is missing.

        Parameters:
            name: if it is not the one whose goal it is.
        """
        ours, reference = name or goal.contestant, goal.compare.reference
        if reference is None:
            return self.figure(item, ours, goal.metric)
        others = self._rounds(item, reference)
        values = []
        for number, sample in self._rounds(item, ours).items():
            if number not in others:
                continue
            value, other = sample[goal.metric], others[number][goal.metric]
            if not goal.compare.divides:
                values.append(value - other)
            elif other:
                values.append(value / other)
        return _figure(values)

    def _rounds(self, item: Item, name: str) -> Rounds:
        return self._samples.get((item.key, name), {})


def _figure(values: list[float]) -> Figure | None:
    if not values:
        return None
    return Figure(statistics.median(values), min(values), max(values))
