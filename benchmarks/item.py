"""What an item of the benchmark is: its figures, its goals, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from attrs import frozen

from benchmarks.bench import Bench, Sample
from benchmarks.proxies import CONTESTANTS


class Compare(Enum):
    """How a figure of clipal is put beside a goal."""

    RATIO = "÷ nginx"
    OVER_NGINX = "minus nginx"
    OVER_DIRECT = "minus direct"
    PLAIN = ""


@frozen
class Metric:
    """One figure of a sample.

    Attributes:
        title: with its unit.
        ratio: whether its ratio to nginx says more than itself.
    """

    key: str
    title: str
    digits: int = 2
    ratio: bool = False


@frozen
class Goal:
    """What clipal is to reach.

    Attributes:
        limit: the most that `compare` of the metric may be.
        original: the least and the most that the original in Go had, if it was measured.
    """

    metric: str
    compare: Compare
    limit: float
    original: tuple[float, float] | None = None


@frozen
class Item:
    """One thing that is measured.

    Attributes:
        key: what `--items` calls it.
        every: it is measured in each so many-th round.
    """

    key: str
    title: str
    metrics: Sequence[Metric]
    goals: Sequence[Goal]
    run: Callable[[Bench, str], Sample]
    contestants: Sequence[str] = CONTESTANTS
    every: int = 1
