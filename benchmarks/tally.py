"""What the connections of one run have seen, and whether one of them got an unexpected answer."""

from __future__ import annotations

import asyncio
from typing import Final

LIMIT: Final = 20.0
"""Seconds that all connections have for their first answers, and that a probe has for each answer."""


class Broken(Exception):
    """A run that got an unexpected answer: its figures would be those of errors."""


class Tally:
    """What the connections of one run have seen.

    Attributes:
        units: requests answered, or events.
        times: what each took, in microseconds.
        first_bytes: the microseconds from the end of a request to the first byte of its answer, where that is noted.
    """

    def __init__(self, connections: int) -> None:
        self._waiting = connections
        self._ready = asyncio.get_running_loop().create_future()
        self._broken = asyncio.get_running_loop().create_future()
        self.clear()

    def clear(self) -> None:
        """Begins anew."""
        self.units = 0
        self.times: list[int] = []
        self.first_bytes: list[int] = []

    def first(self) -> None:
        """Called by each connection when its first answer begins."""
        self._waiting -= 1
        if self._waiting == 0 and not self._ready.done():
            self._ready.set_result(None)

    def broke(self, problem: str) -> None:
        """Ends the run."""
        if not self._broken.done():
            self._broken.set_result(problem)

    async def ready(self) -> None:
        """Waits until every connection has its first answer."""
        await asyncio.wait([self._ready, self._broken], timeout=LIMIT, return_when=asyncio.FIRST_COMPLETED)
        self._check()
        if not self._ready.done():
            raise Broken(f"{self._waiting} connections got no answer")

    async def hold(self, seconds: float) -> None:
        """Waits for so long; raises Broken if a connection gets an unexpected answer."""
        await asyncio.wait([self._broken], timeout=seconds)
        self._check()

    def _check(self) -> None:
        if self._broken.done():
            raise Broken(self._broken.result())
