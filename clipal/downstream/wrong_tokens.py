"""Bounds the wrong tokens from each address: after twenty in a minute, the address has to wait for a minute."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from attrs import define
from twisted.internet.interfaces import IReactorTime

ALLOWED: Final = 20
"""Wrong tokens from one address within `PERIOD` seconds."""
PERIOD: Final = 60.0
ADDRESSES: Final = 1000
"""How many addresses are remembered; for a further address, the one that was quiet for longest is forgotten."""


@define(eq=False)
class _Count:
    until: float
    wrong: int = 0
    waits: bool = False


class WrongTokens:
    """Counts wrong tokens by address. An address's minute begins with its first wrong token."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def add(self, address: str) -> None:
        """Counts one wrong token."""
        now = self._clock.seconds()
        count = self._counts.get(address)
        if count is None or count.until <= now:
            count = self._counts[address] = _Count(now + PERIOD)
        self._counts.move_to_end(address)
        if len(self._counts) > ADDRESSES:
            self._counts.popitem(last=False)
        if count.waits:
            return
        count.wrong += 1
        if count.wrong >= ALLOWED:
            count.until, count.waits = now + PERIOD, True

    def wait(self, address: str) -> float:
        """Seconds for which requests without a good token from `address` have to wait; 0 for none."""
        count = self._counts.get(address)
        if count is None or not count.waits:
            return 0.0
        return max(0.0, count.until - self._clock.seconds())
