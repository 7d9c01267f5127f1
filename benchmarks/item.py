"""What an item of the benchmark is: its figures, its goals, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from attrs import frozen

from benchmarks.bench import Bench, Sample
from benchmarks.proxies import CONTESTANTS


class Compare(Enum):
    """How a figure of clipal is compared with a goal."""

    RATIO = "÷ nginx"
    OVER_NGINX = "minus nginx"
    OVER_DIRECT = "minus direct"
    PLAIN = ""


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
    """A limit that clipal should keep.

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
    """One situation that is measured.

    Attributes:
        key: its name for `--items`.
        every: with 2, it is measured in every second round.
    """

    key: str
    title: str
    metrics: Sequence[Metric]
    goals: Sequence[Goal]
    run: Callable[[Bench, str], Sample]
    contestants: Sequence[str] = CONTESTANTS
    every: int = 1
