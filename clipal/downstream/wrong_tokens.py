"""Bounds the wrong tokens from each address: after twenty in a minute, the address has to wait for a minute."""

from __future__ import annotations

from collections import OrderedDict, deque
from math import inf
from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

ALLOWED: Final = 20
"""Wrong tokens from one address within `PERIOD` seconds."""
PERIOD: Final = 60.0
ADDRESSES: Final = 1000
"""How many addresses are remembered; for a further address, the one that was quiet for longest is forgotten."""


@define(eq=False)
class _Count:
    """The wrong tokens from one address.

    Attributes:
        times: when the last of them came, at most `ALLOWED`.
        until: how long the address has to wait; the past where it need not.
    """

    times: deque[float] = field(factory=lambda: deque(maxlen=ALLOWED))
    until: float = -inf


class WrongTokens:
    """Counts wrong tokens by address, in the minute that ends with each of them."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def add(self, address: str) -> None:
        """Counts one wrong token."""
        now = self._clock.seconds()
        count = self._counts.setdefault(address, _Count())
        self._counts.move_to_end(address)
        if len(self._counts) > ADDRESSES:
            self._counts.popitem(last=False)
        if now < count.until:
            return
        count.times.append(now)
        if len(count.times) == ALLOWED and now - count.times[0] < PERIOD:
            count.until = now + PERIOD
            count.times.clear()

    def wait(self, address: str) -> float:
        """Seconds for which requests without a good token from `address` have to wait; 0 for none."""
        count = self._counts.get(address)
        return 0.0 if count is None else max(0.0, count.until - self._clock.seconds())
