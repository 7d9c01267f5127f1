"""What an item of the benchmark is: its figures, its goals, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from attrs import frozen

from benchmarks.bench import Bench, Sample
from benchmarks.contestants import CLIPAL, DIRECT, FORWARDER, NGINX


class Compare(Enum):
    """How a figure is compared with a goal."""

    RATIO = "÷ nginx"
    RATIO_TO_CLIPAL = "÷ clipal"
    OVER_NGINX = "minus nginx"
    OVER_DIRECT = "minus direct"
    PLAIN = ""

    @property
    def reference(self) -> str | None:
        """With whose figure the comparison is."""
        return _REFERENCES.get(self)

    @property
    def divides(self) -> bool:
        """Whether the comparison is a ratio, and not a difference."""
        return self in {Compare.RATIO, Compare.RATIO_TO_CLIPAL}


_REFERENCES = {
    Compare.RATIO: NGINX,
    Compare.RATIO_TO_CLIPAL: CLIPAL,
    Compare.OVER_NGINX: NGINX,
    Compare.OVER_DIRECT: DIRECT,
}


@frozen
class Metric:
    """One figure of a sample.

    Attributes:
        title: with its unit.
        ratio: whether the report also shows its ratio to nginx's.
    """

    key: str
    title: str
    digits: int = 2
    ratio: bool = False


@frozen
class Goal:
    """What a contestant should reach.

    Attributes:
        limit: the most that `compare` of the metric may be, or the least where `least` is set.
        original: the least and the most that the original in Go had, if it was measured.
        contestant: whose goal it is.
    """

    metric: str
    compare: Compare
    limit: float
    original: tuple[float, float] | None = None
    contestant: str = CLIPAL
    least: bool = False

    def reached(self, value: float) -> bool:
        """Whether a figure, compared, reaches the goal."""
        return value >= self.limit if self.least else value <= self.limit


@frozen
class Item:
    """One situation that is measured.

    Attributes:
        key: its name for `--items`.
        every: with 2, it is measured in every second round.
        peers: whether peers that the command line names take part.
    """

    key: str
    title: str
    metrics: Sequence[Metric]
    goals: Sequence[Goal]
    run: Callable[[Bench, str], Sample]
    contestants: Sequence[str] = (DIRECT, NGINX, FORWARDER, CLIPAL)
    every: int = 1
    peers: bool = True
